"""A session of the embedded backend whose transport is a LiveKit room."""

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
from stage import Stage


class LoudVAD(ScriptedVAD):
    """Hears speech where it is loud: a codec's silence is not the digital silence of the scripted VAD."""

    def open(self, on_result: Callable[[float, float], None]) -> VadStream:
        stream = super().open(on_result)
        push = stream.push
        stream.push = lambda window, at: push(window if level(window) > 300 else bytes(len(window)), at)
        return stream


def level(pcm: bytes) -> float:
    return float(np.abs(np.frombuffer(pcm, "<i2").astype(int)).mean())


@pytest.fixture
def config(stage: Stage) -> Iterator[bv.Config]:
    registry_for("vad").register("loud", lambda _: LoudVAD())
    yield bv.Config(
        provider="embedded", stt_provider="scripted", tts_provider="scripted", vad_provider="loud"
    )
    registry_for("vad").unregister("loud")


async def collect(session: bv.Session, into: list[Any]) -> None:
    async for event in session.events():
        into.append(event)


def final_text(told: list[Any]) -> list[str]:
    return [e.text for e in told if isinstance(e, ev.TranscriptEvent) and e.final]


async def test_a_turn_in_a_room(livekit_server: LiveKitServer, stage: Stage, config: bv.Config) -> None:
    stage.utterances("hello there")
    told: list[Any] = []
    async with bv.new_backend("embedded", config) as backend:
        agent = transport(livekit_server, "agent", features=None)
        person = transport(livekit_server, "person")
        ear = Listener(person)
        session = await backend.create_session(
            bv.SessionConfig(user_id="ann", transport=agent, agent_callback=echo)
        )
        following = asyncio.create_task(collect(session, told))
        await session.start()
        await until(lambda: agent.connected and person.connected and agent.room.remote_participants)
        await say(person, tone(1.2) + silence(0.5))
        await until(lambda: loud(ear.frames) > 0.5)
        await session.stop()
        await following
        await until(lambda: "left" in ear.phases("agent"))
        await person.close()
    assert final_text(told) == ["hello there"]
    assert [e.state for e in told if isinstance(e, ev.TransportEvent)] == ["connected"]
    assert "joined" in [e.phase for e in told if isinstance(e, ev.ParticipantEvent)]
    # Its events and its state went into the room.
    topics = {m["data"]["topic"] for m in ear.told if m.get("phase") == "data"}
    assert topics == {"beluga.events"}
    assert any(
        "lk.agent.state" in m["data"].get("changed", {}) for m in ear.told if m.get("phase") == "attributes"
    )


async def test_a_server_restarted_in_the_middle_of_a_reply(
    livekit_server: LiveKitServer, stage: Stage, config: bv.Config
) -> None:
    stage.utterances("hello there", "and again")
    told: list[Any] = []
    async with bv.new_backend("embedded", config) as backend:
        agent = transport(livekit_server, "agent", features=None)
        person = transport(livekit_server, "person")
        ear = Listener(person)
        session = await backend.create_session(
            bv.SessionConfig(user_id="ann", transport=agent, agent_callback=long)
        )
        following = asyncio.create_task(collect(session, told))
        await session.start()
        await until(lambda: agent.connected and person.connected and agent.room.remote_participants)
        await say(person, tone(1.2) + silence(0.5))
        await until(lambda: loud(ear.frames) > 1.0)
        await livekit_server.restart(crash=True)
        await until(
            lambda: [e.state for e in told if isinstance(e, ev.TransportEvent)][-1] == "reconnected", 40
        )
        await until(lambda: ear.states[-1] == "reconnected", 40)
        ear.frames.clear()
        await until(lambda: loud(ear.frames) > 1.0)  # the reply goes on
        assert final_text(told) == ["hello there"]
        assert session.state != "closed"
        await session.stop()
        await following
        await person.close()
    assert [e for e in told if isinstance(e, ev.ErrorEvent)] == []


async def echo(text: str) -> str:
    return f"You said {text}."


async def long(text: str) -> str:
    return f"You said {text}, and there is a good deal to be said about it. " * 8
