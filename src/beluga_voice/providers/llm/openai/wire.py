"""What is sent, and what a refusal means: history and tools to JSON, status to error. Pure functions.

Checked 2026-11 against the OpenAI API reference (chat/create, error codes) and the ``openai`` SDK 3.52.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from beluga_voice.errors import (
    AuthError,
    BackendError,
    CapacityError,
    ConfigError,
    ConnectError,
    PipelineError,
)
from beluga_voice.interfaces import ChatMessage, ToolSpec

__all__ = ["encode_messages", "encode_tools", "error_for_status", "reason_in", "text_of"]

_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_-]+")


def encode_messages(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """The history as the API takes it."""
    return [_encode_message(m) for m in messages]


def encode_tools(tools: Sequence[ToolSpec]) -> list[dict[str, Any]]:
    """Tools as the API takes them."""
    return [
        {
            "type": "function",
            "function": {"name": t.name, "description": t.description, "parameters": dict(t.parameters)},
        }
        for t in tools
    ]


def error_for_status(
    status: int, headers: Mapping[str, str], body: bytes, *, model: str, url: str
) -> BackendError:
    """The error for an HTTP status other than 200; never holds the key."""
    details: dict[str, Any] = {"status": status}
    reason, kind = _reason(body)
    tail = f": {reason}" if reason else ""
    if status == 401:
        return AuthError(
            "chat", "authentication_failed", f"llm: {url} refused the API key; check api_key", details
        )
    if status == 403:
        text = f"llm: {url} does not allow this key to use {model!r}; check the account's rights"
        return AuthError("chat", "authorization_failed", text, details)
    if status == 404:
        text = f"llm: {url} has no model {model!r}, or base_url is wrong (it usually ends in /v1){tail}"
        return ConfigError("chat", "invalid_config", text, {**details, "fields": ["model", "base_url"]})
    if status == 429:
        wait = _retry_after(headers)
        if wait is not None:
            details["retry_after"] = wait
        out_of_quota = kind == "insufficient_quota"
        text = "the account's quota is used up" if out_of_quota else "too many requests; try again later"
        return CapacityError(
            "chat", "rate_limit_exceeded", f"llm: {text}", details, retryable=not out_of_quota
        )
    if status in (408, 504):
        return ConnectError("chat", "connection_timeout", f"llm: {url} timed out (status {status})", details)
    if status >= 500:
        return ConnectError(
            "chat", "connection_failed", f"llm: {url} failed (status {status}){tail}", details
        )
    return PipelineError(
        "chat", "pipeline_error", f"llm: {url} refused the request (status {status}){tail}", details
    )


def _encode_message(message: ChatMessage) -> dict[str, Any]:
    out: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.role == "tool":
        out["tool_call_id"] = message.tool_call_id
    if message.role == "user" and (name := _NOT_IN_A_NAME.sub("_", message.participant)[:64]):
        out["name"] = name
    if message.tool_calls:
        out["content"] = message.content or None
        out["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
            }
            for call in message.tool_calls
        ]
    return out


def _reason(body: bytes) -> tuple[str, str]:
    """The server's own words on an error and its kind, as far as they can be read."""
    try:
        table: Any = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(table, dict):
        return "", ""
    error: Any = cast("dict[str, Any]", table).get("error", cast("dict[str, Any]", table))
    kind = ""
    if isinstance(error, dict):
        facts = cast("dict[str, Any]", error)
        kind = text_of(facts.get("code")) or text_of(facts.get("type"))
    return reason_in(error), kind


def reason_in(error: Any) -> str:
    """A server's own words on an error, in one short line."""
    text: Any = error
    if isinstance(error, dict):
        facts = cast("dict[str, Any]", error)
        text = facts.get("message") or facts.get("detail") or facts.get("code") or ""
    line = " ".join(str(text).split())
    return line if len(line) <= 200 else line[:199] + "…"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue  # absent, or a date, which would need a clock that agrees with the server's
        if 0 <= seconds < 86_400:
            return seconds
    return None


def text_of(value: Any) -> str:
    """``value`` if it is text, else nothing."""
    return value if isinstance(value, str) else ""
