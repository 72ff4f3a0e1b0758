"""Amazon Nova Sonic over Bedrock's bidirectional HTTP/2 stream.

Checked 2026-11 with ``aws-sdk-bedrock-runtime`` 0.12 (experimental, Python 3.12 and later only) against
`beluga_voice.testing.nova_sonic_server`; not against the service itself. The service takes turns by itself, ends a
stream after eight minutes, and does not tell when it hears the user: ducking is ours. Nova 2 answers typed words and
can be asked to speak given ones; the first Nova Sonic cannot.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Literal

from pydantic import Field, SecretStr

from beluga_voice.config import Settings
from beluga_voice.errors import ConfigError, missing_extra
from beluga_voice.providers.s2s.nova_sonic.protocol import NovaProtocol
from beluga_voice.providers.s2s.nova_sonic.sdk import SdkClient
from beluga_voice.providers.s2s.nova_sonic.stream import NovaStream
from beluga_voice.speech_to_speech import S2SCapabilities, S2SSetup

__all__ = ["NovaSonic", "SettingsModel", "create"]

_INPUT_RATE = 16_000
_LIMIT = 480.0
# A refusal comes with the response's headers; a service that keeps these back until it has heard something is not
# waited for any longer.
_PATIENCE = 1.0


class SettingsModel(Settings):
    """Settings of Nova Sonic; besides, ``s2s_config`` takes those of `beluga_voice.config.RealtimeConfig`.

    Attributes:
        model: its id.
        region: of AWS.
        voice: its voice.
        access_key_id: with ``secret_access_key`` (and ``session_token``) instead of the usual AWS variables.
        secret_access_key: likewise.
        session_token: likewise.
        endpoint: another URL than the region's.
        ca_file: certificates to trust instead of the system's.
        sensitivity: how soon it takes the turn (Nova 2); None leaves it to the service.
        output_sample_rate: of its voice, in Hz.
        max_tokens: longest answer.
        top_p: see the vendor's documentation.
        temperature: likewise.
        timeout: seconds a connection may take.
    """

    model: str = Field(default="amazon.nova-2-sonic-v1:0", min_length=1)
    region: str = Field(default="us-east-1", min_length=1)
    voice: str = "tiffany"
    access_key_id: str = ""
    secret_access_key: SecretStr = SecretStr("")
    session_token: SecretStr = SecretStr("")
    endpoint: str = ""
    ca_file: str = ""
    sensitivity: Literal["HIGH", "MEDIUM", "LOW"] | None = None
    output_sample_rate: Literal[8000, 16000, 24000] = 24000
    max_tokens: int = Field(default=1024, ge=1, le=10_000)
    top_p: float = Field(default=0.9, gt=0.0, le=1.0)
    temperature: float = Field(default=0.7, ge=0.0, le=1.0)
    timeout: float = Field(default=10.0, gt=0.0, le=300.0)


class NovaSonic:
    """A `beluga_voice.speech_to_speech.S2S`.

    Args:
        settings: which model, where.
        client: opens streams; by default the vendor's SDK.

    Raises:
        ConfigError: ``missing_extra`` if the SDK is not installed, with the install command.
    """

    def __init__(self, settings: SettingsModel, client: Any = None) -> None:
        if client is None:
            _require_sdk()
            secret = settings.secret_access_key.get_secret_value()
            token = settings.session_token.get_secret_value()
            if bool(settings.access_key_id) != bool(secret):
                message = (
                    "nova_sonic: access_key_id and secret_access_key belong together; set both or neither"
                )
                raise ConfigError("create_s2s", "invalid_config", message, {"fields": ["secret_access_key"]})
            credentials = (settings.access_key_id, secret, token)
            client = SdkClient(settings.region, settings.endpoint, settings.ca_file, credentials)
        self._settings = settings
        self._client = client
        self._second = not settings.model.startswith("amazon.nova-sonic-v1")
        self.capabilities = S2SCapabilities(
            input_sample_rate=_INPUT_RATE,
            output_sample_rate=settings.output_sample_rate,
            local_turns=False,
            voice_events=False,
            speaks_text=self._second,
            defers=False,
            truncation=False,
            session_limit=_LIMIT,
        )

    async def start(self) -> None:
        """Nothing is shared but the client, which is made with the first connection."""

    async def open(self, setup: S2SSetup) -> NovaStream:
        """Opens a stream and a session in it.

        Raises:
            AuthError: ``authentication_failed``.
            CapacityError: ``rate_limit_exceeded``.
            ConnectError: ``connection_failed`` or ``connection_timeout``.
            ConfigError: ``invalid_config``.
        """
        s = self._settings
        if not setup.answers:
            message = "nova_sonic always answers by itself: use reasoning='model' and an Agent with tools"
            raise ConfigError("open_s2s", "invalid_config", message)
        connection = await self._client.connect(s.model, s.timeout)
        protocol = NovaProtocol(takes_text=self._second)
        protocol.begin(
            setup,
            voice=s.voice,
            input_rate=_INPUT_RATE,
            output_rate=s.output_sample_rate,
            inference={"maxTokens": s.max_tokens, "topP": s.top_p, "temperature": s.temperature},
            sensitivity=s.sensitivity or "",
        )
        stream = NovaStream(connection, protocol, _INPUT_RATE)
        try:
            await connection.ready(_PATIENCE)
        except BaseException:
            await stream.close()
            raise
        return stream

    async def close(self) -> None:
        """Streams close themselves; the client keeps nothing open."""


def _require_sdk() -> None:
    if sys.version_info < (3, 12):
        message = (
            f"nova_sonic needs Python 3.12 or later, this is {sys.version_info[0]}.{sys.version_info[1]} "
            '(the vendor\'s SDK does); there, run: pip install "beluga-voice[nova]"'
        )
        raise ConfigError("create_s2s", "missing_extra", message, {"extra": "nova"})
    if find_spec("aws_sdk_bedrock_runtime") is None or find_spec("awscrt") is None:
        raise missing_extra("create_s2s", "nova_sonic (module aws_sdk_bedrock_runtime)", "nova")


def create(settings: Mapping[str, Any]) -> NovaSonic:
    """Makes the model; the registry calls this with what ``Config.s2s_config`` says of it."""
    return NovaSonic(SettingsModel(**settings))
