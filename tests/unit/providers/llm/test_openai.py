from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

import pytest

from beluga_voice.errors import AuthError, CapacityError, ConfigError, ConnectError, PipelineError
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ChatDelta, ChatMessage, ToolSpec
from beluga_voice.providers.llm.openai import OpenAIChat, SettingsModel, create
from beluga_voice.registry import registry_for
from beluga_voice.testing.openai_server import OpenAIServer, Reply

HELLO = [ChatMessage("user", "hello")]
SECRET = "sk-canary-4711-abcdef"


async def ask(llm: OpenAIChat, *tools: ToolSpec) -> list[ChatDelta]:
    return [delta async for delta in llm.chat(HELLO, tools)]


def client(server: OpenAIServer, **settings: object) -> OpenAIChat:
    return create({"base_url": server.base_url, "model": "scripted", **settings})


async def test_text_streams_piece_by_piece() -> None:
    async with OpenAIServer([Reply("Hello there, friend.")]) as server:
        llm = client(server, temperature=0.2, max_tokens=50, extra_body={"seed": 3})
        assert [d.text for d in await ask(llm)] == ["Hello", " there,", " friend."]
        await llm.close()
    assert server.requests == [
        {
            "model": "scripted",
            "messages": [{"role": "user", "content": "hello"}],
            "stream": True,
            "temperature": 0.2,
            "max_tokens": 50,
            "seed": 3,
        }
    ]


async def test_tool_calls_come_complete() -> None:
    spec = ToolSpec("book", "Books a slot.", {"type": "object", "properties": {"day": {"type": "string"}}})
    reply = Reply("One moment.", tool_calls=[("book", {"day": "monday"}), ("hours", {})])
    async with OpenAIServer([reply]) as server:
        llm = client(server)
        deltas = await ask(llm, spec)
        await llm.close()
    assert "".join(d.text for d in deltas) == "One moment."
    assert deltas[-1].tool_calls == (
        ToolCall("call_1_0", "book", {"day": "monday"}),
        ToolCall("call_1_1", "hours", {}),
    )
    assert server.requests[0]["tools"][0]["function"]["name"] == "book"


async def test_one_connection_serves_all_turns() -> None:
    async with OpenAIServer([Reply("a"), Reply("b"), Reply(status=500, error="x"), Reply("c")]) as server:
        llm = client(server)
        assert [d.text for d in await ask(llm)] == ["a"]
        assert [d.text for d in await ask(llm)] == ["b"]
        with pytest.raises(ConnectError):
            await ask(llm)
        await ask(llm)
        assert server.connections == 1
        await llm.close()


async def test_a_kept_connection_that_died_is_replaced() -> None:
    server = OpenAIServer([Reply("a"), Reply("b")])
    async with server:
        llm = client(server)
        await ask(llm)
        port = server.base_url
    async with OpenAIServer([Reply("again")], port=int(port.rsplit(":", 1)[1].split("/")[0])) as second:
        assert [d.text for d in await ask(llm)] == ["again"]
        assert len(second.requests) == 1
    await llm.close()


async def test_closing_the_iterator_hangs_up() -> None:
    async with OpenAIServer([Reply("word " * 1000, gap=0.01), Reply("next")]) as server:
        llm = client(server)
        async with aclosing(llm.chat(HELLO)) as stream:
            assert (await anext(stream)).text == "word"
        async with asyncio.timeout(2):
            while not server.hung_up:
                await asyncio.sleep(0.005)
        assert [d.text for d in await ask(llm)] == ["next"]
        await llm.close()


async def test_cancelled_while_waiting_for_the_first_token() -> None:
    async with OpenAIServer([Reply("late", delay=30)]) as server:
        llm = client(server)
        task = asyncio.create_task(ask(llm))
        while not server.requests:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(2):
            while not server.hung_up:
                await asyncio.sleep(0.005)
        await llm.close()


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (Reply(status=403, error="no"), AuthError, "authorization_failed"),
        (Reply(status=404, error="no"), ConfigError, "invalid_config"),
        (Reply(status=429, error="no"), CapacityError, "rate_limit_exceeded"),
        (Reply(status=503, error="no"), ConnectError, "connection_failed"),
        (Reply(status=400, error="context too long"), PipelineError, "pipeline_error"),
        (Reply("Hel lo", break_off=True), ConnectError, "connection_failed"),
        (Reply("Hel lo", error="out of memory"), PipelineError, "pipeline_error"),
        (Reply(raw=b"data: nonsense\n\n"), PipelineError, "pipeline_error"),
        (Reply(raw=b""), ConnectError, "connection_failed"),
        (Reply(raw=b"<html>", content_type="text/html"), PipelineError, "pipeline_error"),
        (Reply(raw=b"{}", content_type="application/json"), PipelineError, "pipeline_error"),
        (Reply("late", delay=5), ConnectError, "connection_timeout"),
        (Reply("a b", gap=5), ConnectError, "connection_timeout"),
    ],
)
async def test_failures(reply: Reply, kind: type[Exception], code: str) -> None:
    async with OpenAIServer([reply, Reply("fine")]) as server:
        llm = client(server, timeout=0.2)
        with pytest.raises(kind) as caught:
            await ask(llm)
        assert caught.value.code == code  # type: ignore[attr-defined]
        assert [d.text for d in await ask(llm)] == ["fine"]
        await llm.close()


async def test_retry_after_is_told() -> None:
    async with OpenAIServer([Reply(status=429, headers={"Retry-After": "2"})]) as server:
        llm = client(server)
        with pytest.raises(CapacityError) as caught:
            await ask(llm)
        assert caught.value.details["retry_after"] == 2.0
        await llm.close()


async def test_nobody_listens() -> None:
    async with OpenAIServer() as server:
        url = server.base_url
    llm = create({"base_url": url, "model": "m"})
    with pytest.raises(ConnectError, match="is the server running") as caught:
        await ask(llm)
    assert caught.value.code == "connection_failed"
    await llm.close()


async def test_keys_are_sent_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with OpenAIServer([Reply("in")], api_key="right") as server:
        llm = client(server, api_key="right")
        assert [d.text for d in await ask(llm)] == ["in"]
        await llm.close()
        wrong = client(server, api_key=SECRET, headers={"x-extra": SECRET})
        with pytest.raises(AuthError) as caught:
            await ask(wrong)
        await wrong.close()
    assert caught.value.code == "authentication_failed"
    shown = f"{caught.value!r} {caught.value} {caught.value.details} {wrong!r} {vars(wrong)['_settings']!r}"
    assert SECRET not in shown
    assert SECRET not in caplog.text


async def test_a_key_that_the_server_quotes_is_masked() -> None:
    async with OpenAIServer([Reply(status=400, error=f"bad key {SECRET}")]) as server:
        llm = client(server, api_key=SECRET)
        with pytest.raises(PipelineError, match=r"bad key \*\*\*"):
            await ask(llm)
        await llm.close()


async def test_close_twice_and_use_after_close() -> None:
    async with OpenAIServer([Reply("a")]) as server:
        llm = client(server)
        await ask(llm)
        await llm.close()
        await llm.close()
        with pytest.raises(PipelineError, match="closed"):
            await ask(llm)


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for settings, field in (
        ({}, "model is required"),
        ({"model": ""}, "model"),
        ({"model": "m", "base_url": "localhost:11434"}, "base_url"),
        ({"model": "m", "base_url": "ftp://x/v1"}, "base_url"),
        ({"model": "m", "temperature": 3}, "temperature"),
        ({"model": "m", "timeout": 0}, "timeout"),
        ({"model": "m"}, "OPENAI_API_KEY"),
    ):
        with pytest.raises(ConfigError, match=field) as caught:
            create(settings)
        assert caught.value.code == "invalid_config"
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert isinstance(create({"model": "m"}), OpenAIChat)
    # Another server is never given OpenAI's key.
    other = create({"model": "m", "base_url": "http://127.0.0.1:1/v1/chat/completions"})
    assert "authorization" not in other._headers
    assert other._url == "http://127.0.0.1:1/v1/chat/completions"
    assert SECRET not in repr(SettingsModel(model="m", api_key=SECRET, headers={"a": SECRET}))


def test_openai_itself_takes_another_name_for_the_length() -> None:
    llm = create({"model": "m", "api_key": "k", "max_tokens": 5})
    assert llm._body([], ())["max_completion_tokens"] == 5


def test_registry_finds_it() -> None:
    made = registry_for("llm").create("openai", {"model": "m", "base_url": "http://127.0.0.1:1/v1"})
    assert isinstance(made, OpenAIChat)
    assert "api_key" in registry_for("llm").config_schema("openai")["properties"]
