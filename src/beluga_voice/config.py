"""What the user asks for, validated when it is created.

The same names work as keyword arguments, in YAML and TOML files and as ``BELUGA_VOICE_…`` variables
(``BELUGA_VOICE_TIMEOUT=10``; nested names are joined by two underscores,
``BELUGA_VOICE_PROVIDER_CONFIG__API_KEY=…``). Every error names the field, the value and the remedy.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from beluga_voice.core.group import GroupSettings
from beluga_voice.core.settings import TurnSettings
from beluga_voice.errors import ConfigError

__all__ = [
    "Config",
    "GroupConfig",
    "RealtimeConfig",
    "SessionConfig",
    "Settings",
    "TransportConfig",
    "TurnConfig",
]

ENV_PREFIX = "BELUGA_VOICE_"
_SECRET_WORDS = ("key", "secret", "token", "password", "credential")

PipelineType = Literal["stt_tts", "s2s"]


class Settings(BaseModel):
    """Base of every settings model: unknown fields are refused, errors are `ConfigError`.

    Raises:
        ConfigError: ``invalid_config``, naming each wrong field, its value and what is allowed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise invalid_config(type(self), error) from error


class TurnConfig(Settings):
    """When the user has finished, and when they interrupt; see `beluga_voice.core.settings.TurnSettings`."""

    min_endpointing_delay: float = Field(default=0.18, ge=0.0, le=5.0)
    max_endpointing_delay: float = Field(default=2.5, ge=0.1, le=10.0)
    max_guesses: int = Field(default=4, ge=0, le=20)
    max_guess_pieces: int = Field(default=400, ge=1, le=100_000)
    allow_interruptions: bool = True
    min_interruption_words: int = Field(default=1, ge=0, le=20)
    interrupt_after: float = Field(default=0.7, ge=0.1, le=10.0)
    hold_after: float = Field(default=0.15, ge=0.05, le=5.0)
    user_away_timeout: float = Field(default=0.0, ge=0.0, le=86_400.0)
    idle_timeout: float = Field(default=1800.0, ge=1.0, le=86_400.0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_endpointing_delay < self.min_endpointing_delay:
            raise ValueError("max_endpointing_delay must not be below min_endpointing_delay")
        return self

    def to_core(self, **more: Any) -> TurnSettings:
        """The values the turn core takes; ``more`` overrides single ones."""
        return TurnSettings(**{**self.model_dump(), **more})


class GroupConfig(Settings):
    """How an agent behaves among several people.

    Attributes:
        answer: ``always``, or ``when_addressed``: where two or more people are present, turns that do not name the
            agent become history and are not answered.
        names: what people call the agent, with the spellings a recogniser may make of them; its ``agent_name`` if
            empty.
        follow_up: seconds after the agent spoke to somebody in which they may go on without the name.
        max_speakers: how many people are heard at the same time where the transport tells them apart, each by a
            recogniser of their own.
    """

    answer: Literal["always", "when_addressed"] = "always"
    names: Sequence[str] = ()
    follow_up: float = Field(default=10.0, ge=0.0, le=600.0)
    max_speakers: int = Field(default=8, ge=1, le=64)

    def to_core(self, agent_name: str = "") -> GroupSettings:
        """The values the core takes.

        Raises:
            ConfigError: ``invalid_config`` if the agent waits for a name and has none.
        """
        names = tuple(name for name in self.names or (agent_name,) if name.strip())
        if self.answer == "when_addressed" and not names:
            raise ConfigError(
                "create_session",
                "invalid_config",
                "group.answer='when_addressed' needs a name to wait for: set GroupConfig(names=[…]) or "
                "SessionConfig(agent_name=…)",
                {"fields": ["group.names"]},
            )
        return GroupSettings(self.answer, names, self.follow_up)


class RealtimeConfig(Settings):
    """What ``s2s_config`` may say of every speech-to-speech model; the rest of it are the model's own settings.

    Attributes:
        turn_detection: who takes turns: the ``server`` (the model) or ``local`` (our voice activity detection);
            ``auto`` is the model where it can.
        reasoning: who decides what is said: the ``model`` (with the instructions and tools of an `Agent`) or our
            ``agent`` (it is given the transcript, and the model speaks its words); ``auto`` is the agent where there is
            an ``agent_callback``.
        instructions: for the model, before those of an `Agent`.
        endpointing_delay: for ``local``: silence after which the user's turn is over, in seconds. Words that are
            plainly unfinished wait longer, up to ``turn.max_endpointing_delay``, where the model tells them in time.
        speculate: for ``local``: ask for the answer before that silence is over; tokens are wasted when the user goes
            on.
        answer_timeout: for ``server``: seconds until a model that does not answer is given up.
        renew_early: how long before the vendor's limit a quiet moment for a new connection is looked for, in seconds.
    """

    turn_detection: Literal["auto", "server", "local"] = "auto"
    reasoning: Literal["auto", "model", "agent"] = "auto"
    instructions: str = ""
    endpointing_delay: float = Field(default=0.18, ge=0.06, le=5.0)
    speculate: bool = True
    answer_timeout: float = Field(default=10.0, ge=1.0, le=120.0)
    renew_early: float = Field(default=300.0, ge=5.0, le=3600.0)

    @classmethod
    def split(cls, values: Mapping[str, Any]) -> tuple[Self, dict[str, Any]]:
        """These settings, and those that are the model's own.

        Raises:
            ConfigError: ``invalid_config`` if one of these is wrong.
        """
        ours = {name: value for name, value in values.items() if name in cls.model_fields}
        return cls(**ours), {name: value for name, value in values.items() if name not in ours}


class Config(Settings):
    """Configuration of a backend.

    Attributes:
        provider: registered backend, e.g. ``embedded`` or ``livekit``.
        pipeline_type: ``stt_tts`` (recognise, answer, speak) or ``s2s`` (speech to speech).
        stt_provider: recogniser; required for ``stt_tts`` unless the backend has a default.
        tts_provider: voice; likewise.
        s2s_provider: speech-to-speech model; required for ``s2s``.
        llm_provider: language model of `Agent`.
        vad_provider: voice activity detector (default ``silero``).
        turn_detection_provider: judge of how the voice sounds at a pause, beside the core's own rules on the words:
            ``melody`` (the default), ``smart_turn``, or empty for none.
        noise_cancellation_provider: filter before VAD and STT (``webrtc_apm``); empty is automatic, ``none`` is none.
        provider_config: settings of the backend, e.g. ``url`` and ``api_key``.
        stt_config: settings of the recogniser; likewise the other ``…_config`` fields (``s2s_config``: see
            `RealtimeConfig`).
        turn: endpointing and interruption.
        group: behaviour among several people.
        latency_target: seconds from the end of speech to the first agent audio, 0.1–5; a miss is reported.
            Default 0.5, or 0.3 for ``s2s``.
        timeout: seconds an agent, provider or hook may take, 1–300.
        max_retries: tries after the first on retryable errors, 0–10.
        retry_delay: seconds before the first retry, 0.1–30, doubled each time with jitter.
        max_concurrent_sessions: 0 for no limit.
        enable_tracing: OpenTelemetry spans.
        enable_metrics: OpenTelemetry metrics.
        enable_structured_logging: key-value fields on log records.
        custom_processors: objects of the `Processor` protocol.
        auth_hook: an `AuthHook`.
        rate_limiter: a `RateLimiter`.
        data_retention_hook: a `DataRetentionHook`.
        telephony_hook: a `TelephonyHook`.
        session_store: a `SessionStore`, or the name of one.
    """

    provider: str = Field(min_length=1)
    pipeline_type: PipelineType = "stt_tts"
    stt_provider: str = ""
    tts_provider: str = ""
    s2s_provider: str = ""
    llm_provider: str = ""
    vad_provider: str = ""
    turn_detection_provider: str = "melody"
    noise_cancellation_provider: str = ""
    provider_config: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)
    stt_config: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)
    tts_config: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)
    s2s_config: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)
    llm_config: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)
    vad_config: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)
    turn_detection_config: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)
    noise_cancellation_config: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)
    turn: TurnConfig = Field(default_factory=lambda: TurnConfig())
    group: GroupConfig = Field(default_factory=lambda: GroupConfig())
    latency_target: float = Field(default=0.5, ge=0.1, le=5.0)
    timeout: float = Field(default=30.0, ge=1.0, le=300.0)
    max_retries: int = Field(default=3, ge=0, le=10)
    retry_delay: float = Field(default=1.0, ge=0.1, le=30.0)
    max_concurrent_sessions: int = Field(default=100, ge=0)
    enable_tracing: bool = True
    enable_metrics: bool = True
    enable_structured_logging: bool = True
    custom_processors: tuple[Any, ...] = ()
    auth_hook: Any = None
    rate_limiter: Any = None
    data_retention_hook: Any = None
    telephony_hook: Any = None
    session_store: Any = None

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, values: Any) -> Any:
        if isinstance(values, dict):
            given = cast("dict[str, Any]", values)
            if given.get("pipeline_type") == "s2s" and "latency_target" not in given:
                return {**given, "latency_target": 0.3}
            if given.get("provider") == "embedded" and given.get("pipeline_type", "stt_tts") == "stt_tts":
                given = dict(given)
                given["stt_provider"] = given.get("stt_provider") or "pocketsphinx"
                given["tts_provider"] = given.get("tts_provider") or "hibari"
                return given
        return cast("Any", values)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.pipeline_type == "stt_tts":
            if not self.stt_provider:
                raise ValueError("stt_provider is required for pipeline_type stt_tts, e.g. 'pocketsphinx'")
            if not self.tts_provider:
                raise ValueError("tts_provider is required for pipeline_type stt_tts, e.g. 'hibari'")
        elif not self.s2s_provider:
            raise ValueError("s2s_provider is required for pipeline_type s2s, e.g. 'openai_realtime'")
        return self

    @classmethod
    def load(
        cls, path: str | Path | None = None, *, env: Mapping[str, str] | None = None, **values: Any
    ) -> Self:
        """Reads a YAML or TOML file, then ``BELUGA_VOICE_…`` variables, then keyword arguments; later wins.

        Args:
            path: ``.yaml``, ``.yml`` or ``.toml``; a top-level ``voice`` table is used if there is one.
            env: variables to read; the process's own if None.
            values: fields of this class.

        Raises:
            ConfigError: ``invalid_config`` if the file cannot be read or a field is wrong.
        """
        merged = _read_file(Path(path)) if path is not None else {}
        merged = _merge(merged, _read_env(os.environ if env is None else env, set(cls.model_fields)))
        return cls(**_merge(merged, values))


class SessionConfig(Settings):
    """Configuration of one session.

    Attributes:
        user_id: who talks; required.
        agent_callback: ``async def (transcript)`` or ``(context, transcript)`` that returns text, or an async
            generator of text pieces.
        agent: a `beluga_voice.Agent`; exactly one of the two, unless the platform brings its own.
        transport: ``webrtc``, ``websocket``, a transport object, or None to move audio by hand.
        connection_url: where a named transport connects to.
        pipeline_type: overrides the backend's.
        metadata: facts for hooks, tools and platforms (a LiveKit room is ``{"room": …}``).
        token: handed to the backend's auth hook.
        language: ISO 639-1, for the recogniser.
        phrases: what the user is expected to say; the agent's own are added.
        greeting: what the agent says first; the agent's own if None.
        error_reply: what the agent says when it failed to answer; empty to stay silent.
        turn: overrides the backend's.
        group: overrides the backend's.
        agent_name: what the agent is called in a room.
        floor: a `beluga_voice.Floor` that the agents of one room share, so that they do not talk over each other.
        input_sample_rate: of `process_audio`, in Hz.
        output_sample_rate: of `receive_audio`, in Hz; 0 for the voice's own.
        event_log: file that every decision is written to, for ``beluga-voice replay``.
    """

    user_id: str = Field(min_length=1)
    agent_callback: Any = None
    agent: Any = None
    transport: Any = None
    connection_url: str = ""
    pipeline_type: PipelineType | None = None
    metadata: dict[str, Any] = Field(default_factory=dict[str, Any])
    token: SecretStr = SecretStr("")
    language: str = "en"
    phrases: Sequence[str] = ()
    greeting: str | None = None
    error_reply: str = "Sorry, something went wrong on my side. Could you say that again?"
    turn: TurnConfig | None = None
    group: GroupConfig | None = None
    agent_name: str = ""
    floor: Any = None
    input_sample_rate: int = Field(default=16_000, ge=8_000, le=96_000)
    output_sample_rate: int = Field(default=0, ge=0, le=96_000)
    event_log: Path | None = None

    @model_validator(mode="after")
    def _one_brain(self) -> Self:
        if self.agent is not None and self.agent_callback is not None:
            raise ValueError("set agent_callback or agent, not both")
        if self.agent_callback is not None and not callable(self.agent_callback):
            raise ValueError("agent_callback must be an async function of (transcript)")
        if isinstance(self.transport, str) and self.transport and "://" not in self.connection_url:
            raise ValueError(f"connection_url is required for transport {self.transport!r}, e.g. 'wss://…'")
        return self


class TransportConfig(Settings):
    """Configuration of a transport.

    Attributes:
        url: of the peer or server.
        token: access token.
        sample_rate: of the frames `recv` yields and `send` takes, in Hz.
        channels: 1 or 2.
        extra: what only this kind of transport knows, e.g. ``{"room": "my-room"}``.
        connect_timeout: seconds.
    """

    url: str = ""
    token: SecretStr = SecretStr("")
    sample_rate: int = Field(default=16_000, ge=8_000, le=96_000)
    channels: int = Field(default=1, ge=1, le=2)
    extra: dict[str, Any] = Field(default_factory=dict[str, Any], repr=False)
    connect_timeout: float = Field(default=10.0, gt=0, le=300.0)


def invalid_config(model: type[BaseModel], error: ValidationError) -> ConfigError:
    """One `ConfigError` that lists all wrong fields; values of secret-looking fields are masked."""
    parts: list[str] = []
    names: list[str] = []
    for item in error.errors(include_url=False, include_context=False):
        name = ".".join(str(p) for p in item["loc"])
        names.append(name)
        message = item["msg"].removeprefix("Value error, ")
        if not name:
            parts.append(message)
        elif item["type"] == "missing":
            parts.append(f"{name} is required")
        elif item["type"] == "extra_forbidden":
            known = ", ".join(sorted(model.model_fields))
            parts.append(f"{name} is not a field of {model.__name__}; known: {known}")
        else:
            parts.append(f"{name}={_shown(name, item.get('input'))}: {message}")
    text = f"{model.__name__}: " + "; ".join(parts)
    return ConfigError("validate_config", "invalid_config", text, {"fields": names})


def _shown(name: str, value: Any) -> str:
    if any(word in name.lower() for word in _SECRET_WORDS):
        return "***"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"


def _read_file(path: Path) -> dict[str, Any]:
    import yaml  # only files need it, and it would be a sixth of the import time

    try:
        text = path.read_text(encoding="utf-8")
        loaded: Any = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, tomllib.TOMLDecodeError) as error:
        raise ConfigError("load_config", "invalid_config", f"cannot read {path}: {error}") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError("load_config", "invalid_config", f"{path} must hold a table of fields at its top")
    table = cast("dict[str, Any]", loaded)
    inner = table.get("voice")
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else table


def _read_env(env: Mapping[str, str], known: set[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, text in env.items():
        if not key.startswith(ENV_PREFIX):
            continue
        path = key.removeprefix(ENV_PREFIX).lower().split("__")
        if path[0] not in known:
            continue  # other parts of the product have variables of their own
        node = out
        for name in path[:-1]:
            node = cast("dict[str, Any]", node.setdefault(name, {}))
        node[path[-1]] = _parse(text)
    return out


def _parse(text: str) -> Any:
    if text[:1] in "{[" and text:
        with suppress(ValueError):
            return json.loads(text)
    return text


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(below)
    for key, value in above.items():
        old = out.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            out[key] = _merge(cast("dict[str, Any]", old), cast("dict[str, Any]", value))
        else:
            out[key] = value
    return out
