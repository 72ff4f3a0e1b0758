"""Speech to speech from end to end, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.session.session import Session
from beluga_voice.testing.scripted import silence
from realtime_stage import RealtimeStage, voice

LONG = "Well, let me tell you all about it from the very beginning, it is a long story my friend."


@pytest.fixture
def s2s() -> RealtimeStage:
    return RealtimeStage()


@pytest.mark.parametrize("turns", ["server", "local"])
def test_two_turns(s2s: RealtimeStage, turns: str) -> None:
    s2s.script("what time is it", "thank you", replies=("It is ten.", "You are welcome."))

    async def scene(session: Session) -> Any:
        await session.start()
        await voice(session, 1.0, 2.0, 0.8, 2.5)
        return session.history

    history = s2s.play(scene, turns)
    said = [(m.role, m.content) for m in history]
    assert said == [
        ("user", "what time is it"), ("assistant", "It is ten."),
        ("user", "thank you"), ("assistant", "You are welcome."),
    ]  # fmt: skip
    finals = [e.text for e in s2s.of(ev.TranscriptEvent) if e.final]
    assert finals == ["what time is it", "thank you"]
    phases = [(e.turn, e.phase) for e in s2s.of(ev.TurnEvent)]
    one_turn = ["user_started", "user_ended", "agent_started", "agent_ended"]
    assert phases == [(turn, phase) for turn in (1, 2) for phase in one_turn]
    assert [e.text for e in s2s.of(ev.AgentTextEvent) if e.final] == ["It is ten.", "You are welcome."]
    assert s2s.of(ev.ErrorEvent) == []
    assert isinstance(s2s.events[-1], ev.ClosedEvent)


@pytest.mark.parametrize("turns", ["server", "local"])
def test_the_answer_is_heard_within_300_ms_of_the_end_of_speech(s2s: RealtimeStage, turns: str) -> None:
    """The model itself takes 150 ms. Measured from the user's last sample, not from what the VAD makes of it."""
    s2s.script("what time is it", replies=("It is ten.",), latency=0.15)
    first: list[float] = []

    async def scene(session: Session) -> None:
        await session.start()
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def listen() -> None:
            async for _ in session.receive_audio():
                first.append(loop.time() - began)

        ears = asyncio.create_task(listen())
        await session.process_audio(silence(0.5))
        await voice(session, 1.0, 1.5)
        await session.stop()
        await ears

    s2s.play(scene, turns)
    assert 0.15 < first[0] - 1.5 < 0.3
    (metrics,) = s2s.of(ev.MetricsEvent)
    assert metrics.target == 0.3
    assert metrics.total < 0.3
    assert metrics.slowest == ""


@pytest.mark.parametrize("turns", ["server", "local"])
def test_an_interruption_stops_the_voice_and_truncates_to_what_was_heard(
    s2s: RealtimeStage, turns: str
) -> None:
    s2s.script("tell me a story", "no stop", replies=(LONG, "All right."), speed=20.0)

    async def scene(session: Session) -> Any:
        await session.start()
        await voice(session, 1.0, 2.0, 1.0, 2.0)
        return session.history

    history = s2s.play(scene, turns)
    (cut,) = s2s.of(ev.InterruptionEvent)
    assert cut.silenced - cut.onset <= 0.3
    assert LONG.startswith(cut.heard) and 10 < len(cut.heard) < 50
    assert [m.content for m in history] == ["tell me a story", cut.heard, "no stop", "All right."]
    assert history[1].interrupted
    ((item, heard),) = s2s.stream.truncated
    assert item.startswith("agent-")
    spoken = 0.06 * len(cut.heard)
    assert abs(heard - spoken) < 0.5
    assert all(e.text in LONG or e.text in "All right." for e in s2s.of(ev.AgentTextEvent))


def test_a_cough_lowers_the_voice_and_gives_it_back(s2s: RealtimeStage) -> None:
    s2s.script("tell me a story", "", replies=(LONG,), speed=20.0)

    async def scene(session: Session) -> None:
        await session.start()
        await voice(session, 1.0, 1.5, 0.3, 7.0)

    s2s.play(scene, "local")
    assert s2s.of(ev.InterruptionEvent) == []
    assert len(s2s.of(ev.BackchannelEvent)) == 1
    assert [e.text for e in s2s.of(ev.AgentTextEvent) if e.final] == [LONG]
    assert s2s.stream.truncated == []


def test_a_listener_s_word_does_not_interrupt_where_we_take_turns(s2s: RealtimeStage) -> None:
    s2s.script("tell me a story", "mm-hmm", replies=(LONG,), speed=20.0)

    async def scene(session: Session) -> None:
        await session.start()
        await voice(session, 1.0, 1.5, 0.4, 7.0)

    s2s.play(scene, "local")
    assert s2s.of(ev.InterruptionEvent) == []
    assert [e.text for e in s2s.of(ev.BackchannelEvent)] == ["mm-hmm"]
    assert [e.text for e in s2s.of(ev.AgentTextEvent) if e.final] == [LONG]


def test_a_short_word_of_substance_interrupts_where_we_take_turns(s2s: RealtimeStage) -> None:
    s2s.script("tell me a story", "stop", replies=(LONG, "All right."), speed=20.0)

    async def scene(session: Session) -> None:
        await session.start()
        await voice(session, 1.0, 1.5, 0.4, 3.0)

    s2s.play(scene, "local")
    assert len(s2s.of(ev.InterruptionEvent)) == 1
    assert [e.text for e in s2s.of(ev.AgentTextEvent) if e.final][-1] == "All right."


def test_a_short_pause_does_not_end_the_turn(s2s: RealtimeStage) -> None:
    """The answer was asked for at the pause, and taken back unheard when the user went on."""
    s2s.script("i would like", "a table for two", replies=("Wrong.", "Gladly."))

    async def scene(session: Session) -> Any:
        await session.start()
        await voice(session, 0.8, 0.19, 0.8, 2.0)
        return session.history

    history = s2s.play(scene, "local")
    assert [m.content for m in history] == ["i would like a table for two", "Gladly."]
    assert s2s.stream.cancelled != []
    assert s2s.of(ev.InterruptionEvent) == []
    assert [e.turn for e in s2s.of(ev.MetricsEvent)] == [1]


def test_greeting_say_and_typed_words(s2s: RealtimeStage) -> None:
    s2s.script(replies=("Typed answer.",))

    async def scene(session: Session) -> Any:
        await session.start()
        await session.process_audio(silence(2.5))
        await session.send_text("hello")
        await session.process_audio(silence(2.0))
        await session.say("By the way.")
        await session.process_audio(silence(2.0))
        return session.history

    history = s2s.play(scene, greeting="Welcome here.")
    assert [m.content for m in history] == ["Welcome here.", "hello", "Typed answer.", "By the way."]
    assert s2s.stream.asked == ["Welcome here.", "", "By the way."]
    assert s2s.stream.said == ["hello"]


@pytest.mark.parametrize("turns", ["server", "local"])
def test_our_agent_reasons_and_the_model_speaks_its_words(s2s: RealtimeStage, turns: str) -> None:
    s2s.script("what time is it")
    asked: list[str] = []

    async def answer(transcript: str) -> str:
        asked.append(transcript)
        return "Time for tea."

    async def scene(session: Session) -> Any:
        await session.start()
        await voice(session, 1.0, 3.0)
        return session.history

    history = s2s.play(scene, turns, agent_callback=answer)
    assert asked == ["what time is it"]
    assert s2s.stream.asked == ["Time for tea."]
    assert not s2s.stream.setup.answers
    assert [m.content for m in history] == ["what time is it", "Time for tea."]


def test_application_audio_is_played_in_turn(s2s: RealtimeStage) -> None:
    async def scene(session: Session) -> int:
        await session.start()
        await session.send_audio(b"\x10\x00" * 24_000)
        await session.process_audio(silence(2.0))
        count = 0
        await session.stop()
        async for frame in session.receive_audio():
            count += any(frame.data)
        return count

    assert s2s.play(scene) == 50


def test_a_session_may_ask_for_speech_to_speech_on_its_own(s2s: RealtimeStage) -> None:
    from beluga_voice.registry import registry_for
    from stage import ScriptedSTT, ScriptedTTS

    for kind, part in (("stt", ScriptedSTT()), ("tts", ScriptedTTS())):
        registry_for(kind).register("own", lambda settings, part=part: part)

    async def scene(session: Session) -> None:
        await session.start()
        await voice(session, 1.0, 1.0)

    try:
        s2s.script("hello")
        both = {"pipeline_type": "stt_tts", "stt_provider": "own", "tts_provider": "own"}
        s2s.play(scene, config=both, pipeline_type="s2s")
        assert [e.target for e in s2s.of(ev.MetricsEvent)] == [0.3]
        with pytest.raises(bv.ConfigError, match="needs stt_provider and tts_provider"):
            s2s.play(scene, pipeline_type="stt_tts", agent_callback=None)
    finally:
        for kind in ("stt", "tts"):
            registry_for(kind).unregister("own")
