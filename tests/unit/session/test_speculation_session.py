"""Sessions whose agent works ahead: the gain, and that nothing happens before the commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ChatDelta
from beluga_voice.session.session import Session
from beluga_voice.testing.scripted import ScriptedLLM
from stage import Stage, collect, speak

QUESTION = "what time do you open on saturday"


def of(events: list[Any], kind: type) -> list[Any]:
    return [e for e in events if isinstance(e, kind)]


@pytest.fixture
def stage(stage: Stage) -> Stage:
    stage.stt.final_delay, stage.stt.seconds_per_word = 0.04, 0.2
    stage.tts.first_audio = 0.1
    return stage


def heard(stage: Stage, *texts: str, **options: Any) -> list[Any]:
    """The events of a session where each of ``texts`` is said, 1.5 s long, and answered."""
    stage.utterances(*texts)
    config = options.pop("config", {})

    async def play(session: Session) -> list[Any]:
        await session.start()
        events = asyncio.create_task(collect(session))
        for _ in texts:
            await speak(session, 1.5, after=4.0)
        await session.stop()
        return await events

    options.setdefault("greeting", "")
    return stage.run(play, config=config, **options)


def test_the_model_is_asked_while_the_turn_is_open(stage: Stage) -> None:
    def agent() -> bv.Agent:
        return bv.Agent("x", llm=ScriptedLLM(("We open at nine.",), first_token=0.2))

    ahead = heard(stage, QUESTION, agent=agent())
    after = heard(stage, QUESTION, agent=agent(), config={"turn": bv.TurnConfig(max_guesses=0)})
    assert [e.outcome for e in of(ahead, ev.SpeculationEvent)] == ["used"]
    assert of(after, ev.SpeculationEvent) == []
    gain = of(after, ev.MetricsEvent)[0].total - of(ahead, ev.MetricsEvent)[0].total
    assert gain > 0.09
    assert [e.text for e in of(ahead, ev.TranscriptEvent) if e.final] == [QUESTION]
    assert of(ahead, ev.AgentTextEvent)[-1].text == "We open at nine."


def test_history_is_the_same_as_without(stage: Stage) -> None:
    llm = ScriptedLLM(("We open at nine.",), first_token=0.2)
    heard(stage, QUESTION, "thank you very much", agent=bv.Agent("x", llm=llm))
    shown = [[(m.role, m.content) for m in call] for call in llm.calls]
    assert shown[0] == [("system", "x"), ("user", QUESTION)]
    assert shown[-1] == [*shown[0], ("assistant", "We open at nine."), ("user", "thank you very much")]


def test_no_tool_runs_before_the_commit(stage: Stage) -> None:
    order: list[str] = []

    @bv.tool
    async def book(day: str) -> str:
        """Books."""
        order.append("tool")
        return "booked"

    call = ChatDelta(tool_calls=(ToolCall("1", "book", {"day": "saturday"}),))
    llm = ScriptedLLM((call, "It is booked."), first_token=0.01)
    agent = bv.Agent("x", tools=[book], llm=llm)
    events = heard(stage, "book me in on saturday please", agent=agent)
    committed = next(e.at for e in of(events, ev.TurnEvent) if e.phase == "user_ended")
    assert order == ["tool"]
    assert of(events, ev.ToolEvent)[0].at >= committed
    assert [e.outcome for e in of(events, ev.SpeculationEvent)] == ["used"]
    assert of(events, ev.AgentTextEvent)[-1].text == "It is booked."


def test_an_answer_to_words_that_were_not_all_is_never_heard(stage: Stage) -> None:
    stage.utterances("i lost my key", "at the airport this morning")
    llm = ScriptedLLM(("Sorry to hear that.",), first_token=0.01)

    async def play(session: Session) -> list[Any]:
        await session.start()
        events = asyncio.create_task(collect(session))
        await speak(session, 1.5, after=0.25)
        await speak(session, 1.5, after=4.0)
        await session.stop()
        return await events

    events = stage.run(play, agent=bv.Agent("x", llm=llm), greeting="")
    outcomes = of(events, ev.SpeculationEvent)
    assert [e.outcome for e in outcomes] == ["abandoned", "used"]
    assert outcomes[0].pieces == 4
    assert [m.content for m in llm.calls[-1]][1:] == ["i lost my key at the airport this morning"]
    assert len(of(events, ev.InterruptionEvent)) == 0
    assert [e.phase for e in of(events, ev.TurnEvent)].count("agent_started") == 1


def test_a_guess_stops_at_its_cap_and_goes_on_with_the_turn(stage: Stage) -> None:
    """A model that streams far faster than it is heard: what is paid for in vain is bounded."""

    @bv.speculable
    async def answer(transcript: str) -> AsyncIterator[str]:
        for _ in range(10):
            yield "word "

    turn = bv.TurnConfig(max_guess_pieces=4)
    events = heard(stage, QUESTION, callback=answer, config={"turn": turn})
    (told,) = of(events, ev.SpeculationEvent)
    assert (told.outcome, told.pieces) == ("used", 4)
    assert of(events, ev.AgentTextEvent)[-1].text == " ".join(["word"] * 10)


def test_a_hesitant_user_costs_so_many_guesses_and_no_more(stage: Stage) -> None:
    words = [f"number {word} is wrong" for word in ("one", "two", "three", "four")]
    stage.utterances(*words)
    llm = ScriptedLLM(("I see.",), first_token=0.01)

    async def play(session: Session) -> list[Any]:
        await session.start()
        events = asyncio.create_task(collect(session))
        for _ in words:
            await speak(session, 1.5, after=0.2)
        await speak(session, 0.0, after=4.0)
        await session.stop()
        return await events

    turn = bv.TurnConfig(max_guesses=2, min_endpointing_delay=0.6)
    events = stage.run(play, agent=bv.Agent("x", llm=llm), greeting="", config={"turn": turn})
    assert [e.outcome for e in of(events, ev.SpeculationEvent)] == ["abandoned", "abandoned"]
    assert len(llm.calls) == 3
    assert [e.text for e in of(events, ev.AgentTextEvent) if e.final] == ["I see."]


def test_a_model_that_fails_ahead_is_told_only_with_its_turn(stage: Stage) -> None:
    error = bv.PipelineError("chat", "pipeline_error", "no model")
    agent = bv.Agent("x", llm=ScriptedLLM((error,), first_token=0.01))
    events = heard(stage, QUESTION, agent=agent)
    committed = next(e.at for e in of(events, ev.TurnEvent) if e.phase == "user_ended")
    (told,) = of(events, ev.ErrorEvent)
    assert told.at >= committed
    assert told.stage == "agent"


def test_a_callback_is_asked_once_and_only_with_the_turn(stage: Stage) -> None:
    asked: list[str] = []

    async def answer(transcript: str) -> str:
        asked.append(transcript)
        return "Yes."

    events = heard(stage, QUESTION, callback=answer)
    assert asked == [QUESTION]
    assert of(events, ev.SpeculationEvent) == []


def test_a_marked_callback_works_ahead_and_its_effects_wait(stage: Stage) -> None:
    order: list[tuple[str, float]] = []

    @bv.speculable
    async def answer(context: bv.Context, transcript: str) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        order.append((transcript, loop.time()))
        assert context.history[-1].content == transcript
        yield "One moment. "
        await context.committed()
        order.append(("committed", loop.time()))
        await context.say("Here it is. ")
        context.end_session()
        yield "We open at nine."

    events = heard(stage, QUESTION, callback=answer)
    assert [what for what, _ in order] == [QUESTION, "committed"]
    assert order[1][1] - order[0][1] > 0.1
    assert [e.outcome for e in of(events, ev.SpeculationEvent)] == ["used"]
    assert of(events, ev.AgentTextEvent)[-1].text == "One moment. Here it is. We open at nine."
    assert of(events, ev.ClosedEvent)[0].reason == "agent_ended"


def test_a_session_that_ends_meanwhile_leaves_nothing(stage: Stage) -> None:
    stage.utterances(QUESTION)
    llm = ScriptedLLM(("We open at nine.",), first_token=5.0)

    async def play(session: Session) -> int:
        await session.start()
        await speak(session, 1.5, after=0.12)
        return len(llm.calls)  # and stage.run checks that no task outlives the session

    assert stage.run(play, agent=bv.Agent("x", llm=llm), greeting="") == 1
