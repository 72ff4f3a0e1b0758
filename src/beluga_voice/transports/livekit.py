"""A LiveKit room as a transport: its people are heard, the agent speaks into it.

Checked 2026-11 with livekit 1.2.0 (PyPI) and livekit-server 1.13.5. Audio in and out is resampled by the SDK, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from livekit import rtc

from beluga_voice.config import TransportConfig
from beluga_voice.errors import BackendError, ConfigError, ConnectError, FormatError
from beluga_voice.frames import AudioFrame
from beluga_voice.transports.livekit_audio import Inbox, RoomAudio
from beluga_voice.transports.livekit_connection import Connection
from beluga_voice.transports.livekit_dtmf import PAUSE, Keys
from beluga_voice.transports.livekit_feature import RoomFeature
from beluga_voice.transports.livekit_features import default_features
from beluga_voice.transports.livekit_preconnect import PreConnectAudio
from beluga_voice.transports.livekit_presence import Presence
from beluga_voice.transports.livekit_rpc import Rpc
from beluga_voice.transports.livekit_settings import Credentials, SettingsModel
from beluga_voice.transports.livekit_voice import Voice

__all__ = ["LiveKitTransport", "SettingsModel", "create"]

log = logging.getLogger(__name__)

# Control messages for a session that does not listen yet; then the oldest goes.
_MESSAGES_WAITING = 256
# Encoding, network and the listener's jitter buffer on a good network (measured over loopback: 40 to 60 ms).
_DELAY = 0.05
_CALL_DEADLINE = 5.0
# The voice is silent already; telling the clients must not keep what follows waiting.
_CLEAR_DEADLINE = 0.2


class LiveKitTransport:
    """One participant in one room; joins on the first `recv`, `send` or `connect`.

    Args:
        config: ``url``, and ``token`` or ``extra["api_key"]`` and ``extra["api_secret"]``; ``extra`` as in
            `SettingsModel`.
        features: what else happens in the room; by default captions, chat and the like.

    Raises:
        ConfigError: ``invalid_config`` if URL or token is missing or wrong, or ``extra`` is.
    """

    def __init__(self, config: TransportConfig, features: Sequence[RoomFeature] | None = None) -> None:
        self._settings = SettingsModel(**config.extra)
        self._credentials = Credentials(config, self._settings)
        self._config = config
        self.output_sample_rate = config.sample_rate
        self.output_delay = _DELAY
        self._features = default_features(config) if features is None else tuple(features)
        self._inbox = Inbox()
        self._presence = Presence(self._settings.leave_after, self._on_everybody_left)
        audio = RoomAudio(
            self._inbox,
            config.sample_rate,
            config.channels,
            mixed=self._settings.audio == "mixed",
            recording=self._recording_source(),
        )
        self._voice = Voice(config.sample_rate, config.channels, self._settings.bitrate)
        self._connection = Connection(
            self._credentials,
            self._settings,
            config.connect_timeout,
            self._features,
            audio,
            self._voice,
            self._tell,
            self._presence.forget,
            self._end,
        )
        self._keys = Keys()
        self._clears = 0
        self._error: BackendError | None = None
        self._closed = False
        self._handler: Callable[[Mapping[str, Any]], None] | None = None
        self._untold: deque[Mapping[str, Any]] = deque(maxlen=_MESSAGES_WAITING)

    @property
    def room(self) -> rtc.Room | None:
        """The SDK's own room, once connected; another object after the connection had to be made anew."""
        return self._connection.room

    @property
    def features(self) -> tuple[RoomFeature, ...]:
        """What else happens in the room."""
        return tuple(self._features)

    @property
    def rpc(self) -> Rpc:
        """Remote procedure calls, both ways.

        Raises:
            ConfigError: ``invalid_config`` if the transport was made without that feature.
        """
        for feature in self._features:
            if isinstance(feature, Rpc):
                return feature
        raise ConfigError("rpc", "invalid_config", "livekit: this transport was made without the Rpc feature")

    @property
    def people(self) -> frozenset[str]:
        """Identities of those in the room who are not agents."""
        return self._presence.people

    @property
    def room_name(self) -> str:
        """Name of the room."""
        return self._credentials.room

    @property
    def identity(self) -> str:
        """Who the agent is in the room."""
        return self._credentials.identity

    @property
    def connected(self) -> bool:
        """Whether audio can be sent now."""
        return self._connection.usable.is_set() and not self._inbox.ended

    async def connect(self) -> None:
        """Joins the room; later calls return at once.

        Raises:
            AuthError: ``authentication_failed`` if the token is refused.
            ConnectError: ``connection_failed`` or ``connection_timeout``, or after `close`.
        """
        self._require_open("connect")
        await self._connection.connect()
        self._require_open("connect")

    async def recv(self) -> AsyncIterator[AudioFrame]:
        """Audio of the room in frames of 20 ms, until the agent is removed from it or it is deleted.

        Raises:
            ConnectError: ``connection_failed`` after `close`, when another participant took our identity, or when
                the connection was lost and could not be made again in time.
            AuthError: ``authentication_failed`` if the token was refused then.
        """
        self._require_open("recv")
        try:
            await self.connect()
        except BackendError:
            if self._closed:  # while it was joining
                return
            raise
        while (frame := await self._inbox.get()) is not None:
            yield frame
        if self._error is not None and not self._closed:
            raise self._error

    async def send(self, frame: AudioFrame) -> None:
        """Says a frame; waits while 100 ms are queued, and while the connection is being repaired.

        Raises:
            ConnectError: ``connection_failed`` after `close` and when the connection is lost for good.
            AuthError: ``authorization_failed`` if the token does not allow sending.
            FormatError: ``invalid_format`` for another rate or number of channels than configured.
        """
        self._require_open("send")
        if frame.sample_rate != self.output_sample_rate or frame.channels != self._config.channels:
            raise FormatError(
                "send",
                "invalid_format",
                f"livekit: takes {self._config.channels} channel(s) at {self.output_sample_rate} Hz, got {frame!r:.80}",
            )
        await self.connect()
        clears = self._clears
        if not self._connection.usable.is_set():
            await self._connection.usable.wait()
            self._require_open("send")
            if clears != self._clears:
                return
        await self._voice.send(frame)

    async def wait_for_participant(self, identity: str = "", *, timeout: float = 30.0) -> str:
        """Joins if need be, and returns who is there: ``identity``, or anybody who is not an agent.

        Raises:
            ConnectError: ``connection_timeout`` if nobody comes; errors of `connect`.
        """
        await self.connect()
        return await self._presence.wait(identity, timeout)

    async def clear(self) -> None:
        """Drops what was sent and not played; takes effect at once, and clients are told to drop what they have."""
        self._clears += 1
        self._voice.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLEAR_DEADLINE):
                await self.send_event({"type": "clear"})

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Gives an event to every room feature; one that fails is logged and does not keep it from the others."""
        if self._closed or not self.connected:
            return
        for feature in self._features:
            try:
                async with asyncio.timeout(_CALL_DEADLINE):
                    await feature.send_event(event)
            except Exception as error:
                log.debug("%s did not send an event: %s", type(feature).__name__, type(error).__name__)

    def on_control(self, handler: Callable[[Mapping[str, Any]], None]) -> None:
        """Sets who is told of participants, data, digits and the connection; tells what happened before."""
        self._handler = handler
        while self._untold:
            handler(self._untold.popleft())

    async def publish_data(self, payload: bytes, topic: str, to: Sequence[str] = ()) -> None:
        """Sends a data packet (at most about 15 kB) reliably to everybody, or to the identities in ``to``.

        Raises:
            ConnectError: ``connection_failed`` if not connected, or it could not be sent.
        """
        room = self._require_room("publish_data")
        call = room.local_participant.publish_data(payload, topic=topic, destination_identities=list(to))
        await self._call("publish_data", call)

    async def send_dtmf(self, keys: str, *, pause: float = PAUSE, to: Sequence[str] = ()) -> None:
        """Presses telephone keys: in a phone menu that the agent has called, or for another participant.

        They do not sound in the room; livekit-sip puts them on the phone line. Returns when the last one was sent.

        Args:
            keys: of ``0-9 * # A-D``, and ``w`` to wait half a second: ``"1w4321#"``.
            pause: seconds from one key to the next, 0 to 60.
            to: identities that get them; everybody if empty.

        Raises:
            FormatError: ``invalid_format`` for other keys, none, or another pause; then nothing was pressed.
            ConnectError: ``connection_failed`` if not connected, or the connection was lost meanwhile;
                ``details["sent"]`` is how many keys were pressed before.
        """

        async def room() -> rtc.Room:
            self._require_room("send_dtmf")
            await self._voice.wait_for_listener()  # who does not know us yet would drop them
            return self._require_room("send_dtmf")

        await self._keys.press(keys, room, pause, to)

    async def set_attributes(self, attributes: Mapping[str, str]) -> None:
        """Sets attributes of the agent that all others can read; others stay, empty ones are removed.

        Raises:
            ConnectError: ``connection_failed`` if not connected, or the token does not allow it.
        """
        room = self._require_room("set_attributes")
        await self._call("set_attributes", room.local_participant.set_attributes(dict(attributes)))

    async def close(self) -> None:
        """Leaves the room; idempotent, within three seconds."""
        if self._closed:
            return
        self._closed = True
        self._inbox.end()
        for feature in self._features:
            try:
                async with asyncio.timeout(0.5):
                    await feature.close()
            except Exception as error:
                log.debug("%s did not close: %s", type(feature).__name__, type(error).__name__)
        self._presence.close()
        await self._connection.leave()

    def _on_everybody_left(self) -> None:
        self._tell({"type": "transport", "state": "lost", "reason": "everybody_left"})
        self._end(None)

    def _recording_source(self) -> Callable[[str], Coroutine[Any, Any, bytes]] | None:
        rate, timeout = self._config.sample_rate, self._settings.pre_connect_timeout
        for feature in self._features:
            if isinstance(feature, PreConnectAudio):
                return partial(feature.recording, sample_rate=rate, timeout=timeout)
        return None

    def _end(self, error: BackendError | None) -> None:
        self._error = error
        self._inbox.end()

    async def _call(self, op: str, call: Any) -> None:
        try:
            async with asyncio.timeout(_CALL_DEADLINE):
                await call
        except Exception as error:  # the SDK has a class of its own for each call
            raise ConnectError(
                op, "connection_failed", f"livekit: {op} failed: {str(error) or 'no answer'}"
            ) from error

    def _tell(self, message: Mapping[str, Any]) -> None:
        if self._closed:
            return
        self._presence.follow(message)
        if self._handler is None:
            self._untold.append(message)
        else:
            self._handler(message)

    def _require_room(self, op: str) -> rtc.Room:
        self._require_open(op)
        room = self._connection.room
        if room is None or not self.connected:
            raise ConnectError(op, "connection_failed", "livekit: not connected; await connect() first")
        return room

    def _require_open(self, op: str) -> None:
        if self._closed:
            raise ConnectError(op, "connection_failed", "livekit: the transport is closed")
        if self._inbox.ended:
            raise self._error or ConnectError(
                op, "connection_failed", "livekit: the room was left; make a new transport", retryable=False
            )


def create(config: TransportConfig) -> LiveKitTransport:
    """Makes a transport."""
    return LiveKitTransport(config)
