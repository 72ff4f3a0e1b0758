"""A second request for a slow first token."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice.agents.hedging import hedged
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ChatDelta, ChatMessage, ToolSpec
from beluga_voice.session.session import Session
from beluga_voice.testing.loop import run
from stage import Stage, speak
from telemetry import recorded


class Model:
    """Answers each request after its own delay (or fails with its error), word by word.

    Attributes:
        asked: when, in seconds of the loop.
        closed: requests that ended, with the pieces they gave.
    """

    def __init__(self, *plans: tuple[float, str | Exception | ChatDelta]) -> None:
        self.plans = list(plans)
        self.asked: list[float] = []
        self.closed: list[int] = []

    async def chat(
        self, messages: Sequence[ChatMessage] = (), tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[ChatDelta]:
        delay, said = self.plans[min(len(self.asked), len(self.plans) - 1)]
        self.asked.append(asyncio.get_running_loop().time())
        gave = 0
        try:
            await asyncio.sleep(delay)
            if isinstance(said, Exception):
                raise said
            for piece in (
                [said] if isinstance(said, ChatDelta) else [ChatDelta(text=f"{w} ") for w in said.split()]
            ):
                gave += 1
                yield piece
                await asyncio.sleep(0.01)
        finally:
            self.closed.append(gave)

    async def close(self) -> None:
        pass


def answer(model: Model, after: float = 0.5) -> tuple[str, float]:
    """The words, and when the first came."""

    async def main() -> tuple[str, float]:
        words, first = list[str](), 0.0
        async for delta in hedged(model.chat, after):
            first = first or asyncio.get_running_loop().time()
            words.append(delta.text)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others
        return "".join(words).strip(), first

    return run(main())


def test_a_quick_model_is_asked_once() -> None:
    model = Model((0.3, "we open at nine"))
    assert answer(model) == ("we open at nine", pytest.approx(0.3))
    assert len(model.asked) == 1


def test_a_slow_one_is_asked_again_and_the_quicker_answer_is_taken() -> None:
    model = Model((3.0, "too late"), (0.2, "we open at nine"))
    assert answer(model) == ("we open at nine", pytest.approx(0.7))
    assert model.asked == pytest.approx([0.0, 0.5])
    assert model.closed == [0, 4], "the other one was cancelled before it gave anything"


def test_the_first_may_still_be_the_quicker() -> None:
    model = Model((0.6, "we open at nine"), (0.5, "too late"))
    assert answer(model) == ("we open at nine", pytest.approx(0.6))
    assert sorted(model.closed) == [0, 4]


def test_one_that_fails_leaves_it_to_the_other() -> None:
    error = bv.PipelineError("chat", "pipeline_error", "overloaded")
    assert answer(Model((0.6, error), (0.4, "here I am")))[0] == "here I am"
    assert answer(Model((0.9, "here I am"), (0.1, error)))[0] == "here I am"


@pytest.mark.parametrize("delay", [0.1, 0.6])
def test_a_failure_is_told(delay: float) -> None:
    first = bv.PipelineError("chat", "pipeline_error", "first")
    second = bv.PipelineError("chat", "pipeline_error", "second")
    model = Model((delay, first), (0.3, second))
    with pytest.raises(bv.PipelineError, match="first"):
        answer(model)
    assert len(model.asked) == (1 if delay < 0.5 else 2), "what fails at once is not asked again"


def test_closing_the_answer_cancels_both() -> None:
    model = Model((9.0, "one"), (9.0, "two"))

    async def main() -> None:
        stream: Any = hedged(model.chat, 0.5)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await anext(stream)
        await stream.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())
    assert model.closed == [0, 0]


def test_an_agent_hedges_and_runs_a_tool_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    @bv.tool
    async def book(day: str) -> str:
        """Books."""
        ran.append(day)
        return "booked"

    call = ChatDelta(tool_calls=(ToolCall("1", "book", {"day": "saturday"}),))
    model = Model((5.0, call), (0.2, call), (0.1, "It is booked."))
    stage.utterances("book me in on saturday please")
    agent = bv.Agent("x", tools=[book], llm=model, hedge_after=0.4)

    async def play(session: Session) -> Any:
        await session.start()
        await speak(session, 1.5, after=6.0)
        return session.history

    with recorded(monkeypatch) as telemetry:
        history = stage.run(play, agent=agent, greeting="")
        assert telemetry.counts("beluga.voice.llm.hedges", "outcome") == {("second",): 1}
    assert ran == ["saturday"]
    assert history[-1].content == "It is booked."


@pytest.mark.parametrize("value", [-0.1, 61.0])
def test_wrong_values_are_refused(value: float) -> None:
    with pytest.raises(bv.ConfigError, match="hedge_after"):
        bv.Agent("x", hedge_after=value)
