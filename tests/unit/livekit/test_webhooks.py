from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import jwt
import pytest

from beluga_voice.errors import AuthError, BackendError, ConfigError, FormatError
from beluga_voice.livekit import (
    AgentJobEvent,
    ApiKey,
    EgressEvent,
    IngressEvent,
    ParticipantEvent,
    RoomEvent,
    TrackEvent,
    WebhookEvent,
    WebhookReceiver,
    room_token,
)

KEY = ApiKey("devkey", "0123456789abcdef" * 2)
OTHER = ApiKey("other", "fedcba9876543210" * 2)
NOW = 1_800_000_000.0


def body(event: str = "room_started", **fields: Any) -> bytes:
    values: dict[str, Any] = {"event": event, "id": "EV_1", "createdAt": str(int(NOW)), "room": {"name": "r"}}
    return json.dumps({**values, **fields}).encode()


def header(text: bytes, key: ApiKey = KEY, secret: str = "", algorithm: str = "HS256", **claims: Any) -> str:
    said: dict[str, Any] = {
        "iss": key.key,
        "nbf": NOW,
        "exp": NOW + 300,
        "sha256": base64.b64encode(hashlib.sha256(text).digest()).decode(),
    }
    said |= claims
    signed_with = "" if algorithm == "none" else secret or key.secret
    return jwt.encode({k: v for k, v in said.items() if v is not None}, signed_with, algorithm=algorithm)


def reason(receiver: WebhookReceiver, text: bytes, authorization: str, now: float = NOW) -> str:
    with pytest.raises(AuthError) as error:
        receiver.receive(text, authorization, now)
    assert error.value.code == "authentication_failed"
    assert KEY.secret not in str(error.value)
    return str(error.value.details["reason"])


def test_a_genuine_event_comes_through_and_unknown_fields_are_ignored() -> None:
    text = body(numDropped=2, somethingNew={"a": [1]}, roomEndReason="NOT_KNOWN_YET")
    event = WebhookReceiver(KEY).receive(text, header(text), NOW)
    assert isinstance(event, RoomEvent)
    assert (event.name, event.id, event.created_at, event.dropped) == ("room_started", "EV_1", NOW, 2)
    assert (event.room.name, event.end_reason) == ("r", "")


def test_the_class_says_what_it_is_about() -> None:
    receiver = WebhookReceiver(KEY)
    number = 0

    def receive(name: str, **fields: Any) -> WebhookEvent:
        nonlocal number
        number += 1
        text = body(name, id=f"EV_{number}", **fields)
        return receiver.receive(text, header(text), NOW)

    who = {
        "identity": "ann",
        "kind": "SIP",
        "state": "ACTIVE",
        "attributes": {"sip.phoneNumber": "+1555"},
        "joinedAtMs": "1700000000500",
        "disconnectReason": "CLIENT_INITIATED",
        "permission": {"canPublish": True, "canPublishSources": ["MICROPHONE"]},
    }
    match receive("participant_left", participant=who):
        case ParticipantEvent(name="participant_left", participant=one, room=room):
            assert (one.identity, one.kind, one.state, room.name) == ("ann", "sip", "active", "r")
            assert one.attributes == {"sip.phoneNumber": "+1555"}
            assert (one.joined_at, one.disconnect_reason) == (1_700_000_000.5, "client_initiated")
            assert one.permissions.can_publish
            assert one.permissions.sources == ("microphone",)
        case other:
            pytest.fail(str(other))
    track = receive(
        "track_published",
        participant=who,
        track={"sid": "TR_1", "type": "AUDIO", "source": "MICROPHONE", "mimeType": "audio/opus"},
    )
    assert isinstance(track, TrackEvent)
    assert (track.track.sid, track.track.kind, track.track.source) == ("TR_1", "audio", "microphone")
    job = receive(
        "agent_job_ended",
        job={"id": "AJ_1", "agentName": "desk", "room": {"name": "r"}, "state": {"status": "JS_SUCCESS"}},
    )
    assert isinstance(job, AgentJobEvent)
    assert (job.job.id, job.job.agent_name, job.job.room, job.job.status) == ("AJ_1", "desk", "r", "success")
    finished = receive("room_finished", roomEndReason="ROOM_END_API_DELETE")
    assert isinstance(finished, RoomEvent)
    assert finished.end_reason == "api_delete"
    egress = receive("egress_started", egressInfo={"egressId": "EG_1"})
    assert isinstance(egress, EgressEvent)
    assert egress.egress["egress_id"] == "EG_1"
    ingress = receive("ingress_ended", ingressInfo={"ingressId": "IN_1"})
    assert isinstance(ingress, IngressEvent)
    assert ingress.ingress["ingress_id"] == "IN_1"
    assert type(receive("weather_changed")) is WebhookEvent


def test_forged_tokens_are_refused() -> None:
    receiver = WebhookReceiver(KEY)
    text = body()
    good = header(text)
    assert reason(receiver, text, "") == "missing"
    assert reason(receiver, text, header(text, OTHER)) == "signature"
    assert reason(receiver, text, header(text, secret=OTHER.secret)) == "signature"
    assert reason(receiver, text, header(text, algorithm="none")) == "signature"
    assert reason(receiver, text, header(text, algorithm="HS512", secret="x" * 64)) == "signature"
    assert reason(receiver, text, f"Bearer {good}") == "signature"
    assert reason(receiver, text, good[:-2]) == "signature"
    assert reason(receiver, text, header(text, iss=None)) == "signature"
    deep = base64.urlsafe_b64encode(b"[" * 40_000).decode().rstrip("=")
    assert reason(receiver, text, f"{good.split('.')[0]}.{deep}.x") == "signature"
    for junk in ("x", "a.b.c", "é.é.é", "\x00", "." * 5000):
        assert reason(receiver, text, junk) == "signature"
    receiver.receive(text, good, NOW)  # and none of these spoilt it


def test_a_changed_body_is_refused() -> None:
    receiver = WebhookReceiver(KEY)
    text = body()
    assert reason(receiver, text + b" ", header(text)) == "body"
    assert reason(receiver, body("room_finished"), header(text)) == "body"
    digest = hashlib.sha256(text).digest()
    for wrong in (None, "", 7, "???", digest.hex(), base64.b64encode(digest)[:-4].decode()):
        assert reason(receiver, text, header(text, sha256=wrong)) == "body"
    # A token made for something else of the same key, such as to join a room.
    with pytest.raises(AuthError) as error:
        receiver.receive(b"", room_token(KEY, "ann", "r"), __import__("time").time())
    assert error.value.details["reason"] == "body"


def test_stale_ones_are_refused() -> None:
    receiver = WebhookReceiver(KEY, tolerance=300, clock_skew=60)
    text = body()
    assert reason(receiver, text, header(text), NOW + 361) == "expired"
    assert reason(receiver, text, header(text, exp=None)) == "expired"
    assert reason(receiver, text, header(text, exp="soon")) == "expired"
    assert reason(receiver, text, header(text), NOW - 61) == "expired"
    late = header(text, exp=NOW + 10_000)
    assert reason(receiver, text, late, NOW + 301) == "stale"
    early = header(text, nbf=NOW - 1000)
    assert reason(receiver, text, early, NOW - 61) == "stale"
    receiver.receive(text, header(text), NOW + 299)
    assert reason(WebhookReceiver(KEY, tolerance=10), text, header(text), NOW + 11) == "stale"


def test_an_event_is_taken_once() -> None:
    receiver = WebhookReceiver(KEY)
    text = body()
    receiver.receive(text, header(text), NOW)
    assert reason(receiver, text, header(text), NOW + 1) == "replayed"
    assert reason(receiver, text, header(text, exp=NOW + 200), NOW + 2) == "replayed"
    nameless = body(id="")
    assert reason(receiver, nameless, header(nameless)) == "replayed"
    second = body(id="EV_2")
    receiver.receive(second, header(second), NOW)


def test_what_is_refused_is_not_remembered() -> None:
    receiver = WebhookReceiver(KEY, max_seen=2)
    text = body()
    for _ in range(10):
        reason(receiver, text, header(text, OTHER))
    receiver.receive(text, header(text), NOW)


def test_memory_is_bounded_and_forgetting_opens_no_door() -> None:
    receiver = WebhookReceiver(KEY, max_seen=3, tolerance=300)
    made = [body(id=f"EV_{n}", createdAt=str(int(NOW) + n)) for n in range(6)]
    for n, text in enumerate(made):
        receiver.receive(text, header(text), NOW + n)
    assert len(receiver._seen) == 3
    for text in made:
        assert reason(receiver, text, header(text), NOW + 6) == "replayed"
    # With time what was remembered goes, and a new event is still welcome.
    last = body(id="EV_9", createdAt=str(int(NOW) + 1000))
    receiver.receive(last, header(last, exp=NOW + 2000), NOW + 1000)
    assert len(receiver._seen) == 1
    for text in made:
        assert reason(receiver, text, header(text, exp=NOW + 2000), NOW + 1000) == "stale"


def test_keys_can_be_exchanged() -> None:
    receiver = WebhookReceiver([KEY, OTHER])
    for number, key in enumerate((KEY, OTHER)):
        text = body(id=f"EV_{number}")
        receiver.receive(text, header(text, key), NOW)
    text = body(id="EV_9")
    assert reason(receiver, text, header(text, KEY, secret=OTHER.secret)) == "signature"


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"7", b"\xff", b'{"createdAt": "soon"}', b"[" * 100_000])
def test_a_signed_body_that_is_no_event_is_malformed(text: bytes) -> None:
    with pytest.raises(FormatError) as error:
        WebhookReceiver(KEY).receive(text, header(text), NOW)
    assert error.value.code == "invalid_format"


@pytest.mark.parametrize("values", [{"tolerance": 0}, {"max_seen": 0}, {"clock_skew": -1.0}])
def test_limits_that_make_no_sense_are_named(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        WebhookReceiver(KEY, **values)
    with pytest.raises(BackendError, match="key is required"):
        WebhookReceiver([])
