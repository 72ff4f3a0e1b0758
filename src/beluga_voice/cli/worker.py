"""``worker``: jobs from a LiveKit server, each handed to an entry point."""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter, validators
from rich.console import Console
from rich.text import Text

from beluga_voice.cli.json_lines import JsonLines
from beluga_voice.cli.loading import load_config
from beluga_voice.errors import BackendError, ConfigError
from beluga_voice.worker.worker import Worker

__all__ = ["worker"]

Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65_535))]
Kind = Literal["room", "publisher", "participant"]


def worker(
    entrypoint: str,
    *,
    agent_name: str = "",
    kind: Kind = "room",
    url: str = "",
    processes: int = 1,
    max_jobs: int = 0,
    max_load: float = 0.95,
    on_request: str = "",
    provider: str | None = None,
    config: Path | None = None,
    drain_timeout: float = 300.0,
    health_port: Port = 8081,
    health_host: str = "127.0.0.1",
    room: str = "",
    lazy: bool = False,
    json: bool = False,
) -> int:
    """Take jobs from a LiveKit server and run an entry point for each.

    The server and its key come from LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or from provider_config in the
    configuration file. SIGTERM and Ctrl-C drain: no new jobs, running ones go on until they end or --drain-timeout is
    over; a second signal ends at once. Exit status: 0 all jobs ended, 1 jobs were cut off or something failed, 2 wrong
    use, configuration or key, 130 or 143 ended by a second signal.

    Args:
        entrypoint: async function of (job), as module:attribute.
        agent_name: take only jobs dispatched to this name; without it, every new room.
        kind: one job for each room, publisher or participant.
        url: of the LiveKit server, instead of LIVEKIT_URL.
        processes: each with its own event loop; one per core carries the most.
        max_jobs: jobs at once in each process; 0 for the backend's max_concurrent_sessions.
        max_load: above it, for five seconds, no job is taken; 1 for no such limit.
        on_request: async function of (request) that accepts or rejects a job, as module:attribute.
        provider: the backend that makes sessions; embedded unless the configuration says otherwise.
        config: a YAML or TOML file.
        drain_timeout: seconds that running jobs get when the worker is to end.
        health_port: port of /healthz and /readyz; 0 for none.
        health_host: address of the health endpoint.
        room: begin with a job in this room, to try the entry point out.
        lazy: load the speech models with the first job, not before.
        json: log JSON lines to standard output.
    """
    _log_to(as_json=json)
    settings: dict[str, Any] = {"url": url} if url else {}
    made = Worker(
        _function(entrypoint, "job"),
        on_request=_function(on_request, "request") if on_request else None,
        config=load_config(config, provider),
        process_init=functools.partial(_log_to, as_json=json),
        agent_name=agent_name,
        kind=kind,
        processes=processes,
        max_jobs=max_jobs,
        max_load=max_load,
        drain_timeout=drain_timeout,
        health_port=health_port,
        health_host=health_host,
        preload=not lazy,
        export_telemetry=True,
        **settings,
    )
    return made.run(room)


def _function(name: str, argument: str) -> Any:
    """The async function ``module:attribute``.

    Raises:
        ConfigError: ``invalid_config`` if it cannot be found or is none.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise _wrong(name, "write module:attribute, e.g. my_agent:entrypoint")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = getattr(importlib.import_module(module_name), attribute)
    except BackendError:
        raise
    except Exception as error:  # importing runs the user's file, which may fail in any way
        raise _wrong(name, f"{type(error).__name__}: {error}") from error
    if not inspect.iscoroutinefunction(found):
        raise _wrong(name, f"must be an async function of ({argument})")
    return found


def _wrong(name: str, what: str) -> ConfigError:
    return ConfigError("load_entrypoint", "invalid_config", f"{name!r}: {what}")


def _log_to(*, as_json: bool) -> None:
    handler: logging.Handler
    if as_json:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(JsonLines())
    else:
        handler = _Tidy()
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("websockets").setLevel(logging.WARNING)


class _Tidy(logging.Handler):
    """A line for people on standard error: time, what happened and, dimmed, in which room."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging."""
        style = (
            "red"
            if record.levelno >= logging.ERROR
            else "yellow"
            if record.levelno >= logging.WARNING
            else ""
        )
        text = Text(time.strftime("%H:%M:%S  ", time.localtime(record.created)), "dim")
        text.append(record.getMessage(), style)
        if error := getattr(record, "error", ""):
            text.append(f" ({error})", "red")
        if room := getattr(record, "room", ""):
            text.append(f"  room {room}", "dim")
        if record.exc_info and record.exc_info[0] is not None:
            text.append("\n" + logging.Formatter().formatException(record.exc_info), "dim")
        self._console.print(text)
