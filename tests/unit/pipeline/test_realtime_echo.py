"""A speech-to-speech model in a room where its voice comes back: it is given what the canceller leaves."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from beluga_voice import events as ev
from beluga_voice.session.session import Session
from beluga_voice.testing.echo_room import EchoRoom
from beluga_voice.testing.scripted import tone
from realtime_stage import RealtimeStage

LONG = "Well, let me tell you all about it from the very beginning, it is a long story my friend."
SECONDS = 0.06 * len(LONG)


@pytest.fixture
def s2s() -> RealtimeStage:
    return RealtimeStage()


def listen(s2s: RealtimeStage, turns: str, noise: str, level: float = -10.0) -> EchoRoom:
    """Somebody asks, is answered at length and says nothing more."""
    s2s.script("tell me a story", replies=(LONG, "Pardon?"))
    room = EchoRoom(level, 0.12, reverberation=0.2)
    room.say(tone(1.0), after=0.5)

    async def scene(session: Session) -> Any:
        await session.start()
        await asyncio.sleep(2.0 + SECONDS + 1.0)

    config = {"vad_provider": "energy", "noise_cancellation_provider": noise}
    s2s.play(scene, turns, config=config, transport=room)
    return room


@pytest.mark.parametrize("turns", ["server", "local"])
def test_its_own_voice_does_not_interrupt_it(s2s: RealtimeStage, turns: str) -> None:
    room = listen(s2s, turns, "")
    assert s2s.of(ev.InterruptionEvent) == []
    assert [e.text for e in s2s.of(ev.AgentTextEvent) if e.final] == [LONG]
    assert room.clears == 0
    assert s2s.stream.heard == pytest.approx(1.0, abs=0.3), "the question, and nothing of the answer"


def test_without_the_canceller_it_does(s2s: RealtimeStage) -> None:
    listen(s2s, "server", "none")
    assert s2s.stream.heard > 2.0
    assert s2s.of(ev.InterruptionEvent)


def test_a_person_over_the_echo_interrupts_it(s2s: RealtimeStage) -> None:
    s2s.script("tell me a story", "stop", replies=(LONG, "All right."))
    room = EchoRoom(-20.0, 0.12, reverberation=0.2)
    room.say(tone(1.0), after=0.5)

    async def scene(session: Session) -> Any:
        await session.start()
        await asyncio.sleep(4.0)
        room.say(tone(0.8, hertz=330.0))
        await asyncio.sleep(4.0)

    s2s.play(scene, "local", config={"vad_provider": "energy"}, transport=room)
    assert len(s2s.of(ev.InterruptionEvent)) == 1
    assert [e.text for e in s2s.of(ev.AgentTextEvent) if e.final][-1] == "All right."


def test_the_model_hears_all_of_the_audio_at_its_rate(s2s: RealtimeStage) -> None:
    listen(s2s, "server", "")
    rate = s2s.model.capabilities.input_sample_rate
    samples = np.frombuffer(bytes(s2s.stream.audio), "<i2")
    assert len(samples) / rate == pytest.approx(3.0 + SECONDS, abs=0.3)
