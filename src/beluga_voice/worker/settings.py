"""What a worker is told by its owner, validated when it is created."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

from pydantic import Field, SecretStr, model_validator

from beluga_voice.config import Config, Settings
from beluga_voice.errors import ConfigError
from beluga_voice.livekit.records import Permissions
from beluga_voice.livekit.tokens import ApiKey
from beluga_voice.worker.jobs import JobKind, JobRequest
from beluga_voice.worker.registration import Limits
from beluga_voice.worker.wire import agent_url

__all__ = ["OnRequest", "WorkerSettings", "with_credentials"]

OnRequest = Callable[[JobRequest], Awaitable[None]]
_CREDENTIALS = {"url": "LIVEKIT_URL", "api_key": "LIVEKIT_API_KEY", "api_secret": "LIVEKIT_API_SECRET"}


class WorkerSettings(Settings):
    """Settings of a worker.

    Attributes:
        url: of the LiveKit server.
        api_key: of the server.
        api_secret: of the server.
        agent_name: for explicit dispatch; empty to get every new room (or publisher, participant).
        kind: one job for each ``room``, ``publisher`` or ``participant``.
        config: of the backend that makes sessions.
        processes: 1 runs in this process.
        max_jobs: slots of each process; 0 for the backend's ``max_concurrent_sessions``.
        max_load: of a process (lateness of its event loop, processor time), above which for five seconds it takes no
            job; 1 for no such limit.
        permissions: of the agents.
        drain_timeout: seconds that running jobs get when the worker is to end.
        max_retries: tries in a row to reach the server before it gives up; None for ever.
        retry_delay: seconds before the first new try.
        request_timeout: seconds for the ``on_request`` hook.
        preload: load the speech models before the first job.
        health_port: of the health endpoint; 0 for none.
        health_host: address it listens on.
        unresponsive_after: seconds without a sign of life after which a process is killed and started anew.
        export_telemetry: each process sends metrics and spans by OTLP where OpenTelemetry's variables name an endpoint
            (`beluga_voice.observe.otlp`); leave it off where your program sets OpenTelemetry up itself.
    """

    url: str = Field(min_length=1)
    api_key: str = Field(min_length=1)
    api_secret: SecretStr
    agent_name: str = ""
    kind: JobKind = "room"
    config: Config = Field(default_factory=lambda: Config(provider="embedded"))
    processes: int = Field(default=1, ge=1, le=256)
    max_jobs: int = Field(default=0, ge=0, le=10_000)
    max_load: float = Field(default=0.95, gt=0.0, le=1.0)
    permissions: Permissions = Permissions(can_update_metadata=True)
    drain_timeout: float = Field(default=300.0, ge=0.0, le=86_400.0)
    max_retries: int | None = Field(default=None, ge=0)
    retry_delay: float = Field(default=0.5, gt=0.0, le=60.0)
    request_timeout: float = Field(default=5.0, gt=0.0, le=8.0)
    preload: bool = True
    health_port: int = Field(default=0, ge=0, le=65_535)
    health_host: str = "127.0.0.1"
    unresponsive_after: float = Field(default=10.0, ge=2.0, le=600.0)
    export_telemetry: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Self:
        ApiKey(self.api_key, self.api_secret.get_secret_value())
        agent_url(self.url)
        return self

    @property
    def limits(self) -> Limits:
        """Slots and deadlines of one process."""
        return Limits(
            max_jobs=self.max_jobs or self.config.max_concurrent_sessions or 10_000,
            max_load=self.max_load,
            answer=self.request_timeout,
            retry_delay=self.retry_delay,
            max_retries=self.max_retries,
        )


def with_credentials(
    values: Mapping[str, Any], config: Config | None, env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """``values`` with url, api_key and api_secret filled in from the environment, else from ``provider_config``.

    Raises:
        ConfigError: ``invalid_config`` that names every missing one and its remedy.
    """
    env = os.environ if env is None else env
    settings = config.provider_config if config is not None else {}
    out = dict(values)
    for name, variable in _CREDENTIALS.items():
        out[name] = out.get(name) or env.get(variable) or settings.get(name) or ""
    if missing := [name for name in _CREDENTIALS if not out[name]]:
        text = "; ".join(f"{name} (set {_CREDENTIALS[name]})" for name in missing)
        message = f"livekit: the worker needs {text}, or provider_config of provider 'livekit'"
        raise ConfigError("worker", "invalid_config", message, {"fields": missing})
    return out
