"""Whatever is done to a webhook on its way, it comes through as it was sent or not at all."""

from __future__ import annotations

import base64
import hashlib
import json

import jwt
from hypothesis import given, settings
from hypothesis import strategies as st

from beluga_voice.errors import AuthError, FormatError
from beluga_voice.livekit import ApiKey, WebhookReceiver

KEY = ApiKey("devkey", "0123456789abcdef" * 2)
NOW = 1_800_000_000.0
BODY = json.dumps(
    {"event": "room_started", "id": "EV_1", "createdAt": str(int(NOW)), "room": {"name": "lobby"}}
).encode()
TOKEN = jwt.encode(
    {
        "iss": KEY.key,
        "nbf": NOW,
        "exp": NOW + 300,
        "sha256": base64.b64encode(hashlib.sha256(BODY).digest()).decode(),
    },
    KEY.secret,
    algorithm="HS256",
)
GENUINE = WebhookReceiver(KEY).receive(BODY, TOKEN, NOW)
CHANGES = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 255), st.sampled_from("set del ins".split())), max_size=4
)


def changed(data: bytes, changes: list[tuple[int, int, str]]) -> bytes:
    out = bytearray(data)
    for place, value, how in changes:
        at = place % (len(out) + 1)
        if how == "ins":
            out.insert(at, value)
        elif at < len(out) and how == "del":
            del out[at]
        elif at < len(out):
            out[at] = value
    return bytes(out)


@settings(deadline=None)
@given(CHANGES, CHANGES, st.floats(-1e12, 1e12) | st.floats(-400, 400))
def test_nothing_forged_comes_through(
    body: list[tuple[int, int, str]], token: list[tuple[int, int, str]], late: float
) -> None:
    try:
        event = WebhookReceiver(KEY).receive(
            changed(BODY, body), changed(TOKEN.encode(), token).decode("latin-1"), NOW + late
        )
    except (AuthError, FormatError):
        return
    assert event == GENUINE
    assert changed(BODY, body) == BODY
    assert -60 <= late <= 300


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), max_size=60), st.integers(1, 8))
def test_no_event_is_taken_twice_however_small_the_memory(sent: list[int], size: int) -> None:
    receiver = WebhookReceiver(KEY, max_seen=size, tolerance=20.0)
    taken: list[int] = []
    for step, number in enumerate(sent):
        body = json.dumps(
            {"event": "room_started", "id": f"EV_{number}", "createdAt": str(int(NOW) + number)}
        )
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        token = jwt.encode(
            {"iss": KEY.key, "exp": NOW + 10_000, "sha256": digest}, KEY.secret, algorithm="HS256"
        )
        try:
            receiver.receive(body.encode(), token, NOW + step)
        except AuthError:
            continue
        taken.append(number)
    assert len(taken) == len(set(taken))
    assert len(receiver._seen) <= size
