"""Participants by the server API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from beluga_voice.errors import ConfigError, SessionError
from beluga_voice.livekit.calls import Calls
from beluga_voice.livekit.records import ParticipantInfo, Permissions, TrackInfo, participant_info, track_info
from beluga_voice.livekit.sdk import api

__all__ = ["Participants"]

_MAX_DATA = 15_000  # one reliable packet of a data channel; LiveKit's clients send no larger one


class Participants:
    """Looks at, changes and removes those who are in a room; ``LiveKitApi.participants``."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def list(self, room: str) -> tuple[ParticipantInfo, ...]:
        """Everybody in the room, none if there is no such room."""
        request = api.ListParticipantsRequest(room=room)
        found = await self._calls.call(
            "livekit_list_participants", lambda sdk: sdk.room.list_participants(request)
        )
        return tuple(participant_info(one) for one in found.participants)

    async def get(self, room: str, identity: str) -> ParticipantInfo:
        """One of them.

        Raises:
            SessionError: ``not_found``.
        """
        request = api.RoomParticipantIdentity(room=room, identity=identity)
        return participant_info(
            await self._calls.call("livekit_get_participant", lambda sdk: sdk.room.get_participant(request))
        )

    async def remove(self, room: str, identity: str) -> bool:
        """Disconnects one of them, who may come back with a valid token. False if nobody was there."""
        request = api.RoomParticipantIdentity(room=room, identity=identity)
        try:
            await self._calls.call(
                "livekit_remove_participant",
                lambda sdk: sdk.room.remove_participant(request),
                room=room,
                identity=identity,
            )
        except SessionError:
            return False
        return True

    async def mute(self, room: str, identity: str, track_sid: str, muted: bool = True) -> TrackInfo:
        """Mutes a track for everybody.

        Args:
            room: its name.
            identity: who publishes the track.
            track_sid: of the track: ``TrackInfo.sid``.
            muted: False lets it be heard again, where the server allows that (``enable_remote_unmute``).

        Raises:
            SessionError: ``not_found`` if room, participant or track are not there.
        """
        request = api.MuteRoomTrackRequest(room=room, identity=identity, track_sid=track_sid, muted=muted)
        answer = await self._calls.call(
            "livekit_mute_track",
            lambda sdk: sdk.room.mute_published_track(request),
            room=room,
            identity=identity,
        )
        if not answer.track.sid:
            raise SessionError(
                "livekit_mute_track", "not_found", f"livekit: {identity!r} publishes no track {track_sid!r}"
            )
        return track_info(answer.track)

    async def update(
        self,
        room: str,
        identity: str,
        *,
        name: str = "",
        metadata: str = "",
        attributes: Mapping[str, str] | None = None,
        permissions: Permissions | None = None,
    ) -> ParticipantInfo:
        """Changes what is given; the others are told.

        Args:
            room: its name.
            identity: who is changed.
            name: for people to read.
            metadata: free text.
            attributes: merged into what is there; an empty value takes a key away.
            permissions: replaces all of them.

        Raises:
            SessionError: ``not_found``.
        """
        request = api.UpdateParticipantRequest(
            room=room, identity=identity, name=name, metadata=metadata, attributes=dict(attributes or {})
        )
        if permissions is not None:
            request.permission.CopyFrom(_message(permissions))
        return participant_info(
            await self._calls.call(
                "livekit_update_participant",
                lambda sdk: sdk.room.update_participant(request),
                room=room,
                identity=identity,
            )
        )

    async def send_data(
        self, room: str, data: bytes, *, topic: str = "", to: Sequence[str] = (), reliable: bool = True
    ) -> None:
        """Sends bytes to participants.

        Args:
            room: its name.
            data: at most 15000 bytes.
            topic: tells receivers what it is.
            to: identities; empty is everybody. One that is not there is no error.
            reliable: in order and repeated if lost; otherwise once.

        Raises:
            ConfigError: ``invalid_config`` if it is too long.
            SessionError: ``not_found`` if there is no such room.
        """
        if len(data) > _MAX_DATA:
            raise ConfigError(
                "livekit_send_data",
                "invalid_config",
                f"livekit: data has {len(data)} bytes; send at most {_MAX_DATA} at once",
            )
        kind = api.DataPacket.Kind.RELIABLE if reliable else api.DataPacket.Kind.LOSSY
        request = api.SendDataRequest(room=room, data=data, kind=kind, destination_identities=to, topic=topic)
        await self._calls.call("livekit_send_data", lambda sdk: sdk.room.send_data(request), room=room)


def _message(allowed: Permissions) -> api.ParticipantPermission:
    sources = [source.upper() for source in allowed.sources]
    known_sources = set(api.TrackSource.keys())
    unknown = set(sources) - known_sources
    if unknown:
        known = ", ".join(sorted(name.lower() for name in known_sources))
        raise ConfigError(
            "livekit_update_participant",
            "invalid_config",
            f"livekit: sources={allowed.sources!r}; choose from {known}",
        )
    return api.ParticipantPermission(
        can_subscribe=allowed.can_subscribe,
        can_publish=allowed.can_publish,
        can_publish_data=allowed.can_publish_data,
        can_update_metadata=allowed.can_update_metadata,
        hidden=allowed.hidden,
        can_publish_sources=sources,
    )
