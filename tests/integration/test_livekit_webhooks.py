"""The real server posts real webhooks to our endpoint, and each kind of forgery of them is refused."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from livekit import rtc
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message

from beluga_voice.livekit import (
    ApiKey,
    LiveKitApi,
    ParticipantEvent,
    RoomEvent,
    TrackEvent,
    WebhookEvent,
    WebhookReceiver,
    livekit_webhook_endpoint,
    room_token,
)
from beluga_voice.server.run import serve
from beluga_voice.testing.livekit_server import LiveKitServer, free_port

KEY = ApiKey("devkey", "0123456789abcdef" * 2)


@dataclass
class Door:
    """A web application of our own with a webhook endpoint, and what came in."""

    url: str
    events: list[WebhookEvent] = field(default_factory=list)
    raw: list[tuple[bytes, str]] = field(default_factory=list)
    ahead: float = 0.0

    async def until(self, name: str, seconds: float = 30.0) -> WebhookEvent:
        async with asyncio.timeout(seconds):
            while True:
                for event in self.events:
                    if event.name == name:
                        return event
                await asyncio.sleep(0.02)


@asynccontextmanager
async def open_door(handler=None, **options: object) -> AsyncIterator[Door]:
    port = free_port()
    door = Door(f"http://127.0.0.1:{port}/hook")

    async def keep(event: WebhookEvent) -> None:
        door.events.append(event)
        if handler is not None:
            await handler(event)

    checked = livekit_webhook_endpoint(
        WebhookReceiver(KEY), keep, now=lambda: time.time() + door.ahead, **options
    )

    async def endpoint(request: Request):
        body = await request.body()
        door.raw.append((body, request.headers.get("authorization", "")))

        async def again() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        return await checked(Request(request.scope, again))

    app = Starlette(routes=[Route("/hook", endpoint, methods=["POST"])])
    ready = asyncio.Event()
    task = asyncio.create_task(serve(app, "127.0.0.1", port, ready=lambda _: ready.set()))
    await asyncio.wait_for(ready.wait(), 20)
    try:
        yield door
    finally:
        task.cancel()
        await asyncio.wait([task])


def post(url: str, body: bytes, authorization: str | None) -> tuple[int, str]:
    headers = {"content-type": "application/webhook+json"}
    if authorization is not None:
        headers["authorization"] = authorization
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, body, headers, method="POST"), timeout=20
        ) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def send(url: str, body: bytes, authorization: str | None) -> tuple[int, str]:
    return await asyncio.to_thread(post, url, body, authorization)


async def visit(server: LiveKitServer, door: Door) -> None:
    """Somebody comes, is heard and leaves; then the room is ended."""
    room = rtc.Room()
    await room.connect(server.url, server.token("ann", "desk", name="Ann", attributes={"a": "1"}))
    source = rtc.AudioSource(48_000, 1)
    track = rtc.LocalAudioTrack.create_audio_track("voice", source)
    await room.local_participant.publish_track(
        track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    )
    # The server takes a track for published when sound arrives.
    talking = asyncio.create_task(talk(source))
    await door.until("track_published")
    talking.cancel()
    await asyncio.wait([talking])
    await room.disconnect()
    async with LiveKitApi(server.url, server.api_key, server.api_secret) as client:
        await client.rooms.delete("desk")


async def talk(source: rtc.AudioSource) -> None:
    while True:
        await source.capture_frame(rtc.AudioFrame(b"\0\1" * 480, 48_000, 1, 480))


async def test_the_life_of_a_room_comes_in_and_forgeries_do_not() -> None:
    async with (
        open_door(max_bytes=100_000) as door,
        LiveKitServer(api_key=KEY.key, api_secret=KEY.secret, webhook_url=door.url) as server,
    ):
        await visit(server, door)
        finished = await door.until("room_finished")
        names = {event.name for event in door.events}
        assert {
            "room_started",
            "participant_joined",
            "track_published",
            "participant_left",
            "room_finished",
        } <= names
        assert len({event.id for event in door.events}) == len(door.events)
        assert isinstance(finished, RoomEvent)
        assert finished.room.name == "desk"
        joined = await door.until("participant_joined")
        assert isinstance(joined, ParticipantEvent)
        assert (joined.participant.identity, joined.participant.name) == ("ann", "Ann")
        assert joined.participant.attributes == {"a": "1"}
        assert joined.room.sid == finished.room.sid
        published = await door.until("track_published")
        assert isinstance(published, TrackEvent)
        assert (published.track.kind, published.track.source) == ("audio", "microphone")
        left = await door.until("participant_left")
        assert isinstance(left, ParticipantEvent)
        assert left.participant.disconnect_reason == "client_initiated"

        came = len(door.events)
        body, token = door.raw[0]
        changed = body.replace(b'"desk"', b'"hall"')
        assert changed != body
        stolen = room_token(KEY, "ann", "desk")
        forged = room_token(ApiKey(KEY.key, "f" * 32), "ann", "desk")
        for text, authorization in (
            (body, token),  # replayed
            (body, None),
            (body, f"Bearer {token}"),
            (changed, token),
            (body + b" ", token),
            (body, stolen),  # genuine, but made for something else
            (body, forged),
            (body, "x"),
        ):
            status, said = await send(door.url, text, authorization)
            assert status == 401, (status, said)
            assert json.loads(said)["error"]["code"] == "authentication_failed"
        door.ahead = 3600.0
        status, said = await send(door.url, body, token)
        assert (status, "expired" in said) == (401, True)
        door.ahead = 0.0
        assert (await send(door.url, b"x" * 100_001, token))[0] == 413
        assert len(door.events) == came


async def test_a_server_with_another_key_is_refused() -> None:
    async with open_door() as door:
        for key, secret in ((KEY.key, "another-secret-of-more-than-32-bytes"), ("stranger", KEY.secret)):
            before = len(door.raw)
            async with (
                LiveKitServer(api_key=key, api_secret=secret, webhook_url=door.url) as server,
                LiveKitApi(server.url, key, secret) as client,
            ):
                await client.rooms.create("desk")
                async with asyncio.timeout(30):
                    while len(door.raw) == before:
                        await asyncio.sleep(0.02)
        assert door.events == []


async def test_a_handler_that_fails_or_hangs_hurts_neither_us_nor_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(event: WebhookEvent) -> None:
        if event.name == "room_started":
            raise ZeroDivisionError("the handler's own")
        if event.name == "participant_joined":
            await asyncio.sleep(3600)

    async with (
        open_door(handler, handler_timeout=0.2) as door,
        LiveKitServer(api_key=KEY.key, api_secret=KEY.secret, webhook_url=door.url) as server,
    ):
        await visit(server, door)
        await door.until("room_finished")
        # Each was answered, so the server sent each once.
        assert len({body for body, _ in door.raw}) == len(door.raw)
    assert "the handler's own" in caplog.text
    assert "did not end in 0.2 s" in caplog.text
