"""LiveKit's agent worker protocol (``livekit.protocol.agent``) to and from the words of `messages`. Pure functions.

Checked against livekit-protocol 1.1.29 and livekit-server 1.13.5, September 2026.
"""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from beluga_voice.errors import ConfigError, FormatError, missing_extra
from beluga_voice.livekit.records import Permissions, participant_info
from beluga_voice.worker import messages as m
from beluga_voice.worker.jobs import Job, JobKind

try:
    from google.protobuf.message import DecodeError
    from livekit.protocol import agent as pb
    from livekit.protocol import models
except ImportError as _error:
    raise missing_extra("worker", "the LiveKit SDK (livekit-protocol)", "livekit") from _error

__all__ = ["agent_url", "decode", "encode", "registration"]

PROTOCOL = 1
_TYPES: dict[JobKind, pb.JobType] = {
    "room": pb.JT_ROOM,
    "publisher": pb.JT_PUBLISHER,
    "participant": pb.JT_PARTICIPANT,
}
_KINDS: dict[int, JobKind] = {int(value): kind for kind, value in _TYPES.items()}
_STATUS = {"running": pb.JS_RUNNING, "success": pb.JS_SUCCESS, "failed": pb.JS_FAILED}
_ERROR_LENGTH = 500


def agent_url(url: str) -> str:
    """The WebSocket address of the server's agent door.

    Raises:
        ConfigError: ``invalid_config`` if ``url`` is not ``ws://``, ``wss://``, ``http://`` or ``https://``.
    """
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise ConfigError(
            "worker",
            "invalid_config",
            f"url={url!r} is not a LiveKit address; write wss://host or ws://host:port",
        )
    path = parts.path.rstrip("/") + "/agent"
    return urlunsplit((scheme, parts.netloc, path, f"protocol={PROTOCOL}", ""))


def registration(
    kind: JobKind,
    agent_name: str,
    version: str,
    *,
    ping_interval: float,
    permissions: Permissions,
) -> bytes:
    """The message that registers a worker."""
    return pb.WorkerMessage(
        register=pb.RegisterWorkerRequest(
            type=_TYPES[kind],
            agent_name=agent_name,
            version=version,
            ping_interval=round(ping_interval),
            allowed_permissions=models.ParticipantPermission(
                can_publish=permissions.can_publish,
                can_subscribe=permissions.can_subscribe,
                can_publish_data=permissions.can_publish_data,
                can_update_metadata=permissions.can_update_metadata,
                hidden=permissions.hidden,
                agent=True,
            ),
        )
    ).SerializeToString()


def encode(message: m.ToServer, now_ms: int) -> bytes:
    """A message for the server; `Register` is made by `registration`.

    Args:
        message: what to tell.
        now_ms: milliseconds since the epoch, for pings.
    """
    out = pb.WorkerMessage()
    match message:
        case m.Availability(job_id, answer):
            out.availability.job_id = job_id
            out.availability.available = answer.accepted
            out.availability.participant_identity = answer.identity
            out.availability.participant_name = answer.name
            out.availability.participant_metadata = answer.metadata
            out.availability.participant_attributes.update(answer.attributes)
        case m.WorkerStatus(full, load, jobs, draining):
            out.update_worker.status = pb.WS_FULL if full else pb.WS_AVAILABLE
            out.update_worker.load = load
            out.update_worker.job_count = jobs
            out.update_worker.draining = draining
        case m.JobUpdate(job_id, status, error):
            out.update_job.job_id = job_id
            out.update_job.status = _STATUS[status]
            out.update_job.error = error[:_ERROR_LENGTH]
        case m.Ping():
            out.ping.timestamp = now_ms
        case m.MigrateJobs(job_ids):
            out.migrate_job.job_ids.extend(job_ids)
        case m.SimulateJob(room):
            out.simulate_job.type = pb.JT_ROOM
            out.simulate_job.room.name = room
        case m.Register():
            raise TypeError("use registration()")
    return out.SerializeToString()


def decode(data: bytes | str) -> m.Input | None:
    """What the server says; None for what we do not know.

    Raises:
        FormatError: ``invalid_format`` if it is not a message of the protocol.
    """
    if isinstance(data, str):
        raise FormatError("worker", "invalid_format", "livekit: the server sent text where bytes belong")
    try:
        message = pb.ServerMessage.FromString(data)
    except DecodeError as error:
        text = f"livekit: unreadable message from the server ({error})"
        raise FormatError("worker", "invalid_format", text) from error
    match message.WhichOneof("message"):
        case "register":
            info = message.register.server_info
            server = {"version": info.version, "node": info.node_id, "region": info.region}
            return m.Registered(message.register.worker_id, server)
        case "availability":
            return m.Offered(_job(message.availability.job))
        case "assignment":
            a = message.assignment
            return m.Assigned(_job(a.job), a.url, a.token, a.job.state.participant_identity)
        case "termination":
            return m.Terminated(message.termination.job_id)
        case "pong":
            return m.Pong()
        case "go_away":
            return m.ServerLeaves(message.go_away.reason)
        case _:
            return None


def _job(job: pb.Job) -> Job:
    return Job(
        id=job.id,
        kind=_KINDS.get(int(job.type), "room"),
        room=job.room.name,
        room_sid=job.room.sid,
        room_metadata=job.room.metadata,
        dispatch_id=job.dispatch_id,
        agent_name=job.agent_name,
        metadata=job.metadata,
        attributes=dict(job.attributes),
        participant=participant_info(job.participant) if job.HasField("participant") else None,
    )
