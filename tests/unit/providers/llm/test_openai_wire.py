from __future__ import annotations

import json

import pytest

from beluga_voice.errors import CapacityError
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ChatMessage, ToolSpec
from beluga_voice.providers.llm.openai.wire import encode_messages, encode_tools, error_for_status


def test_messages() -> None:
    call = ToolCall("c1", "book", {"day": "mañana"})
    encoded = encode_messages(
        [
            ChatMessage("system", "Be short."),
            ChatMessage("user", "Hi", participant="Ann B."),
            ChatMessage("assistant", "", tool_calls=(call,)),
            ChatMessage("tool", "booked", tool_call_id="c1"),
            ChatMessage("assistant", "Done."),
        ]
    )
    assert encoded == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hi", "name": "Ann_B_"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "book", "arguments": '{"day": "mañana"}'},
                }
            ],
        },
        {"role": "tool", "content": "booked", "tool_call_id": "c1"},
        {"role": "assistant", "content": "Done."},
    ]


def test_tools() -> None:
    spec = ToolSpec("book", "Books.", {"type": "object", "properties": {}})
    assert encode_tools([spec]) == [
        {
            "type": "function",
            "function": {"name": "book", "description": "Books.", "parameters": spec.parameters},
        }
    ]


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (401, "authentication_failed", False),
        (403, "authorization_failed", False),
        (404, "invalid_config", False),
        (400, "pipeline_error", False),
        (422, "pipeline_error", False),
        (302, "pipeline_error", False),
        (408, "connection_timeout", True),
        (429, "rate_limit_exceeded", True),
        (500, "connection_failed", True),
        (502, "connection_failed", True),
        (503, "connection_failed", True),
        (504, "connection_timeout", True),
    ],
)
def test_status(status: int, code: str, retryable: bool) -> None:
    body = json.dumps({"error": {"message": "no\nwords", "code": "x"}}).encode()
    error = error_for_status(status, {}, body, model="m", url="http://h/v1")
    assert (error.code, error.retryable) == (code, retryable)
    assert error.details["status"] == status
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after-ms": "150"}, 0.15),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    error = error_for_status(429, headers, b"", model="m", url="u")
    assert error.details.get("retry_after") == seconds


def test_a_used_up_quota_is_not_retried() -> None:
    body = b'{"error": {"message": "m", "code": "insufficient_quota"}}'
    error = error_for_status(429, {}, body, model="m", url="u")
    assert isinstance(error, CapacityError)
    assert not error.retryable


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"error": "text"}', b'{"error": {}}', b"\xff", b'{"detail": "d"}']
)
def test_any_error_body(body: bytes) -> None:
    assert error_for_status(500, {}, body, model="m", url="u").code == "connection_failed"


def test_the_servers_words_are_shortened() -> None:
    body = json.dumps({"error": {"message": "long " * 200}}).encode()
    assert len(str(error_for_status(400, {}, body, model="m", url="u"))) < 350
