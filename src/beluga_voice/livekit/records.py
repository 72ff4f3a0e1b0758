"""What the server tells of rooms, participants, tracks and agents, as plain values; times are Unix seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from beluga_voice.livekit import sdk

__all__ = [
    "AgentJob",
    "AgentRequest",
    "DispatchInfo",
    "ParticipantInfo",
    "Permissions",
    "RoomInfo",
    "TrackInfo",
    "agent_job",
    "dispatch_info",
    "participant_info",
    "room_info",
    "track_info",
]


@dataclass(frozen=True, slots=True)
class RoomInfo:
    """A room.

    Attributes:
        name: chosen by whoever made it.
        sid: the server's own id, another one each time a room of this name is made.
        metadata: free text.
        created_at: Unix seconds.
        participants: how many are in it; hidden ones are not counted.
        publishers: how many of them send.
        max_participants: 0 is no limit.
        empty_timeout: seconds until it closes if nobody comes.
        departure_timeout: seconds until it closes when the last has left.
    """

    name: str
    sid: str = ""
    metadata: str = ""
    created_at: float = 0.0
    participants: int = 0
    publishers: int = 0
    max_participants: int = 0
    empty_timeout: float = 0.0
    departure_timeout: float = 0.0


@dataclass(frozen=True, slots=True)
class TrackInfo:
    """A published track.

    Attributes:
        sid: the server's id.
        kind: ``audio``, ``video`` or ``data``.
        source: ``microphone``, ``camera``, ``screen_share``, ``screen_share_audio`` or ``unknown``.
        name: the publisher's name for it.
        muted: whether it is silent now.
        mime_type: ``audio/opus`` …
        stereo: of an audio track.
    """

    sid: str
    kind: str = "audio"
    source: str = "unknown"
    name: str = ""
    muted: bool = False
    mime_type: str = ""
    stereo: bool = False


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a participant may do; all of it is replaced by `Participants.update`.

    Attributes:
        can_subscribe: hear others.
        can_publish: send tracks.
        can_publish_data: send messages and text.
        can_update_metadata: change the own name, metadata and attributes.
        hidden: nobody sees this participant.
        sources: the only sources that may be published (``microphone`` …); empty is all.
    """

    can_subscribe: bool = True
    can_publish: bool = True
    can_publish_data: bool = True
    can_update_metadata: bool = False
    hidden: bool = False
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParticipantInfo:
    """Somebody in a room.

    Attributes:
        identity: unique in the room.
        sid: the server's own id of this connection.
        name: for people to read.
        kind: ``standard``, ``agent``, ``sip``, ``ingress``, ``egress``, ``connector`` or ``bridge``.
        state: ``joining``, ``joined``, ``active`` or ``disconnected``.
        metadata: free text.
        attributes: key-value facts; of a phone caller ``sip.phoneNumber`` and others.
        joined_at: Unix seconds.
        tracks: what is published.
        permissions: what is allowed.
        disconnect_reason: why it left: ``client_initiated``, ``room_deleted`` …; empty while it is there.
    """

    identity: str
    sid: str = ""
    name: str = ""
    kind: str = "standard"
    state: str = "joining"
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    joined_at: float = 0.0
    tracks: tuple[TrackInfo, ...] = ()
    permissions: Permissions = field(default_factory=Permissions)
    disconnect_reason: str = ""


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """An agent that a room wants: sent to a worker of this name when the room is made.

    Attributes:
        agent_name: of the worker.
        metadata: free text for the job.
        attributes: of the agent's participant.
    """

    agent_name: str
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])

    def message(self) -> sdk.api.RoomAgentDispatch:
        """LiveKit's form of it."""
        return sdk.api.RoomAgentDispatch(
            agent_name=self.agent_name, metadata=self.metadata, attributes=dict(self.attributes)
        )


@dataclass(frozen=True, slots=True)
class AgentJob:
    """A worker's task in a room.

    Attributes:
        id: of the job.
        dispatch_id: of the dispatch it comes from.
        agent_name: of the worker.
        room: the room's name.
        status: ``pending``, ``running``, ``success`` or ``failed``.
        error: why it failed.
        identity: of the agent's participant, once it is known.
        worker_id: who has it.
        metadata: free text of the dispatch.
        started_at: Unix seconds, 0 before.
        ended_at: Unix seconds, 0 before.
    """

    id: str
    dispatch_id: str = ""
    agent_name: str = ""
    room: str = ""
    status: str = "pending"
    error: str = ""
    identity: str = ""
    worker_id: str = ""
    metadata: str = ""
    started_at: float = 0.0
    ended_at: float = 0.0


@dataclass(frozen=True, slots=True)
class DispatchInfo:
    """A standing wish for an agent in a room.

    Attributes:
        id: of the dispatch.
        agent_name: of the worker; empty for the server's own dispatch to workers without a name.
        room: the room's name.
        metadata: free text for the job.
        attributes: of the agent's participant.
        created_at: Unix seconds.
        jobs: what came of it.
    """

    id: str
    agent_name: str
    room: str
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    created_at: float = 0.0
    jobs: tuple[AgentJob, ...] = ()


def room_info(room: sdk.api.Room) -> RoomInfo:
    """From LiveKit's message."""
    return RoomInfo(
        name=room.name,
        sid=room.sid,
        metadata=room.metadata,
        created_at=room.creation_time_ms / 1000 or float(room.creation_time),
        participants=room.num_participants,
        publishers=room.num_publishers,
        max_participants=room.max_participants,
        empty_timeout=float(room.empty_timeout),
        departure_timeout=float(room.departure_timeout),
    )


def track_info(track: sdk.api.TrackInfo) -> TrackInfo:
    """From LiveKit's message."""
    return TrackInfo(
        sid=track.sid,
        kind=_word(sdk.api.TrackType.Name, track.type),
        source=_word(sdk.api.TrackSource.Name, track.source),
        name=track.name,
        muted=track.muted,
        mime_type=track.mime_type,
        stereo=track.stereo,
    )


def participant_info(one: sdk.api.ParticipantInfo) -> ParticipantInfo:
    """From LiveKit's message."""
    allowed = one.permission
    reason = _word(sdk.api.DisconnectReason.Name, one.disconnect_reason)
    return ParticipantInfo(
        identity=one.identity,
        sid=one.sid,
        name=one.name,
        kind=_word(sdk.api.ParticipantInfo.Kind.Name, one.kind),
        state=_word(sdk.api.ParticipantInfo.State.Name, one.state),
        metadata=one.metadata,
        attributes=dict(one.attributes),
        joined_at=one.joined_at_ms / 1000 or float(one.joined_at),
        tracks=tuple(track_info(track) for track in one.tracks),
        permissions=Permissions(
            can_subscribe=allowed.can_subscribe,
            can_publish=allowed.can_publish,
            can_publish_data=allowed.can_publish_data,
            can_update_metadata=allowed.can_update_metadata,
            hidden=allowed.hidden,
            sources=tuple(_word(sdk.api.TrackSource.Name, source) for source in allowed.can_publish_sources),
        ),
        disconnect_reason="" if reason == "unknown_reason" else reason,
    )


def agent_job(job: sdk.api.Job) -> AgentJob:
    """From LiveKit's message."""
    state = job.state
    return AgentJob(
        id=job.id,
        dispatch_id=job.dispatch_id,
        agent_name=job.agent_name,
        room=job.room.name,
        status=_word(sdk.api.JobStatus.Name, state.status).removeprefix("js_"),
        error=state.error,
        identity=state.participant_identity,
        worker_id=state.worker_id,
        metadata=job.metadata,
        started_at=state.started_at / 1e9,
        ended_at=state.ended_at / 1e9,
    )


def dispatch_info(dispatch: sdk.api.AgentDispatch) -> DispatchInfo:
    """From LiveKit's message."""
    return DispatchInfo(
        id=dispatch.id,
        agent_name=dispatch.agent_name,
        room=dispatch.room,
        metadata=dispatch.metadata,
        attributes=dict(dispatch.attributes),
        created_at=dispatch.state.created_at / 1e9,
        jobs=tuple(agent_job(job) for job in dispatch.state.jobs),
    )


def _word(name: Callable[[Any], str], value: int) -> str:
    """The name of an enumeration's value in lower case; a newer server may send one we have no name for."""
    try:
        return name(value).lower()
    except ValueError:
        return "unknown"
