"""The input events of Amazon Nova Sonic as plain dicts, and the vendor's exceptions as our errors."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from beluga_voice.errors import AuthError, BackendError, CapacityError, ConfigError, ConnectError
from beluga_voice.interfaces import ChatMessage, ToolSpec

__all__ = [
    "audio",
    "audio_start",
    "closing",
    "error_for",
    "event",
    "history",
    "opening",
    "text_block",
    "tool_result",
]

_MAX_MESSAGES = 40
_MAX_BYTES = 1000
_TEXT = {"mediaType": "text/plain"}
_AUTH = ("AccessDenied", "UnrecognizedClient", "InvalidSignature", "ExpiredToken", "MissingAuthentication")


def event(name: str, **fields: Any) -> dict[str, Any]:
    """One event as it is sent."""
    return {"event": {name: fields}}


def opening(
    prompt: str,
    *,
    voice: str,
    sample_rate: int,
    tools: Sequence[ToolSpec],
    inference: Mapping[str, Any],
    sensitivity: str,
) -> list[dict[str, Any]]:
    """The session and its one prompt.

    Args:
        prompt: name of the prompt.
        voice: of the model.
        sample_rate: of its voice, in Hz.
        tools: what it may call.
        inference: maxTokens, topP, temperature.
        sensitivity: how soon it takes the turn: HIGH, MEDIUM or LOW; empty for models that do not know it.
    """
    start: dict[str, Any] = {"inferenceConfiguration": dict(inference)}
    if sensitivity:
        start["turnDetectionConfiguration"] = {"endpointingSensitivity": sensitivity}
    begin: dict[str, Any] = {
        "promptName": prompt,
        "textOutputConfiguration": _TEXT,
        "audioOutputConfiguration": {**_lpcm(sample_rate), "voiceId": voice},
    }
    if tools:
        begin["toolUseOutputConfiguration"] = {"mediaType": "application/json"}
        begin["toolConfiguration"] = {"tools": [_tool(t) for t in tools]}
    return [event("sessionStart", **start), event("promptStart", **begin)]


def _tool(spec: ToolSpec) -> dict[str, Any]:
    # The schema is JSON inside a string.
    schema = {"json": json.dumps(spec.parameters)}
    return {"toolSpec": {"name": spec.name, "description": spec.description, "inputSchema": schema}}


def _lpcm(rate: int) -> dict[str, Any]:
    return {
        "mediaType": "audio/lpcm",
        "sampleRateHertz": rate,
        "sampleSizeBits": 16,
        "channelCount": 1,
        "encoding": "base64",
        "audioType": "SPEECH",
    }


def text_block(
    prompt: str, content: str, role: str, text: str, *, interactive: bool = False
) -> list[dict[str, Any]]:
    """A text with its beginning and end; an ``interactive`` one of the user is answered (Nova 2)."""
    names = {"promptName": prompt, "contentName": content}
    start = {
        **names,
        "type": "TEXT",
        "interactive": interactive,
        "role": role,
        "textInputConfiguration": _TEXT,
    }
    return [
        event("contentStart", **start),
        event("textInput", **names, content=text),
        event("contentEnd", **names),
    ]


def history(prompt: str, messages: Iterable[ChatMessage]) -> list[dict[str, Any]]:
    """An earlier part of the conversation: the latest 40 messages of at most 1000 bytes, the user's first."""
    roles = {"user": "USER", "assistant": "ASSISTANT"}
    kept = [m for m in messages if m.role in roles and m.content.strip()][-_MAX_MESSAGES:]
    while kept and kept[0].role != "user":
        kept.pop(0)
    out: list[dict[str, Any]] = []
    for index, message in enumerate(kept):
        text = message.content.encode("utf-8")[:_MAX_BYTES].decode("utf-8", "ignore")
        out += text_block(prompt, f"history-{index}", roles[message.role], text)
    return out


def audio_start(prompt: str, content: str, sample_rate: int) -> dict[str, Any]:
    """The user's audio, open until the session ends."""
    return event(
        "contentStart",
        promptName=prompt,
        contentName=content,
        type="AUDIO",
        interactive=True,
        role="USER",
        audioInputConfiguration=_lpcm(sample_rate),
    )


def audio(prompt: str, content: str, pcm: bytes) -> dict[str, Any]:
    """A piece of it."""
    data = base64.b64encode(pcm).decode("ascii")
    return event("audioInput", promptName=prompt, contentName=content, content=data)


def tool_result(prompt: str, content: str, use_id: str, result: str) -> list[dict[str, Any]]:
    """What a tool gave, as a JSON object in a string."""
    names = {"promptName": prompt, "contentName": content}
    config = {"toolUseId": use_id, "type": "TEXT", "textInputConfiguration": _TEXT}
    start = {
        **names,
        "type": "TOOL",
        "interactive": False,
        "role": "TOOL",
        "toolResultInputConfiguration": config,
    }
    return [
        event("contentStart", **start),
        event("toolResult", **names, content=json.dumps({"result": result})),
        event("contentEnd", **names),
    ]


def closing(prompt: str, content: str) -> list[dict[str, Any]]:
    """The end, in the order the service wants it."""
    return [
        event("contentEnd", promptName=prompt, contentName=content),
        event("promptEnd", promptName=prompt),
        event("sessionEnd"),
    ]


def error_for(name: str, message: str, *, started: bool) -> BackendError:
    """The error behind an exception of the vendor's SDK.

    Args:
        name: of the exception's class, or its code.
        message: what it says.
        started: the stream has been under way, so that what was sent is not plainly wrong.
    """
    said = f"nova_sonic: {name}: {message[:200]}" if message else f"nova_sonic: {name}"
    if "Throttling" in name or "TooManyRequests" in name or "ServiceQuota" in name:
        return CapacityError("s2s", "rate_limit_exceeded", said)
    if any(word in name for word in _AUTH):
        return AuthError(
            "s2s", "authentication_failed", f"{said}; check the AWS credentials, region and model access"
        )
    if "ModelTimeout" in name or "TimeoutError" in name:
        return ConnectError("s2s", "connection_timeout", said)
    if ("Validation" in name or "ResourceNotFound" in name) and not started:
        return ConfigError("s2s", "invalid_config", f"{said}; check model, voice and region in s2s_config")
    return ConnectError("s2s", "connection_failed", said)
