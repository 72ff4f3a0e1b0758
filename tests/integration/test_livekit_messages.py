"""Few packets for many words: the pace of captions, data packets in order, texts in one request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from livekit import rtc

from beluga_voice.errors import ConnectError
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.transports.livekit_captions import Captions
from beluga_voice.transports.livekit_messages import Packets, send_text


@asynccontextmanager
async def joined(server: LiveKitServer, *identities: str) -> AsyncIterator[list[rtc.Room]]:
    rooms = [rtc.Room() for _ in identities]
    for room, identity in zip(rooms, identities, strict=True):
        kind = "agent" if identity == "agent" else "standard"
        await room.connect(server.url, server.token(identity, "r", kind=kind))
    await until(lambda: all(len(room.remote_participants) == len(rooms) - 1 for room in rooms))
    try:
        yield rooms
    finally:
        for room in rooms:
            await room.disconnect()


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


class Streams:
    """Text streams of a topic as they come: sender, attributes, text."""

    def __init__(self, room: rtc.Room, topic: str = "lk.transcription") -> None:
        self.read: list[tuple[str, Mapping[str, str], str]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        room.register_text_stream_handler(topic, self._opened)

    def _opened(self, reader: rtc.TextStreamReader, identity: str) -> None:
        self._tasks.add(asyncio.create_task(self._read(reader, identity)))

    async def _read(self, reader: rtc.TextStreamReader, identity: str) -> None:
        self.read.append((identity, dict(reader.info.attributes or {}), await reader.read_all()))

    @property
    def finals(self) -> list[str]:
        return [text for _, attributes, text in self.read if attributes["lk.transcription_final"] == "true"]


def said(text: str, at: float, *, who: str = "ann", final: bool = False) -> dict[str, Any]:
    return {"type": "transcript", "turn": 1, "text": text, "final": final, "at": at, "participant": who}


def heard(text: str, at: float, *, final: bool = False) -> dict[str, Any]:
    return {"type": "agent_text", "turn": 1, "text": text, "final": final, "at": at}


async def test_captions_keep_a_pace_and_lose_no_word(livekit_server: LiveKitServer) -> None:
    async with joined(livekit_server, "agent", "ann", "bob") as (agent, ann, _):
        streams = Streams(ann)
        captions = Captions()
        captions.attach(agent, lambda _: None)
        words = [f"w{n}" for n in range(12)]
        for n in range(len(words)):
            await captions.send_event(said(" ".join(words[: n + 1]), 1.0 + n * 0.1))
            await captions.send_event(said(" ".join(words[: n + 1]).upper(), 1.0 + n * 0.1, who="bob"))
        await captions.send_event({"type": "turn", "turn": 1, "phase": "user_ended", "at": 2.5})
        await captions.send_event(said(" ".join(words), 2.6, final=True))
        await until(lambda: len(streams.finals) == 1)
        partials = [
            text for who, attributes, text in streams.read if who == "ann" and text != streams.finals[0]
        ]
        assert partials[0] == "w0"
        assert len(partials) <= 4  # of eleven, in 1.1 s
        assert streams.finals == [" ".join(words)]
        await until(lambda: any(who == "bob" and text.endswith("W11") for who, _, text in streams.read))


async def test_the_agents_words_keep_a_pace_and_come_out_whole(livekit_server: LiveKitServer) -> None:
    async with joined(livekit_server, "agent", "ann") as (agent, ann):
        streams = Streams(ann)
        captions = Captions()
        captions.attach(agent, lambda _: None)
        reply = "We are open from nine to five."
        for n, word in enumerate(reply.split()):
            await captions.send_event(heard(word, 1.0 + n * 0.12))
        await captions.send_event(heard(reply, 2.0, final=True))
        await captions.send_event(heard("And", 3.0))
        await captions.send_event(heard("on", 3.1))
        await captions.close()  # in the middle of a reply
        await until(lambda: len(streams.read) == 2)
        assert sorted(text for _, _, text in streams.read) == ["And on", reply]


async def test_an_empty_room_is_told_nothing_but_the_state(livekit_server: LiveKitServer) -> None:
    async with joined(livekit_server, "agent") as (agent,):
        captions = Captions()
        captions.attach(agent, lambda _: None)
        sent: list[bytes] = []

        class Told(Packets):
            async def send(self, payload: bytes) -> None:
                sent.append(payload)

        captions._packets = Told(agent, "beluga.events")
        await captions.send_event({"type": "state", "state": "thinking", "previous": "", "at": 1.0})
        await captions.send_event(said("hello", 1.0, final=True))
        assert sent == []
        await until(lambda: agent.local_participant.attributes.get("lk.agent.state") == "thinking")


async def test_participants_and_connections_are_not_told_twice(livekit_server: LiveKitServer) -> None:
    async with joined(livekit_server, "agent", "ann") as (agent, ann):
        kinds: list[str] = []
        ann.on("data_received", lambda p: kinds.append(json.loads(p.data)["type"]))
        captions = Captions()
        captions.attach(agent, lambda _: None)
        for kind in ("participant", "transport", "metrics", "clear"):
            await captions.send_event({"type": kind})
        await until(lambda: len(kinds) == 2)
        assert kinds == ["metrics", "clear"]


async def test_many_packets_arrive_in_order(livekit_server: LiveKitServer) -> None:
    async with joined(livekit_server, "agent", "ann") as (agent, ann):
        got: list[int] = []
        ann.on("data_received", lambda p: got.append(int(p.data)) if p.topic == "count" else None)
        packets = Packets(agent, "count")
        for n in range(300):
            await packets.send(str(n).encode())
        await until(lambda: len(got) == 300)
        assert got == list(range(300))


async def test_a_text_that_cannot_be_sent_is_an_error(livekit_server: LiveKitServer) -> None:
    async with joined(livekit_server, "agent") as (agent,):
        await agent.disconnect()
        async with asyncio.timeout(10):
            with pytest.raises(ConnectError, match="livekit: a text was not sent"):
                await send_text(agent, "hello", "lk.chat", {})
