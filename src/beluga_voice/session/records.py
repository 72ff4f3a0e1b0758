"""Keeps the store's picture of sessions: active ones survive a crash, finished ones are kept only if asked."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, cast

from beluga_voice.config import Config
from beluga_voice.errors import BackendError
from beluga_voice.hooks import DataRetentionHook
from beluga_voice.interfaces import SessionRecord, SessionStore
from beluga_voice.registry import registry_for

if TYPE_CHECKING:
    from beluga_voice.session.session import Session

__all__ = ["Records"]

log = logging.getLogger(__name__)

_HOOK_DEADLINE = 5.0
_STORE_DEADLINE = 5.0


class Records:
    """Writes session records to the configured store, one write at a time for each session.

    A store that fails is reported and never stops a conversation.

    Args:
        provider: the backend's name.
        config: its ``session_store`` and ``data_retention_hook`` are used.
    """

    def __init__(self, provider: str, config: Config) -> None:
        store = config.session_store
        if isinstance(store, str):
            store = registry_for("store").create(store, {})
        self._store = cast("SessionStore | None", store)
        self._hook = cast("DataRetentionHook | None", config.data_retention_hook)
        self._provider = provider
        self._created: dict[str, float] = {}
        self._revisions: dict[str, int] = {}
        self._dirty: dict[str, Session] = {}
        self._writer: asyncio.Task[None] | None = None
        self.recovered: list[SessionRecord] = []

    async def start(self) -> None:
        """Reads what an earlier process left behind into ``recovered``."""
        if self._store is None:
            return
        async with asyncio.timeout(_STORE_DEADLINE):
            active = await self._store.list_active()
        self.recovered = [r for r in active if r.backend == self._provider]

    def created(self, session: Session) -> None:
        """A session exists from now on."""
        if self._store is not None:
            self._created[session.id] = time.time()
            self._revisions[session.id] = 0
            self.changed(session)

    def changed(self, session: Session) -> None:
        """Something worth remembering has changed; written soon, the latest state once."""
        if self._store is None or session.id not in self._created:
            return
        self._dirty[session.id] = session
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all(), name="session-records")

    async def ended(self, session: Session) -> None:
        """The session is over: forgotten, or kept if the retention hook says so."""
        if self._store is None or session.id not in self._created:
            return
        self._dirty.pop(session.id, None)
        if self._writer is not None and not self._writer.done():
            await asyncio.wait([self._writer], timeout=_STORE_DEADLINE)
        try:
            async with asyncio.timeout(_STORE_DEADLINE):
                if await self._retain(session):
                    await self._store.save(self._record(session))
                else:
                    await self._store.delete(session.id)
        except (BackendError, TimeoutError, OSError) as error:
            log.warning("session %s: the store failed at the end: %s", session.id, type(error).__name__)
        self._created.pop(session.id, None)
        self._revisions.pop(session.id, None)

    async def close(self) -> None:
        """Waits for the last write and closes the store."""
        if self._writer is not None and not self._writer.done():
            await asyncio.wait([self._writer], timeout=_STORE_DEADLINE)
        if self._store is not None:
            await self._store.close()

    async def _retain(self, session: Session) -> bool:
        if self._hook is None:
            return False
        try:
            async with asyncio.timeout(_HOOK_DEADLINE):
                keep = await self._hook.should_retain(session.id, session.metadata)
                return keep and await self._hook.get_retention_period(session.id) > 0
        except Exception as error:
            log.warning("the retention hook failed (%s); nothing is kept", type(error).__name__)
            return False

    async def _write_all(self) -> None:
        assert self._store is not None
        while self._dirty:
            session_id, session = next(iter(self._dirty.items()))
            del self._dirty[session_id]
            try:
                async with asyncio.timeout(_STORE_DEADLINE):
                    await self._store.save(self._record(session))
            except (BackendError, TimeoutError, OSError) as error:
                log.warning("session %s: not saved: %s", session_id, type(error).__name__)

    def _record(self, session: Session) -> SessionRecord:
        revision = self._revisions.get(session.id, 0) + 1
        self._revisions[session.id] = revision
        return SessionRecord(
            id=session.id,
            user_id=session.user_id,
            backend=self._provider,
            status=session.persistence_status,
            created_at=self._created.get(session.id, 0.0),
            updated_at=time.time(),
            metadata=session.metadata,
            history=session.history,
            revision=revision,
        )
