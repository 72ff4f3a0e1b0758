"""WebRTC without a media server: a browser talks to this process directly (aiortc).

Checked 2026-11 with aiortc 1.16 and Chromium 156. Signalling is one exchange: the browser's offer with all its
candidates, our answer with all of ours (JSEP, RFC 9429; no trickle). Events and controls are JSON messages on a data
channel named ``beluga`` that the browser opens (docs/protocol.md).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Literal

from aiortc import (
    InvalidStateError,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from beluga_voice.config import Settings, TransportConfig
from beluga_voice.errors import ConnectError, FormatError
from beluga_voice.frames import AudioFrame
from beluga_voice.transports.webrtc_order import put_in_order
from beluga_voice.transports.webrtc_track import RATE, VoiceTrack, mono
from beluga_voice.transports.websocket_messages import parse_in_call

__all__ = ["DATA_CHANNEL", "IceServer", "SettingsModel", "WebRTCTransport", "create"]

log = logging.getLogger(__name__)

DATA_CHANNEL = "beluga"
# A second of the user's audio for a session that is late, then the oldest goes.
_IN_FRAMES = 50
# Messages for a browser whose channel is not open yet; then the oldest goes.
_EVENTS_WAITING = 256
# Bytes the channel may hold for a browser that does not fetch them; then new messages are dropped.
_MAX_BUFFERED = 1024 * 1024
_MAX_CONTROL = 64 * 1024
_CLOSE_DEADLINE = 1.5
# A browser sends sound all the time, also silence: this long without any means that the path is broken.
_STALLED_AFTER = 2.0
# From `send` to the ear: one frame here, and a browser's jitter buffer on a good network.
_DELAY = 0.06
# The session sends up to this much ahead; more waits only after the event loop was held up.
_LEAD = 0.04


class IceServer(Settings):
    """A STUN or TURN server, as in the browser's RTCIceServer."""

    urls: str | list[str]
    username: str = ""
    credential: str = ""


class SettingsModel(Settings):
    """``TransportConfig.extra`` of this transport.

    Attributes:
        ice_servers: STUN and TURN servers; none are needed on a local network.
        ice_transport_policy: ``relay`` uses TURN only, so that no address of this machine is told; the browser may
            still be reached at any of its own.
    """

    ice_servers: tuple[IceServer, ...] = ()
    ice_transport_policy: Literal["all", "relay"] = "all"


class WebRTCTransport:
    """One browser.

    Args:
        config: ``extra`` as in `SettingsModel`; ``connect_timeout`` is for gathering candidates, and again for the
            browser to connect after our answer.

    Raises:
        ConfigError: ``invalid_config`` if ``extra`` is wrong.
    """

    output_sample_rate = RATE

    def __init__(self, config: TransportConfig | None = None) -> None:
        config = config or TransportConfig(sample_rate=RATE)
        settings = SettingsModel(**config.extra)
        self._relay_only = settings.ice_transport_policy == "relay"
        self._timeout = config.connect_timeout
        self._pc = RTCPeerConnection(
            RTCConfiguration(
                iceServers=[
                    RTCIceServer(s.urls, s.username or None, s.credential or None)
                    for s in settings.ice_servers
                ],
                iceTransportPolicy=RTCIceTransportPolicy(settings.ice_transport_policy),
            )
        )
        self._voice = VoiceTrack()
        self.output_delay = _DELAY
        self._channel: RTCDataChannel | None = None
        self._events: deque[str] = deque(maxlen=_EVENTS_WAITING)
        self._frames: deque[AudioFrame] = deque(maxlen=_IN_FRAMES)
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._handler: Callable[[Mapping[str, Any]], None] | None = None
        self._state: dict[str, Any] | None = None
        self._ended = self._closed = False
        self._pc.on("track", self._on_track)
        self._pc.on("datachannel", self._on_channel)
        self._pc.on("connectionstatechange", self._on_state)

    async def answer(self, offer: str) -> str:
        """Takes the browser's offer (SDP) and returns the answer (SDP); may be called once.

        Raises:
            FormatError: ``invalid_format`` if the offer is no SDP with audio and candidates.
            ConnectError: ``connection_timeout`` if candidates cannot be gathered in time, ``connection_failed`` if
                there are none, as when ``relay`` was asked for and no TURN server answered.
        """
        self._require_open("webrtc_answer")
        if "m=audio" not in offer:
            raise FormatError(
                "webrtc_answer", "invalid_format", "the offer has no audio; add the microphone's track"
            )
        if "a=candidate:" not in offer:
            raise FormatError(
                "webrtc_answer",
                "invalid_format",
                "the offer has no candidates; send it when gathering is complete",
            )
        try:
            async with asyncio.timeout(self._timeout):
                await self._pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
                self._pc.addTrack(self._voice)
                await self._pc.setLocalDescription(await self._pc.createAnswer())
        except TimeoutError as error:
            raise ConnectError(
                "webrtc_answer",
                "connection_timeout",
                f"candidates were not gathered in {self._timeout:g} s; check ice_servers",
            ) from error
        except OSError as error:
            raise ConnectError(
                "webrtc_answer", "connection_failed", f"no network for WebRTC: {error}"
            ) from error
        except Exception as error:  # aiortc's parser fails in many ways on what is no proper offer
            raise FormatError(
                "webrtc_answer", "invalid_format", f"the offer could not be read: {type(error).__name__}"
            ) from error
        sdp: str = self._pc.localDescription.sdp
        if "a=candidate:" not in sdp:
            missing = (
                "no TURN server gave a relay address" if self._relay_only else "this machine has no network"
            )
            raise ConnectError("webrtc_answer", "connection_failed", f"{missing}; check ice_servers")
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._timeout, self._on_connect_deadline)
        return sdp

    async def connected(self) -> None:
        """Returns when the browser can hear and be heard.

        Raises:
            ConnectError: ``connection_failed`` if it never connects, or left.
        """
        await self._settled.wait()
        if self._ended or self._closed:
            raise ConnectError(
                "webrtc",
                "connection_failed",
                "the browser found no network path to this machine; a TURN server in ice_servers may help",
            )

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
        """Queues mono audio at 48 kHz; with a second waiting, the oldest is dropped.

        Raises:
            ConnectError: ``connection_failed`` after `close`.
            FormatError: ``invalid_format`` for another rate or stereo.
        """
        self._require_open("send")
        if frame.sample_rate != RATE or frame.channels != 1:
            raise FormatError("send", "invalid_format", f"WebRTC takes mono at {RATE} Hz, got {frame!r:.80}")
        self._voice.add(frame.data)
        self.output_delay = _DELAY + max(0.0, self._voice.waiting - _LEAD)

    async def clear(self) -> None:
        """Drops what is queued and tells the browser to drop what it holds."""
        self._voice.clear()
        await self.send_event({"type": "clear"})

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Sends a JSON message; before the channel is open the latest 256 wait."""
        if self._closed:
            return
        text = json.dumps(event, ensure_ascii=False)
        if self._channel is None or self._channel.readyState == "connecting":
            self._events.append(text)
        elif self._channel.bufferedAmount > _MAX_BUFFERED:
            log.debug("a browser does not fetch its messages; %s was dropped", event.get("type"))
        else:
            self._say(text)

    def on_control(self, handler: Callable[[Mapping[str, Any]], None]) -> None:
        """Sets who is told what the browser sends beside audio, and the state of the connection."""
        self._handler = handler
        if self._state is not None:
            handler(self._state)

    async def close(self) -> None:
        """Ends the connection; idempotent, within two seconds."""
        if self._closed:
            return
        self._closed = True
        self._changed.set()
        self._settled.set()
        if self._deadline is not None:
            self._deadline.cancel()
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
        if track.kind == "audio" and self._reader is None and not self._closed:
            for transceiver in self._pc.getTransceivers():
                if transceiver.receiver.track is track:
                    put_in_order(transceiver.receiver)
            self._reader = asyncio.get_running_loop().create_task(self._read(track), name="webrtc-read")

    async def _read(self, track: Any) -> None:
        stalled = began = False
        try:
            while True:
                try:
                    async with asyncio.timeout(_STALLED_AFTER if began and not stalled else None):
                        frame = await track.recv()
                except TimeoutError:
                    stalled = True
                    self._tell("reconnecting", f"no audio came for {_STALLED_AFTER:g} s")
                    continue
                began = True
                if stalled:
                    stalled = False
                    self._tell("reconnected")
                self._frames.append(AudioFrame(mono(frame), frame.sample_rate))
                self._changed.set()
        except MediaStreamError:
            log.debug("the browser's audio track ended")
        finally:
            self._end()

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != DATA_CHANNEL or self._channel is not None:
            return
        self._channel = channel
        channel.on("message", self._on_message)
        while self._events:
            self._say(self._events.popleft())

    def _say(self, text: str) -> None:
        assert self._channel is not None
        try:
            self._channel.send(text)
        except (InvalidStateError, ConnectionError) as error:
            log.debug("a message came too late for the data channel: %s", type(error).__name__)

    def _on_message(self, message: str | bytes) -> None:
        try:
            if isinstance(message, bytes):
                raise FormatError("transport", "invalid_format", "the data channel takes text messages only")
            value = parse_in_call(message, _MAX_CONTROL)
        except FormatError as error:
            told = {"type": "error", "code": error.code, "message": error.message, "stage": "transport"}
            if self._channel is not None and self._channel.bufferedAmount < _MAX_BUFFERED:
                self._say(json.dumps(told))
            return
        if self._handler is not None and value["type"] != "playback":
            self._handler(value)

    def _on_state(self) -> None:
        state = self._pc.connectionState
        if state == "connected":
            if self._deadline is not None:
                self._deadline.cancel()
            self._settled.set()
            self._tell("connected")
        elif state in ("failed", "closed"):
            self._end()

    def _on_connect_deadline(self) -> None:
        if self._pc.connectionState != "connected":
            log.info("a browser did not connect within %g s of the answer", self._timeout)
            self._end()

    def _tell(self, state: str, reason: str = "") -> None:
        self._state = {"type": "transport", "state": state, **({"reason": reason} if reason else {})}
        if self._handler is not None and not self._closed:
            self._handler(self._state)

    def _end(self) -> None:
        self._ended = True
        self._changed.set()
        self._settled.set()

    def _require_open(self, op: str) -> None:
        if self._closed:
            raise ConnectError(op, "connection_failed", "webrtc: the transport is closed")


def create(config: TransportConfig) -> WebRTCTransport:
    """Makes a transport; call its ``answer`` with the browser's offer."""
    return WebRTCTransport(config)
