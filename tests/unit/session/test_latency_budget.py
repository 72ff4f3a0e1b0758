"""Every turn says where its time went: as an event, a span, a metric and, where the target is missed, a warning."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.session.metrics import SessionMetrics
from beluga_voice.session.session import Session
from beluga_voice.testing.loop import run
from beluga_voice.testing.scripted import ScriptedLLM
from beluga_voice.testing.scripted_realtime import (
    Answer,
    ScriptedModel,
    ScriptedReply,
    ScriptedStream,
    SettingsModel,
)
from realtime_stage import RealtimeStage, voice
from stage import Stage, collect, speak
from telemetry import Telemetry, recorded, seconds

QUESTION = "what time do you open on saturday"
TURN_LATENCY = "beluga.voice.turn.latency"
MISSED = "beluga.voice.turn.target_missed"


@pytest.fixture
def telemetry(monkeypatch: pytest.MonkeyPatch) -> Any:
    with recorded(monkeypatch) as made:
        yield made


def of(events: list[Any], kind: type) -> list[Any]:
    return [e for e in events if isinstance(e, kind)]


def heard(stage: Stage, *texts: str, **options: Any) -> list[Any]:
    stage.utterances(*texts)

    async def play(session: Session) -> list[Any]:
        await session.start()
        events = asyncio.create_task(collect(session))
        for _ in texts:
            await speak(session, 1.5, after=4.0)
        await session.stop()
        return await events

    options.setdefault("greeting", "")
    return stage.run(play, **options)


async def slow(transcript: str) -> str:
    await asyncio.sleep(0.8)
    return "We open at nine."


def test_spans_lie_where_the_stages_were(stage: Stage, telemetry: Telemetry) -> None:
    (metrics,) = of(heard(stage, QUESTION, callback=slow), ev.MetricsEvent)
    (session,) = telemetry.named("session")
    (turn,) = telemetry.named("turn")
    assert turn.parent is not None and session.context is not None
    assert turn.parent.span_id == session.context.span_id
    stages = {span.name: seconds(span, turn) for span in telemetry.below(turn)}
    decided = metrics.endpointing
    text = decided + metrics.llm
    audio = text + metrics.tts
    assert stages == {
        "turn.endpointing": pytest.approx((0.0, decided), abs=1e-3),
        "turn.transcription": pytest.approx((0.0, metrics.transcription), abs=1e-3),
        "turn.llm": pytest.approx((decided, text), abs=1e-3),
        "turn.tts": pytest.approx((text, audio), abs=1e-3),
        "turn.playout": pytest.approx((audio, metrics.total), abs=1e-3),
        "turn.delivery": pytest.approx((metrics.total, metrics.total + metrics.delivery), abs=1e-3),
    }
    attributes = dict(turn.attributes or {})
    assert attributes["turn.number"] == 1
    assert attributes["turn.missed"] is True
    assert attributes["turn.slowest"] == "llm"
    assert attributes["turn.total"] == pytest.approx(metrics.total, abs=1e-4)
    assert attributes["session.id"] == (session.attributes or {})["session.id"]
    assert (session.attributes or {})["session.reason"] == "stopped"
    assert QUESTION not in str([(s.attributes, s.events) for s in telemetry.spans]), "no span holds a word"


def test_a_turn_prepared_ahead_begins_before_its_decision(stage: Stage, telemetry: Telemetry) -> None:
    stage.stt.final_delay, stage.stt.seconds_per_word = 0.04, 0.2
    agent = bv.Agent("x", llm=ScriptedLLM(("We open at nine.",), first_token=0.05))
    (metrics,) = of(heard(stage, QUESTION, agent=agent), ev.MetricsEvent)
    assert metrics.ahead > 0.1
    assert metrics.llm == 0.0
    waits = metrics.endpointing + metrics.llm + metrics.tts + metrics.playout
    assert waits == pytest.approx(metrics.total)
    (turn,) = telemetry.named("turn")
    stages = {span.name: span for span in telemetry.below(turn)}
    begun, first = seconds(stages["turn.llm"], turn)
    assert 0 < begun < first < metrics.endpointing
    assert first - begun == pytest.approx(0.05, abs=0.01)
    assert dict(stages["turn.llm"].attributes or {})["turn.waited"] == 0.0
    assert telemetry.points("beluga.voice.turn.ahead")[0].sum == pytest.approx(metrics.ahead)


def test_each_stage_is_in_the_histogram_and_in_a_bucket_of_use(stage: Stage, telemetry: Telemetry) -> None:
    events = of(heard(stage, QUESTION, "thank you", callback=slow), ev.MetricsEvent)
    assert len(events) == 2
    points = {dict(p.attributes)["stage"]: p for p in telemetry.points(TURN_LATENCY)}
    assert set(points) == {"endpointing", "transcription", "llm", "tts", "playout", "delivery", "total"}
    for stage_name, point in points.items():
        assert point.count == 2
        assert point.sum == pytest.approx(sum(getattr(e, stage_name) for e in events), abs=1e-6)
    bounds = points["llm"].explicit_bounds
    filled = [i for i, count in enumerate(points["llm"].bucket_counts) if count]
    assert (bounds[filled[0] - 1], bounds[filled[0]]) == (0.75, 1.0)


def test_a_missed_target_is_counted_and_warned_of_once(
    stage: Stage, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    heard(stage, QUESTION, "thank you", callback=slow)
    assert telemetry.counts(MISSED, "stage") == {("llm",): 2}
    lines = [r.getMessage() for r in caplog.records if r.name == "beluga_voice.observe.latency"]
    assert len(lines) == 1
    assert "target 500 ms; slowest stage: llm (the agent)" in lines[0]


def test_turns_in_time_are_not_missed(
    stage: Stage, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    (metrics,) = of(heard(stage, QUESTION, config={"latency_target": 2.0}), ev.MetricsEvent)
    assert metrics.slowest == ""
    assert telemetry.points(MISSED) == []
    assert [r for r in caplog.records if r.name == "beluga_voice.observe.latency"] == []


def test_a_late_transcript_is_at_fault_not_endpointing(stage: Stage, telemetry: Telemetry) -> None:
    stage.stt.final_delay = 1.0
    (metrics,) = of(heard(stage, QUESTION), ev.MetricsEvent)
    assert metrics.slowest == "transcription"
    assert telemetry.counts(MISSED, "stage") == {("transcription",): 1}


def test_a_slow_voice_is_at_fault(stage: Stage) -> None:
    stage.tts.first_audio = 1.5
    (metrics,) = of(heard(stage, QUESTION), ev.MetricsEvent)
    assert metrics.slowest == "tts"


def test_telemetry_can_be_switched_off(stage: Stage, telemetry: Telemetry) -> None:
    config = {"enable_metrics": False, "enable_tracing": False}
    assert len(of(heard(stage, QUESTION, callback=slow, config=config), ev.MetricsEvent)) == 1
    assert telemetry.spans == []
    assert telemetry.points(TURN_LATENCY) == []


def test_tokens_generated_in_vain_are_counted(stage: Stage, telemetry: Telemetry) -> None:
    stage.stt.final_delay, stage.stt.seconds_per_word = 0.04, 0.2
    stage.utterances("i lost my key", "at the airport this morning")
    agent = bv.Agent("x", llm=ScriptedLLM(("Sorry to hear that.",), first_token=0.01))

    async def play(session: Session) -> SessionMetrics:
        await session.start()
        await speak(session, 1.5, after=0.25)
        await speak(session, 1.5, after=4.0)
        return session.metrics

    metrics = stage.run(play, agent=agent, greeting="")
    pieces = telemetry.counts("beluga.voice.speculation.pieces", "outcome")
    assert pieces[("abandoned",)] == metrics.wasted_pieces == 4
    assert telemetry.counts("beluga.voice.speculations", "outcome") == {("abandoned",): 1, ("used",): 1}


def test_session_metrics_say_what_was_missed(stage: Stage) -> None:
    stage.utterances(QUESTION)

    async def play(session: Session) -> SessionMetrics:
        await session.start()
        await speak(session, 1.5, after=4.0)
        return session.metrics

    assert stage.run(play, callback=slow, greeting="").targets_missed == {"llm": 1}


# --- speech to speech ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", ["server", "local"])
def test_speech_to_speech_turns_have_it_too(
    telemetry: Telemetry, caplog: pytest.LogCaptureFixture, turns: str
) -> None:
    s2s = RealtimeStage()
    s2s.script("what time is it", replies=("It is ten.",), latency=0.9)

    async def scene(session: Session) -> None:
        await session.start()
        await voice(session, 1.0, 3.0)

    s2s.play(scene, turns)
    (metrics,) = s2s.of(ev.MetricsEvent)
    waits = metrics.endpointing + metrics.llm + metrics.playout
    assert waits == pytest.approx(metrics.total)
    assert metrics.slowest == "llm"
    (turn,) = telemetry.named("turn")
    stages = {span.name: seconds(span, turn) for span in telemetry.below(turn)}
    assert set(stages) == {"turn.endpointing", "turn.llm", "turn.playout", "turn.delivery"}
    assert stages["turn.llm"][1] == pytest.approx(metrics.first_audio - metrics.speech_end, abs=1e-3)
    assert telemetry.counts(MISSED, "stage") == {("llm",): 1}
    assert "target 300 ms; slowest stage: llm" in caplog.text
    tokens = telemetry.counts("beluga.voice.s2s.tokens", "direction", "wasted")
    assert tokens[("output", False)] > 0


def test_a_model_that_decides_before_our_vad_counts_from_the_end_of_speech() -> None:
    s2s = RealtimeStage()
    s2s.script("what time is it", replies=("It is ten.",), latency=0.3, silence=0.02)

    async def scene(session: Session) -> None:
        await session.start()
        await voice(session, 1.0, 3.0)

    s2s.play(scene, "server")
    (metrics,) = s2s.of(ev.MetricsEvent)
    assert metrics.endpointing < 0.1
    assert 0.3 <= metrics.total < 0.45


def test_a_model_asked_ahead_begins_before_the_decision(telemetry: Telemetry) -> None:
    s2s = RealtimeStage()
    s2s.script("what time is it", replies=("It is ten.",), latency=0.15)

    async def scene(session: Session) -> None:
        await session.start()
        await voice(session, 1.0, 3.0)

    s2s.play(scene, "local")
    (metrics,) = s2s.of(ev.MetricsEvent)
    assert metrics.ahead > 0.05
    (turn,) = telemetry.named("turn")
    begun, _ = next(seconds(s, turn) for s in telemetry.below(turn) if s.name == "turn.llm")
    assert begun < metrics.endpointing


def test_an_agent_behind_a_model_has_its_own_stage(telemetry: Telemetry) -> None:
    s2s = RealtimeStage()
    s2s.script("what time is it", latency=0.1)

    async def answer(transcript: str) -> str:
        await asyncio.sleep(0.7)
        return "It is ten."

    async def scene(session: Session) -> None:
        await session.start()
        await voice(session, 1.0, 4.0)

    s2s.play(scene, "local", agent_callback=answer)
    (metrics,) = s2s.of(ev.MetricsEvent)
    assert metrics.llm == pytest.approx(0.7, abs=0.05)
    assert metrics.tts == pytest.approx(0.1, abs=0.06)
    assert metrics.slowest == "llm"
    (turn,) = telemetry.named("turn")
    assert "turn.tts" in {span.name for span in telemetry.below(turn)}


# --- spans of agents and tools ------------------------------------------------------------------------------


def test_spans_of_agents_and_tools_are_below_their_session(stage: Stage, telemetry: Telemetry) -> None:
    """Of sessions side by side each below its own, whoever's task told them to speak."""
    tracer = telemetry.tracers.get_tracer("mine")

    async def answer(transcript: str) -> str:
        with tracer.start_as_current_span(f"ask {transcript}"):
            await asyncio.sleep(0.2)
        return "Yes."

    config = stage.config()

    async def main() -> None:
        async with bv.new_backend("embedded", config) as backend:
            options = {"agent_callback": answer, "greeting": ""}
            made = [await backend.create_session(bv.SessionConfig(user_id=u, **options)) for u in "ab"]
            with tracer.start_as_current_span("the caller's own"):
                for session in made:
                    await session.start()
            for session in made:
                await session.send_text(f"from {session.id}")
            await asyncio.sleep(4.0)
            for session in made:
                await session.stop()

    run(main())
    sessions = {(s.attributes or {})["session.id"]: s for s in telemetry.named("session")}
    assert len(sessions) == 2
    for identity, session in sessions.items():
        (asked,) = telemetry.named(f"ask from {identity}")
        assert asked.parent is not None and session.context is not None
        assert asked.parent.span_id == session.context.span_id


def test_a_model_s_tools_are_below_the_session_too(telemetry: Telemetry) -> None:
    s2s = RealtimeStage()
    tracer = telemetry.tracers.get_tracer("mine")

    @bv.tool
    async def look(day: str) -> str:
        """Looks."""
        with tracer.start_as_current_span("look"):
            return "ten"

    def answer(stream: ScriptedStream) -> Answer:
        return "It is ten." if stream.results else ScriptedReply(calls=[("look", {"day": "monday"})])

    s2s.model = ScriptedModel(SettingsModel(utterances=("what time is it",)), answer=answer)

    async def scene(session: Session) -> None:
        await session.start()
        await voice(session, 1.0, 3.0)

    s2s.play(scene, "local", agent=bv.Agent("x", tools=[look]))
    (tool,), (session,) = telemetry.named("look"), telemetry.named("session")
    assert tool.parent is not None and session.context is not None
    assert tool.parent.span_id == session.context.span_id
