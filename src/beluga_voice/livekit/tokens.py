"""Access tokens for LiveKit: who may do what in which room.

JWT, HS256, made and checked by ``livekit-api`` (grants: https://docs.livekit.io/home/get-started/authentication/).
"""

from __future__ import annotations

import base64
import hmac
import json
import logging
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from beluga_voice.errors import AuthError, ConfigError
from beluga_voice.livekit import sdk
from beluga_voice.livekit.records import AgentRequest

__all__ = ["ApiKey", "RoomSettings", "agent_token", "check_token", "room_token"]

log = logging.getLogger(__name__)

_SAFE_BYTES = 32
_warned: set[str] = set()


def _allow_short_secret(key: str) -> None:
    """Says it once, in place of a warning by PyJWT at every token."""
    from jwt import InsecureKeyLengthWarning

    warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)
    if key not in _warned:
        _warned.add(key)
        log.warning(
            "livekit: the secret of API key %r has fewer than %d bytes: good enough for livekit-server --dev on your "
            "own machine and for nothing else; `livekit-server generate-keys` makes a better one",
            key,
            _SAFE_BYTES,
        )


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key pair of a LiveKit server.

    Attributes:
        key: its public half, ``iss`` of every token.
        secret: signs; 32 bytes or more (RFC 7518, section 3.2). A shorter one, as ``livekit-server --dev`` has, is
            warned of once.

    Raises:
        ConfigError: ``invalid_config`` if one is missing.
    """

    key: str
    secret: str

    def __post_init__(self) -> None:
        if not self.key or not self.secret:
            raise ConfigError(
                "livekit_token",
                "invalid_config",
                "livekit: api_key and api_secret are required together; "
                "give both, or set LIVEKIT_API_KEY and LIVEKIT_API_SECRET",
            )
        if len(self.secret.encode()) < _SAFE_BYTES:
            _allow_short_secret(self.key)

    @classmethod
    def from_environment(cls, key: str = "", secret: str = "") -> Self:
        """The given pair, or ``LIVEKIT_API_KEY`` and ``LIVEKIT_API_SECRET`` where neither is given.

        Raises:
            ConfigError: ``invalid_config`` if one is missing: halves of two pairs are never mixed.
        """
        if not key and not secret:
            key = os.environ.get("LIVEKIT_API_KEY", "")
            secret = os.environ.get("LIVEKIT_API_SECRET", "")
        return cls(key, secret)

    def __repr__(self) -> str:
        return f"ApiKey(key={self.key!r}, secret=***)"


@dataclass(frozen=True, slots=True)
class RoomSettings:
    """What a room is like that the bearer of a token makes by joining; one that is there already stays as it is.

    Attributes:
        agents: workers to send there, by name.
        metadata: free text everybody in the room can read.
        empty_timeout: whole seconds until it closes if nobody comes; 0 leaves it to the server.
        departure_timeout: whole seconds until it closes when the last has left; 0 leaves it to the server.
        max_participants: 0 is no limit.
    """

    agents: Sequence[str | AgentRequest] = ()
    metadata: str = ""
    empty_timeout: float = 0.0
    departure_timeout: float = 0.0
    max_participants: int = 0

    def message(self) -> sdk.api.RoomConfiguration:
        """LiveKit's form of it."""
        wanted = [AgentRequest(agent) if isinstance(agent, str) else agent for agent in self.agents]
        return sdk.api.RoomConfiguration(
            agents=[agent.message() for agent in wanted],
            metadata=self.metadata,
            empty_timeout=round(self.empty_timeout),
            departure_timeout=round(self.departure_timeout),
            max_participants=self.max_participants,
        )


def room_token(
    key: ApiKey,
    identity: str,
    room: str,
    *,
    name: str = "",
    kind: str = "standard",
    metadata: str = "",
    attributes: Mapping[str, str] | None = None,
    ttl: float = 3600.0,
    room_settings: RoomSettings | None = None,
    **grants: Any,
) -> str:
    """A token to join ``room`` as ``identity``.

    Args:
        key: signs it.
        identity: unique in the room; a second participant of the same identity replaces the first.
        room: its name.
        name: for people to read.
        kind: ``standard``, ``agent``, ``sip``, ``ingress`` or ``egress``; an agent may change its own attributes.
        metadata: free text others may read.
        attributes: key-value facts others may read and follow.
        ttl: seconds until it expires; a session that has begun outlives it.
        room_settings: of the room, if joining makes it; with ``agents`` the token brings them along.
        grants: further fields of LiveKit's video grant, e.g. ``can_publish=False``, ``room_admin=True``.

    Raises:
        ConfigError: ``invalid_config`` if identity or room is empty, or a grant is not known.
    """
    for field, value in (("identity", identity), ("room", room)):
        if not value:
            raise ConfigError("livekit_token", "invalid_config", f"livekit: {field} is required")
    if kind == "agent":
        grants.setdefault("can_update_own_metadata", True)
    try:
        video = sdk.api.VideoGrants(room_join=True, room=room, **grants)
    except TypeError as error:
        raise ConfigError("livekit_token", "invalid_config", f"livekit: {error}") from error
    token = sdk.api.AccessToken(key.key, key.secret).with_identity(identity).with_grants(video)
    token = token.with_name(name or identity).with_metadata(metadata).with_ttl(timedelta(seconds=ttl))
    token = token.with_attributes(dict(attributes or {}))
    if room_settings is not None:
        token = token.with_room_config(room_settings.message())
    return token.with_kind(kind).to_jwt()  # pyright: ignore[reportArgumentType]


def agent_token(key: ApiKey, *, ttl: float = 600.0) -> str:
    """A token to register a worker at the server's ``/agent`` door."""
    now = int(time.time())
    # Signed here (RFC 7515, HS256): a worker is to be registered before the SDK is loaded.
    claims = {"iss": key.key, "nbf": now, "exp": now + round(ttl), "video": {"agent": True}}
    signed = b".".join(
        _base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    )
    return (signed + b"." + _base64(hmac.digest(key.secret.encode(), signed, "sha256"))).decode()


def check_token(token: str, key: ApiKey) -> sdk.api.access_token.Claims:
    """The claims of a token signed by ``key``.

    Raises:
        AuthError: ``authentication_failed`` if it is malformed, expired or signed by another key.
    """
    try:
        return sdk.api.TokenVerifier(key.key, key.secret).verify(token)
    except Exception as error:  # PyJWT raises a family of its own
        raise AuthError(
            "livekit_token",
            "authentication_failed",
            f"livekit: the token was refused ({type(error).__name__})",
        ) from error


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
