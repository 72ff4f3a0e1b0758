"""Several people in front of one speech-to-speech model: everybody is heard, and who said what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.session.session import Session
from beluga_voice.transports.memory import MemoryTransport
from people import PITCHES, People
from realtime_stage import RealtimeStage


@pytest.fixture
def s2s() -> RealtimeStage:
    return RealtimeStage()


def meet(
    s2s: RealtimeStage, seconds: float, speech: Mapping[str, Any], turns: str = "local", **options: Any
) -> tuple[Any, ...]:
    """Plays ``speech`` (who: from and to, in seconds) and returns the history."""
    transport = MemoryTransport(bv.TransportConfig())
    people = People(transport)
    silent = options.pop("silent", ())
    while_talking = options.pop("meanwhile", None)

    async def scene(session: Session) -> tuple[Any, ...]:
        await session.start()
        for who in (*speech, *silent):
            people.join(who, who.title())
        talking = asyncio.create_task(people.talk(seconds, speech, silent=silent))
        if while_talking is not None:
            await while_talking(people)
        await talking
        return session.history

    history: tuple[Any, ...] = s2s.play(scene, turns, transport=transport, **options)
    return history


def pitches(s2s: RealtimeStage) -> set[str]:
    """Whose voices the model was given."""
    rate = s2s.model.capabilities.input_sample_rate
    samples = np.frombuffer(bytes(s2s.stream.audio), dtype="<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples)) / max(1, len(samples))
    hertz = np.fft.rfftfreq(len(samples), 1 / rate)
    loudest = {who: spectrum[(hertz > p - 8) & (hertz < p + 8)].max() for who, p in PITCHES.items()}
    return {who for who, level in loudest.items() if level > 100}


def said(history: tuple[Any, ...]) -> list[tuple[str, str]]:
    return [(m.participant or m.role, m.content) for m in history]


@pytest.mark.parametrize("turns", ["server", "local"])
def test_everybody_is_heard_and_answered(s2s: RealtimeStage, turns: str) -> None:
    s2s.script("what time is it", "and what day", replies=("It is ten.", "It is Monday."), latency=0.05)
    history = meet(s2s, 7.0, {"ann": [(0.5, 1.5)], "bob": [(4.0, 5.0)]}, turns)
    assert said(history) == [
        ("ann", "what time is it"),
        ("assistant", "It is ten."),
        ("bob", "and what day"),
        ("assistant", "It is Monday."),
    ]
    finals = [(e.participant, e.text) for e in s2s.of(ev.TranscriptEvent) if e.final]
    assert finals == [("ann", "what time is it"), ("bob", "and what day")]
    assert pitches(s2s) == {"ann", "bob"}


def test_two_people_in_one_turn_are_told_apart(s2s: RealtimeStage) -> None:
    s2s.script("we need a table", "for two people", latency=0.05, transcript_delay=0.03)
    asked: list[Any] = []

    async def answer(context: bv.Context, transcript: str) -> str:
        asked.append((transcript, context.turn.participant, context.turn.utterances))
        return "Gladly."

    history = meet(s2s, 6.0, {"ann": [(0.5, 1.5)], "bob": [(1.6, 2.6)]}, agent_callback=answer)
    utterances = (("ann", "we need a table"), ("bob", "for two people"))
    assert asked == [("Ann: we need a table\nBob: for two people", "bob", utterances)]
    assert said(history) == [*utterances, ("assistant", "Gladly.")]
    assert [e.turn for e in s2s.of(ev.TurnEvent) if e.phase == "user_ended"] == [1]


@pytest.mark.parametrize("turns", ["server", "local"])
def test_people_who_talk_at_the_same_time_are_heard_together(s2s: RealtimeStage, turns: str) -> None:
    s2s.script("hello there", latency=0.05)
    history = meet(s2s, 5.0, {"ann": [(0.5, 2.5)], "bob": [(1.0, 1.8)], "cem": [(2.2, 2.9)]}, turns)
    assert pitches(s2s) == {"ann", "bob", "cem"}
    assert said(history)[0] == ("ann", "hello there"), "the words are those of who talked longest"
    assert [e.turn for e in s2s.of(ev.TurnEvent) if e.phase == "user_ended"] == [1]


def test_the_turn_is_over_when_all_have_finished(s2s: RealtimeStage) -> None:
    s2s.script("what time is it", latency=0.02)
    meet(s2s, 6.0, {"ann": [(0.5, 1.5)], "bob": [(1.0, 3.0)]})
    (metrics,) = s2s.of(ev.MetricsEvent)
    assert metrics.speech_end == pytest.approx(3.0, abs=0.15)
    assert metrics.total < 0.35, "waiting for everybody's audio delays nobody"


def test_one_person_interrupts_the_answer_to_another(s2s: RealtimeStage) -> None:
    s2s.script(
        "tell me a story", "stop it please", replies=("Once upon a time there was a whale. " * 4, "Yes.")
    )
    meet(s2s, 8.0, {"ann": [(0.5, 1.5)], "bob": [(3.5, 4.9)]})
    (cut,) = s2s.of(ev.InterruptionEvent)
    assert cut.turn == 1
    finals = [(e.participant, e.text) for e in s2s.of(ev.TranscriptEvent) if e.final]
    assert finals[-1] == ("bob", "stop it please")


@pytest.mark.parametrize("how", ["mute", "leave"])
def test_a_voice_that_is_cut_off_in_the_middle_ends(s2s: RealtimeStage, how: str) -> None:
    s2s.script("i would like to", latency=0.05)
    transport = MemoryTransport(bv.TransportConfig())
    people = People(transport)

    async def scene(session: Session) -> Any:
        await session.start()
        await people.talk(1.5, {"ann": [(0.3, 9.0)]}, silent=("bob",))
        getattr(people, how)("ann")
        await people.talk(4.0, {}, silent=("bob",))
        return session.history

    history = s2s.play(scene, "local", transport=transport)
    assert said(history)[0] == ("ann", "i would like to")
    assert s2s.of(ev.AgentTextEvent)[-1].final


def test_a_voice_whose_audio_stops_without_a_word_ends(s2s: RealtimeStage) -> None:
    s2s.script("hello", latency=0.05)
    transport = MemoryTransport(bv.TransportConfig())
    people = People(transport)

    async def scene(session: Session) -> Any:
        await session.start()
        await people.talk(1.5, {"ann": [(0.3, 9.0)]}, silent=("bob",))
        await people.talk(5.0, {}, silent=("bob",))
        return session.state

    assert s2s.play(scene, "local", transport=transport) == "listening"
    assert [e.turn for e in s2s.of(ev.TurnEvent) if e.phase == "user_ended"] == [1]


def test_too_many_are_refused_once_and_the_others_are_heard(s2s: RealtimeStage) -> None:
    s2s.script("hello", latency=0.05)
    config = {"group": bv.GroupConfig(max_speakers=2)}
    history = meet(s2s, 4.0, {"ann": [(0.5, 1.5)]}, config=config, silent=("bob", "cem"))
    assert [e.code for e in s2s.of(ev.ErrorEvent)] == ["participant_limit_exceeded"]
    assert said(history)[0] == ("ann", "hello")


def test_levels_say_whose_they_are(s2s: RealtimeStage) -> None:
    s2s.script("hello", latency=0.05)
    transport = MemoryTransport(bv.TransportConfig())
    people = People(transport)
    seen: dict[str, float] = {}

    async def scene(session: Session) -> None:
        await session.start()

        async def watch() -> None:
            async for event in session.events(levels=True):
                if isinstance(event, ev.LevelEvent):
                    seen[event.participant] = max(seen.get(event.participant, -96.0), event.dbfs)

        watching = asyncio.create_task(watch())
        await people.talk(2.0, {"ann": [(0.3, 1.0)]}, silent=("bob",))
        watching.cancel()
        await asyncio.wait([watching])

    s2s.play(scene, "local", transport=transport)
    assert seen["ann"] > -20 > seen["bob"]


def test_typed_words_are_those_of_who_typed_them(s2s: RealtimeStage) -> None:
    s2s.script("hello", latency=0.05)
    transport = MemoryTransport(bv.TransportConfig())
    people = People(transport)

    async def scene(session: Session) -> Any:
        await session.start()
        await people.talk(3.5, {"ann": [(0.3, 1.3)]}, silent=("bob",))
        transport.control({"type": "text", "text": "and me", "participant": "bob"})
        await people.talk(3.0, {}, silent=("ann", "bob"))
        return session.history

    history = s2s.play(scene, "local", transport=transport)
    assert said(history)[::2] == [("ann", "hello"), ("bob", "and me")]
