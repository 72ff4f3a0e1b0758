from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any, cast

import pytest

from beluga_voice.agents import Agent, AgentBrain, tool
from beluga_voice.errors import ConfigError, ConnectError
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ChatDelta, ChatMessage, Context, ToolSpec, UserTurn


class Model:
    """Answers from a script and notes what it was shown."""

    def __init__(self, *script: Sequence[ChatDelta] | Exception) -> None:
        self.script = list(script)
        self.shown: list[list[ChatMessage]] = []
        self.tools: list[list[str]] = []
        self.closed = 0

    async def chat(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[ChatDelta]:
        self.shown.append(list(messages))
        self.tools.append([t.name for t in tools])
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        try:
            for delta in step:
                yield delta
        finally:
            self.closed += 1

    async def close(self) -> None: ...


def say(*pieces: str) -> list[ChatDelta]:
    return [ChatDelta(p) for p in pieces]


def call(*calls: tuple[str, str, dict[str, Any]], text: str = "") -> list[ChatDelta]:
    made = tuple(ToolCall(i, name, arguments) for i, name, arguments in calls)
    return [*([ChatDelta(text)] if text else []), ChatDelta(tool_calls=made)]


class Talk:
    """A conversation as the session keeps it."""

    def __init__(self, brain: AgentBrain) -> None:
        self.brain = brain
        self.history: list[ChatMessage] = []
        self.turn = 0
        self.committed = asyncio.Event()
        self.committed.set()

    def context(self, turn: UserTurn) -> Context:
        context = SimpleNamespace(
            session_id="s1", turn=turn, history=self.history, committed=self.committed.wait
        )
        return cast("Context", context)

    def reply(self, text: str) -> AsyncIterator[str]:
        self.turn += 1
        turn = UserTurn(self.turn, text)
        self.history.append(ChatMessage("user", text))
        return self.brain.reply(turn, self.context(turn))

    async def say(self, text: str) -> str:
        answer = "".join([piece async for piece in self.reply(text)])
        self.history.append(ChatMessage("assistant", answer))
        return answer


def shape(messages: Sequence[ChatMessage]) -> list[str]:
    return [
        f"{m.role}:{m.content}"
        + "".join(f"[{c.id}]" for c in m.tool_calls)
        + (f"({m.tool_call_id})" if m.tool_call_id else "")
        for m in messages
    ]


@tool
async def hours(day: str) -> str:
    """Opening hours."""
    return f"{day} nine to five"


@tool
async def fail() -> str:
    """Fails."""
    raise ValueError("no luck")


async def test_text_is_streamed() -> None:
    model = Model(say("Hello ", "there."))
    talk = Talk(AgentBrain(Agent("Be kind.", greeting="Hi!", phrases=["hello"]), model))
    assert [p async for p in talk.reply("good morning")] == ["Hello ", "there."]
    assert shape(model.shown[0]) == ["system:Be kind.", "user:good morning"]
    assert talk.brain.greeting() == "Hi!"
    assert list(talk.brain.phrases) == ["hello"]


async def test_tools_run_and_are_remembered_in_valid_order() -> None:
    events: list[tuple[Any, ...]] = []
    model = Model(
        call(("c1", "hours", {"day": "monday"}), text="One moment. "),
        say("Nine to five."),
        say("You are welcome."),
    )
    brain = AgentBrain(Agent("x", tools=[hours]), model, on_tool=lambda *e: events.append(e))
    talk = Talk(brain)
    assert await talk.say("when on monday") == "One moment. Nine to five."
    assert events == [
        ("c1", "hours", "started", {"day": "monday"}, ""),
        ("c1", "hours", "ended", {"day": "monday"}, "monday nine to five"),
    ]
    assert model.tools[0] == ["hours"]
    assert shape(model.shown[1]) == [
        "system:x", "user:when on monday", "assistant:One moment. [c1]", "tool:monday nine to five(c1)",
    ]  # fmt: skip
    await talk.say("thanks")
    assert shape(model.shown[2]) == [
        "system:x", "user:when on monday", "assistant:[c1]", "tool:monday nine to five(c1)",
        "assistant:One moment. Nine to five.", "user:thanks",
    ]  # fmt: skip


async def test_several_calls_and_rounds() -> None:
    model = Model(
        call(("a", "hours", {"day": "monday"}), ("b", "fail", {}), text="First. "),
        call(("c", "hours", {"day": "tuesday"}), text="Second. "),
        say("Done."),
    )
    events: list[tuple[Any, ...]] = []
    talk = Talk(AgentBrain(Agent("", tools=[hours, fail]), model, on_tool=lambda *e: events.append(e)))
    assert await talk.say("go") == "First. Second. Done."
    assert shape(model.shown[2]) == [
        "user:go", "assistant:First. [a][b]", "tool:monday nine to five(a)", "tool:fail failed: no luck(b)",
        "assistant:Second. [c]", "tool:tuesday nine to five(c)",
    ]  # fmt: skip
    assert sorted(e[2] for e in events) == ["ended", "ended", "failed", "started", "started", "started"]


async def test_calls_of_a_round_run_side_by_side() -> None:
    both = asyncio.Barrier(2)

    @tool
    async def meet() -> str:
        await both.wait()
        return "met"

    model = Model(call(("a", "meet", {}), ("b", "meet", {})), say("ok"))
    assert await Talk(AgentBrain(Agent("", tools=[meet]), model)).say("x") == "ok"


async def test_what_the_model_gets_wrong_is_told_to_it() -> None:
    model = Model(call(("a", "nothing", {}), ("b", "hours", {"d": 1})), say("ok"))
    await Talk(AgentBrain(Agent("", tools=[hours]), model)).say("x")
    told = [m.content for m in model.shown[1] if m.role == "tool"]
    assert told[0] == "There is no tool 'nothing'. There are: hours."
    assert told[1].startswith("Wrong arguments for hours")


async def test_at_most_eight_tools_in_flight() -> None:
    gate = asyncio.Event()

    @tool
    async def wait() -> str:
        await gate.wait()
        return "waited"

    @tool
    async def opens() -> str:
        gate.set()
        return "opened"

    nine = [(f"c{i}", "wait", {}) for i in range(8)] + [("c8", "opens", {})]
    model = Model(call(*nine), call(("d", "opens", {})), say("ok"))
    brain = AgentBrain(Agent("", tools=[wait, opens]), model)
    task = asyncio.create_task(Talk(brain).say("x"))
    for _ in range(10):
        await asyncio.sleep(0)
    gate.set()
    assert await task == "ok"
    told = {m.tool_call_id: m.content for m in model.shown[1] if m.role == "tool"}
    assert [told[f"c{i}"] for i in range(8)] == ["waited"] * 8
    assert "At most 8" in told["c8"]


async def test_a_model_that_only_calls_tools_is_stopped() -> None:
    model = Model(*[call((f"c{i}", "hours", {"day": "x"})) for i in range(9)], say("fine"))
    talk = Talk(AgentBrain(Agent("", tools=[hours], max_tool_rounds=3), model))
    answer = await talk.say("x")
    assert answer.startswith("Sorry")
    assert len(model.shown) == 4
    model.script = [say("fine")]
    assert await talk.say("y") == "fine"
    assert sum(len(m.tool_calls) for m in model.shown[-1]) == 3
    assert sum(m.role == "tool" for m in model.shown[-1]) == 3


async def test_closing_the_reply_closes_the_model() -> None:
    model = Model(say("a", "b", "c"))
    talk = Talk(AgentBrain(Agent(""), model))
    async with aclosing(cast("Any", talk.reply("x"))) as reply:
        assert await anext(reply) == "a"
    assert model.closed == 1


async def test_interrupted_tools_leave_a_valid_history() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    @tool
    async def slow() -> str:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()
        return "late"

    events: list[str] = []
    model = Model(call(("a", "hours", {"day": "monday"}), ("b", "slow", {}), text="Wait. "), say("So."))
    brain = AgentBrain(
        Agent("", tools=[hours, slow]), model, on_tool=lambda *e: events.append(f"{e[0]} {e[2]} {e[4]}")
    )
    talk = Talk(brain)

    async def consume() -> None:
        async for _ in talk.reply("book it"):
            pass

    task = asyncio.create_task(consume())
    await started.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()
    assert "b failed interrupted" in events
    talk.history.append(ChatMessage("assistant", "Wait.", interrupted=True))
    await talk.say("did you book it")
    shown = shape(model.shown[1])
    assert shown[:2] == ["user:book it", "assistant:[a][b]"]
    assert shown[2] == "tool:monday nine to five(a)"
    assert shown[3].startswith("tool:The user interrupted before this ended.")
    assert shown[4:] == ["assistant:Wait.", "user:did you book it"]


async def test_hand_over() -> None:
    events: list[str] = []
    doctor_model = Model(say("Doctor here."), say("Still the doctor."))
    doctor = Agent("You are the doctor.", name="doctor", llm=doctor_model, tools=[hours], phrases=["ouch"])

    @tool
    async def to_doctor() -> Agent:
        """Hands over."""
        return doctor

    desk_model = Model(call(("a", "to_doctor", {}), text="I will connect you. "))
    brain = AgentBrain(
        Agent("You are the desk.", tools=[to_doctor]), desk_model, on_tool=lambda *e: events.append(e[4])
    )
    talk = Talk(brain)
    assert await talk.say("doctor please") == "I will connect you. Doctor here."
    assert brain.agent is doctor
    assert list(brain.phrases) == ["ouch"]
    assert events == ["", "doctor takes over."]
    assert shape(doctor_model.shown[0]) == [
        "system:You are the doctor.", "user:doctor please", "assistant:I will connect you. [a]",
        "tool:doctor takes over.(a)",
    ]  # fmt: skip
    assert doctor_model.tools == [["hours"]]
    assert await talk.say("hello") == "Still the doctor."
    assert len(desk_model.shown) == 1


async def test_hand_over_to_an_agent_without_a_model_is_told() -> None:
    lost = Agent("x", name="lost")

    @tool
    async def go() -> Agent:
        return lost

    desk = Agent("d", tools=[go], llm=Model(call(("a", "go", {})), say("Sorry.")))
    brain = AgentBrain(desk)
    assert await Talk(brain).say("x") == "Sorry."
    assert brain.agent is desk


async def test_errors_of_the_model_are_raised() -> None:
    model = Model(ConnectError("chat", "connection_failed", "down"), say("up"))
    talk = Talk(AgentBrain(Agent(""), model))
    with pytest.raises(ConnectError, match="down"):
        await talk.say("x")
    assert await talk.say("y") == "up"


async def test_a_listener_that_fails_breaks_nothing() -> None:
    def listener(*_: Any) -> None:
        raise RuntimeError("listener")

    model = Model(call(("a", "hours", {"day": "monday"})), say("ok"))
    assert await Talk(AgentBrain(Agent("", tools=[hours]), model, on_tool=listener)).say("x") == "ok"


async def test_a_model_that_never_pauses_does_not_stop_the_loop() -> None:
    class Endless(Model):
        async def chat(self, messages: Any, tools: Any = ()) -> AsyncIterator[ChatDelta]:
            while True:
                yield ChatDelta()

    task = asyncio.create_task(Talk(AgentBrain(Agent(""), Endless())).say("x"))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_sessions_of_one_agent_share_no_memory() -> None:
    agent = Agent("", tools=[hours])
    first_model = Model(call(("a", "hours", {"day": "monday"})), say("ok"))
    await Talk(AgentBrain(agent, first_model)).say("same words")
    second_model = Model(say("hi"))
    await Talk(AgentBrain(agent, second_model)).say("same words")
    assert shape(second_model.shown[0]) == ["user:same words"]


def test_an_agent_needs_a_model() -> None:
    with pytest.raises(ConfigError, match="no language model") as caught:
        AgentBrain(Agent("x"))
    assert caught.value.code == "invalid_config"
