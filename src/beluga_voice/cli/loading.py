"""What several commands need: an agent by name, a backend's configuration, models loaded with progress."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from beluga_voice.agents.agent import Agent
from beluga_voice.backends import new_backend
from beluga_voice.backends.base import Backend
from beluga_voice.config import Config
from beluga_voice.errors import ConfigError

__all__ = ["DEFAULT_AGENT", "agent_factory", "load_backend", "started"]

DEFAULT_AGENT = "beluga_voice.agents.clinic:clinic_desk"


def agent_factory(name: str) -> Callable[[], dict[str, Any]]:
    """Makes the ``agent`` or ``agent_callback`` of a session from ``module:attribute``.

    The attribute is an `Agent`, a function without arguments that returns one (called for each session), or an async
    callback of (transcript).

    Raises:
        ConfigError: ``invalid_config`` if it cannot be found or is none of these.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ConfigError(
            "load_agent", "invalid_config", f"--agent {name!r}: write module:attribute, e.g. my_agent:answer"
        )
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as python -m does, so that a file in this folder is found
    try:
        found: Any = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError("load_agent", "invalid_config", f"--agent {name!r}: {error}") from error
    if isinstance(found, Agent):
        return lambda: {"agent": found}
    if inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found):
        return lambda: {"agent_callback": found}
    if callable(found) and not inspect.signature(found).parameters:
        return lambda: _made(name, found())
    raise ConfigError(
        "load_agent",
        "invalid_config",
        f"--agent {name!r} must be an Agent, a function that makes one, or an async callback",
    )


def _made(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Agent):
        return {"agent": value}
    raise ConfigError(
        "load_agent", "invalid_config", f"--agent {name!r} returned {type(value).__name__}, not an Agent"
    )


def load_backend(config: Path | None, provider: str | None, **values: Any) -> Backend:
    """A backend from a file, the environment and the command line; later wins."""
    given = {k: v for k, v in values.items() if v is not None}
    if provider is not None:
        given["provider"] = provider
    if config is None and "provider" not in given:
        given["provider"] = "embedded"
    loaded = Config.load(config, **given)
    return new_backend(loaded.provider, loaded)


class started:
    """Starts a backend with a spinner and stops it at the end."""

    def __init__(self, backend: Backend, console: Console) -> None:
        self._backend = backend
        self._console = console

    async def __aenter__(self) -> Backend:
        with self._console.status("loading speech models …"):
            await self._backend.start()
        return self._backend

    async def __aexit__(self, *_: object) -> None:
        await self._backend.stop()
