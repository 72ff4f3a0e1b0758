"""What every backend shares: one path that makes a session, and the life of all of them.

A session is made in the same order whatever the platform: authenticate → authorise → limit the rate → reserve a
slot → create (what was made remotely is removed again on failure) → record. Hooks, limits and metrics therefore
never depend on the provider.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from beluga_voice.config import Config, RealtimeConfig, SessionConfig, TransportConfig
from beluga_voice.errors import (
    BackendError,
    CapacityError,
    ConfigError,
    PipelineError,
    SessionError,
    first_error,
)
from beluga_voice.interfaces import LLM, VAD, Capabilities, HealthStatus, NoiseFilter, Transport
from beluga_voice.observe.latency import LatencyWarnings
from beluga_voice.observe.metrics import BackendMetrics
from beluga_voice.observe.session import SessionObserver
from beluga_voice.observe.spans import SessionSpans
from beluga_voice.observe.tracing import span
from beluga_voice.pipeline.parts import Parts
from beluga_voice.pipeline.realtime_parts import RealtimeParts
from beluga_voice.registry import registry_for
from beluga_voice.session.hooks import Door
from beluga_voice.session.realtime import check_abilities
from beluga_voice.session.records import Records
from beluga_voice.session.session import Session
from beluga_voice.speech_to_speech import S2S

__all__ = ["Backend"]

log = logging.getLogger(__name__)

# Above this share of the limit a backend says it is degraded, so that a balancer looks elsewhere in time.
_DEGRADED_AT = 0.9
_CANCELLER = "webrtc_apm"


class Backend:
    """A voice platform. Subclasses override `connect`, `disconnect`, `make_transport` and `probe`.

    Args:
        name: the provider.
        config: validated configuration.
        capabilities: what the platform can do.
    """

    def __init__(self, name: str, config: Config, capabilities: Capabilities) -> None:
        self.name = name
        self.config = config
        self.capabilities = capabilities
        self._check_s2s(config.pipeline_type)
        self._parts: Parts | None = None
        self._realtime: RealtimeParts | None = None
        self._llm: LLM | None = None
        self._sessions: dict[str, Session] = {}
        self._reserved = 0
        self._running = False
        self._starting = asyncio.Lock()
        self._door = Door(config)
        self._records = Records(name, config)
        self._metrics = BackendMetrics(name, enabled=config.enable_metrics)
        self._warnings = LatencyWarnings(structured=config.enable_structured_logging)
        self._make_parts()

    # --- what a platform adds ------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Checks keys and reaches the platform; called by `start`."""

    async def disconnect(self) -> None:
        """Leaves the platform; called by `stop` after all sessions have ended."""

    async def make_transport(self, session_id: str, config: SessionConfig) -> Transport | None:
        """The transport of a new session; None to move audio by hand."""
        transport = config.transport
        if not isinstance(transport, str):
            return transport
        settings = TransportConfig(url=config.connection_url, token=config.token)
        made: Transport = registry_for("transport").create(transport, settings)
        return made

    async def session_ended(self, session: Session) -> None:
        """Removes what the platform holds of a session that has ended; a failure is logged."""

    async def probe(self) -> dict[str, Any]:
        """Facts for the health check; raising makes it unhealthy."""
        return {}

    # --- life ----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Loads models, reaches the platform and recovers what a store remembers; later calls return at once.

        Raises:
            BackendError: if a part cannot be started within ``timeout``.
        """
        async with self._starting:
            if self._running:
                return
            with span("backend.Start", enabled=self.config.enable_tracing, provider=self.name):
                failure: BackendError | None = None
                try:
                    async with asyncio.timeout(self.config.timeout):
                        async with asyncio.TaskGroup() as group:
                            for part in self._all_parts():
                                group.create_task(part.start())
                        await self.connect()
                        await self._records.start()
                except* BackendError as errors:
                    failure = first_error(errors)  # raised here, Python 3.11.2 would wrap it in a group again
                except* TimeoutError as errors:
                    message = f"provider {self.name!r} was not ready in {self.config.timeout:g} s"
                    failure = PipelineError("start", "timeout", message)
                    failure.__cause__ = errors
                if failure is not None:
                    await self._close_parts()
                    raise failure
            self._running = True

    async def stop(self) -> None:
        """Ends all sessions, each within its deadline, and frees everything; idempotent."""
        async with self._starting:
            if not self._running:
                return
            self._running = False
            with span("backend.Stop", enabled=self.config.enable_tracing, provider=self.name):
                sessions = list(self._sessions.values())
                if sessions:
                    await asyncio.wait(
                        [asyncio.create_task(s.stop("backend_stopped")) for s in sessions], timeout=5.0
                    )
                self._sessions.clear()
                await self.disconnect()
                await self._records.close()
                await self._close_parts()
                self._make_parts()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- sessions ------------------------------------------------------------------------------------------

    async def create_session(self, config: SessionConfig) -> Session:
        """Makes a session for one user; call its `start` to begin.

        Raises:
            AuthError: ``authentication_failed`` or ``authorization_failed`` from the auth hook.
            CapacityError: ``rate_limit_exceeded`` or ``session_limit_exceeded``.
            ConfigError: ``invalid_config`` if nobody answers, or a part does not fit.
            SessionError: ``session_not_active`` if the backend is not started.
        """
        if not self._running:
            raise SessionError(
                "create_session",
                "session_not_active",
                "the backend is not started: call start() or use async with",
            )
        started = asyncio.get_running_loop().time()
        with (
            span("backend.CreateSession", enabled=self.config.enable_tracing, provider=self.name),
            self._metrics.operation("create_session"),
        ):
            config = await self._door.admit(config)
            self._reserve()
            try:
                session = await self._create(config)
            finally:
                self._reserved -= 1
        self._metrics.session_created(asyncio.get_running_loop().time() - started)
        return session

    def _reserve(self) -> None:
        """Takes a slot before anything remote exists, so that a full backend costs nothing."""
        limit = self.config.max_concurrent_sessions
        if limit and len(self._sessions) + self._reserved >= limit:
            raise CapacityError(
                "create_session",
                "session_limit_exceeded",
                f"maximum concurrent sessions ({limit}) exceeded; try again or raise max_concurrent_sessions",
                {"limit": limit, "retry_after": 5.0},
            )
        self._reserved += 1

    async def _create(self, config: SessionConfig) -> Session:
        session_id = uuid.uuid4().hex
        parts = self._parts_for(config)
        transport: Transport | None = None
        try:
            async with asyncio.timeout(self.config.timeout):
                observer = self._observer(session_id)
                transport = await self.make_transport(session_id, config)
                parts = await self._with_canceller(parts, transport)
                session = Session(
                    id=session_id,
                    config=config,
                    backend_config=self.config,
                    parts=parts,
                    transport=transport,
                    llm=self._llm,
                    on_closed=self._on_closed,
                    on_change=self._records.changed,
                    on_event=observer.on_event,
                    task_context=observer.task_context,
                )
        except BaseException as error:
            if transport is not None:
                await transport.close()
            if isinstance(error, TimeoutError):
                raise PipelineError(
                    "create_session", "timeout", f"the session was not made in {self.config.timeout:g} s"
                ) from error
            raise
        self._sessions[session_id] = session
        self._records.created(session)
        return session

    def _observer(self, session_id: str) -> SessionObserver:
        spans = SessionSpans(self.name, session_id) if self.config.enable_tracing else None
        return SessionObserver(session_id, self._metrics, self._warnings, spans)

    async def _on_closed(self, session: Session, reason: str) -> None:
        if self._sessions.pop(session.id, None) is not None:
            self._metrics.session_ended()
        try:
            await self.session_ended(session)
        except BackendError as error:
            log.warning("session %s left something behind: %s", session.id, error)
        await self._records.ended(session)

    @property
    def active_session_count(self) -> int:
        """Sessions that were created and have not ended."""
        return len(self._sessions)

    def get_session(self, session_id: str) -> Session:
        """The session with this id.

        Raises:
            SessionError: ``session_not_found``.
        """
        session = self._sessions.get(session_id)
        if session is None:
            raise SessionError("get_session", "session_not_found", f"session '{session_id}' not found")
        return session

    def list_sessions(self) -> list[Session]:
        """All sessions that have not ended."""
        return list(self._sessions.values())

    async def close_session(self, session_id: str) -> None:
        """Stops a session.

        Raises:
            SessionError: ``session_not_found``.
        """
        await self.get_session(session_id).stop()

    async def health_check(self) -> HealthStatus:
        """``healthy``, ``degraded`` (90 % of the limit or more) or ``unhealthy`` (not started, unreachable)."""
        limit, active = self.config.max_concurrent_sessions, self.active_session_count
        details: dict[str, Any] = {"active_sessions": active, "max_sessions": limit, "provider": self.name}
        at = asyncio.get_running_loop().time()
        if not self._running:
            return HealthStatus("unhealthy", {**details, "reason": "the backend is not started"}, at)
        try:
            async with asyncio.timeout(min(5.0, self.config.timeout)):
                details.update(await self.probe())
        except (BackendError, TimeoutError) as error:
            reason = (
                error.message if isinstance(error, BackendError) else "the platform did not answer in time"
            )
            return HealthStatus("unhealthy", {**details, "reason": reason}, at)
        if limit:
            details["session_utilization"] = round(active / limit, 3)
            if active >= _DEGRADED_AT * limit:
                return HealthStatus("degraded", {**details, "reason": "near the session limit"}, at)
        return HealthStatus("healthy", details, at)

    # --- parts ---------------------------------------------------------------------------------------------

    def _make_parts(self) -> None:
        """Resolves every provider named in the config now, so that a wrong name fails at creation."""
        c = self.config
        turn, noise = c.turn_detection_provider, c.noise_cancellation_provider
        vad: VAD = registry_for("vad").create(c.vad_provider or "silero", c.vad_config)
        judge = registry_for("turn").create(turn, c.turn_detection_config) if turn else None
        wanted = noise if noise != "none" else ""
        noise_filter = registry_for("noise").create(wanted, c.noise_cancellation_config) if wanted else None
        self._canceller: NoiseFilter | None = None
        self._parts = self._realtime = None
        if c.stt_provider and c.tts_provider:
            stt = registry_for("stt").create(c.stt_provider, c.stt_config)
            tts = registry_for("tts").create(c.tts_provider, c.tts_config)
            self._parts = Parts(stt, tts, vad, judge, noise_filter)
        if c.s2s_provider:
            settings, own = RealtimeConfig.split(c.s2s_config)
            model: S2S = registry_for("s2s").create(c.s2s_provider, own)
            check_abilities(settings, model.capabilities)
            self._realtime = RealtimeParts(model, settings, vad, judge, noise_filter)
        self._llm = registry_for("llm").create(c.llm_provider, c.llm_config) if c.llm_provider else None

    def _check_s2s(self, pipeline: str) -> None:
        if pipeline == "s2s" and not self.capabilities.s2s:
            message = f"pipeline_type='s2s' is not supported by provider {self.name!r}"
            raise ConfigError("new_backend", "invalid_config", message)

    def _parts_for(self, config: SessionConfig) -> Parts | RealtimeParts:
        """The parts of the pipeline a session wants."""
        pipeline = config.pipeline_type or self.config.pipeline_type
        self._check_s2s(pipeline)
        found = self._realtime if pipeline == "s2s" else self._parts
        if found is None:
            needs = "s2s_provider" if pipeline == "s2s" else "stt_provider and tts_provider"
            message = f"pipeline_type={pipeline!r} needs {needs} in the backend's Config"
            raise ConfigError("create_session", "invalid_config", message, {"fields": ["pipeline_type"]})
        return found

    async def _with_canceller(
        self, parts: Parts | RealtimeParts, transport: Transport | None
    ) -> Parts | RealtimeParts:
        """An echo canceller for a transport whose microphone hears its speaker, if no filter is set."""
        if not getattr(transport, "echoes", False) or self.config.noise_cancellation_provider:
            return parts
        if self._canceller is None:
            settings = self.config.noise_cancellation_config
            make = registry_for("noise").create
            try:  # its module takes most of a second to import
                job = asyncio.get_running_loop().run_in_executor(None, make, _CANCELLER, settings)
                self._canceller = await job
            except ConfigError as error:
                if error.code != "missing_extra":
                    raise
                log.warning("the microphone hears the speaker and nobody cancels the echo: %s", error.message)
                return parts
        return replace(parts, noise=self._canceller)

    def _all_parts(self) -> list[Any]:
        """Everything that is started and closed, once each."""
        cascade, realtime = self._parts, self._realtime
        parts: list[Any] = [] if cascade is None else [cascade.stt, cascade.tts, cascade.vad]
        if realtime is not None:
            parts += [realtime.s2s] if cascade is not None else [realtime.s2s, realtime.vad]
        return parts

    async def _close_parts(self) -> None:
        for part in [*self._all_parts(), *([self._llm] if self._llm is not None else [])]:
            try:
                async with asyncio.timeout(2.0):
                    await part.close()
            except Exception as error:  # stopping goes on whatever a plug-in does
                log.warning("%s did not close: %s", type(part).__name__, type(error).__name__)
