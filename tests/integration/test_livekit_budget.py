"""In a real LiveKit room: the latency budget, and a speech-to-speech model that hears everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from livekit_people import Listener, loud, say, transport, until

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.interfaces import VadStream
from beluga_voice.registry import registry_for
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.scripted import ScriptedVAD, silence, tone
from beluga_voice.testing.scripted_realtime import ScriptedModel, SettingsModel
from stage import Stage
from telemetry import recorded, seconds

FOUR_STAGES = {"turn.endpointing", "turn.llm", "turn.playout", "turn.delivery"}


class LoudVAD(ScriptedVAD):
    """Hears speech where it is loud: a codec's silence is not the digital silence of the scripted VAD."""

    def open(self, on_result: Callable[[float, float], None]) -> VadStream:
        stream = super().open(on_result)
        push = stream.push

        def gated(window: bytes, at: float) -> None:
            level = np.abs(np.frombuffer(window, "<i2").astype(int)).mean()
            push(window if level > 300 else bytes(len(window)), at)

        stream.push = gated
        return stream


@pytest.fixture(autouse=True)
def loud_vad() -> Iterator[None]:
    registry_for("vad").register("loud", lambda _: LoudVAD())
    yield
    registry_for("vad").unregister("loud")


async def collect(session: bv.Session, into: list[Any]) -> None:
    async for event in session.events():
        into.append(event)


async def test_a_turn_in_a_room_carries_its_breakdown(
    livekit_server: LiveKitServer, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.utterances("hello there")
    told: list[Any] = []

    async def slow(text: str) -> str:
        await asyncio.sleep(0.7)
        return f"You said {text}."

    config = bv.Config(
        provider="embedded", stt_provider="scripted", tts_provider="scripted", vad_provider="loud"
    )
    with recorded(monkeypatch) as telemetry:
        async with bv.new_backend("embedded", config) as backend:
            agent = transport(livekit_server, "agent")
            person = transport(livekit_server, "person")
            ear = Listener(person)
            options = bv.SessionConfig(user_id="ann", transport=agent, agent_callback=slow)
            session = await backend.create_session(options)
            following = asyncio.create_task(collect(session, told))
            await session.start()
            await until(lambda: agent.connected and person.connected and agent.room.remote_participants)
            await say(person, tone(1.2) + silence(0.5))
            await until(lambda: loud(ear.frames) > 0.5)
            await session.stop()
            await following
            await person.close()
        (metrics,) = [e for e in told if isinstance(e, ev.MetricsEvent)]
        assert metrics.slowest
        assert metrics.delivery is not None and metrics.delivery > 0
        (turn,) = telemetry.named("turn")
        stages = {span.name: seconds(span, turn) for span in telemetry.below(turn)}
        assert {*FOUR_STAGES, "turn.tts"} <= set(stages)
        assert stages["turn.llm"][1] - stages["turn.llm"][0] >= 0.69
        (missed,) = telemetry.counts("beluga.voice.turn.target_missed", "stage")
        assert missed == (metrics.slowest,)


async def test_a_model_hears_everybody_in_the_room(
    livekit_server: LiveKitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = SettingsModel(utterances=("what time is it", "and what day"), replies=("It is ten.", "Monday."))
    model = ScriptedModel(script)
    registry_for("s2s").register("room", lambda _: model)
    config = bv.Config(
        provider="embedded",
        pipeline_type="s2s",
        s2s_provider="room",
        s2s_config={"turn_detection": "local"},
        vad_provider="loud",
    )
    told: list[Any] = []
    try:
        with recorded(monkeypatch) as telemetry:
            async with bv.new_backend("embedded", config) as backend:
                agent = transport(livekit_server, "agent", audio="each")
                people = [transport(livekit_server, name) for name in ("ann", "bob")]
                ears = [Listener(person) for person in people]
                session = await backend.create_session(bv.SessionConfig(user_id="room", transport=agent))
                following = asyncio.create_task(collect(session, told))
                await session.start()
                await until(lambda: agent.connected and len(agent.room.remote_participants) == 2)
                for number, person in enumerate(people, 1):
                    await say(person, tone(1.2, hertz=300.0 * number) + silence(0.5))
                    await until(lambda n=number: _answered(told) == n)
                history = session.history
                await session.stop()
                await following
                for person, ear in zip(people, ears, strict=True):
                    await person.close()
                    await ear.ended()
            said = [(m.participant, m.content) for m in history if m.role == "user"]
            assert said == [("ann", "what time is it"), ("bob", "and what day")]
            assert [e for e in told if isinstance(e, ev.ErrorEvent)] == []
            turns = telemetry.named("turn")
            assert len(turns) == 2
            for turn in turns:
                assert {span.name for span in telemetry.below(turn)} >= FOUR_STAGES
    finally:
        registry_for("s2s").unregister("room")
    samples = np.frombuffer(bytes(model.streams[0].audio), "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples)) / len(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / 24_000)
    assert all(spectrum[(hertz > p - 15) & (hertz < p + 15)].max() > 50 for p in (300.0, 600.0))


def _answered(told: list[Any]) -> int:
    return sum(isinstance(e, ev.TurnEvent) and e.phase == "agent_ended" for e in told)
