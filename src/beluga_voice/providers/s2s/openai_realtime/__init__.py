"""OpenAI's Realtime API over a WebSocket, in its GA form.

Checked 2026-11 against the event types of the ``openai`` SDK 3.52 and with its own client as the other side of
`beluga_voice.testing.openai_realtime_server`. Audio is 24 kHz both ways. A session of the vendor lasts 60 minutes. It
cannot speak given words by a mode of its own: it is instructed to, with an otherwise empty context.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import websockets.asyncio.client
from pydantic import Field, SecretStr, field_validator
from websockets.exceptions import InvalidStatus, InvalidURI, WebSocketException

from beluga_voice.config import Settings
from beluga_voice.errors import BackendError, ConfigError, ConnectError
from beluga_voice.providers.s2s.openai_realtime import wire
from beluga_voice.providers.s2s.openai_realtime.stream import RealtimeStream
from beluga_voice.speech_to_speech import S2SCapabilities, S2SSetup

__all__ = ["OpenAIRealtime", "SettingsModel", "create"]

_OPENAI = "wss://api.openai.com/v1"
_RATE = 24_000
# Longer conversations are carried over from their end: the API takes 32k tokens, and each item is a round trip.
_MAX_HISTORY = 100


class SettingsModel(Settings):
    """Settings of OpenAI Realtime; besides, ``s2s_config`` takes those of `beluga_voice.config.RealtimeConfig`.

    Attributes:
        api_key: default: the variable ``OPENAI_API_KEY``, if ``base_url`` is OpenAI's.
        base_url: up to and without ``/realtime``; ``ws(s)`` or ``http(s)``.
        model: its name.
        voice: its voice; it cannot change within a session.
        speed: of its speech, 0.25 to 1.5.
        transcription_model: tells what the user said; empty for none (then no agent of ours can reason).
        vad: how it takes turns: by silence (``server_vad``) or by what was said (``semantic_vad``).
        silence_duration_ms: for ``server_vad``; None leaves it to the server (500).
        threshold: for ``server_vad``, 0 to 1.
        prefix_padding_ms: for ``server_vad``.
        eagerness: for ``semantic_vad``.
        noise_reduction: ``near_field`` for headsets, ``far_field`` for rooms.
        max_output_tokens: longest answer; None for no limit.
        timeout: seconds a connection may take.
        ping_interval: seconds between signs of life; a server that misses one is left.
        headers: more HTTP headers.
        session: more fields of the session, nested as the API has them.
    """

    api_key: SecretStr = SecretStr("")
    base_url: str = _OPENAI
    model: str = Field(default="gpt-realtime", min_length=1)
    voice: str = "marin"
    speed: float | None = Field(default=None, ge=0.25, le=1.5)
    transcription_model: str = "gpt-4o-mini-transcribe"
    vad: Literal["server_vad", "semantic_vad"] = "server_vad"
    silence_duration_ms: int | None = Field(default=None, ge=10, le=10_000)
    threshold: float | None = Field(default=None, ge=0.0, le=1.0)
    prefix_padding_ms: int | None = Field(default=None, ge=0, le=5_000)
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    noise_reduction: Literal["near_field", "far_field"] | None = None
    max_output_tokens: int | None = Field(default=None, ge=1, le=4096)
    timeout: float = Field(default=10.0, gt=0.0, le=300.0)
    ping_interval: float = Field(default=10.0, ge=0.1, le=300.0)
    headers: dict[str, str] = Field(default_factory=dict[str, str], repr=False)
    session: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)

    @field_validator("base_url")
    @classmethod
    def _url(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme not in ("ws", "wss", "http", "https") or not url.hostname:
            raise ValueError("must be a ws(s) or http(s) URL, e.g. 'ws://127.0.0.1:8080/v1'")
        if url.username or url.password:
            raise ValueError("must not hold credentials; use api_key")
        scheme = {"http": "ws", "https": "wss"}.get(url.scheme, url.scheme)
        return f"{scheme}://{url.netloc}{url.path}".rstrip("/").removesuffix("/realtime")


class OpenAIRealtime:
    """A `beluga_voice.speech_to_speech.S2S`.

    Args:
        settings: which model, where.

    Raises:
        ConfigError: ``invalid_config`` if OpenAI's own API is meant and there is no key.
    """

    def __init__(self, settings: SettingsModel) -> None:
        key = settings.api_key.get_secret_value()
        own = settings.base_url == _OPENAI
        if own and not key:
            key = os.environ.get("OPENAI_API_KEY", "")
        if own and not key:
            raise ConfigError(
                "create_s2s",
                "invalid_config",
                "openai_realtime: api_key is required for api.openai.com; set it in s2s_config or as OPENAI_API_KEY",
                {"fields": ["api_key"]},
            )
        self._settings = settings
        self._key = key
        self._tls: ssl.SSLContext | None = None
        self.capabilities = S2SCapabilities(
            input_sample_rate=_RATE,
            output_sample_rate=_RATE,
            transcripts=bool(settings.transcription_model),
            session_limit=3600.0,
        )

    async def start(self) -> None:
        """Reads the system's certificates, off the event loop."""
        if self._tls is None and self._settings.base_url.startswith("wss:"):
            loop = asyncio.get_running_loop()
            self._tls = await loop.run_in_executor(None, ssl.create_default_context)

    async def open(self, setup: S2SSetup) -> RealtimeStream:
        """Connects and configures a session.

        Raises:
            AuthError: ``authentication_failed`` (401), ``authorization_failed`` (403).
            CapacityError: ``rate_limit_exceeded`` (429), with ``details["retry_after"]`` if the server says.
            ConnectError: ``connection_failed`` (unreachable, 5xx, cut off) or ``connection_timeout``.
            ConfigError: ``invalid_config`` for any other refusal.
        """
        await self.start()
        s = self._settings
        headers = dict(s.headers)
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        options: dict[str, Any] = {"ssl": self._tls} if self._tls is not None else {}
        try:
            socket = await websockets.asyncio.client.connect(
                f"{s.base_url}/realtime?model={quote(s.model, safe='')}",
                additional_headers=headers,
                open_timeout=s.timeout,
                close_timeout=0.5,
                ping_interval=s.ping_interval,
                ping_timeout=s.ping_interval,
                max_size=16 << 20,
                compression=None,
                user_agent_header="beluga-voice",
                **options,
            )
        except (InvalidURI, WebSocketException, OSError, TimeoutError) as error:
            raise self._unreachable(error) from _without_headers(error)
        stream = RealtimeStream(socket, interruptible=setup.interruptible, secret=self._key)
        try:
            async with asyncio.timeout(s.timeout):
                await stream.configure(
                    self._session(setup), wire.history_items(setup.history[-_MAX_HISTORY:])
                )
        except TimeoutError as error:
            await stream.close()
            message = f"openai_realtime: the session was not configured in {s.timeout:g} s"
            raise ConnectError("open_s2s", "connection_timeout", message) from error
        except BaseException:
            await stream.close()
            raise
        return stream

    async def close(self) -> None:
        """Nothing is shared."""

    def _session(self, setup: S2SSetup) -> dict[str, Any]:
        s = self._settings
        pcm = {"type": "audio/pcm", "rate": _RATE}
        heard: dict[str, Any] = {"format": pcm, "turn_detection": self._turn_detection(setup)}
        if s.transcription_model:
            heard["transcription"] = {"model": s.transcription_model, "language": setup.language}
        if s.noise_reduction is not None:
            heard["noise_reduction"] = {"type": s.noise_reduction}
        spoken: dict[str, Any] = {"format": pcm, "voice": s.voice}
        if s.speed is not None:
            spoken["speed"] = s.speed
        session: dict[str, Any] = {
            "output_modalities": ["audio"],
            "audio": {"input": heard, "output": spoken},
            "tools": wire.tool_list(setup.tools),
            "tool_choice": "auto" if setup.tools else "none",
        }
        if setup.instructions:
            session["instructions"] = setup.instructions
        if s.max_output_tokens is not None:
            session["max_output_tokens"] = s.max_output_tokens
        return {**session, **s.session}

    def _turn_detection(self, setup: S2SSetup) -> dict[str, Any] | None:
        if setup.turns == "local":
            return None
        s = self._settings
        more = (
            {
                "threshold": s.threshold,
                "prefix_padding_ms": s.prefix_padding_ms,
                "silence_duration_ms": s.silence_duration_ms,
            }
            if s.vad == "server_vad"
            else {"eagerness": s.eagerness}
        )
        return {
            "type": s.vad,
            "create_response": setup.answers,
            "interrupt_response": setup.interruptible,
            **{name: value for name, value in more.items() if value is not None},
        }

    def _unreachable(self, error: Exception) -> BackendError:
        url = f"{self._settings.base_url}/realtime"
        if isinstance(error, InvalidStatus):
            response = error.response
            body = (response.body or b"").decode("utf-8", "replace")
            if self._key:
                body = body.replace(self._key, "***")
            headers = {name.lower(): value for name, value in response.headers.raw_items()}
            return wire.error_for_status(response.status_code, headers, body, url=url)
        if isinstance(error, TimeoutError):
            message = f"openai_realtime: {url} did not answer within {self._settings.timeout:g} s"
            return ConnectError("open_s2s", "connection_timeout", message)
        if isinstance(error, InvalidURI):
            return ConfigError("open_s2s", "invalid_config", f"openai_realtime: {url} is not a WebSocket URL")
        message = f"openai_realtime: cannot reach {url}: {type(error).__name__}"
        return ConnectError("open_s2s", "connection_failed", message)


def _without_headers(error: Exception) -> Exception | None:
    """The cause to keep; a refused upgrade holds the request with its key, so that one is not kept."""
    return None if isinstance(error, InvalidStatus) else error


def create(settings: Mapping[str, Any]) -> OpenAIRealtime:
    """Makes the model; the registry calls this with what ``Config.s2s_config`` says of it."""
    return OpenAIRealtime(SettingsModel(**settings))
