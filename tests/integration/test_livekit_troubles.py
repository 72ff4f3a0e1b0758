"""A session in a LiveKit room to which something happens: thrown out, twins, cuts, mutes, floods, silence."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from livekit import api, rtc
from livekit_caller import Caller, caller, until
from livekit_people import Person

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.registry import registry_for
from beluga_voice.session.session import Session
from beluga_voice.testing.impairment import Network
from beluga_voice.testing.livekit_relay import LiveKitRelay
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.scripted import ScriptedSTT, ScriptedTTS, tone

ROOM = "troubled"


@pytest.fixture
def stt() -> Iterator[ScriptedSTT]:
    heard = ScriptedSTT()
    voice = ScriptedTTS(seconds_per_character=0.04)
    parts: dict[str, Any] = {"stt": heard, "tts": voice}
    for kind, part in parts.items():
        registry_for(kind).register("scripted-trouble", lambda settings, part=part: part)
    yield heard
    for kind in parts:
        registry_for(kind).unregister("scripted-trouble")


def backend_of(server: LiveKitServer, **provider: Any) -> bv.Backend:
    keys = {"url": server.url, "api_key": server.api_key, "api_secret": server.api_secret}
    config = bv.Config(
        provider="livekit",
        stt_provider="scripted-trouble",
        tts_provider="scripted-trouble",
        vad_provider="energy",
        provider_config={**keys, **provider},
    )
    return bv.new_backend("livekit", config)


async def echo(transcript: str) -> str:
    return f"You said {transcript}."


class Told:
    """What a session tells, by kind."""

    def __init__(self, session: Session) -> None:
        self.events: list[Any] = []
        self._task = asyncio.create_task(self._follow(session))

    async def _follow(self, session: Session) -> None:
        async for event in session.events():
            self.events.append(event)

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(e.state, e.reason) for e in self.of(ev.TransportEvent)]

    def phases(self, identity: str) -> list[str]:
        return [e.phase for e in self.of(ev.ParticipantEvent) if e.identity == identity]

    async def all(self) -> list[Any]:
        """Everything, once the session has closed."""
        async with asyncio.timeout(20):
            await self._task
        return self.events


@asynccontextmanager
async def at_work(backend: bv.Backend, **changes: Any) -> AsyncIterator[tuple[Session, Told]]:
    values = {"user_id": "ann", "agent_callback": echo, "metadata": {"room": ROOM}, **changes}
    session = await backend.create_session(bv.SessionConfig(**values))
    told = Told(session)
    await session.start()
    try:
        yield session, told
    finally:
        await session.stop()
        assert backend.active_session_count == 0


def speech(seconds: float) -> np.ndarray:
    return np.frombuffer(tone(seconds, 48_000), np.int16)


QUIET = np.zeros(48_000, np.int16)


def said(session: Session) -> list[str]:
    return [m.content for m in session.history if m.role == "user"]


def answered(session: Session) -> list[str]:
    return [m.content for m in session.history if m.role == "assistant"]


async def talk(ann: Caller, session: Session, words: str) -> None:
    """Says something until it is answered: on a busy machine the first words may meet a half-open connection."""
    reply = f"You said {words}."
    for _ in range(3):
        await ann.play(np.concatenate([QUIET, speech(1.0), QUIET]))
        with contextlib.suppress(AssertionError):
            await until(lambda: reply in answered(session), 10)
            return
    raise AssertionError(f"{words!r} was not answered: {session.history}")


@pytest.mark.parametrize("reason", ["participant_removed", "room_deleted"])
async def test_thrown_out_the_session_ends_clean(
    livekit_server: LiveKitServer, stt: ScriptedSTT, reason: str
) -> None:
    keys = livekit_server.http_url, livekit_server.api_key, livekit_server.api_secret
    async with (
        backend_of(livekit_server) as backend,
        api.LiveKitAPI(*keys) as server,
        caller(livekit_server, ROOM),
        at_work(backend) as (session, told),
    ):
        await until(lambda: told.phases("ann"))
        if reason == "room_deleted":
            await server.room.delete_room(api.DeleteRoomRequest(room=ROOM))
        else:
            who = session.transport.identity  # type: ignore[union-attr]
            await server.room.remove_participant(api.RoomParticipantIdentity(room=ROOM, identity=who))
        async with asyncio.timeout(10):
            await session.wait_closed()
        await told.all()
    assert told.states == [("connected", ""), ("lost", reason)]
    assert told.of(ev.ErrorEvent) == []
    assert told.events[-1].type == "closed" and told.events[-1].reason == "transport_lost"


async def test_a_twin_ends_the_session_with_an_error(livekit_server: LiveKitServer, stt: ScriptedSTT) -> None:
    async with backend_of(livekit_server) as backend, at_work(backend) as (session, told):
        who = session.transport.identity  # type: ignore[union-attr]
        async with Person(livekit_server, who, ROOM):
            async with asyncio.timeout(10):
                await session.wait_closed()
        await told.all()
    assert told.states[-1] == ("lost", "duplicate_identity")
    (error,) = told.of(ev.ErrorEvent)
    assert error.code == "connection_failed" and not error.retryable and "identity" in error.message
    assert told.events[-1].type == "closed"


async def test_what_was_said_before_the_server_died_is_answered_when_it_is_back(
    livekit_server: LiveKitServer, stt: ScriptedSTT
) -> None:
    stt._queue.extend(["a table for two please", "thank you"])
    async with backend_of(livekit_server) as backend, at_work(backend) as (session, told):
        async with caller(livekit_server, ROOM) as ann:
            speaking = asyncio.create_task(ann.play(np.concatenate([QUIET, speech(20.0)])))
            partials = lambda: [e.text for e in told.of(ev.TranscriptEvent)]  # noqa: E731
            await until(lambda: "a table for two please" in partials(), 20)
            await livekit_server.kill()  # in the middle of the sentence
            speaking.cancel()
        await until(lambda: said(session) == ["a table for two please"], 20)
        await livekit_server.start()
        await until(lambda: told.states[-1][0] == "reconnected", 45, lambda: str(told.states))
        await until(lambda: answered(session) == ["You said a table for two please."], 20)
        async with caller(livekit_server, ROOM) as ann:
            await until(lambda: ann.room.remote_participants)
            await talk(ann, session, "thank you")
            await until(lambda: ann.levels and max(level for _, level in ann.levels) > 0.02)
        assert told.of(ev.ErrorEvent) == []
        assert said(session)[:2] == ["a table for two please", "thank you"]


async def test_a_network_that_is_away_for_five_seconds(
    livekit_server: LiveKitServer, stt: ScriptedSTT
) -> None:
    stt._queue.extend(["good morning", "good evening"])
    async with (
        LiveKitRelay(livekit_server.url, Network()) as relay,
        backend_of(livekit_server, url=relay.url) as backend,
        at_work(backend) as (session, told),
        caller(livekit_server, ROOM) as ann,
    ):
        await until(lambda: ann.room.remote_participants)
        speaking = asyncio.create_task(ann.play(np.concatenate([QUIET, speech(3.0)])))
        await until(lambda: any(e.text == "good morning" for e in told.of(ev.TranscriptEvent)), 20)
        relay.network.cut()
        await asyncio.sleep(5.0)
        assert said(session) == ["good morning"]  # the turn did not wait for the network
        relay.network.restore()
        await speaking
        await talk(ann, session, "good evening")
        assert said(session)[:2] == ["good morning", "good evening"]
        assert "lost" not in [state for state, _ in told.states]
        assert told.of(ev.ErrorEvent) == []


async def test_muted_in_the_middle_of_a_sentence_and_unmuted(
    livekit_server: LiveKitServer, stt: ScriptedSTT
) -> None:
    stt._queue.extend(["thank you very much", "good bye"])
    async with (
        backend_of(livekit_server) as backend,
        at_work(backend) as (session, told),
        caller(livekit_server, ROOM) as ann,
    ):
        await until(lambda: "track_published" in told.phases("ann"))
        (publication,) = ann.room.local_participant.track_publications.values()
        track = publication.track
        assert isinstance(track, rtc.LocalAudioTrack)
        speaking = asyncio.create_task(ann.play(np.concatenate([QUIET, speech(3.0)])))
        await until(lambda: any(e.text == "thank you very much" for e in told.of(ev.TranscriptEvent)), 20)
        track.mute()
        await until(lambda: "You said thank you very much." in answered(session), 20)
        await speaking
        track.unmute()
        await until(lambda: "unmuted" in told.phases("ann"))
        await talk(ann, session, "good bye")
        assert said(session)[:2] == ["thank you very much", "good bye"]
        phases = told.phases("ann")
        assert [p for p in phases if "mute" in p] == ["muted", "unmuted"]


async def test_silence_is_no_turn_and_a_flood_of_data_hurts_nobody(
    livekit_server: LiveKitServer, stt: ScriptedSTT
) -> None:
    stt._queue.extend(["is anybody there"])
    async with (
        backend_of(livekit_server) as backend,
        at_work(backend) as (session, told),
        caller(livekit_server, ROOM) as ann,
    ):
        await until(lambda: ann.room.remote_participants)
        await ann.play(np.zeros(48_000 * 4, np.int16))
        assert told.of(ev.TurnEvent) == [] and session.history == ()

        async def flood() -> None:
            for _ in range(40):
                for _ in range(50):
                    await ann.room.local_participant.publish_data(b"x" * 1000, topic="flood")
                await asyncio.sleep(0.05)

        flooding = asyncio.create_task(flood())
        await talk(ann, session, "is anybody there")
        await flooding
        assert session.persistence_status == "active"
        packets = [e for e in told.of(ev.ParticipantEvent) if e.phase == "data"]
        assert 0 < len(packets) < 2000
        assert told.of(ev.ErrorEvent) == []


async def test_a_stereo_participant_is_one_voice(livekit_server: LiveKitServer, stt: ScriptedSTT) -> None:
    stt._queue.extend(["left and right"])
    async with (
        backend_of(livekit_server) as backend,
        at_work(backend) as (session, _),
        Person(livekit_server, "ann", ROOM, channels=2) as ann,
    ):
        both = np.repeat(np.concatenate([QUIET, speech(1.0), QUIET]), 2).tobytes()
        ann.play(both)
        await until(lambda: "You said left and right." in answered(session), 30)
        ann.hush()
        assert {m.participant for m in session.history if m.role == "user"} == {"ann"}


async def test_connection_url_names_another_server_and_a_token_is_enough(
    livekit_server: LiveKitServer, stt: ScriptedSTT, tmp_path: Any
) -> None:
    async with (
        LiveKitServer(log=tmp_path / "other.log") as other,
        backend_of(livekit_server) as backend,
        at_work(
            backend,
            connection_url=other.url,
            token=other.token("desk", "elsewhere", kind="agent"),
            metadata={},
        ) as (session, _),
    ):
        assert session.transport.room_name == "elsewhere"  # type: ignore[union-attr]
        keys = other.http_url, other.api_key, other.api_secret
        async with api.LiveKitAPI(*keys) as server:
            there = await server.room.list_participants(api.ListParticipantsRequest(room="elsewhere"))
        assert [p.identity for p in there.participants] == ["desk"]
