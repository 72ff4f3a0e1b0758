"""Several people and one agent, in virtual time: who said what, whose turn it is, who comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.errors import PipelineError
from beluga_voice.session.session import Session
from beluga_voice.testing.scripted import ScriptedLLM
from beluga_voice.transports.memory import MemoryTransport
from people import PITCHES, People
from stage import Stage, collect


def of(events: list[Any], kind: type) -> list[Any]:
    return [e for e in events if isinstance(e, kind)]


def history(session: Session) -> list[tuple[str, str, str]]:
    return [(m.role, m.participant, m.content) for m in session.history]


def play(
    stage: Stage,
    script: Callable[[Session, People], Awaitable[Any]],
    callback: Any = None,
    voices: dict[str, list[str]] | None = None,
    **options: Any,
) -> tuple[Session, list[Any]]:
    """Plays ``script`` and returns the session and its events."""
    stage.stt.give_voices({PITCHES[who]: texts for who, texts in (voices or {}).items()})

    async def main(session: Session) -> tuple[Session, list[Any]]:
        await session.start()
        events = asyncio.create_task(collect(session))
        await script(session, People(transport))
        await session.stop()
        return session, await events

    transport = MemoryTransport()
    return stage.run(main, callback, transport=transport, **options)


def test_two_people_one_after_the_other(stage: Stage) -> None:
    async def script(session: Session, people: People) -> None:
        await people.talk(14.0, {"ann": [(0.5, 2.0)], "bob": [(7.0, 8.5)]})

    session, events = play(stage, script, voices={"ann": ["what time is it"], "bob": ["and the weather"]})
    assert history(session) == [
        ("user", "ann", "what time is it"),
        ("assistant", "", "You said what time is it."),
        ("user", "bob", "and the weather"),
        ("assistant", "", "You said and the weather."),
    ]
    finals = [(e.participant, e.text) for e in of(events, ev.TranscriptEvent) if e.final]
    assert finals == [("ann", "what time is it"), ("bob", "and the weather")]
    assert {e.participant for e in of(events, ev.TranscriptEvent) if not e.final} == {"ann", "bob"}
    assert stage.stt.opened == 2, "the first participant takes over the ear that was there"
    assert of(events, ev.ErrorEvent) == []


def test_two_who_talk_at_once_are_kept_apart_and_nobody_is_cut_off(stage: Stage) -> None:
    turns: list[bv.UserTurn] = []

    async def answer(context: bv.Context, text: str) -> str:
        turns.append(context.turn)
        return "Noted."

    async def script(session: Session, people: People) -> None:
        people.join("ann", "Ann Alder")
        people.join("bob")
        await people.talk(12.0, {"ann": [(0.5, 2.5), (5.5, 6.5)], "bob": [(1.5, 6.0)]})

    voices = {
        "ann": ["I want tea please", "and a cake please"],
        "bob": ["coffee for me and some water too please"],
    }
    session, events = play(stage, script, answer, voices)
    assert len(turns) == 1, "the agent waits until the room is silent"
    assert turns[0].utterances == (
        ("ann", "I want tea please"),
        ("bob", "coffee for me and some water too please"),
        ("ann", "and a cake please"),
    )
    assert turns[0].participant == "ann"
    assert turns[0].text.splitlines() == [
        "Ann Alder: I want tea please",
        "bob: coffee for me and some water too please",
        "Ann Alder: and a cake please",
    ]
    assert [h[:2] for h in history(session)] == [
        ("user", "ann"),
        ("user", "bob"),
        ("user", "ann"),
        ("assistant", ""),
    ]
    finals = {e.participant: e.text for e in of(events, ev.TranscriptEvent) if e.final}
    assert finals["ann"] == "I want tea please and a cake please"


def test_five_people_and_one_agent(stage: Stage) -> None:
    names = ["ann", "bob", "cem", "dee", "eve"]

    async def script(session: Session, people: People) -> None:
        for who in names:
            people.join(who)
        speech = {who: [(1.0 + 5 * i, 2.5 + 5 * i)] for i, who in enumerate(names)}
        await people.talk(27.0, speech)

    session, _ = play(stage, script, voices={who: [f"my name is {who}"] for who in names})
    said = [(who, text) for role, who, text in history(session) if role == "user"]
    assert said == [(who, f"my name is {who}") for who in names]
    assert stage.stt.opened == 5


def test_anyone_may_interrupt(stage: Stage) -> None:
    story = "Once upon a time there was a whale that sang all day and all night long in the cold sea."

    async def tell(transcript: str) -> str:
        return story if "story" in transcript else "All right."

    async def script(session: Session, people: People) -> None:
        await people.talk(10.0, {"ann": [(0.5, 2.0)], "bob": [(4.5, 5.5)]})

    session, events = play(stage, script, tell, {"ann": ["tell me a story"], "bob": ["stop it please"]})
    assert len(of(events, ev.InterruptionEvent)) == 1
    roles = [(role, who) for role, who, _ in history(session)]
    assert roles == [("user", "ann"), ("assistant", ""), ("user", "bob"), ("assistant", "")]
    assert story.startswith(history(session)[1][2]) and history(session)[1][2] != story


def test_murmurs_of_several_people_do_not_interrupt(stage: Stage) -> None:
    story = "Once upon a time there was a whale that sang all day and all night long in the cold sea."
    names = ["bob", "cem", "dee", "eve"]

    async def tell(_: str) -> str:
        return story

    async def script(session: Session, people: People) -> None:
        await people.talk(12.0, {"ann": [(0.5, 2.0)], **{who: [(4.5, 4.8)] for who in names}})

    voices = {"ann": ["tell me a story"], **{who: ["yeah"] for who in names}}
    session, events = play(stage, script, tell, voices)
    assert of(events, ev.InterruptionEvent) == []
    assert len(of(events, ev.BackchannelEvent)) == 1
    assert "\ue000" not in of(events, ev.BackchannelEvent)[0].text
    assert history(session)[-1] == ("assistant", "", story)


def test_an_unfinished_sentence_of_one_is_waited_for_though_another_has_finished(stage: Stage) -> None:
    async def script(session: Session, people: People) -> None:
        await people.talk(12.0, {"ann": [(0.5, 2.9), (5.0, 6.0)], "bob": [(2.0, 3.2)]})

    voices = {"ann": ["I would like to book a table for", "two people please"], "bob": ["yes please"]}
    session, events = play(stage, script, voices=voices)
    said = [(who, text) for role, who, text in history(session) if role == "user"]
    assert said == [
        ("ann", "I would like to book a table for"),
        ("bob", "yes please"),
        ("ann", "two people please"),
    ]
    assert len([e for e in of(events, ev.TurnEvent) if e.phase == "user_ended"]) == 1


def test_who_leaves_in_the_middle_of_a_word_keeps_nobody_waiting(stage: Stage) -> None:
    async def script(session: Session, people: People) -> None:
        people.join("ann")
        people.join("bob")
        await people.talk(2.0, {"ann": [(0.5, 2.0)], "bob": []})
        people.leave("ann")
        before = asyncio.get_running_loop().time()
        await people.talk(6.0, {"bob": []})
        assert history(session)[0] == ("user", "ann", "so then I said hello")
        assert session.history[0].at < before + 1.0
        assert session.task_count <= 8
        assert stage.stt.closed == 1
        await people.talk(6.0, {"bob": [(0.5, 2.0)]})

    voices = {"ann": ["so then I said hello"], "bob": ["where has she gone"]}
    session, _ = play(stage, script, voices=voices)
    assert ("user", "bob", "where has she gone") in history(session)


def test_who_comes_back_is_heard_again(stage: Stage) -> None:
    async def script(session: Session, people: People) -> None:
        await people.talk(5.0, {"ann": [(0.5, 2.0)]})
        people.leave("ann")
        await people.talk(4.0, {"bob": []})
        await people.talk(6.0, {"ann": [(0.5, 2.0)], "bob": []})

    session, _ = play(stage, script, voices={"ann": ["good bye for now", "here I am again"]})
    said = [text for role, _, text in history(session) if role == "user"]
    assert said == ["good bye for now", "here I am again"]


def test_audio_that_was_on_its_way_when_somebody_left_brings_nobody_back(stage: Stage) -> None:
    async def script(session: Session, people: People) -> None:
        await people.talk(2.0, {"ann": [(0.5, 2.0)], "bob": []})
        people.leave("ann")
        await people.talk(0.1, {"ann": [(0.0, 0.1)], "bob": []})
        await people.talk(5.0, {"bob": []})
        assert (stage.stt.opened, stage.stt.closed) == (2, 1)
        assert [p.identity for p in session.participants] == ["bob"]

    session, _ = play(stage, script, voices={"ann": ["I am off now goodbye"], "bob": []})
    assert history(session)[0] == ("user", "ann", "I am off now goodbye")


def test_a_camera_that_is_switched_off_ends_no_voice(stage: Stage) -> None:
    async def script(session: Session, people: People) -> None:
        task = asyncio.create_task(people.talk(6.0, {"ann": [(0.5, 3.0)]}))
        await asyncio.sleep(1.5)
        for phase in ("muted", "track_unpublished"):
            message = {"type": "participant", "identity": "ann", "phase": phase, "data": {"kind": "video"}}
            people.transports[0].control(message)
        await task
        assert stage.stt.closed == 0

    session, _ = play(stage, script, voices={"ann": ["I switch off the camera now"]})
    assert history(session)[0] == ("user", "ann", "I switch off the camera now")


def test_a_microphone_that_falls_silent_in_the_middle_of_a_word_ends_the_turn(stage: Stage) -> None:
    async def script(session: Session, people: People) -> None:
        await people.talk(2.0, {"ann": [(0.5, 9.0)]})
        await asyncio.sleep(4.0)
        assert ("user", "ann", "can you hear me") in history(session)
        await people.talk(2.0, {"bob": [(0.5, 9.0)]})
        people.mute("bob")
        await asyncio.sleep(1.2)
        assert ("user", "bob", "I can hear you") in history(session)

    play(stage, script, voices={"ann": ["can you hear me"], "bob": ["I can hear you"]})


def test_somebody_absent_for_long_is_no_longer_listened_to(stage: Stage) -> None:
    async def script(session: Session, people: People) -> None:
        await people.talk(1.0, {"ann": [], "bob": []})
        assert stage.stt.opened == 2
        await people.talk(70.0, {"bob": []})
        assert stage.stt.closed == 1

    play(stage, script)


def test_more_people_than_there_are_ears_for(stage: Stage) -> None:
    async def script(session: Session, people: People) -> None:
        await people.talk(6.0, {"ann": [(0.5, 2.0)], "bob": [], "cem": [(0.5, 2.0)]})
        people.leave("bob")
        await people.talk(8.0, {"ann": [], "cem": [(2.0, 3.5)]})

    session, events = play(
        stage,
        script,
        voices={"ann": ["I am heard"], "cem": ["now I am heard"]},
        group=bv.GroupConfig(max_speakers=2),
    )
    errors = of(events, ev.ErrorEvent)
    assert [e.code for e in errors] == ["participant_limit_exceeded"]
    assert "'cem'" in errors[0].message and "max_speakers" in errors[0].message
    said = [(who, text) for role, who, text in history(session) if role == "user"]
    assert said == [("ann", "I am heard"), ("cem", "now I am heard")]


def test_a_recogniser_that_is_slow_to_open_blocks_nobody_and_loses_nothing(stage: Stage) -> None:
    async def script(session: Session, people: People) -> None:
        await people.talk(1.0, {"ann": []})
        stage.stt.open_delay = 2.5
        await people.talk(8.0, {"ann": [(0.5, 1.5)], "bob": [(0.2, 2.2)]})

    session, events = play(stage, script, voices={"ann": ["hello everybody"], "bob": ["good morning to all"]})
    said = {(who, text) for role, who, text in history(session) if role == "user"}
    assert said == {("ann", "hello everybody"), ("bob", "good morning to all")}
    assert of(events, ev.ErrorEvent) == []


def test_a_recogniser_of_one_that_keeps_failing_ends_neither_the_session_nor_the_others(stage: Stage) -> None:
    async def script(session: Session, people: People) -> None:
        await people.talk(1.0, {"ann": [], "bob": []})
        stage.stt.failures += [PipelineError("recognise", "pipeline_error", "gone")] * 3
        await people.talk(4.0, {"ann": [(0.5, 2.0)], "bob": []})
        assert stage.stt.failures == []
        await people.talk(6.0, {"ann": [], "bob": [(0.5, 2.0)]})
        await people.talk(36.0, {"ann": [(30.0, 31.5)], "bob": []})

    session, events = play(
        stage,
        script,
        voices={"ann": ["again I am here"], "bob": ["I am still here"]},
        config={"max_retries": 2, "retry_delay": 0.1},
    )
    assert len(of(events, ev.ErrorEvent)) == 3
    said = [(who, text) for role, who, text in history(session) if role == "user"]
    assert said == [("bob", "I am still here"), ("ann", "again I am here")], "tried again after half a minute"
    assert events[-1].reason == "stopped"


ADDRESSED = bv.GroupConfig(answer="when_addressed", names=["Bella"], follow_up=5.0)


def test_in_a_group_the_agent_answers_when_addressed_and_remembers_the_rest(stage: Stage) -> None:
    async def script(session: Session, people: People) -> None:
        people.join("ann", "Ann")
        people.join("bob", "Bob")
        people.join("robot", kind="agent")
        await people.talk(4.0, {"ann": [(0.5, 1.5)], "bob": []})
        assert session.state == "listening"
        await people.talk(6.0, {"ann": [], "bob": [(0.5, 2.0)]})
        await people.talk(6.0, {"ann": [], "bob": [(0.5, 1.5)]})
        await people.talk(4.0, {"ann": [(0.5, 1.5)], "bob": []})
        people.leave("bob")
        await people.talk(6.0, {"ann": [(0.5, 1.5)]})

    voices = {
        "ann": ["nice weather today", "are you alone", "and now are you there"],
        "bob": ["what time is it Bella", "and where is it"],
    }
    session, events = play(stage, script, voices=voices, group=ADDRESSED)
    assert history(session) == [
        ("user", "ann", "nice weather today"),
        ("user", "bob", "what time is it Bella"),
        ("assistant", "", "You said what time is it Bella."),
        ("user", "bob", "and where is it"),
        ("assistant", "", "You said and where is it."),
        ("user", "ann", "are you alone"),
        ("user", "ann", "and now are you there"),
        ("assistant", "", "You said and now are you there."),
    ]
    assert of(events, ev.ErrorEvent) == []


def test_waiting_for_a_name_without_having_one_is_refused(stage: Stage) -> None:
    async def script(session: Session, people: People) -> None: ...

    with pytest.raises(bv.ConfigError, match="agent_name"):
        play(stage, script, group=bv.GroupConfig(answer="when_addressed"))
    play(stage, script, group=bv.GroupConfig(answer="when_addressed"), agent_name="Bella")


def test_typed_words_have_a_writer(stage: Stage) -> None:
    async def script(session: Session, people: People) -> None:
        people.join("bob", "Bob")
        await people.talk(1.0, {"ann": []})
        people.transports[0].control({"type": "text", "text": "what time is it", "participant": "bob"})
        await people.talk(5.0, {"ann": []})

    session, events = play(stage, script)
    assert history(session)[0] == ("user", "bob", "what time is it")
    assert [e.participant for e in of(events, ev.TranscriptEvent) if e.final] == ["bob"]


def test_a_mixed_stream_is_one_speaker_without_a_name(stage: Stage) -> None:
    stage.utterances("hello from all of us")

    async def script(session: Session, people: People) -> None:
        people.join("ann")
        people.join("bob")
        await people.talk(6.0, {"": [(0.5, 2.0)]})

    session, _ = play(stage, script)
    assert history(session)[0] == ("user", "", "hello from all of us")
    assert stage.stt.opened == 1


def test_a_model_is_shown_who_spoke_where_there_are_several(stage: Stage) -> None:
    llm = ScriptedLLM(replies=["Hello."])
    present: list[Any] = []

    async def script(session: Session, people: People) -> None:
        people.join("ann", "Ann A.")
        people.join("bob")
        await people.talk(6.0, {"ann": [(0.5, 2.0)], "bob": []})
        await people.talk(8.0, {"ann": [(0.5, 2.0)], "bob": [(1.5, 3.0)]})
        people.leave("ann")
        await people.talk(6.0, {"bob": [(0.5, 2.0)]})
        present.extend(session.participants)

    voices = {"ann": ["what time is it", "me first please"], "bob": ["no me first please", "is she gone"]}
    play(stage, script, voices=voices, agent=bv.Agent(instructions="Be kind.", llm=llm))
    shown = [[(m.role, m.content) for m in call] for call in llm.calls]
    assert shown[0] == [("system", "Be kind."), ("user", "what time is it")]
    assert shown[1] == [
        ("system", "Be kind."),
        ("user", "Ann A.: what time is it"),
        ("assistant", "Hello."),
        ("user", "Ann A.: me first please"),
        ("user", "bob: no me first please"),
    ]
    assert shown[2][1] == ("user", "Ann A.: what time is it"), "who has left keeps the name"
    assert shown[2][-1] == ("user", "bob: is she gone")
    assert [p.identity for p in present] == ["bob"]
