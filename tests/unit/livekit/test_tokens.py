from __future__ import annotations

import pytest

from beluga_voice.errors import AuthError, ConfigError
from beluga_voice.livekit import tokens
from beluga_voice.livekit.tokens import ApiKey, agent_token, check_token, room_token

KEY = ApiKey("devkey", "0123456789abcdef" * 2)


def test_a_token_says_who_where_and_what() -> None:
    token = room_token(
        KEY, "ann", "room-1", name="Ann", kind="agent", metadata="m", attributes={"a": "b"}, can_publish=False
    )
    claims = check_token(token, KEY)
    assert (claims.identity, claims.name, claims.kind, claims.metadata) == ("ann", "Ann", "agent", "m")
    assert claims.attributes == {"a": "b"}
    assert claims.video is not None
    assert claims.video.can_update_own_metadata
    assert claims.video.room_join and claims.video.room == "room-1" and not claims.video.can_publish
    assert check_token(agent_token(KEY), KEY).video.agent  # pyright: ignore[reportOptionalMemberAccess]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"identity": ""}, "identity is required"),
        ({"room": ""}, "room is required"),
        ({"may_fly": True}, "may_fly"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        room_token(KEY, **{"identity": "ann", "room": "r", **values})  # type: ignore[arg-type]


def test_keys_come_in_pairs_and_do_not_show_their_secret() -> None:
    with pytest.raises(ConfigError, match="required together"):
        ApiKey("devkey", "")
    assert KEY.secret not in repr(KEY)


def test_a_short_secret_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    tokens._warned.clear()
    for _ in range(2):
        key = ApiKey("devkey", "short-and-secret")
        assert check_token(room_token(key, "ann", "r"), key).identity == "ann"
    (warning,) = caplog.messages
    assert "'devkey' has fewer than 32 bytes" in warning
    assert "short-and-secret" not in warning


def test_expired_tampered_and_foreign_tokens_are_refused() -> None:
    other = ApiKey("devkey", "f" * 32)
    good = room_token(KEY, "ann", "r")
    for token, key in (
        (good, other),
        (good[:-3] + "abc", KEY),
        ("nonsense", KEY),
        (room_token(KEY, "ann", "r", ttl=-120.0), KEY),
    ):
        with pytest.raises(AuthError) as error:
            check_token(token, key)
        assert error.value.code == "authentication_failed"
        assert KEY.secret not in str(error.value)
