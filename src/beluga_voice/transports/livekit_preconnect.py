"""What a person said before the agent was in the room.

LiveKit's clients can record from the moment the microphone opens and send the recording to the agent once it is there:
a byte stream on the topic ``lk.agent.pre-connect-audio-buffer`` with the attributes ``trackId``, ``sampleRate`` and
``channels``, as WebM or MP4 (browsers), or as PCM (phones). It ends when the agent hears the live track
(livekit-client 2.23 and https://docs.livekit.io/agents/build/audio/#instant-connect, checked 2026-11).
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from livekit import rtc
from livekit.protocol.models import AudioTrackFeature

from beluga_voice.audio.pcm import downmix
from beluga_voice.audio.resample import Resampler
from beluga_voice.errors import FormatError, missing_extra
from beluga_voice.transports.livekit_feature import Tell

__all__ = ["PRE_CONNECT_TOPIC", "PreConnectAudio", "announced", "decode_recording", "splice"]

log = logging.getLogger(__name__)

PRE_CONNECT_TOPIC = "lk.agent.pre-connect-audio-buffer"
# A client stops recording after ten seconds; Opus and PCM of that length stay under this.
_LARGEST = 4_000_000
_MOST_AT_ONCE = 16
_PRECONNECT_BUFFER = AudioTrackFeature.TF_PRECONNECT_BUFFER
# A recording goes on until the client learns that the agent hears, so its end is in the live audio, too.
_TAIL_SECONDS = 2.0
_PROBE_SKIP, _PROBE_SECONDS = 0.05, 0.12
_ALIKE = 0.6

Recording = tuple[bytes, int]
"""Mono s16le and its rate in Hz."""


def announced(publication: rtc.TrackPublication) -> bool:
    """Whether a recording of this track is to come."""
    return _PRECONNECT_BUFFER in publication.audio_features


class PreConnectAudio:
    """A `RoomFeature` that keeps recordings by track until they are asked for."""

    def __init__(self) -> None:
        self._recordings: dict[str, asyncio.Future[Recording]] = {}
        self._reading: set[asyncio.Task[None]] = set()
        self._closed = False

    def attach(self, room: rtc.Room, tell: Tell) -> None:
        """Takes recordings from ``room`` from now on."""
        del tell
        room.register_byte_stream_handler(PRE_CONNECT_TOPIC, self._opened)

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Nothing."""

    async def close(self) -> None:
        """Stops reading."""
        self._closed = True
        for task in self._reading:
            task.cancel()
        if self._reading:
            await asyncio.wait(self._reading, timeout=1.0)
        for future in self._recordings.values():
            future.cancel()

    async def recording(self, track: str, sample_rate: int, *, timeout: float) -> bytes:
        """The recording of ``track`` as mono s16le at ``sample_rate``; empty if none comes in time or it is broken."""
        try:
            async with asyncio.timeout(timeout):
                pcm, rate = await asyncio.shield(self._slot(track))
        except TimeoutError:
            log.warning("livekit: the recording announced for track %s did not come in %g s", track, timeout)
            return b""
        finally:
            self._recordings.pop(track, None)
        if not pcm or rate == sample_rate:
            return pcm
        resampler = Resampler(rate, sample_rate)
        return resampler.process(pcm)

    def _slot(self, track: str) -> asyncio.Future[Recording]:
        return self._recordings.setdefault(track, asyncio.get_running_loop().create_future())

    def _opened(self, reader: rtc.ByteStreamReader, identity: str) -> None:
        track = (reader.info.attributes or {}).get("trackId", "")
        if self._closed or not track or len(self._reading) >= _MOST_AT_ONCE:
            reader.close()
            return
        task = asyncio.create_task(self._read(reader, track, identity), name=f"livekit-preconnect:{identity}")
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _read(self, reader: rtc.ByteStreamReader, track: str, identity: str) -> None:
        slot, data = self._slot(track), bytearray()
        facts, mime = reader.info.attributes or {}, reader.info.mime_type
        recording: Recording = b"", 0
        try:
            async for piece in reader:
                data += piece
                if len(data) > _LARGEST:
                    raise FormatError(
                        "pre_connect", "invalid_format", f"livekit: the recording exceeds {_LARGEST} bytes"
                    )
            rate, channels = int(facts.get("sampleRate", "48000")), int(facts.get("channels", "1"))
            recording = await asyncio.to_thread(decode_recording, bytes(data), mime, rate, channels)
        except Exception as error:  # whatever a client sends must not end the conversation
            log.warning("livekit: the recording of %s was not understood: %s", identity, error)
        finally:
            reader.close()
            if not slot.done():
                slot.set_result(recording)


def decode_recording(data: bytes, mime: str, sample_rate: int, channels: int) -> Recording:
    """A recording as mono s16le, and its rate in Hz.

    Args:
        data: the file, or PCM.
        mime: ``audio/pcm`` (s16le) or what PyAV can open: WebM, MP4, Ogg.
        sample_rate: of PCM, in Hz.
        channels: of PCM.

    Raises:
        FormatError: ``invalid_format`` if it cannot be read.
        ConfigError: ``missing_extra`` if it needs PyAV, which is not installed.
    """
    if mime.split(";")[0].strip().lower() in ("audio/pcm", "audio/l16", "audio/raw"):
        if not 8_000 <= sample_rate <= 96_000 or channels not in (1, 2):
            raise FormatError(
                "pre_connect", "invalid_format", f"PCM of {channels} channels at {sample_rate} Hz"
            )
        whole = len(data) - len(data) % (2 * channels)
        return downmix(data[:whole], channels), sample_rate
    try:
        import av.container
        import av.error
        from av.audio.resampler import AudioResampler
    except ImportError as error:
        raise missing_extra("pre_connect", "recordings of browsers (module av)", "livekit") from error
    rate = 48_000
    pieces: list[np.ndarray] = []
    try:
        with av.open(io.BytesIO(data), mode="r") as container:
            assert isinstance(container, av.container.InputContainer)
            resampler = AudioResampler(format="s16", layout="mono", rate=rate)
            for frame in container.decode(audio=0):
                pieces += [out.to_ndarray()[0] for out in resampler.resample(frame)]
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        if not pieces:  # a recording that was cut off still has its beginning
            raise FormatError("pre_connect", "invalid_format", f"{mime}: {type(error).__name__}") from error
    return np.concatenate(pieces).astype("<i2").tobytes() if pieces else b"", rate


def splice(recorded: bytes, live: bytes, sample_rate: int) -> bytes:
    """A recording and the live audio that overlaps its end, as one.

    Where they overlap is found by the normalised cross-correlation of a piece of the live audio, from 0.05 s on (its
    first packets come out of an empty decoder), with the last two seconds of the recording. Without a clear match, as
    in silence, one simply follows the other.

    Args:
        recorded: mono s16le.
        live: likewise.
        sample_rate: of both, in Hz.
    """
    skip = int(_PROBE_SKIP * sample_rate)
    tail = np.frombuffer(recorded, "<i2")[-int(_TAIL_SECONDS * sample_rate) :].astype(np.float32)
    probe = np.frombuffer(live, "<i2")[skip : skip + int(_PROBE_SECONDS * sample_rate)].astype(np.float32)
    if len(probe) < sample_rate // 10 or len(tail) < len(probe):
        return recorded + live
    size = 1 << int(len(tail) + len(probe)).bit_length()
    product = np.fft.irfft(np.fft.rfft(tail, size) * np.conj(np.fft.rfft(probe, size)), size)
    scores = product[: len(tail) - len(probe) + 1]
    squares = np.concatenate(([0.0], np.cumsum(tail.astype(np.float64) ** 2)))
    energy = squares[len(probe) :] - squares[: -len(probe)]
    loudness = float(np.dot(probe, probe))
    # A hundred is the square of a whisper of 16-bit noise.
    if loudness < 100.0 * len(probe):
        return recorded + live
    alike = scores / np.sqrt(np.maximum(energy, 1.0) * loudness)
    best = int(alike.argmax())
    if alike[best] < _ALIKE:
        return recorded + live
    cut = len(recorded) // 2 - len(tail) + best
    return recorded[: 2 * cut] + live[2 * skip :]
