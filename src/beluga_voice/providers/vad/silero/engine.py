"""The engine that judges the windows of all sessions together, and its streams."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from beluga_voice.errors import ConfigError, FormatError
from beluga_voice.providers.vad.silero.network import CONTEXT, STATE, WINDOW, Network
from beluga_voice.providers.vad.silero.onnx_weights import read_weights

__all__ = ["Engine", "Stream", "acquire", "release"]

# Judged in one turn of the event loop, in about half a millisecond; the rest is judged in the next one.
_BATCH = 32
# Windows of one speaker that may wait (2 s): only an event loop that hangs gets there. The oldest are dropped.
_BACKLOG = 64
# Below this level for this many windows in a row (1 s) there is nobody: the network is not asked.
_SILENT_ENERGY = WINDOW * (32768 * 10 ** (-66 / 20)) ** 2
_SILENT_WINDOWS = 32


class Engine:
    """Judges what waits as soon as the event loop turns; nothing waits for a batch to fill.

    It stays on the loop: a batch of 32 takes half a millisecond, and in a thread each of its 40 numpy calls would have
    to wait for the interpreter lock again.

    Args:
        loop: the event loop of all its streams.
        network: with room for 32 windows.
        gate: do not ask the network about windows that are plainly silent.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, network: Network, *, gate: bool) -> None:
        self._loop = weakref.ref(loop)  # engines are kept by their loop
        self._network = network
        self.gate = gate
        self._waiting: deque[Stream] = deque()
        self._scheduled = False
        self.users = 0
        self.windows = 0
        self.skipped = 0

    def submit(self, stream: Stream) -> None:
        """``stream`` has one more window to judge."""
        self._waiting.append(stream)
        self._schedule()

    def report(self, error: Exception) -> None:
        """Somebody who was told a result failed: their fault must not reach the others in the batch."""
        loop = self._loop()
        if loop is not None:
            loop.call_exception_handler({"message": "a VAD listener failed", "exception": error})

    def _schedule(self) -> None:
        loop = self._loop()
        if loop is not None and not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._judge)

    def _judge(self) -> None:
        self._scheduled = False
        batch = self._take()
        if batch:
            probabilities = self._network.judge(len(batch)).tolist()
            self.windows += len(batch)
            for row, (stream, at) in enumerate(batch):
                stream.keep(self._network.state[row])
                stream.tell(probabilities[row], at)
        if self._waiting:
            self._schedule()

    def _take(self) -> list[tuple[Stream, float]]:
        """The oldest window of up to 32 streams, written into the network's rows; a stream is there only once."""
        batch: list[tuple[Stream, float]] = []
        taken: set[Stream] = set()
        later: list[Stream] = []
        while self._waiting and len(batch) < _BATCH:
            stream = self._waiting.popleft()
            if stream in taken:
                later.append(stream)
                continue
            row = len(batch)
            at = stream.take(self._network.audio[row], self._network.state[row])
            if at is not None:
                taken.add(stream)
                batch.append((stream, at))
        self._waiting.extendleft(reversed(later))
        return batch


class Stream:
    """One speaker: the windows that wait, what the network remembers, and the gate."""

    def __init__(self, engine: Engine, on_result: Callable[[float, float], None]) -> None:
        self._engine = engine
        self._on_result: Callable[[float, float], None] | None = on_result
        # A window of None is one that the gate has judged, waiting for its turn.
        self._queue: deque[tuple[bytes | None, float]] = deque()
        self._context = np.zeros(CONTEXT, np.float32)
        self._state = np.zeros(STATE, np.float32)
        self._silent = 0
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
        if self._engine.gate and self._is_silent(window):
            self._engine.skipped += 1
            if not self._queue:
                self.tell(0.0, at)
                return
            self._queue.append((None, at))
        else:
            self._queue.append((window, at))
        if len(self._queue) > _BACKLOG:
            self._queue.popleft()
            self.dropped += 1
            return  # the dropped window had submitted already
        self._engine.submit(self)

    def take(self, audio: NDArray[np.float32], state: NDArray[np.float32]) -> float | None:
        """Writes the oldest window and the state into their rows; returns when it ended, None if nothing is to ask."""
        if not self._queue:
            return None  # closed
        window, at = self._queue.popleft()
        if window is None:
            self.tell(0.0, at)
            return None
        audio[:CONTEXT] = self._context
        np.multiply(np.frombuffer(window, "<i2"), np.float32(1 / 32768), out=audio[CONTEXT:])
        self._context[:] = audio[-CONTEXT:]
        state[:] = self._state
        return at

    def keep(self, state: NDArray[np.float32]) -> None:
        """What the network remembers after the last window."""
        self._state[:] = state

    def tell(self, probability: float, at: float) -> None:
        """Delivers a result."""
        if self._on_result is None:
            return
        try:
            self._on_result(probability, at)
        except Exception as error:
            self._engine.report(error)

    def close(self) -> None:
        """Forgets the speaker; no result is delivered afterwards."""
        self._on_result = None
        self._queue.clear()

    def _is_silent(self, window: bytes) -> bool:
        samples = np.frombuffer(window, "<i2").astype(np.float32)
        if float(np.dot(samples, samples)) >= _SILENT_ENERGY:
            self._silent = 0
            return False
        self._silent += 1
        return self._silent > _SILENT_WINDOWS


# Of each event loop, by model and gate; a loop that is gone takes its engines along.
_engines: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, bool], Engine]] = (
    weakref.WeakKeyDictionary()
)


async def acquire(model: str, gate: bool) -> Engine:
    """The running loop's engine for this model file, loaded by the first who asks; `release` it in the end.

    Raises:
        ConfigError: ``invalid_config`` if the model cannot be read.
    """
    loop = asyncio.get_running_loop()
    engine = _engines.get(loop, {}).get((model, gate))
    if engine is None:
        network = await loop.run_in_executor(None, _load, model)
        # Somebody else may have loaded it meanwhile.
        engine = _engines.setdefault(loop, {}).setdefault((model, gate), Engine(loop, network, gate=gate))
    engine.users += 1
    return engine


def release(engine: Engine, model: str) -> None:
    """Gives an engine back; nobody finds it any more after the last one, and it goes with its last stream."""
    engine.users -= 1
    if engine.users > 0:
        return
    for engines in _engines.values():
        if engines.get((model, engine.gate)) is engine:
            del engines[model, engine.gate]


def _load(model: str) -> Network:
    try:
        return Network(read_weights(Path(model)), _BATCH)
    except (OSError, ValueError) as error:
        raise ConfigError(
            "start_vad", "invalid_config", f"vad_config model={model!r} cannot be used: {error}"
        ) from error
