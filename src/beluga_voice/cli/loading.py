"""What several commands need: an agent by name, a backend's configuration, models loaded with progress."""

from __future__ import annotations

import gc
import importlib
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beluga_voice.config import Config
from beluga_voice.errors import BackendError, ConfigError
from beluga_voice.registry import get_registry

if TYPE_CHECKING:
    # What a conversation needs is loaded when it is used: a worker registers first.
    from rich.console import Console

    from beluga_voice.backends.base import Backend

__all__ = ["DEFAULT_AGENT", "agent_factory", "load_backend", "load_config", "started"]

DEFAULT_AGENT = "beluga_voice.agents.clinic:clinic_desk"
_NO_PROVIDER = re.compile(r"(: |; )provider is required")
_NO_SPEECH = re.compile(r"(stt|tts)_provider is required")
_OWN_SPEECH = {"stt_provider": "pocketsphinx", "tts_provider": "hibari"}


def agent_factory(name: str) -> Callable[[], dict[str, Any]]:
    """Makes the ``agent`` or ``agent_callback`` of a session from ``module:attribute``.

    The attribute is an `Agent`, a function without arguments that returns one (called for each session), or an async
    callback of (transcript).

    Raises:
        ConfigError: ``invalid_config`` if it cannot be found or is none of these.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise _wrong_agent(name, "write module:attribute, e.g. my_agent:answer")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as python -m does, so that a file in this folder is found
    try:
        found: Any = getattr(importlib.import_module(module_name), attribute)
    except BackendError:
        raise
    except Exception as error:  # importing runs the user's file, which may fail in any way
        raise _wrong_agent(name, f"{type(error).__name__}: {error}") from error
    from beluga_voice.agents.agent import Agent

    if isinstance(found, Agent):
        return lambda: {"agent": found}
    if inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found):
        return lambda: {"agent_callback": found}
    if callable(found) and not _required_parameters(found):
        return lambda: _made(name, found())
    raise _wrong_agent(name, "must be an Agent, a function that makes one, or an async callback")


def _required_parameters(function: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # some built-ins have no signature
        return ["?"]
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in optional]


def _made(name: str, value: Any) -> dict[str, Any]:
    from beluga_voice.agents.agent import Agent

    if isinstance(value, Agent):
        return {"agent": value}
    raise _wrong_agent(name, f"returned {type(value).__name__}, not an Agent")


def _wrong_agent(name: str, what: str) -> ConfigError:
    return ConfigError("load_agent", "invalid_config", f"--agent {name!r}: {what}")


def load_config(path: Path | None, provider: str | None = None, **values: Any) -> Config:
    """A configuration from a file, the environment and the command line; later wins.

    ``embedded`` is the provider where none of them names one, and its recogniser and voice are used where a platform
    brings none. Values of None are left out.

    Raises:
        ConfigError: ``invalid_config`` or ``provider_not_found``.
    """
    given = {k: v for k, v in values.items() if v is not None}
    if provider is not None:
        get_registry().factory(provider)  # an unknown name is said before what it would need
        given["provider"] = provider
    try:
        return Config.load(path, **given)
    except ConfigError as error:
        if _NO_PROVIDER.search(error.message):
            return Config.load(path, **given, provider="embedded")
        match = _NO_SPEECH.search(error.message)
        if match is None:
            raise
        missing = f"{match[1]}_provider"
    # The error names the first one only.
    return load_config(path, **{**given, missing: _OWN_SPEECH[missing]})


def load_backend(path: Path | None, provider: str | None, **values: Any) -> Backend:
    """A backend by `load_config`; nothing is loaded or connected yet."""
    config = load_config(path, provider, **values)
    from beluga_voice.backends import new_backend

    return new_backend(config.provider, config)


class started:
    """Starts a backend with a spinner and stops it at the end."""

    def __init__(self, backend: Backend, console: Console) -> None:
        self._backend = backend
        self._console = console

    async def __aenter__(self) -> Backend:
        with self._console.status("loading speech models …"):
            await self._backend.start()
        # The voice's lexicons never go; looking through all their objects would cost 10 ms now and then.
        gc.collect()
        gc.freeze()
        return self._backend

    async def __aexit__(self, *_: object) -> None:
        await self._backend.stop()
