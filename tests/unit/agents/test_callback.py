from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest

from beluga_voice.agents.callback import CallbackBrain
from beluga_voice.errors import AgentError, ConfigError
from beluga_voice.interfaces import Context, UserTurn

CONTEXT = cast("Context", SimpleNamespace(session_id="s1"))


async def answer(callback: Any) -> list[str]:
    return [piece async for piece in CallbackBrain(callback).reply(UserTurn(1, "hello"), CONTEXT)]


async def one(transcript: str) -> str:
    return f"one {transcript}"


async def two(context: Context, transcript: str) -> str:
    return f"{context.session_id} {transcript}"


async def optional(transcript: str, loud: bool = False) -> str:
    return f"{transcript} {loud}"


async def pieces(transcript: str) -> AsyncIterator[str]:
    yield "piece "
    yield transcript


async def pieces_with_context(context: Context, transcript: str) -> AsyncIterator[str]:
    yield context.session_id


async def gives_iterator(transcript: str) -> AsyncIterator[str]:
    return pieces(transcript)


async def anything(*args: str) -> str:
    return " ".join(args)


async def silent(transcript: str) -> str:
    return ""


class Desk:
    async def method(self, transcript: str) -> str:
        return f"method {transcript}"

    async def both(self, context: Context, transcript: str) -> str:
        return f"{context.session_id} {transcript}"

    async def __call__(self, transcript: str) -> str:
        return f"called {transcript}"


def wrapped(function: Any) -> Any:
    @functools.wraps(function)
    def inner(*args: Any) -> Any:
        return function(*args)

    return inner


@pytest.mark.parametrize(
    ("callback", "said"),
    [
        (one, ["one hello"]),
        (two, ["s1 hello"]),
        (optional, ["hello False"]),
        (pieces, ["piece ", "hello"]),
        (pieces_with_context, ["s1"]),
        (gives_iterator, ["piece ", "hello"]),
        (anything, ["hello"]),
        (silent, [""]),
        (Desk().method, ["method hello"]),
        (Desk().both, ["s1 hello"]),
        (Desk(), ["called hello"]),
        (functools.partial(two, CONTEXT), ["s1 hello"]),
        (functools.partial(optional, loud=True), ["hello True"]),
        (wrapped(two), ["s1 hello"]),
        (AsyncMock(return_value="mocked"), ["mocked"]),
    ],
)
async def test_forms(callback: Any, said: list[str]) -> None:
    assert await answer(callback) == said


def plain(transcript: str) -> str:
    return transcript


async def none() -> str:
    return ""


async def three(a: str, b: str, c: str) -> str:
    return ""


async def keyword(transcript: str, *, loud: bool) -> str:
    return ""


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        (plain, "plain is a plain function"),
        (lambda t: t, "plain function"),
        (none, r"none takes \(\)"),
        (three, "three takes"),
        (keyword, "keyword takes"),
        ("text", "cannot be called"),
        (None, "cannot be called"),
    ],
)
def test_what_cannot_answer(callback: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        CallbackBrain(callback)
    assert caught.value.code == "invalid_config"
    assert "write async def answer(transcript)" in caught.value.message


async def gives(value: Any) -> Any:
    async def callback(transcript: str) -> Any:
        return value

    return await answer(callback)


@pytest.mark.parametrize(("value", "name"), [(None, "None"), (3, "int"), (b"x", "bytes"), (["a"], "list")])
async def test_what_is_not_text_is_an_agent_error(value: Any, name: str) -> None:
    with pytest.raises(AgentError) as caught:
        await gives(value)
    assert caught.value.code == "agent_error"
    assert caught.value.message == f"agent_callback returned {name}; return a str or yield pieces of text"


async def test_pieces_that_are_not_text() -> None:
    async def callback(transcript: str) -> Any:
        yield "fine"
        yield 3

    with pytest.raises(AgentError, match="yielded int"):
        await answer(callback)


async def test_a_callback_that_raises() -> None:
    async def at_once(transcript: str) -> str:
        raise KeyError("x")

    async def later(transcript: str) -> Any:
        yield "fine"
        raise ValueError("broken")

    with pytest.raises(AgentError, match="raised KeyError") as caught:
        await answer(at_once)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(AgentError, match="raised ValueError: broken"):
        await answer(later)

    async def own(transcript: str) -> str:
        raise AgentError("x", "agent_error", "mine")

    with pytest.raises(AgentError, match="mine"):
        await answer(own)


async def test_closing_the_reply_closes_the_generator() -> None:
    ended: list[str] = []

    async def endless(transcript: str) -> Any:
        try:
            while True:
                yield "word "
        finally:
            ended.append("closed")

    async with aclosing(cast("Any", CallbackBrain(endless).reply(UserTurn(1, "x"), CONTEXT))) as reply:
        assert await anext(reply) == "word "
    assert ended == ["closed"]


async def test_cancelled_while_the_callback_waits() -> None:
    ended: list[str] = []

    async def hang(transcript: str) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")
        return ""

    task = asyncio.create_task(answer(hang))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cancelled"]


async def test_one_that_never_pauses_does_not_stop_the_loop() -> None:
    async def empty_for_ever(transcript: str) -> Any:
        while True:
            yield ""

    task = asyncio.create_task(answer(empty_for_ever))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_phrases_and_greeting() -> None:
    brain = CallbackBrain(one, phrases=["good morning"], greeting="Hello.")
    assert (brain.greeting(), tuple(brain.phrases)) == ("Hello.", ("good morning",))
    assert (CallbackBrain(one).greeting(), tuple(CallbackBrain(one).phrases)) == ("", ())
