from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.requests import Request
from starlette.types import Message
from test_webhooks import KEY, NOW, body, header

from beluga_voice.livekit import RoomEvent, WebhookEvent, WebhookReceiver, livekit_webhook_endpoint
from beluga_voice.testing.loop import run


async def post(
    endpoint: Callable[[Request], Awaitable[object]],
    text: bytes,
    authorization: str = "",
    length: str = "",
    parts: AsyncIterator[bytes] | None = None,
) -> int:
    """The status that ``endpoint`` answers with."""
    headers = [(b"authorization", authorization.encode()), (b"content-length", length.encode())]
    if parts is None:
        waiting: list[Message] = [{"type": "http.request", "body": text, "more_body": False}]

        async def receive() -> Message:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}
    else:

        async def receive() -> Message:
            async for part in parts:
                return {"type": "http.request", "body": part, "more_body": True}
            return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(k, v) for k, v in headers if v]}
    response = await endpoint(Request(scope, receive))
    return response.status_code  # type: ignore[attr-defined]


def test_each_answer_has_its_status() -> None:
    seen: list[WebhookEvent] = []

    async def handler(event: WebhookEvent) -> None:
        seen.append(event)

    async def main() -> None:
        endpoint = livekit_webhook_endpoint(WebhookReceiver(KEY), handler, max_bytes=500, now=lambda: NOW)
        text = body()
        assert await post(endpoint, text, header(text)) == 200
        assert await post(endpoint, text, header(text)) == 401
        assert await post(endpoint, text) == 401
        assert await post(endpoint, b"{", header(b"{")) == 400
        long = body(metadata="x" * 500)
        assert await post(endpoint, long, header(long)) == 413
        assert await post(endpoint, text, header(text), length="501") == 413
        other = body(id="EV_2")
        assert await post(endpoint, other, header(other), length="nonsense") == 200

    run(main())
    assert [(type(event), event.id) for event in seen] == [(RoomEvent, "EV_1"), (RoomEvent, "EV_2")]


def test_a_body_without_an_end_is_cut_off_at_the_limit_or_the_deadline() -> None:
    async def handler(event: WebhookEvent) -> None:
        pytest.fail("never")

    async def forever(pause: float) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(pause)
            yield b"x" * 1000

    async def leaves() -> AsyncIterator[bytes]:
        yield b"{"

    async def main() -> None:
        endpoint = livekit_webhook_endpoint(WebhookReceiver(KEY), handler, body_timeout=10.0)
        assert await post(endpoint, b"", "x", parts=forever(0.0)) == 413
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await post(endpoint, b"", "x", parts=forever(3.0)) == 400
        assert loop.time() - began == pytest.approx(10.0)
        assert await post(endpoint, b"", "x", parts=leaves()) == 400

    run(main())


def test_a_handler_that_fails_or_hangs_does_not_hurt(caplog: pytest.LogCaptureFixture) -> None:
    states: list[str] = []

    async def handler(event: WebhookEvent) -> None:
        if event.id == "EV_1":
            raise ZeroDivisionError("the handler's own")
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            states.append("cancelled")
            raise

    async def main() -> None:
        endpoint = livekit_webhook_endpoint(
            WebhookReceiver(KEY), handler, handler_timeout=5.0, now=lambda: NOW
        )
        first, second = body(), body(id="EV_2")
        assert await post(endpoint, first, header(first)) == 200
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await post(endpoint, second, header(second)) == 200
        assert loop.time() - began == pytest.approx(5.0)
        await asyncio.sleep(0)

    run(main())
    assert states == ["cancelled"]
    assert "the handler's own" in caplog.text
    assert "did not end in 5 s" in caplog.text
