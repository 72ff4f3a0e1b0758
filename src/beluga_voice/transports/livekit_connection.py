"""One LiveKit room after another until it is left on purpose: joins, and joins again when the connection is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from livekit import rtc

from beluga_voice.errors import AuthError, BackendError, ConfigError, ConnectError
from beluga_voice.transports.livekit_audio import RoomAudio
from beluga_voice.transports.livekit_connect import join, leave
from beluga_voice.transports.livekit_feature import RoomFeature, Tell
from beluga_voice.transports.livekit_participants import Participants
from beluga_voice.transports.livekit_reconnect import FINAL, delays, final_error, reason_name
from beluga_voice.transports.livekit_router import router
from beluga_voice.transports.livekit_settings import Credentials, SettingsModel
from beluga_voice.transports.livekit_voice import Voice

__all__ = ["Connection"]


class Connection:
    """Keeps a transport in its room.

    The SDK repairs a connection by itself for some time; when it gives up, a new room object is joined, for as long as
    ``reconnect_timeout``.

    Args:
        credentials: where to go.
        settings: whom to hear, and how long to try.
        timeout: seconds for one try.
        features: attached to every room.
        audio: takes the tracks of others.
        voice: published in every room.
        tell: is told of the connection and of participants.
        on_room: called when a room was joined, before anything in it is told.
        on_end: called once when there is no way back, with the error to raise or None for a clean end.

    Attributes:
        room: the SDK's room, once connected.
        usable: set while audio can be sent, and after the end.
    """

    def __init__(
        self,
        credentials: Credentials,
        settings: SettingsModel,
        timeout: float,
        features: Sequence[RoomFeature],
        audio: RoomAudio,
        voice: Voice,
        tell: Tell,
        on_room: Callable[[], None],
        on_end: Callable[[BackendError | None], None],
    ) -> None:
        self._credentials = credentials
        self._settings = settings
        self._timeout = timeout
        self._features = features
        self._audio = audio
        self._voice = voice
        self._tell = tell
        self._on_room = on_room
        self._on_end = on_end
        self._joining = asyncio.Lock()
        self._rejoining: asyncio.Task[None] | None = None
        self._participants: Participants | None = None
        self._settled: rtc.Room | None = None
        self._gone: tuple[rtc.Room, asyncio.Future[int]] | None = None
        self._left = False
        self._said = ""
        self.room: rtc.Room | None = None
        self.usable = asyncio.Event()

    async def connect(self) -> None:
        """Joins; returns at once when that has been done.

        Raises:
            AuthError: ``authentication_failed`` if the token is refused.
            ConnectError: ``connection_failed`` or ``connection_timeout``.
        """
        if self._settled is not None:
            return
        async with self._joining:
            if self._settled is None and not self._left:
                await self._join("connected")

    async def leave(self) -> None:
        """Leaves for good; idempotent and bounded."""
        self._left = True
        self.usable.set()
        if self._rejoining is not None:
            self._rejoining.cancel()
            await asyncio.wait([self._rejoining], timeout=0.5)
        if self._participants is not None:
            self._participants.stop()
        self._audio.remove_all()
        if self.room is not None:
            await leave(self.room)
        await self._voice.close()

    async def _join(self, state: str) -> None:
        room = rtc.Room()
        participants = Participants(room, self._settings, self._audio, self._tell)
        handlers: Mapping[str, Callable[..., None]] = {
            "disconnected": partial(self._on_disconnected, room),
            "reconnecting": partial(self._on_reconnecting, room),
            "reconnected": partial(self._on_reconnected, room),
            "token_refreshed": partial(self._on_token, room),
        }
        for event, handler in handlers.items():
            room.on(event, handler)  # pyright: ignore[reportArgumentType, reportUnknownMemberType]

        before = self._participants.identities if self._participants is not None else set[str]()

        def ready() -> None:
            self.room, self._participants = room, participants
            router().own(room)
            self._on_room()
            if state == "connected":
                self._say(state)
            for feature in self._features:
                feature.attach(room, self._tell)
            participants.begin()
            for identity in sorted(before - participants.identities):  # left while we were away
                data = {"reason": "unseen"}
                self._tell({"type": "participant", "identity": identity, "phase": "left", "data": data})

        try:
            await join(room, self._credentials, self._timeout, ready)
            if self._credentials.can_publish:
                await self._publish(room)
        except BaseException:
            participants.stop()
            self._audio.remove_all()
            if self.room is room:
                self.room = None
                await leave(room)
            raise
        if self._left:
            await leave(room)
            return
        self._settled = room
        self.usable.set()
        if state != "connected":
            self._say(state)

    async def _publish(self, room: rtc.Room) -> None:
        """Publishes the voice, unless the room is lost meanwhile: the SDK would wait for an answer all the same."""
        gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._gone = room, gone
        publishing = asyncio.create_task(self._voice.publish(room), name="livekit-publish")
        try:
            await asyncio.wait([publishing, gone], return_when=asyncio.FIRST_COMPLETED)
            if not gone.done():
                publishing.result()
                return
        finally:
            self._gone = None
            if not publishing.done():
                publishing.cancel()
                await asyncio.wait([publishing], timeout=0.5)
        name = reason_name(gone.result())
        if gone.result() in FINAL:
            self._say("lost", name)
        error = final_error(gone.result(), self._credentials.identity, self._credentials.room)
        raise error or ConnectError(
            "livekit_connect",
            "connection_failed",
            f"livekit: {self._credentials.peer} ended the connection while joining ({name})",
            {"reason": name},
            retryable=gone.result() not in FINAL,
        )

    # --- what the SDK tells ---------------------------------------------------------------------------------

    def _on_reconnecting(self, room: rtc.Room) -> None:
        if room is self._settled and not self._left and self.usable.is_set():
            self.usable.clear()
            self._say("reconnecting", "network")

    def _on_reconnected(self, room: rtc.Room) -> None:
        if room is self._settled and not self._left and not self.usable.is_set():
            self.usable.set()
            self._say("reconnected")
            if self._participants is not None:
                self._participants.resubscribe()

    def _on_token(self, room: rtc.Room) -> None:
        self._credentials.refreshed(str(getattr(room, "_token", "") or ""))

    def _on_disconnected(self, room: rtc.Room, reason: int) -> None:
        if self._gone is not None and self._gone[0] is room and not self._gone[1].done():
            self._gone[1].set_result(reason)
        if self._left or room is not self._settled or self._rejoining is not None:
            return
        name = reason_name(reason)
        if self._participants is not None:
            self._participants.stop()
        self._audio.remove_all()
        if reason in FINAL:
            self._end(name, final_error(reason, self._credentials.identity, self._credentials.room))
            return
        if self.usable.is_set():
            self.usable.clear()
            self._say("reconnecting", name)
        self._rejoining = asyncio.get_running_loop().create_task(self._rejoin(name), name="livekit-rejoin")

    async def _rejoin(self, reason: str) -> None:
        """Joins anew until it works, the token is refused or the time is over."""
        last: BackendError | None = None
        error: BackendError | None = None
        try:
            async with asyncio.timeout(self._settings.reconnect_timeout):
                for delay in delays(random.Random()):
                    await asyncio.sleep(delay)
                    try:
                        await self._join("reconnected")
                    except ConnectError as problem:
                        if not problem.retryable:
                            raise
                        last = problem
                        continue
                    self._rejoining = None
                    return
        except TimeoutError:
            why = f"; last: {last.message}" if last is not None else ""
            error = ConnectError(
                "recv",
                "connection_failed",
                f"livekit: the connection to {self._credentials.peer} was lost ({reason}) and could not be made again "
                f"in {self._settings.reconnect_timeout:g} s{why}",
                {"reason": reason, "peer": self._credentials.peer},
            )
            error.__cause__ = last
        except (AuthError, ConfigError, ConnectError) as problem:
            error = problem
        self._rejoining = None
        self._end(reason, error)

    def _end(self, reason: str, error: BackendError | None) -> None:
        self._say("lost", reason)
        self.usable.set()
        self._on_end(error)

    def _say(self, state: str, reason: str = "") -> None:
        if state == self._said == "lost":
            return
        self._said = state
        told: dict[str, Any] = {"type": "transport", "state": state}
        self._tell({**told, "reason": reason} if reason else told)
