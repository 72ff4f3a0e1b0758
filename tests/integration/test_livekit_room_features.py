"""Captions, chat and remote procedure calls in a real room, read by a plain client of the SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from livekit import rtc

from beluga_voice.errors import AgentError, ConfigError, ConnectError
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.transports.livekit_captions import Captions, client_state
from beluga_voice.transports.livekit_chat import Chat
from beluga_voice.transports.livekit_rpc import MAX_PAYLOAD, Rpc


@asynccontextmanager
async def joined(server: LiveKitServer, *identities: str) -> AsyncIterator[list[rtc.Room]]:
    rooms = [rtc.Room() for _ in identities]
    for room, identity in zip(rooms, identities, strict=True):
        kind = "agent" if identity == "agent" else "standard"
        await room.connect(server.url, server.token(identity, "r", kind=kind))
    async with asyncio.timeout(10):
        while any(len(room.remote_participants) < len(rooms) - 1 for room in rooms):
            await asyncio.sleep(0.01)
    try:
        yield rooms
    finally:
        for room in rooms:
            await room.disconnect()


async def until(condition: Callable[[], Any]) -> Any:
    async with asyncio.timeout(10):
        while not (found := condition()):
            await asyncio.sleep(0.01)
    return found


class Reader:
    """Collects text streams as a web page would: by segment, the latest words and whether they are final."""

    def __init__(self, room: rtc.Room, topic: str) -> None:
        self.streams: list[tuple[str, str, Mapping[str, str]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        room.register_text_stream_handler(topic, self._opened)

    def _opened(self, reader: rtc.TextStreamReader, identity: str) -> None:
        task = asyncio.create_task(self._read(reader, identity))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, reader: rtc.TextStreamReader, identity: str) -> None:
        text = await reader.read_all()
        self.streams.append((identity, text, dict(reader.info.attributes or {})))


async def test_a_page_sees_what_is_said_and_what_the_agent_does(livekit_server: LiveKitServer) -> None:
    async with joined(livekit_server, "agent", "ann") as (agent, ann):
        words = Reader(ann, "lk.transcription")
        packets: list[dict[str, Any]] = []
        ann.on(
            "data_received",
            lambda p: packets.append(json.loads(p.data)) if p.topic == "beluga.events" else None,
        )
        captions = Captions()
        captions.attach(agent, lambda _: None)
        await captions.send_event({"type": "state", "state": "thinking", "previous": "deciding", "at": 1.0})
        await captions.send_event(
            {"type": "transcript", "turn": 1, "text": "good", "final": False, "at": 1.0}
        )
        await captions.send_event(
            {"type": "transcript", "turn": 1, "text": "good day", "final": True, "at": 1.0}
        )
        await captions.send_event(
            {"type": "agent_text", "turn": 1, "text": "Hello", "final": False, "at": 1.0}
        )
        await captions.send_event(
            {"type": "agent_text", "turn": 1, "text": "there.", "final": False, "at": 1.0}
        )
        await captions.send_event(
            {"type": "agent_text", "turn": 1, "text": "Hello there.", "final": True, "at": 1.0}
        )
        await until(lambda: len(words.streams) == 3 and len(packets) == 6)
        assert [(who, text) for who, text, _ in words.streams] == [
            ("ann", "good"),
            ("ann", "good day"),
            ("agent", "Hello there."),
        ]
        partial, final, reply = (attributes for _, _, attributes in words.streams)
        assert (partial["lk.transcription_final"], final["lk.transcription_final"]) == ("false", "true")
        assert partial["lk.segment_id"] == final["lk.segment_id"] != reply["lk.segment_id"]
        assert reply["lk.transcription_final"] == "true"
        attributes = await until(lambda: ann.remote_participants["agent"].attributes)
        assert attributes["lk.agent.state"] == "thinking"
        await captions.close()


def test_states_are_told_in_the_clients_words() -> None:
    told = {
        s: client_state(s)
        for s in ("starting", "listening", "user_speaking", "deciding", "thinking", "speaking")
    }
    assert told == {
        "starting": "initializing",
        "listening": "listening",
        "user_speaking": "listening",
        "deciding": "listening",
        "thinking": "thinking",
        "speaking": "speaking",
    }


async def test_typed_words_come_in_with_their_sender_and_a_flood_is_bounded(
    livekit_server: LiveKitServer,
) -> None:
    async with joined(livekit_server, "agent", "ann") as (agent, ann):
        told: list[Mapping[str, Any]] = []
        chat = Chat()
        chat.attach(agent, told.append)
        await ann.local_participant.send_text("  when do you open? ", topic="lk.chat")
        await ann.local_participant.send_text("x" * 50_000, topic="lk.chat")
        await ann.local_participant.send_text("   ", topic="lk.chat")
        await until(lambda: len(told) == 2)
        assert told[0] == {"type": "text", "text": "when do you open?", "participant": "ann"}
        assert len(told[1]["text"]) == 4_000
        writer = await ann.local_participant.stream_text(topic="lk.chat")  # a stream that never ends
        await writer.write("half a")
        await asyncio.sleep(0.1)
        await chat.close()
        assert not [t for t in asyncio.all_tasks() if t.get_name().startswith("livekit-chat")]
        assert len(told) == 2


async def test_calls_go_both_ways_and_errors_are_coded(livekit_server: LiveKitServer) -> None:
    async with joined(livekit_server, "agent", "ann") as (agent, ann):
        rpc = Rpc()

        async def weather(payload: str, caller: str) -> str:
            if payload == "nowhere":
                raise AgentError("weather", "agent_error", "no such place")
            if payload == "bug":
                raise ValueError("secret detail")
            return f"{caller} asks for {payload}"

        rpc.register("weather", weather)
        rpc.attach(agent, lambda _: None)

        async def ask(payload: str) -> str:
            return await ann.local_participant.perform_rpc(
                destination_identity="agent", method="weather", payload=payload
            )

        assert await ask("Rome") == "ann asks for Rome"
        with pytest.raises(rtc.RpcError, match="no such place"):
            await ask("nowhere")
        with pytest.raises(rtc.RpcError, match="ValueError") as bug:
            await ask("bug")
        assert "secret" not in str(bug.value)

        async def colour(call: rtc.RpcInvocationData) -> str:
            if call.payload == "slow":
                await asyncio.sleep(5)
            if call.payload == "fail":
                raise RuntimeError
            return "blue"

        ann.local_participant.register_rpc_method("colour", colour)
        assert await rpc.call("ann", "colour") == "blue"
        for identity, method, payload, timeout, kind, code in (
            ("bob", "colour", "", 5.0, ConnectError, "connection_failed"),
            ("ann", "shape", "", 5.0, ConfigError, "invalid_config"),
            ("ann", "colour", "fail", 5.0, AgentError, "agent_error"),
            ("ann", "colour", "slow", 0.5, ConnectError, "connection_timeout"),
            ("ann", "colour", "x" * (MAX_PAYLOAD + 1), 5.0, ConfigError, "invalid_config"),
        ):
            with pytest.raises(kind) as error:
                await rpc.call(identity, method, payload, timeout=timeout)
            assert error.value.code == code, (identity, method)
            assert method in str(error.value) or "payload" in str(error.value)
        with pytest.raises(ConfigError, match="taken"):
            rpc.register("weather", weather)
        rpc.unregister("weather")
        with pytest.raises(rtc.RpcError):
            await ask("Rome")
        await rpc.close()
        with pytest.raises(ConnectError, match="not joined"):
            await rpc.call("ann", "colour")
