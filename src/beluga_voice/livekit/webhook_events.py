"""What a LiveKit server tells by webhook, as typed events (https://docs.livekit.io/home/server/webhooks/).

The class says what an event is about, ``event.name`` what happened::

    match event:
        case RoomEvent(name="room_finished"): ...
        case ParticipantEvent(name="participant_joined", participant=who): ...
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict, Parse, ParseError

from beluga_voice.errors import FormatError
from beluga_voice.livekit.records import (
    AgentJob,
    ParticipantInfo,
    RoomInfo,
    TrackInfo,
    agent_job,
    participant_info,
    room_info,
    track_info,
)
from beluga_voice.livekit.sdk import api

__all__ = [
    "AgentJobEvent",
    "EgressEvent",
    "IngressEvent",
    "ParticipantEvent",
    "RoomEvent",
    "TrackEvent",
    "WebhookEvent",
    "parse_event",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """Any event; of exactly this class where we do not know its kind.

    Attributes:
        name: ``room_started`` …
        id: ``EV_…``, the same if the server sends it again.
        created_at: Unix seconds, whole.
        dropped: how many events before it the server could not deliver and gave up.
    """

    name: str
    id: str
    created_at: float
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomEvent(WebhookEvent):
    """``room_started``, ``room_finished``.

    Attributes:
        room: which.
        end_reason: of ``room_finished``: ``api_delete``, ``idle_timeout``, ``server_shutdown`` …; empty where the
            server does not tell (livekit-server 1.13.5 does not).
    """

    room: RoomInfo
    end_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantEvent(WebhookEvent):
    """``participant_joined``, ``participant_left``, ``participant_connection_aborted``.

    Attributes:
        room: where.
        participant: who.
    """

    room: RoomInfo
    participant: ParticipantInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackEvent(WebhookEvent):
    """``track_published``, ``track_unpublished``.

    Attributes:
        room: where.
        participant: whose.
        track: which.
    """

    room: RoomInfo
    participant: ParticipantInfo
    track: TrackInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentJobEvent(WebhookEvent):
    """``agent_job_started``, ``agent_job_ended``.

    Attributes:
        job: which.
    """

    job: AgentJob


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressEvent(WebhookEvent):
    """``egress_started``, ``egress_updated``, ``egress_ended``: a recording or a stream out of a room.

    Attributes:
        egress: LiveKit's EgressInfo, its fields in snake_case.
    """

    egress: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressEvent(WebhookEvent):
    """``ingress_started``, ``ingress_ended``: a stream into a room.

    Attributes:
        ingress: LiveKit's IngressInfo, its fields in snake_case.
    """

    ingress: Mapping[str, Any] = field(default_factory=dict[str, Any])


def parse_event(body: bytes) -> WebhookEvent:
    """The event in a body whose signature is known to be good; fields we do not know are ignored.

    Raises:
        FormatError: ``invalid_format`` if it is not a webhook's JSON.
    """
    try:
        message = Parse(body, api.WebhookEvent(), ignore_unknown_fields=True)
    except (ParseError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed("is no event in JSON") from error
    if not message.event:
        raise _malformed("names no event")
    common: dict[str, Any] = {
        "name": message.event,
        "id": message.id,
        "created_at": float(message.created_at),
        "dropped": message.num_dropped,
    }
    kind = message.event.partition("_")[0]
    if kind == "room":
        reason = api.RoomEndReason.Name(message.room_end_reason) if message.room_end_reason else ""
        ended = reason.removeprefix("ROOM_END_").lower()
        return RoomEvent(**common, room=room_info(message.room), end_reason=ended)
    if kind == "participant":
        where = room_info(message.room)
        return ParticipantEvent(**common, room=where, participant=participant_info(message.participant))
    if kind == "track":
        return TrackEvent(
            **common,
            room=room_info(message.room),
            participant=participant_info(message.participant),
            track=track_info(message.track),
        )
    if kind == "agent":
        return AgentJobEvent(**common, job=agent_job(message.job))
    if kind == "egress":
        return EgressEvent(
            **common, egress=MessageToDict(message.egress_info, preserving_proto_field_name=True)
        )
    if kind == "ingress":
        return IngressEvent(
            **common, ingress=MessageToDict(message.ingress_info, preserving_proto_field_name=True)
        )
    return WebhookEvent(**common)


def _malformed(what: str) -> FormatError:
    return FormatError("livekit_webhook", "invalid_format", f"livekit: the webhook's body {what}")
