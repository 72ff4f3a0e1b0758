"""What a worker is told about a job: plain values, made from LiveKit's ``Job`` message in `wire`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from beluga_voice.livekit.records import ParticipantInfo

__all__ = ["Answer", "Job", "JobKind", "JobRequest", "JobStatus", "Outcome"]

JobKind = Literal["room", "publisher", "participant"]
JobStatus = Literal["running", "success", "failed"]


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the server describes it.

    Attributes:
        id: ``AJ_…``.
        kind: one job for each ``room``, ``publisher`` or ``participant``.
        room: name of the room.
        room_sid: ``RM_…``.
        room_metadata: free text of the room.
        dispatch_id: ``AD_…``, the dispatch it comes from.
        agent_name: the name it was dispatched to; empty for automatic dispatch.
        metadata: free text of the dispatch.
        attributes: key-value facts of the dispatch.
        participant: whom it is about; None for room jobs.
    """

    id: str
    kind: JobKind = "room"
    room: str = ""
    room_sid: str = ""
    room_metadata: str = ""
    dispatch_id: str = ""
    agent_name: str = ""
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    participant: ParticipantInfo | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the worker answers when the server offers a job.

    Attributes:
        accepted: whether it takes the job.
        identity: the agent joins under it.
        name: of the agent, for people to read.
        metadata: of the agent's participant.
        attributes: of the agent's participant.
    """

    accepted: bool
    identity: str = ""
    name: str = ""
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended.

    Attributes:
        status: ``success`` or ``failed``.
        error: why it failed, in one line.
        reason: why it ended.
    """

    status: JobStatus
    error: str = ""
    reason: str = ""


class JobRequest:
    """A job that the server offers: `accept` it, or `reject` it so that another worker is asked.

    A hook that does neither accepts. A slot is kept for the job while the hook decides.

    Attributes:
        job: what is offered.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._answer: Answer | None = None

    def accept(
        self,
        *,
        identity: str = "",
        name: str = "",
        metadata: str = "",
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Takes the job.

        Args:
            identity: the agent joins under it; ``agent-<job id>`` if empty.
            name: of the agent, for people to read.
            metadata: of the agent's participant.
            attributes: of the agent's participant.
        """
        self._answer = Answer(
            True, identity or default_identity(self.job), name, metadata, dict(attributes or {})
        )

    def reject(self) -> None:
        """Leaves the job to another worker; the server does not ask this one again for it."""
        self._answer = Answer(False)

    @property
    def answer(self) -> Answer:
        """What was chosen."""
        return self._answer or Answer(True, default_identity(self.job))


def default_identity(job: Job) -> str:
    """An identity no other participant has."""
    return f"agent-{job.id}"
