"""The LiveKit transport when it cannot get in, is thrown out, or loses its server."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator

import pytest
from livekit import api
from livekit_people import Listener, Person, loud, say, transport, until

import beluga_voice as bv
from beluga_voice.livekit.tokens import ApiKey, room_token
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.own_process import free_port
from beluga_voice.testing.scripted import tone
from beluga_voice.transports.livekit import LiveKitTransport


async def refusal(url: str, token: str, timeout: float = 10.0) -> bv.BackendError:
    """What joining raises; it must leave nothing and tell no secret."""
    one = LiveKitTransport(bv.TransportConfig(url=url, token=token, connect_timeout=timeout))
    with pytest.raises(bv.BackendError) as caught:
        await one.recv().__anext__()
    with pytest.raises(bv.BackendError):
        await one.connect()
    await one.close()
    text = "".join(traceback.format_exception(caught.value))
    assert token.split(".")[0] not in text
    return caught.value


async def test_refused_tokens(livekit_server: LiveKitServer) -> None:
    good = livekit_server.token("me", "room")
    grants = api.VideoGrants(room="room")
    key, secret = livekit_server.api_key, livekit_server.api_secret
    no_join = api.AccessToken(key, secret).with_identity("me").with_grants(grants).to_jwt()
    for token, word in (
        (room_token(ApiKey("other", "x" * 40), "me", "room"), "API key"),
        (room_token(ApiKey(livekit_server.api_key, "x" * 40), "me", "room"), "signature"),
        (good[:-3] + ("abc" if good[-3:] != "abc" else "xyz"), "signature"),
        (livekit_server.token("me", "room", ttl=-3600.0), "expired"),
        ("garbage", "refused"),
        (no_join, "roomJoin"),
    ):
        error = await refusal(livekit_server.url, token)
        assert error.code == "authentication_failed", error
        assert word in error.message and livekit_server.url in error.message
        assert not error.retryable


async def test_servers_that_are_not_there() -> None:
    token = room_token(ApiKey("devkey", "x" * 40), "me", "room")
    error = await refusal(f"ws://127.0.0.1:{free_port()}", token)
    assert error.code == "connection_failed" and "listens" in error.message and error.retryable
    error = await refusal("ws://no-such-host.invalid", token)
    assert error.code == "connection_failed" and "no such host" in error.message


@contextlib.asynccontextmanager
async def http_server(answer: bytes) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await reader.read(1000)
            if answer:
                writer.write(answer)
                await writer.drain()
            else:
                await asyncio.sleep(20)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_servers_that_are_something_else() -> None:
    token = room_token(ApiKey("devkey", "x" * 40), "me", "room")
    async with http_server(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n") as url:
        assert "root URL" in (await refusal(url, token)).message
    async with http_server(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n") as url:
        error = await refusal(url, token)
        assert error.code == "connection_failed" and "later" in error.message
    async with http_server(b"") as url:
        began = asyncio.get_running_loop().time()
        error = await refusal(url, token, timeout=1.0)
        assert error.code == "connection_timeout" and url in error.message
        assert asyncio.get_running_loop().time() - began < 5


async def test_a_join_that_was_given_up_leaves_nobody_behind(livekit_server: LiveKitServer) -> None:
    async with Person(livekit_server, "ann") as ann:
        one = transport(livekit_server, connect_timeout=0.001)
        with pytest.raises(bv.ConnectError, match="connection_timeout"):
            await one.connect()
        joining = asyncio.create_task(transport(livekit_server, "second").connect())
        await asyncio.sleep(0.01)
        joining.cancel()
        await asyncio.sleep(1.5)
        await until(lambda: not ann.room.remote_participants)
        await one.close()


async def test_another_of_the_same_name_takes_the_place(livekit_server: LiveKitServer) -> None:
    one = transport(livekit_server)
    ear = Listener(one)
    await until(lambda: one.connected)
    twin = transport(livekit_server)
    await twin.connect()
    error = await ear.ended()
    assert isinstance(error, bv.ConnectError) and not error.retryable
    assert "identity of its own" in error.message
    assert ear.states == ["connected", "lost"]
    assert ear.told[-1]["reason"] == "duplicate_identity"
    with pytest.raises(bv.ConnectError, match="identity"):
        await one.send(bv.AudioFrame(bytes(640)))
    await one.close()
    assert twin.connected
    await twin.close()


async def test_another_of_the_same_name_comes_while_we_join(livekit_server: LiveKitServer) -> None:
    one = transport(livekit_server)
    ear = Listener(one)
    await until(lambda: ear.states == ["connected"])
    twin = transport(livekit_server)
    await twin.connect()
    error = await ear.ended()
    assert isinstance(error, bv.ConnectError) and "identity of its own" in error.message
    assert ear.states == ["connected", "lost"]
    await one.close()
    await twin.close()


async def test_thrown_out_and_room_deleted_end_it_clean(livekit_server: LiveKitServer) -> None:
    keys = livekit_server.http_url, livekit_server.api_key, livekit_server.api_secret
    async with api.LiveKitAPI(*keys) as server:
        for reason in ("participant_removed", "room_deleted"):
            one = transport(livekit_server)
            ear = Listener(one)
            async with Person(livekit_server, "ann") as ann:
                ann.hum()
                await until(lambda ear=ear: loud(ear.frames) > 0.1)
                if reason == "room_deleted":
                    await server.room.delete_room(api.DeleteRoomRequest(room="room"))
                else:
                    who = api.RoomParticipantIdentity(room="room", identity="agent")
                    await server.room.remove_participant(who)
                assert await ear.ended() is None
            last = [m for m in ear.told if m["type"] == "transport"][-1]
            assert last == {"type": "transport", "state": "lost", "reason": reason}
            assert not one.connected
            with pytest.raises(bv.ConnectError, match="left"):
                await one.send(bv.AudioFrame(bytes(640)))
            await one.close()


async def test_a_server_killed_and_restarted_in_the_middle_of_a_sentence(
    livekit_server: LiveKitServer,
) -> None:
    a, b = transport(livekit_server, "a"), transport(livekit_server, "b", audio="each")
    ear, other = Listener(b), Listener(a)
    await until(lambda: ear.states == ["connected"] and "joined" in other.phases("b"))
    saying = asyncio.create_task(say(a, tone(6.0)))
    await until(lambda: loud(ear.frames) > 1.0)
    before = loud(ear.frames)
    await livekit_server.kill()
    await until(lambda: "reconnecting" in ear.states, 30)
    assert loud(ear.frames) >= before  # nothing that was heard is lost
    await livekit_server.start()
    await until(lambda: ear.states[-1] == other.states[-1] == "reconnected", 30)
    ear.frames.clear()
    await until(lambda: loud(ear.frames) > 1.0, 20)  # the sentence goes on
    await saying
    await a.close()
    await b.close()
    assert await ear.ended() is None


async def test_a_server_that_stays_away(livekit_server: LiveKitServer) -> None:
    one = transport(livekit_server, reconnect_timeout=1.0)
    ear = Listener(one)
    await until(lambda: ear.states == ["connected"])
    sending = asyncio.create_task(say(one, tone(60.0)))
    await livekit_server.stop()
    await asyncio.wait([ear.task], timeout=40)
    error = await ear.ended()
    assert isinstance(error, bv.ConnectError) and error.retryable
    assert "1 s" in error.message
    assert ear.states == ["connected", "reconnecting", "lost"]
    with pytest.raises(bv.ConnectError):
        await sending
    await one.close()
