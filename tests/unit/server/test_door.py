from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, HTTPConnection

import beluga_voice as bv
from beluga_voice.server.door import as_backend_error, check_origin, refusal


def connection(host: str, origin: str | None) -> HTTPConnection:
    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    return HTTPConnection({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, ()),
        ("http://voice.example:8080", ()),
        ("https://voice.example:8080", ()),
        ("https://other.example", ("https://other.example",)),
        ("https://other.example", ("*",)),
    ],
)
def test_origins_that_may_come(origin: str | None, allowed: tuple[str, ...]) -> None:
    check_origin(connection("voice.example:8080", origin), allowed)


@pytest.mark.parametrize(
    "origin",
    [
        "https://other.example",
        "http://voice.example:9090",
        "http://voice.example.evil.example:8080",
        "http://evil.example/voice.example:8080",
        "null",
        "",
        "file://",
    ],
)
def test_origins_that_may_not(origin: str) -> None:
    with pytest.raises(bv.AuthError, match="allowed_origins") as caught:
        check_origin(connection("voice.example:8080", origin), ("https://good.example",))
    assert caught.value.code == "authorization_failed"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (bv.AuthError("x", "authentication_failed", "m"), 401),
        (bv.AuthError("x", "authorization_failed", "m"), 403),
        (bv.CapacityError("x", "session_limit_exceeded", "m", {"retry_after": 5.0}), 503),
        (bv.CapacityError("x", "rate_limit_exceeded", "m", {"retry_after": 0.2}), 429),
        (bv.FormatError("x", "invalid_format", "m"), 400),
        (bv.ConnectError("x", "connection_failed", "m"), 502),
        (bv.ConnectError("x", "connection_timeout", "m"), 408),
        (bv.ConfigError("x", "missing_extra", "m"), 501),
        (bv.ConfigError("x", "invalid_config", "m"), 500),
        (bv.PipelineError("x", "pipeline_error", "m"), 500),
    ],
)
def test_errors_have_a_status(error: bv.BackendError, status: int) -> None:
    response = refusal(error)
    assert response.status_code == status
    assert json.loads(bytes(response.body)) == {"error": {"code": error.code, "message": "m"}}
    wait: Any = error.details.get("retry_after")
    assert response.headers.get("retry-after") == (None if wait is None else str(max(1, round(wait))))


def test_an_unforeseen_failure_is_logged_and_tells_the_client_nothing(caplog: Any) -> None:
    with caplog.at_level(logging.ERROR):
        error = as_backend_error(RuntimeError("password=hunter2"))
    assert error.code == "pipeline_error"
    assert "hunter2" not in error.message
    assert "hunter2" in caplog.text


def test_a_client_that_left_is_no_failure_of_ours(caplog: Any) -> None:
    assert as_backend_error(ClientDisconnect()).code == "connection_failed"
    assert caplog.text == ""
