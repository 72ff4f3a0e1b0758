"""This machine's microphone and speaker, by PortAudio (sounddevice).

There is no echo canceller: use headphones, or the agent hears itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

from beluga_voice.config import Settings, TransportConfig
from beluga_voice.errors import ConnectError
from beluga_voice.frames import AudioFrame

__all__ = ["LocalTransport", "SettingsModel", "create"]

_FRAME_SECONDS = 0.02
# Ten frames (200 ms) each way; a device that is further behind is better off without them.
_FRAMES = 10


class SettingsModel(Settings):
    """``TransportConfig.extra`` of this transport.

    Attributes:
        input_device: name or number of the microphone, as ``python -m sounddevice`` lists them; None for the default.
        output_device: likewise of the speaker.
    """

    input_device: int | str | None = None
    output_device: int | str | None = None


class Stream(Protocol):
    """The part of ``sounddevice.RawStream`` that is used."""

    def start(self) -> None:
        """Begins to call back."""
        ...

    def close(self) -> None:
        """Ends."""
        ...


StreamFactory = Callable[..., Stream]


class LocalTransport:
    """Microphone and speaker of this machine.

    Args:
        config: ``sample_rate`` of both; ``extra`` as in `SettingsModel`.
        open_stream: makes the duplex stream; ``sounddevice.RawStream`` by default.
    """

    def __init__(
        self, config: TransportConfig | None = None, open_stream: StreamFactory | None = None
    ) -> None:
        config = config or TransportConfig()
        self._devices = SettingsModel(**config.extra)
        self._open_stream = open_stream or _sounddevice()
        self.output_sample_rate = config.sample_rate
        self.output_delay = _FRAMES * _FRAME_SECONDS / 4
        self._block = int(config.sample_rate * _FRAME_SECONDS)
        self._heard: deque[bytes] = deque(maxlen=_FRAMES)
        self._lock = threading.Lock()
        self._to_play = bytearray()
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stream: Stream | None = None
        self._closed = False

    async def recv(self) -> AsyncIterator[AudioFrame]:
        """The microphone, in frames of 20 ms.

        Raises:
            ConnectError: ``connection_failed`` if a device is missing or refused.
        """
        self._require_open("recv")
        self._ensure_stream()
        while not self._closed:
            while self._heard:
                yield AudioFrame(self._heard.popleft(), self.output_sample_rate)
            self._changed.clear()
            await self._changed.wait()

    async def send(self, frame: AudioFrame) -> None:
        """Plays a frame; with 200 ms waiting, the oldest is dropped."""
        self._require_open("send")
        self._ensure_stream()
        with self._lock:
            self._to_play += frame.data
            over = len(self._to_play) - _FRAMES * self._block * 2
            if over > 0:
                del self._to_play[:over]

    async def clear(self) -> None:
        """Drops what was not played."""
        with self._lock:
            self._to_play.clear()

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """There is nobody to tell."""

    def on_control(self, handler: Callable[[Mapping[str, Any]], None]) -> None:
        """A microphone sends nothing but audio."""

    async def close(self) -> None:
        """Releases the devices; idempotent."""
        self._closed = True
        self._changed.set()
        stream, self._stream = self._stream, None
        if stream is not None:
            await asyncio.get_running_loop().run_in_executor(None, stream.close)

    def _ensure_stream(self) -> None:
        if self._stream is not None:
            return
        self._loop = asyncio.get_running_loop()
        try:
            self._stream = self._open_stream(
                samplerate=self.output_sample_rate,
                blocksize=self._block,
                device=(self._devices.input_device, self._devices.output_device),
                channels=1,
                dtype="int16",
                callback=self._on_block,
            )
            self._stream.start()
        except Exception as error:  # PortAudio reports everything by one class, which need not be installed
            raise ConnectError(
                "local",
                "connection_failed",
                f"the microphone or speaker cannot be opened ({error}); list devices with: python -m sounddevice",
            ) from error

    def _on_block(self, heard: Any, played: Any, frames: int, time: Any, status: Any) -> None:
        """Called by PortAudio's thread for each block."""
        wanted = frames * 2
        with self._lock:
            block = bytes(self._to_play[:wanted])
            del self._to_play[:wanted]
        played[:] = block.ljust(wanted, b"\0")
        if self._loop is not None and not self._closed:
            self._loop.call_soon_threadsafe(self._on_heard, bytes(heard))

    def _on_heard(self, pcm: bytes) -> None:
        self._heard.append(pcm)
        self._changed.set()

    def _require_open(self, op: str) -> None:
        if self._closed:
            raise ConnectError(op, "connection_failed", "local: the transport is closed")


def _sounddevice() -> StreamFactory:
    try:
        import sounddevice
    except OSError as error:  # the module is there, the PortAudio library is not
        raise ConnectError(
            "local", "connection_failed", "PortAudio is missing; on Debian: apt install libportaudio2"
        ) from error
    factory: StreamFactory = sounddevice.RawStream
    return factory


def create(config: TransportConfig) -> LocalTransport:
    """Makes a transport."""
    return LocalTransport(config)
