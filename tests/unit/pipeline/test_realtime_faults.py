"""Lost, silent, expiring and refused connections of a speech-to-speech model, in virtual time."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.core.replay import replay
from beluga_voice.session.session import Session
from beluga_voice.testing.scripted import silence, tone
from beluga_voice.testing.scripted_realtime import ScriptedModel, ScriptedReply, SettingsModel
from realtime_stage import RealtimeStage, voice

LONG = "Well, let me tell you all about it from the very beginning, it is a long story my friend."


@pytest.fixture
def s2s() -> RealtimeStage:
    return RealtimeStage()


@pytest.mark.parametrize("turns", ["server", "local"])
@pytest.mark.parametrize("when", [0.2, 0.7, 1.0, 1.12, 1.3])
def test_a_connection_lost_in_a_turn_costs_no_word(s2s: RealtimeStage, turns: str, when: float) -> None:
    """While the user speaks, pauses, and while the model thinks: the turn is heard again and answered once."""
    s2s.script("what time is it", "what time is it", replies=("It is ten.",), latency=0.4)

    async def scene(session: Session) -> Any:
        await session.start()
        await session.process_audio(silence(0.5))
        pcm = tone(1.0) + silence(4.0)
        at = int(16_000 * when) * 2
        await session.process_audio(pcm[:at])
        s2s.stream.drop()
        await session.process_audio(pcm[at:])
        return session.history

    history = s2s.play(scene, turns)
    assert len(s2s.model.streams) == 2
    known = "what time is it" in [m.content for m in s2s.stream.setup.history]
    assert known or s2s.stream.heard == pytest.approx(1.0, abs=0.05), (
        "the new connection hears the whole turn"
    )
    assert known == (when == 1.3)
    assert [m.content for m in history] == ["what time is it", "It is ten."]
    assert [e.code for e in s2s.of(ev.ErrorEvent)] == ["connection_failed"]
    assert [e.state for e in s2s.of(ev.ModelEvent)] == ["connected", "reconnecting", "connected"]


def test_a_connection_lost_while_the_agent_speaks_lets_it_speak_on(s2s: RealtimeStage) -> None:
    s2s.script("tell me", "and then", replies=(LONG, "The end."), speed=50.0)

    async def scene(session: Session) -> Any:
        await session.start()
        await voice(session, 1.0, 2.0)
        s2s.stream.drop()
        await session.process_audio(silence(5.0))
        await voice(session, 1.0, 2.0)
        return session.history

    history = s2s.play(scene)
    assert [m.content for m in history] == ["tell me", LONG, "and then", "The end."]
    setup = s2s.model.streams[1].setup
    assert [m.content for m in setup.history] == ["tell me"], "what was heard so far is carried over"


@pytest.mark.parametrize("turns", ["server", "local"])
def test_a_connection_is_renewed_before_its_limit_at_a_quiet_moment(s2s: RealtimeStage, turns: str) -> None:
    s2s.script("one", "two", "three", replies=("First.", "Second.", "Third."), session_limit=20.0)

    async def scene(session: Session) -> Any:
        await session.start()
        await voice(session, 1.0, 7.5, 1.0, 7.5, 1.0, 7.5)
        return session.history

    history = s2s.play(scene, turns, config={"s2s_config": {"renew_early": 10.0}})
    assert [m.content for m in history] == ["one", "First.", "two", "Second.", "three", "Third."]
    assert len(s2s.model.streams) == 3
    assert s2s.of(ev.ErrorEvent) == []
    assert [e.state for e in s2s.of(ev.ModelEvent)] == ["connected", "renewed", "renewed"]
    for before, after in zip(s2s.model.streams, s2s.model.streams[1:], strict=False):
        assert before.closed
        said = [m.content for m in after.setup.history]
        assert said == [m.content for m in history][: len(said)] and len(said) >= 2
    heard = sum(stream.heard for stream in s2s.model.streams)
    assert heard == pytest.approx(3.0, abs=0.2), "no audio is lost and none is heard twice"
    assert s2s.model.streams[1].heard == pytest.approx(1.0, abs=0.1), "the new connection is used"


def test_a_renewal_waits_for_the_end_of_the_answer(s2s: RealtimeStage) -> None:
    s2s.script("tell me", replies=(LONG,), speed=20.0)

    async def scene(session: Session) -> Any:
        await session.start()
        await voice(session, 1.0, 1.0)
        s2s.stream.expire(60.0)
        await session.process_audio(silence(2.0))
        assert len(s2s.model.streams) == 1
        await session.process_audio(silence(5.0))
        assert len(s2s.model.streams) == 2
        return session.history

    history = s2s.play(scene)
    assert [m.content for m in history] == ["tell me", LONG]
    assert [m.content for m in s2s.stream.setup.history] == ["tell me", LONG]


def test_an_answer_that_never_ends_is_cut_by_the_limit_and_not_the_line(s2s: RealtimeStage) -> None:
    s2s.script("tell me", replies=(LONG * 6,), speed=1.5, session_limit=20.0)

    async def scene(session: Session) -> None:
        await session.start()
        await voice(session, 1.0, 19.0)
        assert len(s2s.model.streams) == 2

    s2s.play(scene)
    assert s2s.of(ev.ErrorEvent) == []


def test_a_model_that_falls_silent_is_connected_anew(s2s: RealtimeStage) -> None:
    """Half-open: everything is taken and nothing comes back."""
    s2s.script("hello", "hello", replies=("I am here.",))

    async def scene(session: Session) -> Any:
        await session.start()
        await session.process_audio(silence(1.0))
        s2s.stream.freeze()
        await voice(session, 1.0, 8.0)
        return session.history

    history = s2s.play(scene, config={"s2s_config": {"answer_timeout": 3.0}})
    assert len(s2s.model.streams) == 2
    assert [m.content for m in history] == ["hello", "I am here."]
    assert "timeout" in [e.code for e in s2s.of(ev.ErrorEvent)]


def test_refusals_that_pass_are_tried_again(s2s: RealtimeStage) -> None:
    down = bv.ConnectError("open_s2s", "connection_failed", "503")
    busy = bv.CapacityError("open_s2s", "rate_limit_exceeded", "429", {"retry_after": 2.0})
    s2s.model = ScriptedModel(SettingsModel(utterances=("hi",)), refusals=[down, busy])

    async def scene(session: Session) -> float:
        began = asyncio.get_running_loop().time()
        await session.start()
        return asyncio.get_running_loop().time() - began

    assert s2s.play(scene) >= 2.0
    assert len(s2s.model.streams) == 1


def test_a_wrong_key_is_told_at_once(s2s: RealtimeStage) -> None:
    refused = bv.AuthError("open_s2s", "authentication_failed", "the key is wrong")
    s2s.model = ScriptedModel(refusals=[refused] * 5)

    async def scene(session: Session) -> None:
        with pytest.raises(bv.AuthError, match="the key is wrong"):
            await session.start()

    s2s.play(scene)
    assert len(s2s.model.refusals) == 4


def test_a_model_that_stays_away_ends_the_session(s2s: RealtimeStage) -> None:
    async def scene(session: Session) -> None:
        await session.start()
        s2s.model.refusals = [bv.ConnectError("open_s2s", "connection_failed", "down")] * 50
        s2s.stream.drop()
        await asyncio.sleep(60)
        assert session.state == "closed"

    s2s.play(scene)
    assert s2s.events[-1].reason == "error"
    assert len(s2s.model.refusals) > 40


def test_the_circuit_breaker_spares_a_model_that_is_down(s2s: RealtimeStage) -> None:
    """Sessions of one backend share it: after five failures nobody knocks for a while."""
    s2s.model.refusals = [bv.ConnectError("open_s2s", "connection_failed", "down")] * 50
    from beluga_voice.registry import registry_for
    from beluga_voice.testing.loop import run
    from beluga_voice.testing.scripted import ScriptedVAD

    registry_for("s2s").register("stage", lambda settings: s2s.model, override=True)
    registry_for("vad").register("stage", lambda settings: ScriptedVAD(), override=True)

    async def main() -> list[str]:
        config = bv.Config(
            provider="embedded",
            pipeline_type="s2s",
            s2s_provider="stage",
            vad_provider="stage",
            max_retries=0,
        )
        told: list[str] = []
        async with bv.new_backend("embedded", config) as backend:
            for _ in range(8):
                session = await backend.create_session(bv.SessionConfig(user_id="x"))
                with pytest.raises(bv.ConnectError) as caught:
                    await session.start()
                told.append(caught.value.message)
        return told

    try:
        told = run(main())
    finally:
        registry_for("s2s").unregister("stage")
        registry_for("vad").unregister("stage")
    assert len(s2s.model.refusals) == 45
    assert all("too often" in text for text in told[5:])


def test_a_failed_answer_is_asked_for_once_more(s2s: RealtimeStage) -> None:
    answers = iter([ScriptedReply(status="failed"), "Better now."])
    s2s.model = ScriptedModel(SettingsModel(utterances=("hi",)), answer=lambda stream: next(answers))

    async def scene(session: Session) -> Any:
        await session.start()
        await voice(session, 1.0, 3.0)
        return session.history

    history = s2s.play(scene)
    assert [m.content for m in history] == ["hi", "Better now."]
    assert [e.code for e in s2s.of(ev.ErrorEvent)] == ["pipeline_error"]


def test_a_stop_while_the_model_is_being_reached_is_quick(s2s: RealtimeStage) -> None:
    s2s.model.open_delay = 25.0

    async def scene(session: Session) -> None:
        starting = asyncio.create_task(session.start())
        await asyncio.sleep(1.0)
        began = asyncio.get_running_loop().time()
        await session.stop()
        assert asyncio.get_running_loop().time() - began < 2.0
        with pytest.raises(bv.SessionError):
            await starting

    s2s.play(scene)


@pytest.mark.parametrize("turns", ["server", "local"])
def test_the_event_log_replays(s2s: RealtimeStage, turns: str, tmp_path: Path) -> None:
    s2s.script("tell me", "tell me", "no stop", replies=(LONG, "Fine."), speed=20.0, session_limit=30.0)
    path = tmp_path / "log.jsonl"

    async def scene(session: Session) -> None:
        await session.start()
        await session.process_audio(tone(0.5))
        s2s.stream.drop()
        await voice(session, 0.5, 1.5, 1.0, 2.0)
        await session.send_text("and now")
        await session.process_audio(silence(20.0))

    s2s.play(scene, turns, event_log=path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    result = replay(lines)
    assert result.difference is None
    assert result.complete
    assert result.inputs > 40 and result.commands > 30
