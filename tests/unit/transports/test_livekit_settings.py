"""What the LiveKit transport accepts before it connects."""

from __future__ import annotations

from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice.livekit.tokens import ApiKey, room_token
from beluga_voice.transports.livekit import LiveKitTransport

KEY = ApiKey("devkey", "s" * 40)
KEYS = {"api_key": KEY.key, "api_secret": KEY.secret}
URL = "ws://127.0.0.1:7880"


def make(url: str = URL, token: str = "", **extra: Any) -> LiveKitTransport:
    return LiveKitTransport(bv.TransportConfig(url=url, token=token, extra=extra))


def message(*args: Any, **extra: Any) -> str:
    with pytest.raises(bv.ConfigError) as caught:
        make(*args, **extra)
    assert caught.value.code == "invalid_config"
    return caught.value.message


def test_token_and_url_are_required() -> None:
    assert message() == "livekit: Token is required"
    assert message("") == "livekit: URL is required"
    with pytest.raises(bv.ConfigError, match="livekit: Token is required"):
        bv.transport.new("livekit", bv.TransportConfig(url=URL))


@pytest.mark.parametrize("url", ["127.0.0.1:7880", "ftp://host", "host", "ws://"])
def test_a_url_that_is_none_of_livekit_is_refused(url: str) -> None:
    assert "ws" in message(url, **KEYS, room="r")


def test_a_message_about_a_url_has_no_password() -> None:
    assert "hunter2" not in message("ftp://me:hunter2@host/path?token=hunter2", **KEYS, room="r")


def test_keys_make_a_token_for_the_room() -> None:
    made = make(**KEYS, room="r", identity="agent")
    assert (made.identity, made.room_name, made.room) == ("agent", "r", None)
    assert make(**KEYS, room="r").identity != make(**KEYS, room="r").identity
    assert "room" in message(**KEYS)
    assert "api_secret" in message(api_key="devkey", room="r")


def test_the_room_of_a_token_counts() -> None:
    token = room_token(KEY, "me", "r")
    assert make(token=token).room_name == "r"
    assert make(token=token, room="r").identity == "me"
    told = message(URL, token, room="other")
    assert "'other'" in told and "'r'" in told


def test_extra_is_checked() -> None:
    assert "rooom" in message(rooom="r")
    assert "audio" in message(**KEYS, room="r", audio="both")


def test_defaults() -> None:
    made = make(**KEYS, room="r")
    assert made.output_sample_rate == 16_000
    assert 0 < made.output_delay < 0.2
