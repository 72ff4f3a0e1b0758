"""Hooks: how your own rules on users, rates, retention and phone numbers take part.

One that raises or hangs never takes a session down; a failing auth hook keeps the door shut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["AuthHook", "AuthResult", "DataRetentionHook", "RateLimiter", "TelephonyHook"]


@dataclass(frozen=True, slots=True)
class AuthResult:
    """Answer of an `AuthHook`.

    Attributes:
        user_id: who the token belongs to.
        authorized: False refuses the session.
        metadata: added to the session's metadata.
    """

    user_id: str
    authorized: bool
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


class AuthHook(Protocol):
    """Decides who may talk; an exception or a time-out refuses."""

    async def authenticate(self, token: str, metadata: Mapping[str, Any]) -> AuthResult:
        """Who is this?"""
        ...

    async def authorize(self, user_id: str, operation: str) -> bool:
        """May they do this? ``operation`` is e.g. ``create_session``."""
        ...


class RateLimiter(Protocol):
    """Decides how often; an exception falls back to the built-in limiter."""

    async def allow(self, key: str) -> bool:
        """May ``key`` (a user id) go on now?"""
        ...

    async def wait(self, key: str) -> None:
        """Returns when ``key`` may go on."""
        ...


class DataRetentionHook(Protocol):
    """Decides what is kept of a session; an exception keeps nothing."""

    async def should_retain(self, session_id: str, metadata: Mapping[str, Any]) -> bool:
        """Keep this session's record once it has ended?"""
        ...

    async def get_retention_period(self, session_id: str) -> float:
        """For how many seconds; 0 means not at all."""
        ...


class TelephonyHook(Protocol):
    """Connects phone calls to backends."""

    async def route_call(self, number: str, metadata: Mapping[str, Any]) -> str:
        """Name of the backend for a call to ``number`` (E.164)."""
        ...

    async def handle_sip(self, message: bytes, metadata: Mapping[str, Any]) -> bytes | None:
        """Answers a SIP message, or None."""
        ...

    async def get_call_metadata(self, call_id: str) -> Mapping[str, Any]:
        """Facts about a call."""
        ...
