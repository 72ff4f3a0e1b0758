"""Tools and hand-offs of an agent whose reasoning a speech-to-speech model does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.session.session import Session
from beluga_voice.testing.scripted import silence
from beluga_voice.testing.scripted_realtime import (
    Answer,
    ScriptedModel,
    ScriptedReply,
    ScriptedStream,
    SettingsModel,
)
from realtime_stage import RealtimeStage, voice


@pytest.fixture
def s2s() -> RealtimeStage:
    return RealtimeStage()


def model_that(answer: Any, *utterances: str, **values: Any) -> ScriptedModel:
    return ScriptedModel(SettingsModel(utterances=utterances, **values), answer=answer)


async def scene_of_one_turn(session: Session) -> Any:
    await session.start()
    await voice(session, 1.0, 4.0)
    return session.history


@pytest.mark.parametrize("turns", ["server", "local"])
def test_a_tool_runs_while_the_agent_speaks(s2s: RealtimeStage, turns: str) -> None:
    ran: list[tuple[str, int]] = []

    @bv.tool
    async def find_table(people: int, context: bv.Context) -> str:
        """Finds a free table."""
        ran.append((context.turn.text, people))
        await asyncio.sleep(0.5)
        return "table 4"

    def answer(stream: ScriptedStream) -> Answer:
        if not stream.results:
            return ScriptedReply("Let me see.", calls=[("find_table", {"people": 2})])
        return f"You have {next(iter(stream.results.values()))}."

    s2s.model = model_that(answer, "a table for two please")
    history = s2s.play(scene_of_one_turn, turns, agent=bv.Agent("Be brief.", tools=[find_table]))
    assert [people for _, people in ran] == [2]
    assert s2s.stream.instructions == "Be brief."
    assert s2s.stream.tools == ["find_table"]
    assert [m.content for m in history] == ["a table for two please", "Let me see. You have table 4."]
    assert [(e.name, e.phase) for e in s2s.of(ev.ToolEvent)] == [
        ("find_table", "started"),
        ("find_table", "ended"),
    ]
    assert len([e for e in s2s.of(ev.TurnEvent) if e.phase == "agent_started"]) == 1


def test_two_tools_at_once_and_one_that_fails(s2s: RealtimeStage) -> None:
    async def good() -> str:
        await asyncio.sleep(0.2)
        return "fine"

    async def bad() -> str:
        raise ValueError("no luck")

    def answer(stream: ScriptedStream) -> Answer:
        if not stream.results:
            return ScriptedReply(calls=[("good", {}), ("bad", {}), ("unknown", {})])
        return f"{len(stream.results)} results."

    s2s.model = model_that(answer, "do it now please")
    history = s2s.play(scene_of_one_turn, agent=bv.Agent("x", tools=[good, bad]))
    assert [m.content for m in history] == ["do it now please", "3 results."]
    results = list(s2s.stream.results.values())
    assert "fine" in results and any("no luck" in r for r in results)
    assert any("no tool 'unknown'" in r for r in results)
    assert s2s.stream.asked == ["", ""], "the model is asked once for all results"


def test_no_tool_runs_before_the_turn_is_decided(s2s: RealtimeStage) -> None:
    """The answer that was asked for in a pause calls a tool; the user goes on, and it never runs."""
    ran: list[str] = []

    async def pay(amount: int) -> str:
        ran.append(str(amount))
        return "paid"

    def answer(stream: ScriptedStream) -> Answer:
        if len(stream.said) < 2:
            return ScriptedReply(calls=[("pay", {"amount": 1})])
        return "All right."

    s2s.model = model_that(answer, "pay", "nothing please", latency=0.01)
    played = s2s.play

    async def scene(session: Session) -> Any:
        await session.start()
        await voice(session, 0.8, 0.19, 0.8, 2.0)
        return session.history

    history = played(scene, "local", agent=bv.Agent("x", tools=[pay]))
    assert ran == []
    assert [m.content for m in history] == ["pay nothing please", "All right."]


def test_a_tool_asked_for_ahead_runs_once_when_the_turn_is_decided(s2s: RealtimeStage) -> None:
    ran: list[float] = []

    async def pay(amount: int) -> str:
        ran.append(asyncio.get_running_loop().time())
        return "paid"

    def answer(stream: ScriptedStream) -> Answer:
        return "It is paid." if stream.results else ScriptedReply(calls=[("pay", {"amount": 1})])

    s2s.model = model_that(answer, "pay please", latency=0.01)
    committed: list[float] = []

    async def scene(session: Session) -> Any:
        loop = asyncio.get_running_loop()

        async def watch() -> None:
            async for event in session.events():
                if isinstance(event, ev.TurnEvent) and event.phase == "user_ended":
                    committed.append(loop.time())

        watching = asyncio.create_task(watch())
        await session.start()
        await voice(session, 0.8, 3.0)
        history = session.history
        await session.stop()
        await watching
        return history

    config = {"s2s_config": {"endpointing_delay": 0.4}}
    history = s2s.play(scene, "local", agent=bv.Agent("x", tools=[pay]), config=config)
    assert len(ran) == 1
    assert committed and ran[0] >= committed[0] - 1e-6
    (told,) = [e for e in s2s.of(ev.ToolEvent) if e.phase == "started"]
    ended = next(e for e in s2s.of(ev.TurnEvent) if e.phase == "user_ended")
    assert told.at >= ended.at
    assert [m.content for m in history] == ["pay please", "It is paid."]


def test_an_interruption_ends_the_tool_and_tells_the_model(s2s: RealtimeStage) -> None:
    ended: list[str] = []

    async def slow() -> str:
        try:
            await asyncio.sleep(5.0)
        finally:
            ended.append("slow")
        return "late"

    def answer(stream: ScriptedStream) -> Answer:
        if not stream.results:
            return ScriptedReply("One moment please, I am looking it up for you.", calls=[("slow", {})])
        return "Stopped."

    s2s.model = model_that(answer, "look it up please", "no stop", speed=20.0)

    async def scene(session: Session) -> Any:
        await session.start()
        await voice(session, 1.0, 1.5, 1.0, 2.0)
        return session.history

    history = s2s.play(scene, agent=bv.Agent("x", tools=[slow]))
    assert ended == ["slow"]
    assert history[-1].content == "Stopped."
    (result,) = s2s.stream.results.values()
    assert "interrupted" in result
    assert [e.phase for e in s2s.of(ev.ToolEvent)] == ["started", "failed"]


def test_a_tool_that_ends_after_the_connection_was_lost_is_not_forgotten(s2s: RealtimeStage) -> None:
    async def slow() -> str:
        await asyncio.sleep(1.0)
        return "42"

    def answer(stream: ScriptedStream) -> Answer:
        known = [*stream.results.values(), *(m.content for m in stream.setup.history if m.role == "tool")]
        return f"It is {known[0]}." if known else ScriptedReply(calls=[("slow", {})])

    s2s.model = model_that(answer, "what is it please")

    async def scene(session: Session) -> Any:
        await session.start()
        await voice(session, 1.0, 0.8)
        s2s.stream.drop()
        await session.process_audio(silence(4.0))
        return session.history

    history = s2s.play(scene, agent=bv.Agent("x", tools=[slow]))
    assert [m.content for m in history] == ["what is it please", "It is 42."]


def test_a_tool_may_say_something_and_end_the_session(s2s: RealtimeStage) -> None:
    async def goodbye(context: bv.Context) -> str:
        await context.say("Bye now.")
        context.end_session("done")
        return "ok"

    def answer(stream: ScriptedStream) -> Answer:
        return ScriptedReply(calls=[("goodbye", {})]) if not stream.results else ScriptedReply("")

    s2s.model = model_that(answer, "good bye")

    async def scene(session: Session) -> Any:
        await session.start()
        await voice(session, 1.0, 4.0)
        return session.history

    s2s.play(scene, agent=bv.Agent("x", tools=[goodbye]))
    assert [e.text for e in s2s.of(ev.AgentTextEvent) if e.final] == ["Bye now."]
    assert s2s.events[-1].reason == "done"


def test_a_hand_off_gives_the_model_other_instructions_and_tools(s2s: RealtimeStage) -> None:
    async def refund() -> str:
        return "refunded"

    billing = bv.Agent("You do billing.", tools=[refund], name="billing")

    async def to_billing() -> bv.Agent:
        return billing

    def answer(stream: ScriptedStream) -> Answer:
        if not stream.results:
            return ScriptedReply(calls=[("to_billing", {})])
        return "Billing here."

    s2s.model = model_that(answer, "i want my money back")
    front = bv.Agent("You greet.", tools=[to_billing])
    history = s2s.play(scene_of_one_turn, agent=front, config={"s2s_config": {"instructions": "Be kind."}})
    assert history[-1].content == "Billing here."
    assert s2s.stream.instructions == "Be kind.\n\nYou do billing."
    assert s2s.stream.tools == ["refund"]
    assert s2s.stream.setup.instructions == "Be kind.\n\nYou greet."


def test_who_reasons_cannot_change_in_a_session(s2s: RealtimeStage) -> None:
    async def other(transcript: str) -> str:
        return transcript

    async def scene(session: Session) -> None:
        await session.start()
        session.set_agent(bv.Agent("Another one."))
        await asyncio.sleep(0.1)
        with pytest.raises(bv.ConfigError, match="cannot change"):
            session.set_agent_callback(other)

    s2s.play(scene, agent=bv.Agent("x"))
    assert s2s.stream.instructions == "Another one."


@pytest.mark.parametrize("most", [0, 2])
def test_the_model_is_asked_ahead_so_often_in_a_turn(s2s: RealtimeStage, most: int) -> None:
    s2s.script("it is about my appointment", replies=("I see.",), latency=0.01, speed=100.0)

    async def scene(session: Session) -> None:
        await session.start()
        await voice(session, 0.5, 0.12, 0.5, 0.12, 0.5, 0.12, 0.5, 3.0)

    turn = bv.TurnConfig(max_guesses=most)
    s2s.play(scene, "local", config={"turn": turn, "s2s_config": {"endpointing_delay": 0.3}})
    usage = s2s.of(ev.UsageEvent)
    assert [e.wasted for e in usage] == [True] * most + [False]
    assert [e.text for e in s2s.of(ev.AgentTextEvent) if e.final] == ["I see."]
    (metrics,) = s2s.of(ev.MetricsEvent)
    assert metrics.ahead == 0.0


def test_wasted_tokens_are_told(s2s: RealtimeStage) -> None:
    s2s.script("well", "thank you", replies=("No.", "Yes."), latency=0.01, speed=100.0)

    async def scene(session: Session) -> None:
        await session.start()
        await voice(session, 0.8, 0.19, 0.8, 2.0)

    s2s.play(scene, "local")
    assert [e.wasted for e in s2s.of(ev.UsageEvent)] == [True, False]
