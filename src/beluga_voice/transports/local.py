"""This machine's microphone and speaker, by PortAudio (sounddevice).

Nobody cancels the echo here, so a backend does it where it can (noise provider ``webrtc_apm``, extra ``livekit``);
elsewhere use headphones. Checked 2026-11 with sounddevice 0.5.6.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

from beluga_voice.config import Settings, TransportConfig
from beluga_voice.errors import ConnectError, FormatError, missing_extra
from beluga_voice.frames import AudioFrame

__all__ = ["LocalTransport", "SettingsModel", "create"]

_FRAME_SECONDS = 0.02
# Ten frames (200 ms) each way; a device that is further behind is better off without them.
_FRAMES = 10
_OPEN_DEADLINE = 10.0
_CLOSE_DEADLINE = 2.0


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

    @property
    def latency(self) -> Any:
        """Seconds of input and output delay, as the driver says."""
        ...

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

    Raises:
        ConfigError: ``invalid_config``, or ``missing_extra`` without sounddevice.
        ConnectError: ``connection_failed`` if the PortAudio library is missing.
    """

    echoes = True

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
        self._opening = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stream: Stream | None = None
        self._gave_up = self._ended = self._closed = False

    async def recv(self) -> AsyncIterator[AudioFrame]:
        """The microphone, in frames of 20 ms, until it is unplugged.

        Raises:
            ConnectError: ``connection_failed`` if a device is missing or refused.
        """
        await self._ensure_stream("recv")
        while not self._closed:
            while self._heard:
                yield AudioFrame(self._heard.popleft(), self.output_sample_rate)
            if self._ended:
                return
            self._changed.clear()
            await self._changed.wait()

    async def send(self, frame: AudioFrame) -> None:
        """Plays mono audio at ``output_sample_rate``; with 200 ms waiting, the oldest is dropped.

        Raises:
            ConnectError: ``connection_failed`` if a device is missing or refused, and after `close`.
            FormatError: ``invalid_format`` for another rate or stereo.
        """
        await self._ensure_stream("send")
        if frame.sample_rate != self.output_sample_rate or frame.channels != 1:
            raise FormatError(
                "send", "invalid_format", f"the speaker was opened for mono at {self.output_sample_rate} Hz"
            )
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
        async with self._opening:
            stream, self._stream = self._stream, None
            if stream is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_CLOSE_DEADLINE):
                        await asyncio.get_running_loop().run_in_executor(None, stream.close)

    async def _ensure_stream(self, op: str) -> None:
        self._require_open(op)
        if self._stream is not None:
            return
        async with self._opening:
            self._require_open(op)
            if self._stream is not None:
                return
            self._loop = asyncio.get_running_loop()
            self._gave_up = False
            try:
                async with asyncio.timeout(_OPEN_DEADLINE):
                    # A sound server may take long to answer, which the event loop must not wait for.
                    stream = await self._loop.run_in_executor(None, self._open)
            except (
                Exception
            ) as error:  # PortAudio reports everything by one class, which need not be installed
                self._gave_up = True
                raise ConnectError(
                    "local",
                    "connection_failed",
                    f"the microphone or speaker cannot be opened ({error or type(error).__name__}); "
                    "list devices with: python -m sounddevice",
                ) from error
            self._stream = stream
            self.output_delay = float(stream.latency[1]) + _FRAME_SECONDS

    def _open(self) -> Stream:
        stream = self._open_stream(
            samplerate=self.output_sample_rate,
            blocksize=self._block,
            device=(self._devices.input_device, self._devices.output_device),
            channels=1,
            dtype="int16",
            callback=self._on_block,
            finished_callback=self._on_finished,
        )
        try:
            stream.start()
        except BaseException:
            stream.close()
            raise
        if self._gave_up:  # nobody waits for it any more
            stream.close()
        return stream

    # --- PortAudio's thread -------------------------------------------------------------------------------

    def _on_block(self, heard: Any, played: Any, frames: int, time: Any, status: Any) -> None:
        wanted = frames * 2
        with self._lock:
            block = bytes(self._to_play[:wanted])
            del self._to_play[:wanted]
        played[:] = block.ljust(wanted, b"\0")
        self._call(self._on_heard, bytes(heard))

    def _on_finished(self) -> None:
        self._call(self._on_end)

    def _call(self, function: Callable[..., None], *args: Any) -> None:
        if self._loop is not None and not self._closed:
            with contextlib.suppress(RuntimeError):  # the loop was closed in between
                self._loop.call_soon_threadsafe(function, *args)

    # --- the event loop -----------------------------------------------------------------------------------

    def _on_heard(self, pcm: bytes) -> None:
        self._heard.append(pcm)
        self._changed.set()

    def _on_end(self) -> None:
        self._ended = True
        self._changed.set()

    def _require_open(self, op: str) -> None:
        if self._closed:
            raise ConnectError(op, "connection_failed", "local: the transport is closed")


def _sounddevice() -> StreamFactory:
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise missing_extra("local", "local (module sounddevice)", "local") from error
    except OSError as error:  # the module is there, the PortAudio library is not
        raise ConnectError(
            "local", "connection_failed", "PortAudio is missing; on Debian: apt install libportaudio2"
        ) from error
    factory: StreamFactory = sounddevice.RawStream
    return factory


def create(config: TransportConfig) -> LocalTransport:
    """Makes a transport."""
    return LocalTransport(config)
