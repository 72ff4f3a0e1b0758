"""A room with a microphone and a loudspeaker that nobody keeps apart: the agent's voice comes back.

In virtual time (`beluga_voice.testing.loop`) it is the same room every run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from beluga_voice.errors import ConnectError
from beluga_voice.frames import AudioFrame

__all__ = ["EchoRoom"]

RATE = 16_000
_BLOCK = 320
_AIR = 8 * RATE  # sound that is under way, in samples


class EchoRoom:
    """A transport.

    Args:
        level: of the echo relative to the agent's voice, in dB; None where it does not come back.
        delay: from the loudspeaker to the microphone, buffers included, in seconds; 0.02 at least.
        reverberation: seconds in which the echo's tail falls by 60 dB; 0 for a single reflection.
        noise: of the room, in dBFS; None for none.
        seed: of reverberation and noise.
        echoes: whether it says, as a transport does, that nobody cancels its echo.

    Attributes:
        events: what the session told.
        clears: how often the agent's voice was cut.
        voice: the agent's frames, each with when it began to sound in seconds since `recv` began.
    """

    output_sample_rate = RATE
    output_delay = 0.0
    output_lead = 0.02

    def __init__(
        self,
        level: float | None = -20.0,
        delay: float = 0.15,
        *,
        reverberation: float = 0.0,
        noise: float | None = -62.0,
        seed: int = 0,
        echoes: bool = True,
    ) -> None:
        self.echoes = echoes
        self.events: list[Mapping[str, Any]] = []
        self.clears = 0
        self.voice: list[tuple[float, bytes]] = []
        self._random = np.random.default_rng(seed)
        self._noise = 0.0 if noise is None else 32768 * 10 ** (noise / 20)
        self._delay = round(delay * RATE)
        self._response = _response(level, reverberation, self._random)
        self._air = np.zeros(_AIR, np.float32)
        self._heard_to = self._played_to = 0
        self._began: float | None = None
        self._closed = False

    @property
    def now(self) -> float:
        """Seconds since `recv` began, as the microphone counts them."""
        return self._heard_to / RATE

    def say(self, pcm: bytes, after: float = 0.0) -> float:
        """Somebody in the room speaks: mono s16le at 16 kHz, at most 6 s, ``after`` so many seconds (1 at most).

        Returns when it sounds, in seconds since `recv` began.
        """
        start = self._heard_to + round(after * RATE)
        self._sound(np.frombuffer(pcm, "<i2").astype(np.float32), start)
        return start / RATE

    async def recv(self) -> AsyncIterator[AudioFrame]:
        """The microphone, in frames of 20 ms by the loop's clock."""
        loop = asyncio.get_running_loop()
        self._began = loop.time()
        while not self._closed:
            self._heard_to += _BLOCK
            await asyncio.sleep(max(0.0, self._began + self._heard_to / RATE - loop.time()))
            at = (np.arange(_BLOCK) + self._heard_to - _BLOCK) % _AIR
            samples = self._air[at] + self._random.normal(0, self._noise, _BLOCK)
            self._air[at] = 0.0
            yield AudioFrame(np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes(), RATE)

    async def send(self, frame: AudioFrame) -> None:
        """Plays a frame after those before it."""
        if self._closed:
            raise ConnectError("send", "connection_failed", "echo room: the transport is closed")
        began = self._began or 0.0
        now = round((asyncio.get_running_loop().time() - began) * RATE)
        start = max(self._played_to, now)
        self._played_to = start + frame.samples
        self.voice.append((start / RATE, frame.data))
        if self._response is not None:
            samples = np.frombuffer(frame.data, "<i2").astype(np.float32)
            self._sound(np.convolve(samples, self._response), start + self._delay)

    async def clear(self) -> None:
        """What was sent ahead is heard all the same: 40 ms at most."""
        self.clears += 1
        self._played_to = 0

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Adds to ``events``."""
        self.events.append(event)

    def on_control(self, handler: Callable[[Mapping[str, Any]], None]) -> None:
        """Nothing but sound comes from a room."""

    async def close(self) -> None:
        """Ends `recv`; idempotent."""
        self._closed = True

    def _sound(self, samples: NDArray[np.float32], start: int) -> None:
        at = (np.arange(min(len(samples), _AIR - RATE)) + max(start, self._heard_to)) % _AIR
        self._air[at] += samples[: len(at)]


def _response(
    level: float | None, reverberation: float, random: np.random.Generator
) -> NDArray[np.float32] | None:
    """The room's impulse response, of the energy that ``level`` says."""
    if level is None:
        return None
    response = np.ones(1)
    if reverberation > 0:
        length = round(reverberation * RATE)
        response = random.normal(0, 1, length) * 10 ** (-3 * np.arange(length) / length)
        response[0] = 4.0  # the direct sound
        response /= np.sqrt((response**2).sum())
    return (response * 10 ** (level / 20)).astype(np.float32)
