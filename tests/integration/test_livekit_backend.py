"""`provider="livekit"` as a user has it: a real room, real speech, a caller with the plain SDK."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import speak
from livekit import api, rtc
from livekit_caller import Caller, caller, until

import beluga_voice as bv
from beluga_voice.testing.livekit_server import LiveKitServer

HOURS = "we open at nine and close at five"
STORY = (
    "Once upon a time there was a whale who lived in the cold sea, and every morning she sang a long song to her "
    "friends about the ice, the light and the fish that swam below, until the whole bay was listening."
)


async def answer(transcript: str) -> str:
    if "story" in transcript:
        return STORY
    return f"On that day {HOURS}." if "open" in transcript else "I do not know that."


def config(server: LiveKitServer, **provider: Any) -> bv.Config:
    keys = {"url": server.url, "api_key": server.api_key, "api_secret": server.api_secret}
    return bv.Config(
        provider="livekit",
        stt_provider="pocketsphinx",
        tts_provider="hibari",
        provider_config={**keys, **provider},
    )


async def rooms(server: LiveKitServer) -> list[str]:
    async with api.LiveKitAPI(server.http_url, server.api_key, server.api_secret) as lk:
        return [room.name for room in (await lk.room.list_rooms(api.ListRoomsRequest())).rooms]


async def gone(server: LiveKitServer, room: str) -> None:
    """The agent is not in the room any more."""
    async with api.LiveKitAPI(server.http_url, server.api_key, server.api_secret) as lk, asyncio.timeout(5):
        while (await lk.room.list_participants(api.ListParticipantsRequest(room=room))).participants:
            await asyncio.sleep(0.05)


QUESTION = "What time do you open on Saturday?"
PHRASES = ("what time do you open on saturday", "tell me a story about a whale")


async def test_a_conversation_in_a_room(livekit_server: LiveKitServer) -> None:
    backend = bv.new_backend("livekit", config(livekit_server, delete_room=True))
    async with backend, caller(livekit_server, "clinic") as ann:
        assert (await backend.health_check()).status == "healthy"
        session = await backend.create_session(
            bv.SessionConfig(
                user_id="ann", agent_callback=answer, phrases=PHRASES, metadata={"room": "clinic"}
            )
        )
        await session.start()
        agent = await until(lambda: next(iter(ann.room.remote_participants.values()), None))
        assert agent.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        await until(lambda: agent.attributes.get("lk.agent.state") == "listening")
        await asyncio.sleep(0.5)

        # A spoken question is answered aloud, and shown.
        _, ended = await ann.say(QUESTION)
        final = await ann.event("transcript", final=True, turn=1)
        assert final["text"].lower().rstrip("?.") == PHRASES[0]
        assert final["participant"] == "ann"
        said = await ann.event("agent_text", final=True, turn=1)
        assert HOURS in said["text"]
        assert ann.first_sound_after(ended) < ended + 2.0
        assert [m.participant for m in session.history if m.role == "user"] == ["ann"]

        # A second one cuts a long answer short.
        await ann.say("Tell me a story about a whale.")
        await ann.event("turn", phase="agent_started", turn=2)
        await asyncio.sleep(2.0)
        onset, _ = await ann.say(QUESTION)
        cut = await ann.event("interruption", turn=2)
        assert cut["heard"] and cut["heard"] in STORY and len(cut["heard"]) < len(STORY) / 2
        assert HOURS in (await ann.event("agent_text", final=True, turn=3))["text"]
        assert ann.silent_from(onset, quiet=0.2) - onset < 1.5

        # The end leaves nothing behind.
        await session.stop()
        assert backend.active_session_count == 0
        await until(lambda: ann.disconnected)
        assert "clinic" not in await rooms(livekit_server)


async def test_typed_words_and_a_room_of_its_own(livekit_server: LiveKitServer) -> None:
    backend = bv.new_backend("livekit", config(livekit_server))
    async with backend:
        session = await backend.create_session(bv.SessionConfig(user_id="ann", agent_callback=answer))
        await session.start()
        room = session.transport.room_name  # type: ignore[union-attr]
        assert room == f"beluga-{session.id}"
        one = Caller("ann")
        await one.join(livekit_server.url, backend.join_token(room, "ann"))  # type: ignore[attr-defined]
        try:
            await until(lambda: "ann" in session.transport.room.remote_participants)  # type: ignore[union-attr]
            await one.room.local_participant.send_text(QUESTION, topic="lk.chat")
            assert HOURS in (await one.event("agent_text", final=True))["text"]
            await until(lambda: one.levels and max(level for _, level in one.levels) > 0.02)
        finally:
            await one.leave()
        await session.stop()
        await gone(livekit_server, room)


async def test_the_session_ends_when_everybody_has_left(livekit_server: LiveKitServer) -> None:
    backend = bv.new_backend("livekit", config(livekit_server, leave_after=0.5))
    async with backend:
        session = await backend.create_session(
            bv.SessionConfig(user_id="ann", agent_callback=answer, metadata={"room": "r"})
        )
        await session.start()
        async with caller(livekit_server, "r"):
            await asyncio.sleep(1.0)
            assert session.persistence_status == "active"
        async with asyncio.timeout(10):
            await session.wait_closed()
        await gone(livekit_server, "r")


async def test_the_health_check_is_of_the_server_itself(livekit_server: LiveKitServer) -> None:
    backend = bv.new_backend("livekit", config(livekit_server))
    async with backend:
        assert (await backend.health_check()).status == "healthy"
        await livekit_server.kill()
        health = await backend.health_check()
        assert health.status == "unhealthy"
        assert livekit_server.url.removeprefix("ws://") in health.details["reason"]
        await livekit_server.start()
        assert (await backend.health_check()).status == "healthy"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"api_secret": "x" * 40}, "authentication_failed"),
        ({"url": "ws://127.0.0.1:9"}, "connection_failed"),
    ],
)
async def test_a_wrong_key_or_host_is_said_when_a_session_is_made(
    livekit_server: LiveKitServer, wrong: dict[str, str], code: str
) -> None:
    backend = bv.new_backend("livekit", config(livekit_server, **wrong))
    async with backend:
        with pytest.raises(bv.BackendError) as error:
            await backend.create_session(bv.SessionConfig(user_id="u", agent_callback=answer))
        assert error.value.code == code
        assert wrong.get("api_secret", "none") not in str(error.value)
        assert backend.active_session_count == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "url is required"),
        ({"url": "ws://127.0.0.1:7880"}, "api_key and api_secret are required, or a token"),
        ({"url": "ws://127.0.0.1:7880", "api_key": "k"}, "belong together"),
        ({"url": "ws://127.0.0.1:7880", "token": "t", "hear": "nobody"}, "hear='nobody'"),
        ({"url": "ws://127.0.0.1:7880", "token": "t", "colour": "red"}, "colour is not a field"),
    ],
)
def test_settings_are_checked_when_the_backend_is_made(
    given: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("URL", "API_KEY", "API_SECRET", "TOKEN"):
        monkeypatch.delenv(f"LIVEKIT_{name}", raising=False)
    with pytest.raises(bv.ConfigError, match=said):
        bv.new_backend(
            "livekit",
            bv.Config(
                provider="livekit", stt_provider="pocketsphinx", tts_provider="hibari", provider_config=given
            ),
        )


async def test_the_example_talks_with_whoever_comes(livekit_server: LiveKitServer) -> None:
    keys = {
        "LIVEKIT_URL": livekit_server.url,
        "LIVEKIT_API_KEY": livekit_server.api_key,
        "LIVEKIT_API_SECRET": livekit_server.api_secret,
    }
    example = Path(__file__).parents[2] / "examples" / "04_livekit_room.py"
    process = await asyncio.create_subprocess_exec(
        sys.executable, example, "lobby", env={**os.environ, **keys}, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            assert b"waiting for somebody in room lobby" in await process.stdout.readline()
        async with caller(livekit_server, "lobby") as ann:
            await until(lambda: ann.room.remote_participants)
            await asyncio.sleep(1.0)
            await ann.say(QUESTION)
            await ann.event("turn", phase="agent_ended", turn=1)
            async with asyncio.timeout(10):
                assert b"what time do you open on saturday" in (await process.stdout.readline()).lower()
                assert b"from ten to two" in await process.stdout.readline()
    finally:
        process.terminate()
        _, complaints = await process.communicate()
    assert b"Task was destroyed" not in complaints


async def test_what_was_said_before_the_agent_came_is_heard(livekit_server: LiveKitServer) -> None:
    """As LiveKit's clients do it: the track is announced with a recording, which is streamed to the agent."""
    backend = bv.new_backend("livekit", config(livekit_server))
    async with backend:
        session = await backend.create_session(
            bv.SessionConfig(
                user_id="ann",
                agent_callback=answer,
                phrases=PHRASES,
                metadata={"room": "early"},
                greeting="Hello, this is the clinic. What can I do for you today?",
            )
        )
        await session.start()
        ann = Caller("ann")
        await ann.join(livekit_server.url, livekit_server.token("ann", "early"), microphone=False)
        try:
            silence = np.zeros(96_000)
            recorded = (np.concatenate((silence, speak(QUESTION), silence)) * 32767 * 0.7).astype(np.int16)
            track = rtc.LocalAudioTrack.create_audio_track("microphone", ann._source)
            publication = await ann.room.local_participant.publish_track(
                track,
                rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, preconnect_buffer=True),
            )
            writer = await ann.room.local_participant.stream_bytes(
                "recording",
                topic="lk.agent.pre-connect-audio-buffer",
                mime_type="audio/pcm;codec=s16le",
                attributes={"trackId": publication.sid, "sampleRate": "48000", "channels": "1"},
            )
            await writer.write(recorded.tobytes())
            await writer.aclose()
            await ann.play(np.zeros(48_000, np.int16))
            final = await ann.event("transcript", final=True, turn=1)
            assert final["text"].lower().rstrip("?.") == PHRASES[0]
            assert HOURS in (await ann.event("agent_text", final=True, turn=1))["text"]
        finally:
            await ann.leave()


@pytest.mark.timeout(120)
async def test_a_server_that_is_killed_mid_sentence_and_comes_back(livekit_server: LiveKitServer) -> None:
    backend = bv.new_backend("livekit", config(livekit_server))
    async with backend:
        ann = Caller("ann")
        await ann.join(livekit_server.url, livekit_server.token("ann", "r"))
        session = await backend.create_session(
            bv.SessionConfig(user_id="ann", agent_callback=answer, phrases=PHRASES, metadata={"room": "r"})
        )
        states: list[str] = []
        await session.start()
        events = asyncio.create_task(_follow(session, states))
        await asyncio.sleep(0.5)
        await ann.say(QUESTION)
        await ann.event("turn", phase="agent_ended", turn=1)
        said = list(session.history)
        assert HOURS in said[-1].content

        await ann.say("Tell me a story about a whale.")
        await ann.event("turn", phase="agent_started", turn=2)
        await asyncio.sleep(1.0)
        await livekit_server.kill()
        await asyncio.sleep(1.0)
        await livekit_server.start()
        await until(lambda: states[-1:] == ["reconnected"], 45, lambda: f"the transport told {states}")
        assert states[0] == "connected" and "reconnecting" in states and "lost" not in states
        await ann.leave()

        # Nothing said before is lost, and the conversation goes on.
        assert list(session.history[: len(said)]) == said
        bob = Caller("ann")
        await bob.join(livekit_server.url, livekit_server.token("ann", "r"))
        try:
            await until(lambda: bob.room.remote_participants)
            await asyncio.sleep(1.0)
            await bob.say(QUESTION)
            final = await bob.event("transcript", final=True)
            assert final["text"].lower().rstrip("?.") == PHRASES[0]
            assert HOURS in (await bob.event("agent_text", final=True, turn=final["turn"]))["text"]
            await until(lambda: bob.levels and max(level for _, level in bob.levels) > 0.02)
        finally:
            await bob.leave()
        await session.stop()
        await events


async def _follow(session: bv.Session, states: list[str]) -> None:
    async for event in session.events():
        if event.type == "transport":
            states.append(event.state)  # type: ignore[attr-defined]


async def test_the_short_secret_of_a_development_server_works(tmp_path: Path) -> None:
    """``livekit-server --dev`` signs with ``secret``."""
    async with LiveKitServer(log=tmp_path / "log", config={"keys": {"devkey": "secret"}}) as server:
        server.api_secret = "secret"
        backend = bv.new_backend("livekit", config(server))
        async with backend:
            assert (await backend.health_check()).status == "healthy"
            session = await backend.create_session(bv.SessionConfig(user_id="u", agent_callback=answer))
            await session.start()
            await session.stop()
