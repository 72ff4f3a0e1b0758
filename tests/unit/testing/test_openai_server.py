"""The scripted server against the real SDK, so that it speaks what OpenAI speaks."""

from __future__ import annotations

import asyncio
import json

import openai
import pytest

from beluga_voice.testing.openai_server import OpenAIServer, Reply

HELLO = [{"role": "user", "content": "hello"}]


def sdk(server: OpenAIServer, key: str = "k") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=server.base_url, api_key=key, max_retries=0)


async def test_streams_to_the_sdk() -> None:
    async with OpenAIServer([Reply("Hello there."), Reply("Second.")]) as server, sdk(server) as client:
        for expected in ("Hello there.", "Second."):
            stream = await client.chat.completions.create(model="m", messages=HELLO, stream=True)
            text = [c.choices[0].delta.content or "" async for c in stream]
            assert "".join(text) == expected
        assert server.connections == 1


async def test_tool_calls_to_the_sdk() -> None:
    reply = Reply(tool_calls=[("book", {"day": "monday", "time": "ten thirty"}), ("hours", {})])
    async with OpenAIServer([reply, reply]) as server, sdk(server) as client:
        whole = await client.chat.completions.create(model="m", messages=HELLO)
        calls = whole.choices[0].message.tool_calls
        assert whole.choices[0].finish_reason == "tool_calls"
        assert calls is not None
        assert [(c.function.name, json.loads(c.function.arguments)) for c in calls] == [
            ("book", {"day": "monday", "time": "ten thirty"}),
            ("hours", {}),
        ]
        pieces = [
            c.choices[0].delta.tool_calls[0]
            async for c in await client.chat.completions.create(model="m", messages=HELLO, stream=True)
            if c.choices[0].delta.tool_calls
        ]
        arguments = "".join(p.function.arguments or "" for p in pieces if p.index == 0)
        assert json.loads(arguments) == {"day": "monday", "time": "ten thirty"}
        assert len([p for p in pieces if p.index == 0]) > 3


async def test_errors_to_the_sdk() -> None:
    script = [
        Reply(status=429, error="slow down"),
        Reply(status=500, error="x"),
        Reply("a", error="boom"),
        Reply("ok"),
    ]
    async with OpenAIServer(script) as server, sdk(server) as client:
        with pytest.raises(openai.RateLimitError, match="slow down"):
            await client.chat.completions.create(model="m", messages=HELLO)
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="m", messages=HELLO)
        with pytest.raises(openai.APIError, match="boom"):
            async for _ in await client.chat.completions.create(model="m", messages=HELLO, stream=True):
                pass
        assert (await client.chat.completions.create(model="m", messages=HELLO)).choices[
            0
        ].message.content == "ok"
        with pytest.raises(openai.InternalServerError, match="script has ended"):
            await client.chat.completions.create(model="m", messages=HELLO)
        assert [m.id async for m in client.models.list()] == ["scripted"]


async def test_key_is_checked() -> None:
    async with OpenAIServer([Reply("in")], api_key="right") as server:
        async with sdk(server, "wrong") as client:
            with pytest.raises(openai.AuthenticationError):
                await client.chat.completions.create(model="m", messages=HELLO)
        async with sdk(server, "right") as client:
            assert (await client.chat.completions.create(model="m", messages=HELLO)).choices[
                0
            ].message.content == "in"


async def test_a_script_may_be_a_function() -> None:
    def answer(request: dict[str, object]) -> Reply:
        messages = request["messages"]
        assert isinstance(messages, list)
        return Reply(f"You said {messages[-1]['content']}")

    async with OpenAIServer(answer) as server, sdk(server) as client:
        done = await client.chat.completions.create(model="m", messages=HELLO)
        assert done.choices[0].message.content == "You said hello"


@pytest.mark.parametrize(
    "request_bytes",
    [b"\r\n\r\n", b"GET\r\n\r\n", b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: x\r\n\r\n",
     b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 3\r\n\r\n{{{", b"\xff" * 70_000,
     b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"],
)  # fmt: skip
async def test_nonsense_closes_only_its_own_connection(request_bytes: bytes) -> None:
    async with OpenAIServer([Reply("fine")]) as server:
        port = int(server.base_url.split(":")[2].split("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_bytes)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        async with sdk(server) as client:
            assert (await client.chat.completions.create(model="m", messages=HELLO)).choices[
                0
            ].message.content == "fine"


async def test_a_client_that_leaves_is_counted() -> None:
    async with OpenAIServer([Reply("never", delay=30)]) as server:
        port = int(server.base_url.split(":")[2].split("/")[0])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        body = b'{"stream": true}'
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        while not server.requests:
            await asyncio.sleep(0.005)
        writer.close()
        async with asyncio.timeout(2):
            while not server.hung_up:
                await asyncio.sleep(0.005)
