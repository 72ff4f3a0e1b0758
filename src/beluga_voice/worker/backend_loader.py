"""Loads the backend of a worker, off the event loop where that takes long."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from beluga_voice.config import Config
from beluga_voice.errors import BackendError

if TYPE_CHECKING:
    from beluga_voice.backends.base import Backend

__all__ = ["BackendLoader"]

log = logging.getLogger("beluga_voice.worker")


class BackendLoader:
    """One backend, imported and started when it is first asked for.

    Args:
        config: of the backend.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._backend: Backend | None = None
        self._loading: asyncio.Task[Backend] | None = None

    async def backend(self) -> Backend:
        """The backend, started; all who ask meanwhile wait for the same.

        Raises:
            BackendError: if it cannot be started; the next call tries again.
        """
        if self._loading is None:
            self._loading = asyncio.create_task(self._load(), name="worker:load-models")
        try:
            return await asyncio.shield(self._loading)
        except BackendError:
            self._loading = None
            raise

    async def close(self) -> None:
        """Stops it, or gives up loading it."""
        if self._loading is not None and not self._loading.done():
            self._loading.cancel()
            await asyncio.wait([self._loading], timeout=2.0)
        if self._backend is not None:
            await self._backend.stop()

    async def _load(self) -> Backend:
        # Imports take a second: off the loop, which meanwhile registers the worker and answers the server.
        loop = asyncio.get_running_loop()
        began = loop.time()
        make = await loop.run_in_executor(None, _import_backend, self._config)
        self._backend = make(self._config.provider, self._config)
        await self._backend.start()
        await loop.run_in_executor(None, _import_livekit)
        log.info("models loaded in %.2f s", loop.time() - began)
        return self._backend


def _import_backend(config: Config) -> Callable[[str, Config], Backend]:
    """Imports everything the configuration names; a name that is wrong is told when the backend is made."""
    from beluga_voice.backends import new_backend
    from beluga_voice.registry import registry_for

    with contextlib.suppress(BackendError):
        registry_for("backend").factory(config.provider)
        for kind, name in (
            ("vad", config.vad_provider or "silero"),
            ("stt", config.stt_provider),
            ("tts", config.tts_provider),
            ("llm", config.llm_provider),
            ("s2s", config.s2s_provider),
            ("turn", config.turn_detection_provider),
            ("noise", config.noise_cancellation_provider),
        ):
            if name:
                registry_for(kind).factory(name)
    return new_backend


def _import_livekit() -> None:
    """What the first job and its first call of the server's APIs would have to wait for."""
    from beluga_voice.livekit import client
    from beluga_voice.registry import registry_for

    registry_for("transport").factory("livekit")
    assert client
