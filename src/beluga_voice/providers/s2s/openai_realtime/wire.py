"""The client events of OpenAI's Realtime API (GA form) as plain dicts, and its errors as ours."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from beluga_voice.errors import AuthError, BackendError, CapacityError, ConfigError, ConnectError
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ChatMessage, ToolSpec

__all__ = [
    "append",
    "assistant_item",
    "call_item",
    "create_item",
    "create_response",
    "error_for_status",
    "history_items",
    "output_item",
    "session_update",
    "tool_list",
    "user_item",
]

# Verbatim speech is not a mode of this model; an instruction with an otherwise empty context comes closest.
_SAY = (
    "Say exactly the following words, in their language, with nothing before, between or after them, and without "
    "reacting to what they say:\n"
)


def session_update(session: Mapping[str, Any]) -> dict[str, Any]:
    """Configures the session; ``session`` is nested as in the GA form."""
    return {"type": "session.update", "session": {"type": "realtime", **session}}


def tool_list(tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    """Tools as the API lists them."""
    return [
        {"type": "function", "name": t.name, "description": t.description, "parameters": dict(t.parameters)}
        for t in tools
    ]


def append(pcm: bytes) -> dict[str, Any]:
    """A piece of the user's audio; nothing acknowledges it."""
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode("ascii")}


def create_response(text: str, tag: str) -> dict[str, Any]:
    """Asks for a response; with ``text``, to speak these words. ``tag`` comes back in its metadata."""
    response: dict[str, Any] = {"metadata": {"beluga": tag}}
    if text:
        response |= {"instructions": _SAY + text, "input": [], "tool_choice": "none"}
    return {"type": "response.create", "event_id": f"create_{tag}", "response": response}


def create_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Adds an item to the conversation."""
    return {"type": "conversation.item.create", "item": dict(item)}


def user_item(text: str) -> dict[str, Any]:
    """Words of the user."""
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def assistant_item(text: str) -> dict[str, Any]:
    """Words of the agent."""
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def call_item(call: ToolCall) -> dict[str, Any]:
    """A tool call of the model."""
    return {
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": json.dumps(call.arguments),
    }


def output_item(call_id: str, result: str) -> dict[str, Any]:
    """What the tool gave."""
    return {"type": "function_call_output", "call_id": call_id, "output": result}


def history_items(messages: Iterable[ChatMessage]) -> list[dict[str, Any]]:
    """An earlier part of the conversation; calls without a result are left out, as the API refuses them."""
    listed = list(messages)
    answered = {m.tool_call_id for m in listed if m.role == "tool"}
    called = {call.id for m in listed for call in m.tool_calls}
    out: list[dict[str, Any]] = []
    for message in listed:
        if message.role == "tool":
            if message.tool_call_id in called:
                out.append(output_item(message.tool_call_id, message.content))
            continue
        if message.content:
            if message.role == "system":
                content = [{"type": "input_text", "text": message.content}]
                out.append({"type": "message", "role": "system", "content": content})
            else:
                make = user_item if message.role == "user" else assistant_item
                out.append(make(message.content))
        out += [call_item(call) for call in message.tool_calls if call.id in answered]
    return out


def error_for_status(status: int, headers: Mapping[str, str], body: str, *, url: str) -> BackendError:
    """The error behind a refused upgrade.

    Args:
        status: HTTP status.
        headers: of the response.
        body: of the response, without secrets.
        url: that was asked, without a query.
    """
    said = _said(body)
    details: dict[str, Any] = {"status": status}
    if status == 401:
        message = "openai_realtime: the API key was refused; set it in s2s_config or as OPENAI_API_KEY"
        return AuthError("open_s2s", "authentication_failed", message + said, details)
    if status == 403:
        message = "openai_realtime: this key may not use the model"
        return AuthError("open_s2s", "authorization_failed", message + said, details)
    if status == 429:
        after = headers.get("retry-after", "")
        if after.replace(".", "", 1).isdigit():
            details["retry_after"] = float(after)
        quota = "insufficient_quota" in body
        message = "openai_realtime: no quota is left" if quota else "openai_realtime: too many requests"
        return CapacityError(
            "open_s2s", "rate_limit_exceeded", message + said, details, retryable=False if quota else None
        )
    if status >= 500:
        message = f"openai_realtime: {url} answered with HTTP {status}"
        return ConnectError("open_s2s", "connection_failed", message + said, details)
    message = f"openai_realtime: {url} answered with HTTP {status}; check base_url and model"
    return ConfigError("open_s2s", "invalid_config", message + said, details)


def _said(body: str) -> str:
    """What the server says, if it is the API's own form of error."""
    try:
        loaded: Any = json.loads(body)
        text = str(loaded["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return ""
    return f" ({text[:200]})"
