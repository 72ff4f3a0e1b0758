"""WebRTC without a media server: a browser talks to this process directly (aiortc).

Checked 2026-11 with aiortc 1.16 and Chromium 156. Signalling is one exchange: the browser's offer with all its
candidates, our answer with all of ours (JSEP, RFC 9429; no trickle). Events and controls are JSON messages on a data
channel named ``beluga`` that the browser opens.
"""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame as AvFrame

from beluga_voice.config import Settings, TransportConfig
from beluga_voice.errors import ConfigError, ConnectError, FormatError
from beluga_voice.frames import AudioFrame

__all__ = ["DATA_CHANNEL", "IceServer", "SettingsModel", "WebRTCTransport", "create"]

log = logging.getLogger(__name__)

RATE = 48_000
DATA_CHANNEL = "beluga"
_SAMPLES = 960
_FRAME_SECONDS = _SAMPLES / RATE
# Audio for the browser that waits here; the session paces it, so more means the network is gone.
_OUT_FRAMES = 50
_IN_FRAMES = 50
_EVENTS_WAITING = 256
_MAX_CONTROL = 64 * 1024
_CLOSE_DEADLINE = 1.5
# From `send` to the ear: one frame here, and a browser's jitter buffer on a good network.
_DELAY = 0.06


class IceServer(Settings):
    """A STUN or TURN server, as in the browser's RTCIceServer."""

    urls: str | list[str]
    username: str = ""
    credential: str = ""


class SettingsModel(Settings):
    """``TransportConfig.extra`` of this transport.

    Attributes:
        ice_servers: STUN and TURN servers; none are needed on a local network.
        ice_transport_policy: ``relay`` uses TURN only, so that no address of this machine is told.
    """

    ice_servers: tuple[IceServer, ...] = ()
    ice_transport_policy: str = "all"


class WebRTCTransport:
    """One browser.

    Args:
        config: ``extra`` as in `SettingsModel`.
    """

    output_sample_rate = RATE
    output_delay = _DELAY

    def __init__(self, config: TransportConfig | None = None) -> None:
        config = config or TransportConfig(sample_rate=RATE)
        settings = SettingsModel(**config.extra)
        if settings.ice_transport_policy not in ("all", "relay"):
            raise ConfigError("webrtc", "invalid_config", "ice_transport_policy must be 'all' or 'relay'")
        self._relay_only = settings.ice_transport_policy == "relay"
        self._timeout = config.connect_timeout
        servers = [
            RTCIceServer(s.urls, s.username or None, s.credential or None) for s in settings.ice_servers
        ]
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._voice = _VoiceTrack()
        self._channel: RTCDataChannel | None = None
        self._events: deque[str] = deque(maxlen=_EVENTS_WAITING)
        self._frames: deque[AudioFrame] = deque(maxlen=_IN_FRAMES)
        self._changed = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._handler: Callable[[Mapping[str, Any]], None] | None = None
        self._connected = False
        self._ended = self._closed = False
        self._pc.on("track", self._on_track)
        self._pc.on("datachannel", self._on_channel)
        self._pc.on("connectionstatechange", self._on_state)

    async def answer(self, offer: str) -> str:
        """Takes the browser's offer (SDP) and returns the answer (SDP).

        Raises:
            FormatError: ``invalid_format`` if the offer is no SDP with audio.
            ConnectError: ``connection_timeout`` if candidates cannot be gathered in time, ``connection_failed`` if
                ``relay`` was asked for and no TURN server answered.
        """
        if "m=audio" not in offer:
            raise FormatError(
                "webrtc_answer", "invalid_format", "the offer has no audio; add the microphone's track"
            )
        try:
            async with asyncio.timeout(self._timeout):
                remote = _only_relayed(offer) if self._relay_only else offer
                await self._pc.setRemoteDescription(RTCSessionDescription(remote, "offer"))
                self._pc.addTrack(self._voice)
                await self._pc.setLocalDescription(await self._pc.createAnswer())
        except TimeoutError as error:
            raise ConnectError(
                "webrtc_answer",
                "connection_timeout",
                f"candidates were not gathered in {self._timeout:g} s; check ice_servers",
            ) from error
        except (ValueError, AssertionError, IndexError, KeyError) as error:
            raise FormatError(
                "webrtc_answer", "invalid_format", f"the offer could not be read: {error}"
            ) from error
        sdp = self._pc.localDescription.sdp
        if not self._relay_only:
            return sdp
        relayed = _only_relayed(sdp)
        if "a=candidate:" not in relayed:
            raise ConnectError(
                "webrtc_answer", "connection_failed", "no TURN server gave a relay address; check ice_servers"
            )
        return relayed

    async def recv(self) -> AsyncIterator[AudioFrame]:
        """The user's audio, mono at 48 kHz, until they leave."""
        self._require_open("recv")
        while True:
            while self._frames:
                yield self._frames.popleft()
            if self._ended or self._closed:
                return
            self._changed.clear()
            await self._changed.wait()

    async def send(self, frame: AudioFrame) -> None:
        """Queues 20 ms of mono audio at 48 kHz; with a second waiting, the oldest is dropped."""
        self._require_open("send")
        self._voice.add(frame.data)

    async def clear(self) -> None:
        """Drops what is queued and tells the browser to drop what it holds."""
        self._voice.clear()
        await self.send_event({"type": "clear"})

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Sends a JSON message; before the channel is open the latest 256 wait."""
        text = json.dumps(event, ensure_ascii=False)
        if self._channel is not None and self._channel.readyState == "open":
            self._channel.send(text)
        elif not self._closed:
            self._events.append(text)

    def on_control(self, handler: Callable[[Mapping[str, Any]], None]) -> None:
        """Sets who is told what the browser sends beside audio."""
        self._handler = handler

    async def close(self) -> None:
        """Ends the connection; idempotent, within two seconds."""
        if self._closed:
            return
        self._closed = True
        self._changed.set()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader], timeout=0.5)
        self._voice.stop()
        try:
            async with asyncio.timeout(_CLOSE_DEADLINE):
                await self._pc.close()
        except TimeoutError:
            log.warning("a WebRTC connection did not close in %.1f s and was abandoned", _CLOSE_DEADLINE)

    # --- what aiortc tells --------------------------------------------------------------------------------

    def _on_track(self, track: Any) -> None:
        if track.kind == "audio" and self._reader is None:
            self._reader = asyncio.get_running_loop().create_task(self._read(track), name="webrtc-read")

    async def _read(self, track: Any) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                self._frames.append(AudioFrame(_mono(frame), frame.sample_rate))
                self._changed.set()
        self._end()

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != DATA_CHANNEL:
            return
        self._channel = channel
        channel.on("message", self._on_message)
        while self._events:
            channel.send(self._events.popleft())

    def _on_message(self, message: str | bytes) -> None:
        if self._handler is None or not isinstance(message, str) or len(message) > _MAX_CONTROL:
            return
        try:
            value: Any = json.loads(message)
        except (ValueError, RecursionError):
            log.debug("a message on the data channel was not JSON")
            return
        if isinstance(value, dict):
            self._handler(value)  # pyright: ignore[reportUnknownArgumentType]

    def _on_state(self) -> None:
        state = self._pc.connectionState
        if state == "connected":
            self._tell("reconnected" if self._connected else "connected")
            self._connected = True
        elif state == "disconnected":
            self._tell("reconnecting")
        elif state in ("failed", "closed"):
            self._end()

    def _tell(self, state: str) -> None:
        if self._handler is not None and not self._closed:
            self._handler({"type": "transport", "state": state})

    def _end(self) -> None:
        self._ended = True
        self._changed.set()

    def _require_open(self, op: str) -> None:
        if self._closed:
            raise ConnectError(op, "connection_failed", "webrtc: the transport is closed")


class _VoiceTrack(MediaStreamTrack):
    """The agent's voice, 20 ms at a time; silence in between keeps the browser's jitter buffer steady."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._queue: deque[bytes] = deque(maxlen=_OUT_FRAMES)
        self._pts = 0
        self._next: float | None = None
        self._silence = bytes(_SAMPLES * 2)

    def add(self, pcm: bytes) -> None:
        """Queues a frame."""
        self._queue.append(pcm)

    def clear(self) -> None:
        """Drops all frames."""
        self._queue.clear()

    async def recv(self) -> AvFrame:
        """The next frame, when it is due by the clock."""
        if self.readyState != "live":
            raise MediaStreamError
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._next is None or now - self._next > 0.2:
            if self._next is not None:  # the loop was held up: go on from here, the gap stays a gap
                self._pts += int((now - self._next) / _FRAME_SECONDS) * _SAMPLES
            self._next = now
        if self._next > now:
            await asyncio.sleep(self._next - now)
        self._next += _FRAME_SECONDS
        pcm = self._queue.popleft() if self._queue else self._silence
        frame = AvFrame.from_ndarray(
            np.frombuffer(pcm.ljust(_SAMPLES * 2, b"\0"), np.int16)[None, :], "s16", "mono"
        )
        frame.sample_rate = RATE
        frame.time_base = fractions.Fraction(1, RATE)
        frame.pts = self._pts
        self._pts += _SAMPLES
        return frame


def _mono(frame: AvFrame) -> bytes:
    """Packed s16 of any channel count as mono s16le."""
    samples = frame.to_ndarray()
    channels = len(frame.layout.channels)
    if samples.shape[0] > 1:  # planar
        return samples.mean(axis=0).astype("<i2").tobytes()
    if channels == 1:
        return samples.astype("<i2").tobytes()
    return samples.reshape(-1, channels).mean(axis=1).astype("<i2").tobytes()


def _only_relayed(sdp: str) -> str:
    """``sdp`` without candidates that are not relayed (RFC 8839, section 5.1)."""
    lines = sdp.splitlines()
    kept = [line for line in lines if not line.startswith("a=candidate:") or " typ relay" in line]
    return "\r\n".join(kept) + "\r\n"


def create(config: TransportConfig) -> WebRTCTransport:
    """Makes a transport; call its ``answer`` with the browser's offer."""
    return WebRTCTransport(config)
