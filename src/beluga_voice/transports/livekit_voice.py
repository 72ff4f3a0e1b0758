"""The agent's voice into a LiveKit room: one track, silent until something is said."""

from __future__ import annotations

import asyncio
import logging

from livekit import rtc

from beluga_voice.errors import AuthError, ConnectError
from beluga_voice.frames import AudioFrame
from beluga_voice.transports.livekit_router import router

__all__ = ["Voice"]

log = logging.getLogger(__name__)

# What the SDK may hold; the session sends at most 40 ms ahead, so that a barge-in is quick.
_QUEUE_MS = 100
_PUBLISH_DEADLINE = 10.0
# A full queue takes a frame after 20 ms; much more means that the SDK has stopped (a session gives up after 5 s).
_TAKEN_DEADLINE = 4.0
# The first words wait this long for somebody in the room to subscribe.
_FIRST_LISTENER = 1.0


class Voice:
    """Published at once when connected, so that listeners are there before the first word.

    Silence is not sent: nothing is queued, and Opus' discontinuous transmission leaves a packet of a few bytes every
    200 ms to keep the listener's clock (measured in tests/integration/test_livekit_silence.py).

    Args:
        sample_rate: of what is sent, in Hz; the encoder resamples, once.
        channels: 1 or 2.
        bitrate: at most, in bit/s.
    """

    def __init__(self, sample_rate: int, channels: int, bitrate: int) -> None:
        self._rate = sample_rate
        self._bitrate = bitrate
        self._channels = channels
        self._source: rtc.AudioSource | None = None
        self._publication: rtc.LocalTrackPublication | None = None
        self._room: rtc.Room | None = None
        self._waited = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sending = asyncio.Lock()
        self._free = asyncio.Event()
        self._busy = self._wanted = False
        self._problem = ""

    async def publish(self, room: rtc.Room) -> None:
        """Publishes a new track in a connected room.

        Raises:
            ConnectError: ``connection_failed`` if the server does not take it.
        """
        await self.close()
        self._loop = asyncio.get_running_loop()
        self._waited = self._busy = self._wanted = False
        self._problem = ""
        source = rtc.AudioSource(self._rate, self._channels, queue_size_ms=_QUEUE_MS)
        track = rtc.LocalAudioTrack.create_audio_track("beluga-voice", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=True)
        options.audio_encoding.max_bitrate = self._bitrate
        try:
            async with asyncio.timeout(_PUBLISH_DEADLINE):
                self._publication = await room.local_participant.publish_track(track, options)
        except Exception as error:  # TimeoutError, or the SDK's own
            await source.aclose()
            raise ConnectError(
                "livekit_publish",
                "connection_failed",
                f"livekit: the agent's track could not be published: {str(error) or 'no answer'}; "
                "check that the token grants canPublish",
            ) from error
        self._source, self._room = source, room

    async def send(self, frame: AudioFrame) -> None:
        """Queues a frame; waits while 100 ms are queued.

        Raises:
            AuthError: ``authorization_failed`` if there is no track because the token does not allow one.
            ConnectError: ``connection_failed`` if the SDK does not take the frame.
        """
        source, publication = self._source, self._publication
        if source is None or publication is None:
            raise AuthError(
                "send",
                "authorization_failed",
                "livekit: the token does not allow sending audio; grant canPublish",
            )
        if not frame.data:
            return
        await self.wait_for_listener()
        # Two frames at a time inside the SDK might change places.
        async with self._sending:
            await self._taken()
            if source is not self._source:
                return
            self._busy = True
            router().capture(source, frame.data, self._rate, self._channels, self._on_taken)

    async def wait_for_listener(self) -> None:
        """Returns when somebody in the room has subscribed: before, what is sent may pass them by.

        At once where nobody is there, nothing is published or it was waited for before; after a second in any case.
        """
        if self._waited or self._publication is None:
            return
        if self._room is not None and self._room.remote_participants:
            try:
                async with asyncio.timeout(_FIRST_LISTENER):
                    await self._publication.wait_for_subscription()
            except TimeoutError:
                log.debug("nobody has subscribed to the agent's track yet")
        self._waited = True

    def clear(self) -> None:
        """Drops what is queued."""
        if self._source is not None:
            self._source.clear_queue()

    async def close(self) -> None:
        """Ends the source; the track goes with the room."""
        source, self._source, self._publication, self._room = self._source, None, None, None
        if source is not None:
            source.clear_queue()
            await source.aclose()
        self._busy = False
        self._free.set()

    async def _taken(self) -> None:
        """Returns when the SDK has taken the frame before."""
        self._wanted = self._busy
        # Asked again after saying so, because the answer comes on another thread.
        if self._busy:
            try:
                async with asyncio.timeout(_TAKEN_DEADLINE):
                    while self._busy:
                        self._free.clear()
                        if self._busy:
                            await self._free.wait()
            except TimeoutError as error:
                raise ConnectError(
                    "send",
                    "connection_failed",
                    f"livekit: the SDK took no audio for {_TAKEN_DEADLINE:g} s; make a new transport",
                ) from error
            finally:
                self._wanted = False
        if self._problem:
            problem, self._problem = self._problem, ""
            raise ConnectError("send", "connection_failed", f"livekit: the SDK refused audio: {problem}")

    def _on_taken(self, error: str) -> None:
        """On the SDK's thread."""
        self._problem = error
        self._busy = False
        if self._wanted and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._free.set)
