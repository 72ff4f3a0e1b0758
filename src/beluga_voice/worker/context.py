"""What an entry point gets: the job, the room's sessions, and how to end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import SecretStr

from beluga_voice.config import Config, SessionConfig, TransportConfig
from beluga_voice.errors import ConfigError, ConnectError
from beluga_voice.interfaces import Transport
from beluga_voice.livekit.records import ParticipantInfo
from beluga_voice.registry import registry_for
from beluga_voice.worker.job_sessions import JobSessions
from beluga_voice.worker.jobs import Job
from beluga_voice.worker.messages import Assigned

if TYPE_CHECKING:
    from beluga_voice.backends.base import Backend
    from beluga_voice.livekit.client import LiveKitApi
    from beluga_voice.session.session import Session

__all__ = ["Home", "JobContext", "ShutdownHook"]

log = logging.getLogger("beluga_voice.job")

ShutdownHook = Callable[[str], Awaitable[None]]
_POLL = 0.25
# Settings of the LiveKit backend that are the transport's too.
_FROM_BACKEND = ("audio", "hear", "participant", "reconnect_timeout", "leave_after")


class Home(Protocol):
    """What a job needs from its worker."""

    url: str

    @property
    def config(self) -> Config:
        """Of the backend."""
        ...

    async def backend(self) -> Backend:
        """Makes sessions."""
        ...

    @property
    def api(self) -> LiveKitApi:
        """The server's APIs."""
        ...


class JobContext:
    """One job, made by the worker for each assignment and handed to the entry point.

    The job ends when the entry point has returned and its sessions have closed, when its agent has left the room or
    the room was closed, by `shutdown`, or with the worker.

    Attributes:
        job: the job as the server describes it.
        url: of the server to join.
        token: to join the room as `identity`; valid for an hour from the assignment.
        identity: of the agent in the room.
        log: a logger whose records carry ``job_id``, ``room`` and ``agent_name``.
    """

    def __init__(
        self,
        assigned: Assigned,
        home: Home,
        sessions: JobSessions,
        hooks: list[ShutdownHook],
        end: Callable[[str], None],
    ) -> None:
        self.job: Job = assigned.job
        self.url = assigned.url or home.url
        self.token = SecretStr(assigned.token)
        self.identity = assigned.identity
        self.log = _JobLog(log, {"job_id": self.id, "room": self.room, "agent_name": self.job.agent_name})
        self._home = home
        self._sessions = sessions
        self._hooks = hooks
        self._end = end

    # --- what it is about ----------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The job's id, ``AJ_…``."""
        return self.job.id

    @property
    def room(self) -> str:
        """The room's name."""
        return self.job.room

    @property
    def room_metadata(self) -> str:
        """Free text of the room."""
        return self.job.room_metadata

    @property
    def metadata(self) -> str:
        """Free text of the dispatch."""
        return self.job.metadata

    @property
    def attributes(self) -> Mapping[str, str]:
        """Key-value facts of the dispatch."""
        return self.job.attributes

    @property
    def participant(self) -> ParticipantInfo | None:
        """Whom a publisher or participant job is about; None for room jobs."""
        return self.job.participant

    @property
    def sessions(self) -> tuple[Session, ...]:
        """What `create_session` made."""
        return self._sessions.all

    @property
    def api(self) -> LiveKitApi:
        """The server's APIs (rooms, participants, dispatch, SIP) with the worker's key."""
        return self._home.api

    # --- the room ------------------------------------------------------------------------------------------

    def transport(self, **extra: Any) -> Transport:
        """The room as a transport that joins as this job's agent.

        Args:
            extra: further ``extra`` of the LiveKit transport, e.g. ``audio="mixed"`` or ``participant="ann"``; what
                is not given comes from ``provider_config`` of a backend ``livekit``. Participants are told apart
                (``audio="each"``) unless told otherwise; in publisher and participant jobs only theirs is heard.
        """
        given = self._home.config.provider_config
        settings: dict[str, Any] = {"room": self.room, "identity": self.identity, "audio": "each"}
        settings |= {name: given[name] for name in _FROM_BACKEND if name in given}
        if self.participant is not None:
            settings["participant"] = self.participant.identity
        config = TransportConfig(url=self.url, token=self.token, extra={**settings, **extra})
        made: Transport = registry_for("transport").create("livekit", config)
        return made

    async def create_session(self, config: SessionConfig | None = None, **fields: Any) -> Session:
        """A session in this job's room, on the worker's backend; call its `start` to begin.

        Args:
            config: settings; its transport is replaced by the room unless it has one.
            fields: further fields of `SessionConfig`, e.g. ``agent_callback`` or ``agent``. ``user_id`` is the
                participant's identity, or the room's name, unless given.

        Raises:
            BackendError: as ``Backend.create_session``.
        """
        values: dict[str, Any] = (
            {} if config is None else {k: getattr(config, k) for k in config.model_fields_set}
        )
        values.update(fields)
        values.setdefault("user_id", self.participant.identity if self.participant else self.room)
        facts = {"room": self.room, "job_id": self.id, "agent_name": self.job.agent_name}
        values["metadata"] = {**facts, **values.get("metadata", {})}
        backend = await self._home.backend()
        if values.get("transport") is None:
            values["transport"] = self.transport()
        try:
            session = await backend.create_session(SessionConfig(**values))
        except BaseException:
            await values["transport"].close()
            raise
        self._sessions.add(session)
        return session

    async def wait_for_participant(self, identity: str = "", *, timeout: float = 60.0) -> ParticipantInfo:
        """Returns the first person in the room who is no agent, or the one with ``identity``.

        For publisher and participant jobs ``identity`` is theirs unless given.

        Raises:
            ConnectError: ``connection_timeout`` if nobody came in ``timeout`` seconds.
        """
        wanted = identity or (self.participant.identity if self.participant else "")
        try:
            async with asyncio.timeout(timeout):
                while True:
                    for person in await self.api.participants.list(self.room):
                        if (person.identity == wanted) if wanted else (person.kind != "agent"):
                            return person
                    await asyncio.sleep(_POLL)
        except TimeoutError as error:
            who = f"{wanted!r} did not join" if wanted else "nobody joined"
            raise ConnectError(
                "wait_for_participant",
                "connection_timeout",
                f"livekit: {who} room {self.room!r} in {timeout:g} s",
                {"room": self.room},
            ) from error

    # --- the end -------------------------------------------------------------------------------------------

    def add_shutdown_hook(self, hook: ShutdownHook) -> None:
        """Awaits ``hook(reason)`` when the job ends, after its sessions have closed.

        Raises:
            ConfigError: ``invalid_config`` if it cannot be called.
        """
        if not callable(hook):
            raise ConfigError(
                "add_shutdown_hook",
                "invalid_config",
                f"hook must be an async function of (reason), got {hook!r}",
            )
        self._hooks.append(hook)

    def shutdown(self, reason: str = "shutdown") -> None:
        """Begins to end the job: sessions stop, the entry point is cancelled if it still runs, hooks are awaited."""
        self._end(reason)


class _JobLog(logging.LoggerAdapter[logging.Logger]):
    """Adds the job's fields to every record."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Called by logging."""
        kwargs["extra"] = {**(self.extra or {}), **kwargs.get("extra", {})}
        return msg, kwargs
