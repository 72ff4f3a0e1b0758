"""What the LiveKit transport is told, and the token it joins with."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from beluga_voice.config import Settings, TransportConfig
from beluga_voice.errors import ConfigError
from beluga_voice.livekit.tokens import ApiKey, room_token

__all__ = ["Credentials", "SettingsModel"]

_SCHEMES = ("ws", "wss", "http", "https")


class SettingsModel(Settings):
    """``TransportConfig.extra`` of this transport.

    Attributes:
        room: name of the room; with a token of your own it must be the token's.
        api_key: makes tokens together with ``api_secret`` where no token is given.
        api_secret: of the server; never sent.
        identity: of the agent in the room; random if empty.
        name: for people to read.
        attributes: key-value facts of the agent that others may read.
        audio: ``mixed`` yields one stream of everybody, ``each`` a stream per participant, told apart by
            `AudioFrame.participant`.
        hear: ``people`` leaves out agents, ``everyone`` does not; never oneself.
        participant: listen to this identity only.
        bitrate: of the agent's voice at most, in bit/s. From 64,000 on Opus codes speech as it codes music, which takes
            less processor time.
        reconnect_timeout: seconds to try to join again after the connection was lost for good.
        leave_after: seconds alone, after people had been there, until `recv` ends.
        pre_connect_timeout: seconds to wait for a recording of what a person said before the agent was there; the
            person's live audio waits too.
    """

    room: str = ""
    api_key: str = ""
    api_secret: SecretStr = SecretStr("")
    identity: str = ""
    name: str = ""
    attributes: dict[str, str] = Field(default_factory=dict[str, str])
    audio: Literal["mixed", "each"] = "mixed"
    hear: Literal["people", "everyone"] = "people"
    participant: str = ""
    bitrate: int = Field(default=64_000, ge=6_000, le=510_000)
    reconnect_timeout: float = Field(default=60.0, ge=0.0, le=3600.0)
    leave_after: float = Field(default=20.0, ge=0.0, le=86_400.0)
    pre_connect_timeout: float = Field(default=3.0, ge=0.0, le=30.0)


class Credentials:
    """Where to go and as whom.

    Raises:
        ConfigError: ``invalid_config`` if URL or token is missing or they contradict each other.
    """

    def __init__(self, config: TransportConfig, settings: SettingsModel) -> None:
        if not config.url:
            raise _invalid("livekit: URL is required")
        parts = urlsplit(config.url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise _invalid(
                f"livekit: URL {_safe(config.url)!r} is none of a LiveKit server; write wss://HOST or ws://HOST:7880"
            )
        self.url = config.url
        self.peer = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._given = config.token.get_secret_value()
        self._settings = settings
        secret = settings.api_secret.get_secret_value()
        if self._given:
            claims = token_claims(self._given)
            video = claims.get("video")
            grants: Mapping[str, Any] = cast("dict[str, Any]", video) if isinstance(video, dict) else {}
            room = str(grants.get("room", ""))
            if settings.room and room and settings.room != room:
                raise _invalid(
                    f"livekit: extra['room'] is {settings.room!r} but the token is for {room!r}; "
                    "make a token for the room, or leave extra['room'] out"
                )
            self.room = room or settings.room
            self.identity = str(claims.get("sub", "")) or settings.identity
            self.can_publish = grants.get("canPublish") is not False
            return
        if not settings.api_key and not secret:
            raise _invalid("livekit: Token is required")
        self._key = ApiKey(settings.api_key, secret)
        if not settings.room:
            raise _invalid("livekit: extra['room'] is required to make a token from api_key and api_secret")
        self.room = settings.room
        self.identity = settings.identity or f"agent-{secrets.token_hex(4)}"
        self.can_publish = True

    def token(self) -> str:
        """The token given, or a fresh one."""
        if self._given:
            return self._given
        return room_token(
            self._key,
            self.identity,
            self.room,
            name=self._settings.name,
            kind="agent",
            attributes=self._settings.attributes,
        )

    def refreshed(self, token: str) -> None:
        """The server gave a newer token than the one given."""
        if self._given and token:
            self._given = token


def token_claims(token: str) -> dict[str, Any]:
    """What a token says, without checking its signature (the server does); empty if it is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return cast("dict[str, Any]", claims) if isinstance(claims, dict) else {}


def _safe(url: str) -> str:
    """A URL without user, password and query, for a message."""
    return url.split("?")[0].rpartition("@")[2][:80]


def _invalid(message: str) -> ConfigError:
    return ConfigError("livekit_transport", "invalid_config", message)
