"""Are a LiveKit server's webhooks genuine, whole, fresh and new?

The server sends JSON with the header ``Authorization: <JWT>`` (no ``Bearer``): HS256, ``iss`` is the API key, ``exp``
five minutes ahead, ``sha256`` the standard base64 of the hash over the raw body (livekit/protocol ``webhook/``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import jwt

from beluga_voice.errors import AuthError, ConfigError
from beluga_voice.livekit.tokens import ApiKey
from beluga_voice.livekit.webhook_events import WebhookEvent, parse_event

__all__ = ["WebhookReceiver"]


class WebhookReceiver:
    """Turns requests into events, and refuses what a server with our key did not just send.

    It has no clock of its own: ``now`` is Unix seconds (``time.time()``), because tokens are dated so.

    Args:
        keys: one key pair, or several while keys are exchanged; the request names which it is signed with.
        tolerance: seconds an event may be old. A server tries to deliver for less than a minute.
        clock_skew: seconds our clock and the server's may differ.
        max_seen: events remembered, so that none is taken twice. When there are more within ``tolerance``, the oldest
            are forgotten and events of their age are refused, so that forgetting opens no door.

    Raises:
        ConfigError: ``invalid_config`` if a number is not above 0 or there is no key.
    """

    def __init__(
        self,
        keys: ApiKey | Iterable[ApiKey],
        *,
        tolerance: float = 300.0,
        clock_skew: float = 60.0,
        max_seen: int = 100_000,
    ) -> None:
        self._secrets = {key.key: key.secret for key in ([keys] if isinstance(keys, ApiKey) else keys)}
        numbers = {"tolerance": tolerance, "clock_skew": clock_skew, "max_seen": max_seen}
        for name, value in numbers.items():
            if not value > 0 and not (name == "clock_skew" and value == 0):
                raise ConfigError(
                    "livekit_webhook", "invalid_config", f"livekit: {name}={value} must be above 0"
                )
        if not self._secrets:
            raise ConfigError("livekit_webhook", "invalid_config", "livekit: an API key is required")
        self._tolerance, self._skew, self._max_seen = tolerance, clock_skew, max_seen
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._too_old = float("-inf")

    def receive(self, body: bytes, authorization: str, now: float) -> WebhookEvent:
        """The event in a request.

        Args:
            body: exactly as it came.
            authorization: the header of that name.
            now: Unix seconds.

        Raises:
            AuthError: ``authentication_failed``; ``details["reason"]`` is ``missing``, ``signature``, ``expired``,
                ``body``, ``stale`` or ``replayed``.
            FormatError: ``invalid_format`` if it is signed and still no event.
        """
        claims = self._claims(authorization)
        self._check_dates(claims, now)
        _check_body(claims, body)
        event = parse_event(body)
        age = now - event.created_at
        if age > self._tolerance or age < -self._skew:
            raise _refused("stale", f"the event is of {age:.0f} s ago")
        self._remember(event, now)
        return event

    def _claims(self, authorization: str) -> Mapping[str, Any]:
        if not authorization:
            raise _refused("missing", "there is no Authorization header")
        try:
            key = jwt.decode(authorization, options={"verify_signature": False}).get("iss")
            secret = self._secrets.get(key) if isinstance(key, str) else None
            if secret is None:
                raise _refused("signature", "it is signed with another key")
            # PyJWT would take the machine's time; the dates are looked at in _check_dates.
            return jwt.decode(
                authorization,
                secret,
                algorithms=["HS256"],
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise _refused("signature", f"the token is not genuine ({type(error).__name__})") from error

    def _check_dates(self, claims: Mapping[str, Any], now: float) -> None:
        expires, begins = _seconds(claims.get("exp")), _seconds(claims.get("nbf", 0))
        if now > expires + self._skew:
            raise _refused("expired", "the token has expired, or no date of expiry")
        if now < begins - self._skew:
            raise _refused("expired", "the token is not valid yet")

    def _remember(self, event: WebhookEvent, now: float) -> None:
        if not event.id or event.id in self._seen or event.created_at <= self._too_old:
            raise _refused("replayed", f"event {event.id!r} was here before")
        self._seen[event.id] = event.created_at
        while self._seen:
            oldest = next(iter(self._seen.values()))
            # What is past its tolerance would be refused as stale anyway.
            if len(self._seen) <= self._max_seen and now - oldest <= self._tolerance:
                break
            if now - oldest <= self._tolerance:
                self._too_old = max(self._too_old, oldest)
            self._seen.popitem(last=False)


def _check_body(claims: Mapping[str, Any], body: bytes) -> None:
    said = claims.get("sha256")
    try:
        expected = base64.b64decode(said, validate=True) if isinstance(said, str) else b""
    except (binascii.Error, ValueError):
        expected = b""
    if not hmac.compare_digest(expected, hashlib.sha256(body).digest()):
        raise _refused("body", "the body is not the one that was signed")


def _seconds(value: object) -> float:
    """Unix seconds of a claim; the distant past for what is none."""
    return float(value) if isinstance(value, int | float) and value == value else float("-inf")


def _refused(reason: str, what: str) -> AuthError:
    return AuthError(
        "livekit_webhook",
        "authentication_failed",
        f"livekit: a webhook was refused: {what}",
        {"reason": reason},
    )
