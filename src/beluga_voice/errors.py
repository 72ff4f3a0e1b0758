"""Every error the library raises, with a stable code.

::

    BackendError                    (code is the contract; the class says what the caller can do)
    ├── ConfigError                 invalid_config, provider_not_found, missing_extra: fix the input
    ├── AuthError                   authentication_failed, authorization_failed: fix the credentials
    ├── ConnectError                connection_failed, connection_timeout: try again (retryable)
    ├── CapacityError               session_limit_exceeded, rate_limit_exceeded: try later
    ├── SessionError                session_not_found, session_not_active, session_already_active, not_found
    ├── PipelineError               pipeline_error, timeout, context_canceled: a stage failed
    ├── AgentError                  agent_error: the caller's own callback, agent or tool failed
    └── FormatError                 invalid_format, conversion_failed: the audio or the message is not valid

Printed as ``voice/backend <op>: <message> (code: <code>)``. A message names the field or the peer and the
remedy, never a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

__all__ = [
    "CODES",
    "AgentError",
    "AuthError",
    "BackendError",
    "CapacityError",
    "ConfigError",
    "ConnectError",
    "FormatError",
    "PipelineError",
    "SessionError",
    "error_for_code",
    "first_error",
    "missing_extra",
]

RETRYABLE = frozenset({"connection_timeout", "rate_limit_exceeded", "connection_failed"})


class BackendError(Exception):
    """Base of all errors of this library.

    Args:
        op: the operation that failed, e.g. ``"create_session"``.
        code: one of `CODES`; programs branch on it, never on the text.
        message: what went wrong and what to do about it, in one line.
        details: further facts as plain values (field, limit, peer); never secrets or spoken words.
        retryable: whether the same call may succeed later; by default derived from the code.
    """

    __module__ = "beluga_voice"

    def __init__(
        self,
        op: str,
        code: str,
        message: str = "unknown error",
        details: Mapping[str, Any] | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(op, code, message)
        self.op = op
        self.code = code
        self.message = message
        self.details: Mapping[str, Any] = MappingProxyType(dict(details or {}))
        self.retryable = code in RETRYABLE if retryable is None else retryable

    def __str__(self) -> str:
        return f"voice/backend {self.op}: {self.message} (code: {self.code})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.op, self.code, self.message, dict(self.details), self.retryable))


class ConfigError(BackendError):
    """The configuration is wrong: correct the named field and call again."""

    __module__ = "beluga_voice"


class AuthError(BackendError):
    """The user, token or key was refused."""

    __module__ = "beluga_voice"


class ConnectError(BackendError):
    """A peer could not be reached or did not answer in time."""

    __module__ = "beluga_voice"


class CapacityError(BackendError):
    """A limit was reached; ``details["retry_after"]`` (seconds) says when to come back, if known."""

    __module__ = "beluga_voice"


class SessionError(BackendError):
    """The session (room, participant, …) does not exist or is not in a state that allows the call."""

    __module__ = "beluga_voice"


class PipelineError(BackendError):
    """A stage (STT, LLM, TTS, VAD, transport) failed or took too long; the session goes on."""

    __module__ = "beluga_voice"


class AgentError(BackendError):
    """The agent callback, the agent or one of its tools failed; the session goes on."""

    __module__ = "beluga_voice"


class FormatError(BackendError):
    """Audio or a message is malformed or cannot be converted."""

    __module__ = "beluga_voice"


CODES: Mapping[str, type[BackendError]] = MappingProxyType(
    {
        "invalid_config": ConfigError,
        "provider_not_found": ConfigError,
        "missing_extra": ConfigError,
        "authentication_failed": AuthError,
        "authorization_failed": AuthError,
        "connection_failed": ConnectError,
        "connection_timeout": ConnectError,
        "session_limit_exceeded": CapacityError,
        "rate_limit_exceeded": CapacityError,
        "participant_limit_exceeded": CapacityError,
        "session_not_found": SessionError,
        "session_not_active": SessionError,
        "session_already_active": SessionError,
        "not_found": SessionError,
        "pipeline_error": PipelineError,
        "timeout": PipelineError,
        "context_canceled": PipelineError,
        "agent_error": AgentError,
        "invalid_format": FormatError,
        "conversion_failed": FormatError,
    }
)


def error_for_code(op: str, code: str, message: str, **details: Any) -> BackendError:
    """Builds the error of the class that belongs to ``code`` (one of `CODES`)."""
    return CODES[code](op, code, message, details)


def first_error(group: BaseExceptionGroup[BackendError]) -> BackendError:
    """The first error inside a group that holds only errors of this library."""
    error: BackendError | BaseExceptionGroup[BackendError] = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def missing_extra(op: str, feature: str, extra: str) -> ConfigError:
    """The error for an optional part that is not installed; it names the exact install command."""
    return ConfigError(
        op,
        "missing_extra",
        f'{feature} is not installed; run: pip install "beluga-voice[{extra}]"',
        {"extra": extra},
    )
