"""Rooms of a real LiveKit server: five people and one agent, one person and five agents, two agents and nobody."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from livekit_caller import Caller, caller, until

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.registry import registry_for
from beluga_voice.session.session import Session
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.scripted import ScriptedSTT, ScriptedTTS, tone

SENTENCES = {
    "ann": "what time do you open on saturday",
    "bob": "where can I park my car",
    "cem": "is there a table for two",
    "dee": "do you have a vegetarian menu",
    "eve": "please cancel our booking tonight",
}
# A busy machine brings audio in pieces; what is said in one go is then one turn all the same.
PATIENT = bv.TurnConfig(min_endpointing_delay=1.2, max_endpointing_delay=2.0)
# RMS of full scale above which a frame is sound.
_LOUD = 0.01
# Two agents' audio goes through two jitter buffers, which a busy machine fills differently.
_JITTER = 0.3


def config(server: LiveKitServer, **values: Any) -> bv.Config:
    keys = {"url": server.url, "api_key": server.api_key, "api_secret": server.api_secret}
    return bv.Config(provider="livekit", provider_config=keys, **values)


class Recorder:
    """Somebody who listens to each agent apart: when it was audible, on the loop's clock."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.audible: dict[str, list[float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.room.on("track_subscribed", self._on_track)

    @classmethod
    @asynccontextmanager
    async def of(cls, server: LiveKitServer, room: str) -> AsyncIterator[Recorder]:
        one = cls()
        await one.room.connect(server.url, server.token("recorder", room, kind="agent"))
        try:
            yield one
        finally:
            for task in one._tasks:
                task.cancel()
            await asyncio.gather(*one._tasks, return_exceptions=True)
            await one.room.disconnect()

    def _on_track(self, track: rtc.Track, _: Any, participant: rtc.RemoteParticipant) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO and participant.identity != "ann":
            self._tasks.add(asyncio.create_task(self._listen(track, participant.name)))

    async def _listen(self, track: rtc.Track, name: str) -> None:
        stream = rtc.AudioStream(track, sample_rate=16_000, num_channels=1, frame_size_ms=20)
        try:
            async for event in stream:
                samples = np.frombuffer(event.frame.data, np.int16) / 32768.0
                if float(np.sqrt(np.mean(samples**2))) > _LOUD:
                    self.audible.setdefault(name, []).append(asyncio.get_running_loop().time())
        finally:
            await stream.aclose()

    def together(self) -> float:
        """Seconds in which two agents were audible at once."""
        slots = [{round(t / 0.02) for t in times} for times in self.audible.values()]
        taken: set[int] = set()
        twice: set[int] = set()
        for times in slots:
            twice |= taken & times
            taken |= times
        return 0.02 * len(twice)


class Mouth(Caller):
    """A caller who speaks and does not listen, to spare the machine."""

    def _on_track(self, track: rtc.Track, *_: Any) -> None: ...


def nearest(text: str) -> str:
    """Whose sentence this is, as far as the words tell."""
    words = set(text.lower().replace("?", "").replace(".", "").split())
    return max(SENTENCES, key=lambda who: len(words & set(SENTENCES[who].lower().split())))


def spoken(sessions: dict[str, list[Any]]) -> list[tuple[float, float, str]]:
    """When each agent's replies were audible, by its own account on the loop's clock."""
    out: list[tuple[float, float, str]] = []
    for name, events in sessions.items():
        begun = 0.0
        for at, event in events:
            if isinstance(event, ev.TurnEvent) and event.phase == "agent_started":
                begun = at
            elif isinstance(event, ev.TurnEvent) and event.phase == "agent_ended" and begun:
                out.append((begun, at, name))
                begun = 0.0
    return sorted(out)


@pytest.fixture
def scripted() -> Iterator[tuple[ScriptedSTT, ScriptedTTS]]:
    stt, tts = ScriptedSTT(), ScriptedTTS(seconds_per_character=0.04)
    for kind, part in (("stt", stt), ("tts", tts)):
        registry_for(kind).register("scripted-room", lambda settings, part=part: part)
    yield stt, tts
    for kind in ("stt", "tts"):
        registry_for(kind).unregister("scripted-room")


def scripted_config(server: LiveKitServer) -> bv.Config:
    return config(server, stt_provider="scripted-room", tts_provider="scripted-room", vad_provider="energy")


async def join(
    stack: AsyncExitStack,
    backend: bv.Backend,
    room: str,
    floor: bv.Floor,
    names: tuple[str, ...],
    answer: Any,
    **more: Any,
) -> tuple[dict[str, Session], dict[str, list[Any]]]:
    """Agents in ``room`` that share ``floor``, and their events with the loop's time."""
    sessions: dict[str, Session] = {}
    events: dict[str, list[Any]] = {}

    async def follow(name: str, session: Session) -> None:
        async for event in session.events():
            events[name].append((asyncio.get_running_loop().time(), event))

    for name in names:
        session = sessions[name] = await backend.create_session(
            bv.SessionConfig(
                user_id="room",
                agent_callback=answer,
                agent_name=name,
                floor=floor,
                metadata={"room": room},
                **more,
            )
        )
        events[name] = []
        task = asyncio.create_task(follow(name, session))
        stack.push_async_callback(asyncio.wait, [task], timeout=5.0)
    await asyncio.gather(*(session.start() for session in sessions.values()))
    return sessions, events


@pytest.mark.timeout(180)
async def test_five_people_and_one_agent(livekit_server: LiveKitServer) -> None:
    async def answer(context: bv.Context, transcript: str) -> str:
        return f"Yes, {context.turn.participant}."

    made = config(livekit_server, stt_provider="pocketsphinx", tts_provider="hibari")
    async with bv.new_backend("livekit", made) as backend, AsyncExitStack() as stack:
        session = await backend.create_session(
            bv.SessionConfig(
                user_id="room",
                agent_callback=answer,
                phrases=tuple(SENTENCES.values()),
                turn=PATIENT,
                metadata={"room": "five"},
            )
        )
        await session.start()
        people = {who: Mouth(who) for who in SENTENCES}
        for who, person in people.items():
            await person.join(livekit_server.url, livekit_server.token(who, "five", name=who.title()))
            stack.push_async_callback(person.leave)
        await until(lambda: len(session.participants) == 5)
        assert {p.name for p in session.participants} == {who.title() for who in SENTENCES}
        await asyncio.sleep(1.0)
        # Three one after another, each answered …
        for who in ("ann", "bob", "cem"):
            await people[who].say(SENTENCES[who] + ".", silence=0.3)
            heard = f"Yes, {who}."
            await until(
                lambda heard=heard: heard in [m.content for m in session.history],
                30.0,
                lambda: str(session.history),
            )
        # … and two at the same time.
        await asyncio.gather(*(people[who].say(SENTENCES[who] + ".", silence=0.3) for who in ("dee", "eve")))
        await until(lambda: {m.participant for m in session.history} >= set(SENTENCES), 20.0)
        await until(lambda: session.history[-1].role == "assistant", 20.0)

        def words() -> dict[str, str]:
            out: dict[str, str] = {}
            for message in session.history:
                if message.role == "user":
                    out[message.participant] = f"{out.get(message.participant, '')} {message.content}"
            return out

        # A recogniser that shares two cores with nine others mishears; who was misheard says it again, as people do.
        for who in [who for who, text in words().items() if nearest(text) != who]:
            known = words()[who]
            await people[who].say(SENTENCES[who] + ".", silence=0.3)
            await until(lambda who=who, known=known: words()[who] != known, 30.0)
        said = words()
        assert {who: nearest(text) for who, text in said.items()} == {who: who for who in SENTENCES}, said
        await people["ann"].event("transcript", final=True, participant="eve")
        await session.stop()
        assert session.state == "closed"


@pytest.mark.timeout(180)
async def test_one_person_and_five_agents(
    livekit_server: LiveKitServer, scripted: tuple[ScriptedSTT, ScriptedTTS]
) -> None:
    stt, _ = scripted
    names = ("Ada", "Ben", "Cora", "Dan", "Elli")
    turns = ("Cora what time is it", "and how is the weather", "Ben what do you say")
    pitches = (250.0, 800.0, 2400.0)  # far apart: the beginning of a tone is distorted
    stt.give_voices({pitch: [text] * 50 for pitch, text in zip(pitches, turns, strict=True)})

    async def answer(transcript: str) -> str:
        return f"You said {next(text for text in turns if text in transcript)}."

    async with (
        bv.new_backend("livekit", scripted_config(livekit_server)) as backend,
        AsyncExitStack() as stack,
    ):
        recorder = await stack.enter_async_context(Recorder.of(livekit_server, "panel"))
        ann = await stack.enter_async_context(caller(livekit_server, "panel"))
        sessions, events = await join(
            stack, backend, "panel", bv.Floor(), names, answer, greeting="Hello there.", turn=PATIENT
        )
        # Greetings come one after another.
        await until(lambda: len(spoken(events)) == 5, 40.0)
        assert sorted(name for _, _, name in spoken(events)) == sorted(names)
        for count, pitch in enumerate(pitches, 1):
            speech = np.frombuffer(tone(1.5, 48_000, pitch), np.int16)
            await ann.play(np.concatenate([speech, np.zeros(24_000, np.int16)]))
            await until(
                lambda count=count: len(spoken(events)) == 5 + count, 30.0, lambda: str(spoken(events))
            )
        assert [name for _, _, name in spoken(events)[5:]] == ["Cora", "Cora", "Ben"]
        replies = spoken(events)
        assert all(end <= start for (_, end, _), (start, _, _) in itertools.pairwise(replies))
        await asyncio.sleep(0.5)
        for name, session in sessions.items():
            mine = [m.content for m in session.history if m.role == "assistant"]
            others = [m.content for m in session.history if m.role == "user" and m.participant in names]
            assert sorted([*mine, *others]) == sorted(
                ["Hello there."] * 5 + [f"You said {text}." for text in turns]
            ), name
            said = [m.content for m in session.history if m.participant == "ann"]
            assert all(text in words for text, words in zip(turns, said, strict=True)), said
        assert set(recorder.audible) == set(names)
        assert recorder.together() <= _JITTER
        for session in sessions.values():
            await session.stop()


async def test_who_left_while_the_server_was_away_is_not_counted_as_present(
    livekit_server: LiveKitServer, scripted: tuple[ScriptedSTT, ScriptedTTS]
) -> None:
    async def answer(_: str) -> str:
        return "Yes."

    states: list[str] = []
    async with bv.new_backend("livekit", scripted_config(livekit_server)) as backend:
        session = await backend.create_session(
            bv.SessionConfig(user_id="room", agent_callback=answer, metadata={"room": "ghost"})
        )
        await session.start()
        ann = Mouth("ann")
        await ann.join(livekit_server.url, livekit_server.token("ann", "ghost"))
        await until(lambda: [p.identity for p in session.participants] == ["ann"])

        async def follow() -> None:
            async for event in session.events():
                if isinstance(event, ev.TransportEvent):
                    states.append(event.state)

        following = asyncio.create_task(follow())
        await livekit_server.kill()
        await ann.leave()
        await livekit_server.start()
        await until(lambda: "reconnected" in states, 40.0)
        await until(lambda: session.participants == (), 5.0)
        await session.stop()
        await following


@pytest.mark.timeout(120)
async def test_two_agents_and_no_person(
    livekit_server: LiveKitServer, scripted: tuple[ScriptedSTT, ScriptedTTS]
) -> None:
    async def answer(context: bv.Context, transcript: str) -> str:
        return f"I heard you, {context.turn.participant}: {len(transcript)} letters."

    floor = bv.Floor(agents_converse=True, max_turns=4)
    async with (
        bv.new_backend("livekit", scripted_config(livekit_server)) as backend,
        AsyncExitStack() as stack,
    ):
        recorder = await stack.enter_async_context(Recorder.of(livekit_server, "two"))
        sessions, events = await join(stack, backend, "two", floor, ("Ada", "Ben"), answer)
        await sessions["Ada"].say("Good evening, Ben.")
        await until(lambda: len(spoken(events)) == 5, 40.0)
        await asyncio.sleep(1.5)
        assert [name for _, _, name in spoken(events)] == ["Ada", "Ben", "Ada", "Ben", "Ada"], (
            "four turns, then silence"
        )
        assert [line.speaker for line in floor.history] == ["Ada", "Ben", "Ada", "Ben", "Ada"]
        assert [m.content for m in sessions["Ben"].history if m.role == "assistant"] == [
            line.text for line in floor.history if line.speaker == "Ben"
        ]
        assert set(recorder.audible) == {"Ada", "Ben"}
        assert recorder.together() <= _JITTER
        for session in sessions.values():
            await session.stop()
        assert floor.agents == ()
