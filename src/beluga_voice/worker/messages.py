"""Words of the registration's decision part: what happens to it, what it asks for, what it tells the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from beluga_voice.errors import BackendError
from beluga_voice.worker.jobs import Answer, Job, JobStatus

__all__ = [
    "Answered",
    "Ask",
    "Assigned",
    "Availability",
    "Begin",
    "Close",
    "Command",
    "Connect",
    "Connected",
    "Disconnect",
    "Drain",
    "Drained",
    "End",
    "Fail",
    "Failed",
    "Input",
    "JobReported",
    "JobUpdate",
    "Lost",
    "Measured",
    "MigrateJobs",
    "Offered",
    "Ping",
    "Pong",
    "Refused",
    "Register",
    "Registered",
    "Released",
    "Send",
    "ServerLeaves",
    "Simulate",
    "SimulateJob",
    "Start",
    "Terminated",
    "ToServer",
    "WorkerStatus",
]


# --- what happens ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """The worker begins to look for its server."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The WebSocket is open."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server answered the WebSocket request with an HTTP status. ``chance`` in [0, 1) is for jitter."""

    status: int
    reason: str = ""
    chance: float = 0.5


@dataclass(frozen=True, slots=True)
class Failed:
    """The server could not be reached."""

    reason: str
    chance: float = 0.5


@dataclass(frozen=True, slots=True)
class Lost:
    """The WebSocket is gone."""

    reason: str = ""
    chance: float = 0.5


@dataclass(frozen=True, slots=True)
class Registered:
    """The server has taken the worker in."""

    worker_id: str
    server: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Offered:
    """The server asks whether the worker takes a job."""

    job: Job


@dataclass(frozen=True, slots=True)
class Answered:
    """The ``on_request`` hook has decided."""

    job_id: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Assigned:
    """The job is the worker's: join as ``identity``. ``url`` is empty where the worker's own server is meant."""

    job: Job
    url: str
    token: str
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Terminated:
    """The server ends a job: its dispatch was deleted, or the agent has left the room."""

    job_id: str


@dataclass(frozen=True, slots=True)
class JobReported:
    """A job tells how it stands."""

    job_id: str
    status: JobStatus
    error: str = ""


@dataclass(frozen=True, slots=True)
class Released:
    """A job has ended and freed everything it used."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Measured:
    """How busy the process is: 1.0 is as much as it can do."""

    load: float


@dataclass(frozen=True, slots=True)
class Pong:
    """The server answered a ping."""


@dataclass(frozen=True, slots=True)
class ServerLeaves:
    """The server asks the worker to connect anew (it is about to end)."""

    reason: str = ""
    chance: float = 0.5


@dataclass(frozen=True, slots=True)
class Simulate:
    """Somebody wants a job in ``room`` without a dispatch."""

    room: str


@dataclass(frozen=True, slots=True)
class Drain:
    """No new jobs; those that run go on."""


@dataclass(frozen=True, slots=True)
class Close:
    """The end, whatever runs."""


Input = (
    Start
    | Connected
    | Refused
    | Failed
    | Lost
    | Registered
    | Offered
    | Answered
    | Assigned
    | Terminated
    | JobReported
    | Released
    | Measured
    | Pong
    | ServerLeaves
    | Simulate
    | Drain
    | Close
)


# --- what the server is told -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Register:
    """The first message on every connection; its content never changes."""


@dataclass(frozen=True, slots=True)
class Availability:
    """The answer to an offer."""

    job_id: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """Whether the worker takes jobs. ``load`` from 0 to 1 weighs it against others of its name."""

    full: bool
    load: float
    jobs: int
    draining: bool


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """How a job stands."""

    job_id: str
    status: JobStatus
    error: str = ""


@dataclass(frozen=True, slots=True)
class Ping:
    """Are you there?"""


@dataclass(frozen=True, slots=True)
class MigrateJobs:
    """These jobs began on an earlier connection and still run here."""

    job_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SimulateJob:
    """Offer me a job in this room."""

    room: str


ToServer = Register | Availability | WorkerStatus | JobUpdate | Ping | MigrateJobs | SimulateJob


# --- what is to be done ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connect:
    """Open the WebSocket."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the WebSocket."""


@dataclass(frozen=True, slots=True)
class Send:
    """Tell the server."""

    message: ToServer


@dataclass(frozen=True, slots=True)
class Ask:
    """Let the ``on_request`` hook decide."""

    job: Job


@dataclass(frozen=True, slots=True)
class Begin:
    """Run the entry point."""

    assigned: Assigned


@dataclass(frozen=True, slots=True)
class End:
    """Shut a job down."""

    job_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Fail:
    """The worker cannot go on."""

    error: BackendError


@dataclass(frozen=True, slots=True)
class Drained:
    """Draining, and no job is left."""


Command = Connect | Disconnect | Send | Ask | Begin | End | Fail | Drained
