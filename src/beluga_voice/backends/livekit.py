"""LiveKit: each session is a room of a LiveKit server, joined by the agent as a participant.

People come with LiveKit's own clients (web, phone apps, SIP). What they see of the agent, its state, captions, chat
and remote procedure calls, is in ``beluga_voice/transports/livekit_*.py``; audio in ``transports/livekit.py``.
Checked 2026-11 with livekit-server 1.13.5 and livekit 1.2.0.
"""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import Field, SecretStr, model_validator

from beluga_voice.backends.base import Backend
from beluga_voice.config import Config, SessionConfig, Settings, TransportConfig
from beluga_voice.errors import ConfigError
from beluga_voice.interfaces import Capabilities, Transport
from beluga_voice.registry import registry_for

if TYPE_CHECKING:
    from beluga_voice.livekit.client import LiveKitApi
    from beluga_voice.session.session import Session

__all__ = ["CAPABILITIES", "LiveKitBackend", "SettingsModel", "create"]

CAPABILITIES = Capabilities(
    multi_user=True,
    session_persistence=True,
    min_latency=0.05,
    supported_codecs=("opus",),
)


class SettingsModel(Settings):
    """``provider_config`` of the LiveKit backend.

    Attributes:
        url: ``ws://`` or ``wss://`` of the server; ``LIVEKIT_URL`` if not given.
        client_url: where people's clients reach it, if that is another address.
        api_key: with ``api_secret`` makes tokens and reaches the server's APIs; ``LIVEKIT_API_KEY`` if not given.
        api_secret: ``LIVEKIT_API_SECRET`` if not given.
        token: of one room, instead of a key; ``LIVEKIT_TOKEN`` if not given.
        identity: of the agent in its rooms; a random part is added where the token does not set it.
        name: of the agent, for people to read, where the session's ``agent_name`` does not say.
        participant: listen to this identity only.
        hear: ``people`` (who is not an agent) or ``everyone``.
        audio: ``each`` keeps who said what; ``mixed`` recognises all as one voice, at the cost of one.
        bitrate: of the agent's voice at most, in bit/s.
        reconnect_timeout: seconds to try to come back to a room whose connection was lost.
        leave_after: seconds alone in a room somebody had been in, after which the session ends.
        delete_room: delete the room when the session ends, so that nobody stays in it alone.
    """

    url: str = ""
    client_url: str = ""
    api_key: str = ""
    api_secret: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    identity: str = Field(default="agent", min_length=1)
    name: str = "Agent"
    participant: str = ""
    hear: Literal["people", "everyone"] = "people"
    audio: Literal["each", "mixed"] = "each"
    bitrate: int = Field(default=64_000, ge=6_000, le=510_000)
    reconnect_timeout: float = Field(default=60.0, ge=0.0, le=3600.0)
    leave_after: float = Field(default=20.0, ge=0.0, le=86_400.0)
    delete_room: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_environment(cls, values: Any) -> Any:
        given = dict(cast("dict[str, Any]", values))
        for field in ("url", "api_key", "api_secret", "token"):
            if not given.get(field):
                given[field] = os.environ.get(f"LIVEKIT_{field.upper()}", "")
        return given

    @model_validator(mode="after")
    def _complete(self) -> SettingsModel:
        if not self.url.startswith(("ws://", "wss://", "http://", "https://")):
            raise ValueError("url is required, e.g. 'wss://my.livekit.cloud' (or set LIVEKIT_URL)")
        key, secret = bool(self.api_key), bool(self.api_secret.get_secret_value())
        if key != secret:
            raise ValueError("api_key and api_secret belong together; one of them is missing")
        if not key and not self.token.get_secret_value():
            raise ValueError("api_key and api_secret are required, or a token (or set LIVEKIT_API_KEY …)")
        return self


class LiveKitBackend(Backend):
    """Agents in LiveKit rooms.

    A session's room is ``metadata["room"]``, else that of its token, else a new one; ``connection_url`` names
    another server than ``url``.
    """

    def __init__(self, config: Config) -> None:
        self.settings = SettingsModel(**config.provider_config)
        registry_for("transport").factory(
            "livekit"
        )  # says now, not at the first call, if the extra is missing
        self._api: LiveKitApi | None = None
        super().__init__("livekit", config, CAPABILITIES)

    @property
    def client_url(self) -> str:
        """Where people's clients reach the server."""
        return self.settings.client_url or self.settings.url

    def join_token(self, room: str, identity: str, **claims: Any) -> str:
        """A token for somebody to join ``room``; ``claims`` as in `beluga_voice.livekit.tokens.room_token`.

        Raises:
            ConfigError: ``invalid_config`` if the backend has only a token itself.
        """
        from beluga_voice.livekit.tokens import ApiKey, room_token

        s = self.settings
        return room_token(ApiKey(s.api_key, s.api_secret.get_secret_value()), identity, room, **claims)

    async def make_transport(self, session_id: str, config: SessionConfig) -> Transport | None:
        """Joins the session's room; failing here leaves nothing behind."""
        if config.transport is not None and not isinstance(config.transport, str):
            return config.transport  # pyright: ignore[reportReturnType]
        token = config.token if config.token.get_secret_value() else self.settings.token
        # A token says itself which room it is for.
        room = config.metadata.get("room") or ("" if token.get_secret_value() else f"beluga-{session_id}")
        if not isinstance(room, str):
            raise ConfigError(
                "create_session", "invalid_config", f"metadata['room'] must be a string, got {room!r}"
            )
        s = self.settings
        extra: dict[str, Any] = {
            "room": room,
            "name": config.agent_name or s.name,
            "hear": s.hear,
            "audio": s.audio,
            "bitrate": s.bitrate,
            "reconnect_timeout": s.reconnect_timeout,
            "leave_after": s.leave_after,
        }
        if s.participant:
            extra["participant"] = s.participant
        if not token.get_secret_value():
            extra |= {
                "api_key": s.api_key,
                "api_secret": s.api_secret.get_secret_value(),
                "identity": f"{s.identity}-{uuid.uuid4().hex[:8]}",
            }
        settings = TransportConfig(
            url=config.connection_url or s.url,
            token=token,
            extra=extra,
            connect_timeout=min(self.config.timeout, 10.0),
        )
        transport: Any = registry_for("transport").create("livekit", settings)
        try:
            await transport.connect()
        except BaseException:
            await transport.close()
            raise
        return cast("Transport", transport)

    async def disconnect(self) -> None:
        """Closes the connection to the server's APIs."""
        if self._api is not None:
            await self._api.close()
            self._api = None

    async def session_ended(self, session: Session) -> None:
        """Deletes the room if it is to be; one that is gone already is fine."""
        if not self.settings.delete_room or not self.settings.api_key:
            return
        room = getattr(session.transport, "room_name", "")
        if room:
            await self._server().rooms.delete(room)

    async def probe(self) -> dict[str, Any]:
        """How long the server takes to answer; failing if it does not, or the key is wrong."""
        if not self.settings.api_key:
            return {"url": self.settings.url}
        return {"url": self.settings.url, "server_latency": round(await self._server().ping(), 4)}

    def _server(self) -> LiveKitApi:
        if self._api is None:
            from beluga_voice.livekit.client import LiveKitApi

            s = self.settings
            self._api = LiveKitApi(s.url, s.api_key, s.api_secret.get_secret_value(), timeout=5.0)
        return self._api


def create(config: Config) -> LiveKitBackend:
    """Makes the backend.

    Raises:
        ConfigError: ``invalid_config`` for wrong settings, ``missing_extra`` without the LiveKit libraries.
    """
    return LiveKitBackend(config)
