"""Server APIs against a real server: what they do, and each way they fail."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from livekit import rtc

from beluga_voice.errors import AuthError, BackendError, ConfigError, ConnectError, SessionError
from beluga_voice.livekit import AgentRequest, ApiKey, LiveKitApi, Permissions, RoomSettings, room_token
from beluga_voice.testing.livekit_server import LiveKitServer, free_port
from beluga_voice.testing.redis_server import RedisServer


@pytest.fixture
async def lk(livekit_server: LiveKitServer) -> AsyncIterator[LiveKitApi]:
    async with LiveKitApi(livekit_server.url, livekit_server.api_key, livekit_server.api_secret) as client:
        yield client


class Person:
    """A real client that plays silence."""

    def __init__(self, server: LiveKitServer, identity: str, room: str = "desk", **claims: object) -> None:
        self.url, self.token = server.url, server.token(identity, room, **claims)
        self.room = rtc.Room()
        self.data: asyncio.Queue[rtc.DataPacket] = asyncio.Queue()
        self.changes: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.room.on("data_received", self.data.put_nowait)
        self.room.on("participant_attributes_changed", lambda changed, _: self.changes.put_nowait(changed))
        self.room.on("disconnected", lambda _: self.gone.set())

    async def __aenter__(self) -> Person:
        await self.room.connect(self.url, self.token)
        return self

    async def publish(self) -> str:
        self.source = rtc.AudioSource(48_000, 1)
        track = rtc.LocalAudioTrack.create_audio_track("voice", self.source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        return (await self.room.local_participant.publish_track(track, options)).sid

    async def __aexit__(self, *_: object) -> None:
        await self.room.disconnect()


async def eventually(condition, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_rooms_are_made_found_changed_and_ended(lk: LiveKitApi) -> None:
    made = await lk.rooms.create("desk", metadata="m", empty_timeout=60, max_participants=3)
    assert (made.name, made.metadata, made.empty_timeout, made.max_participants) == ("desk", "m", 60.0, 3)
    assert made.sid.startswith("RM_")
    assert made.created_at > 1_700_000_000
    assert (await lk.rooms.create("desk")).sid == made.sid
    await lk.rooms.create("other")
    assert {room.name for room in await lk.rooms.list()} == {"desk", "other"}
    assert [room.name for room in await lk.rooms.list(["other", "nobody"])] == ["other"]
    assert (await lk.rooms.update_metadata("desk", "new")).metadata == "new"
    assert (await lk.rooms.get("desk")).metadata == "new"
    assert await lk.rooms.delete("desk")
    assert not await lk.rooms.delete("desk")
    for missing in (lk.rooms.get("desk"), lk.rooms.update_metadata("desk", "x")):
        with pytest.raises(SessionError) as error:
            await missing
        assert error.value.code == "not_found"
    with pytest.raises(ConfigError, match="room is required"):
        await lk.rooms.create("")


async def test_participants_are_seen_changed_muted_told_and_removed(
    lk: LiveKitApi, livekit_server: LiveKitServer
) -> None:
    async with (
        Person(livekit_server, "ann", name="Ann", metadata="m", attributes={"a": "1"}) as ann,
        Person(livekit_server, "ben") as ben,
    ):
        sid = await ann.publish()

        async def published() -> bool:
            return bool((await lk.participants.get("desk", "ann")).tracks)

        await eventually(published)
        assert {one.identity for one in await lk.participants.list("desk")} == {"ann", "ben"}
        found = await lk.participants.get("desk", "ann")
        assert (found.name, found.kind, found.metadata, dict(found.attributes)) == (
            "Ann",
            "standard",
            "m",
            {"a": "1"},
        )
        assert [(t.sid, t.kind, t.source, t.muted) for t in found.tracks] == [
            (sid, "audio", "microphone", False)
        ]
        assert found.permissions.can_publish

        async def counted() -> bool:  # the server counts every few seconds
            return (await lk.rooms.get("desk")).participants == 2

        await eventually(counted, 20)

        assert (await lk.participants.mute("desk", "ann", sid)).muted
        changed = await lk.participants.update(
            "desk", "ann", name="Anna", metadata="n", attributes={"a": "", "b": "2"}
        )
        assert (changed.name, changed.metadata, dict(changed.attributes)) == ("Anna", "n", {"b": "2"})
        assert "b" in await asyncio.wait_for(ben.changes.get(), 10)
        allowed = Permissions(can_publish=True, can_subscribe=False, sources=("microphone",))
        changed = await lk.participants.update("desk", "ann", permissions=allowed)
        assert changed.permissions == allowed

        await lk.participants.send_data("desk", b"to ben", topic="t", to=["ben"])
        packet = await asyncio.wait_for(ben.data.get(), 10)
        assert (packet.data, packet.topic) == (b"to ben", "t")
        await lk.participants.send_data("desk", b"to all")
        for one in (ann, ben):
            assert (await asyncio.wait_for(one.data.get(), 10)).data == b"to all"

        assert await lk.participants.remove("desk", "ben")
        await asyncio.wait_for(ben.gone.wait(), 10)
        assert not await lk.participants.remove("desk", "ben")


async def test_who_and_what_is_not_there_is_not_found(lk: LiveKitApi, livekit_server: LiveKitServer) -> None:
    assert await lk.participants.list("nowhere") == ()
    async with Person(livekit_server, "ann"):
        missing = [
            lk.participants.get("desk", "zoe"),
            lk.participants.update("desk", "zoe", name="Zoe"),
            lk.participants.mute("desk", "zoe", "TR_1"),
            lk.participants.mute("desk", "ann", "TR_1"),
            lk.participants.send_data("nowhere", b"x"),
            lk.dispatches.list("nowhere"),
            lk.sip.transfer("desk", "zoe", "tel:+15550100"),
        ]
        for error in await asyncio.gather(*missing, return_exceptions=True):
            assert isinstance(error, SessionError), error
            assert error.code == "not_found"
            assert not error.retryable
    with pytest.raises(ConfigError, match="15000"):
        await lk.participants.send_data("desk", b"x" * 15_001)
    with pytest.raises(ConfigError, match=r"radio.*choose from.*microphone"):
        await lk.participants.update("desk", "ann", permissions=Permissions(sources=("radio",)))


async def test_agents_are_dispatched_by_call_by_room_and_by_token(
    lk: LiveKitApi, livekit_server: LiveKitServer
) -> None:
    made = await lk.dispatches.create("desk", "helper", metadata="m", attributes={"a": "1"})
    assert made.id.startswith("AD_")
    assert (made.agent_name, made.room, made.metadata) == ("helper", "desk", "m")
    assert made.created_at > 1_700_000_000
    assert "helper" in {one.agent_name for one in await lk.dispatches.list("desk")}
    assert await lk.dispatches.delete("desk", made.id)
    assert not await lk.dispatches.delete("desk", made.id)
    assert "helper" not in {one.agent_name for one in await lk.dispatches.list("desk")}

    await lk.rooms.create("two", agents=["one", AgentRequest("other", metadata="x")])
    assert {"one", "other"} <= {one.agent_name for one in await lk.dispatches.list("two")}

    settings = RoomSettings(agents=[AgentRequest("brought", metadata="y")], metadata="by token")
    async with Person(livekit_server, "ann", "three", room_settings=settings):
        found = {one.agent_name: one.metadata for one in await lk.dispatches.list("three")}
        assert found["brought"] == "y"
        assert (await lk.rooms.get("three")).metadata == "by token"
    for values in (("", "helper"), ("desk", "")):
        with pytest.raises(ConfigError, match="is required"):
            await lk.dispatches.create(*values)


async def test_ping_tells_a_wrong_key_from_a_server_that_is_not_there(
    lk: LiveKitApi, livekit_server: LiveKitServer
) -> None:
    assert 0 < await lk.ping() < 10
    secret = "wrong-and-long-enough-to-be-one-of-them"
    key = ApiKey(livekit_server.api_key, livekit_server.api_secret)
    good, expired = (room_token(key, "ann", "r", ttl=ttl) for ttl in (60.0, -600.0))
    forged = room_token(ApiKey(key.key, secret), "ann", "r")
    url = livekit_server.url
    async with LiveKitApi(livekit_server.http_url, token=good) as joined:
        await joined.ping()
        with pytest.raises(AuthError) as error:
            await joined.rooms.list()
        assert error.value.code == "authorization_failed"
        assert "grant" in str(error.value)
    for wrong in (
        LiveKitApi(url, livekit_server.api_key, secret),
        LiveKitApi(url, "nobody", secret),
        LiveKitApi(url, token=expired),
        LiveKitApi(url, token=forged),
        LiveKitApi(url, token="no token at all"),
    ):
        async with wrong:
            with pytest.raises(AuthError) as error:
                await wrong.ping()
            assert error.value.code == "authentication_failed"
            text = f"{error.value} {error.value.__cause__} {dict(error.value.details)}"
            assert secret not in text
            assert "eyJ" not in text
    async with LiveKitApi(f"ws://127.0.0.1:{free_port()}", "k", secret) as nobody:
        with pytest.raises(ConnectError) as failed:
            await nobody.ping()
        assert (failed.value.code, failed.value.retryable) == ("connection_failed", True)
        assert "127.0.0.1" in str(failed.value)
    async with LiveKitApi("wss://no-such-host.invalid", "k", secret) as nowhere:
        with pytest.raises(ConnectError) as failed:
            await nowhere.ping()
        assert failed.value.code == "connection_failed"


async def test_a_silent_server_costs_no_more_than_the_timeout() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with LiveKitApi(url, "k", "s" * 32, timeout=0.3) as client:
            loop = asyncio.get_running_loop()
            began = loop.time()
            with pytest.raises(ConnectError) as error:
                await client.rooms.list()
            assert error.value.code == "connection_timeout"
            assert loop.time() - began < 5


async def test_another_server_is_not_taken_for_livekit() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers.pop(0))
        await writer.drain()
        writer.close()

    answers = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        b"what?",
    ]
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with (
        server,
        LiveKitApi(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "k", "s" * 32) as lk,
    ):
        for code in ("invalid_config", "invalid_config", "connection_failed"):
            with pytest.raises(BackendError) as error:
                await lk.rooms.list()
            assert error.value.code == code


async def test_it_goes_on_after_the_server_was_restarted_and_not_after_close(
    livekit_server: LiveKitServer,
) -> None:
    client = LiveKitApi(livekit_server.url, livekit_server.api_key, livekit_server.api_secret)
    await client.rooms.create("desk")
    await livekit_server.restart(crash=True)
    assert await client.rooms.list() == ()
    await client.close()
    await client.close()
    with pytest.raises(ConnectError, match="closed"):
        await client.rooms.list()


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="LIVEKIT_API_KEY"):
        LiveKitApi("ws://127.0.0.1:7880")
    monkeypatch.setenv("LIVEKIT_API_KEY", "k")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "s" * 32)
    for url in ("", "127.0.0.1:7880", "ftp://x", "ws://"):
        with pytest.raises(ConfigError, match="LIVEKIT_URL"):
            LiveKitApi(url)
    with pytest.raises(ConfigError, match="required together"):
        LiveKitApi("ws://127.0.0.1:7880", "other")
    monkeypatch.setenv("LIVEKIT_URL", "ws://127.0.0.1:7880")
    LiveKitApi()


# --- phones -----------------------------------------------------------------------------------------------


@pytest.fixture
async def phones() -> AsyncIterator[LiveKitApi]:
    """A client of a server with Redis; there is no livekit-sip beside it."""
    async with (
        RedisServer() as redis,
        LiveKitServer(redis=redis.address) as server,
        LiveKitApi(server.url, server.api_key, server.api_secret) as client,
    ):
        yield client


async def test_inbound_trunks(phones: LiveKitApi) -> None:
    sip = phones.sip
    made = await sip.create_inbound_trunk(
        "front",
        numbers=["+15550100"],
        allowed_addresses=["192.0.2.0/24"],
        auth_username="u",
        auth_password="very-secret",
        metadata="m",
        headers_to_attributes={"X-Customer": "customer"},
    )
    assert made.id.startswith("ST_")
    assert (made.numbers, made.allowed_addresses, made.auth_username) == (
        ("+15550100",),
        ("192.0.2.0/24",),
        "u",
    )
    assert made.headers_to_attributes == {"X-Customer": "customer"}
    assert "very-secret" not in repr(made)
    with pytest.raises(ConfigError, match="Conflicting") as error:
        await sip.create_inbound_trunk("second", numbers=["+15550100"])
    assert error.value.code == "invalid_config"
    with pytest.raises(ConfigError, match="security"):
        await sip.create_inbound_trunk("open to all")
    changed = await sip.update_inbound_trunk(made.id, name="back", numbers=["+15550101", "+15550102"])
    assert (changed.name, changed.numbers, changed.metadata) == ("back", ("+15550101", "+15550102"), "m")
    with pytest.raises(ConfigError, match="cannot be emptied"):
        await sip.update_inbound_trunk(made.id, numbers=[])
    with pytest.raises(SessionError) as missing:
        await sip.update_inbound_trunk("ST_none", name="x")
    assert missing.value.code == "not_found"
    other = await sip.create_inbound_trunk("other", numbers=["+15550199"])
    assert {trunk.id for trunk in await sip.list_inbound_trunks()} == {made.id, other.id}
    assert [trunk.name for trunk in await sip.list_inbound_trunks([made.id, "ST_none"])] == ["back"]
    await sip.delete_trunk(made.id)
    await sip.delete_trunk(made.id)
    assert [trunk.id for trunk in await sip.list_inbound_trunks()] == [other.id]


async def test_outbound_trunks(phones: LiveKitApi) -> None:
    sip = phones.sip
    made = await sip.create_outbound_trunk(
        "provider",
        "sip.example.com",
        ["+15550100"],
        transport="tls",
        auth_username="u",
        auth_password="very-secret",
        headers={"X-A": "b"},
    )
    assert (made.address, made.transport, made.headers) == ("sip.example.com", "tls", {"X-A": "b"})
    assert "very-secret" not in repr(made)
    changed = await sip.update_outbound_trunk(made.id, address="sip.example.org", transport="udp")
    assert (changed.address, changed.transport, changed.numbers) == (
        "sip.example.org",
        "udp",
        ("+15550100",),
    )
    assert [trunk.id for trunk in await sip.list_outbound_trunks()] == [made.id]
    for wrong in (
        sip.create_outbound_trunk("no address", "", ["+15550100"]),
        sip.create_outbound_trunk("odd", "sip.example.com", ["+15550100"], transport="pigeon"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigError):
            await wrong
    await sip.delete_trunk(made.id)
    assert await sip.list_outbound_trunks() == ()


async def test_dispatch_rules(phones: LiveKitApi) -> None:
    sip = phones.sip
    trunk = await sip.create_inbound_trunk("front", numbers=["+15550100"])
    own = await sip.create_dispatch_rule(
        "a room each",
        room_prefix="call-",
        trunk_ids=[trunk.id],
        agents=[AgentRequest("desk", metadata="m")],
        attributes={"a": "1"},
    )
    assert own.id.startswith("SDR_")
    assert (own.room, own.room_prefix, own.trunk_ids) == ("", "call-", (trunk.id,))
    assert own.agents == (AgentRequest("desk", "m"),)
    assert own.attributes == {"a": "1"}
    with pytest.raises(ConfigError, match="already exists"):
        await sip.create_dispatch_rule("the same again", room_prefix="x-", trunk_ids=[trunk.id])
    one = await sip.create_dispatch_rule("one room", room="desk", pin="1234", trunk_ids=[trunk.id])
    assert (one.room, one.pin) == ("desk", "1234")
    changed = await sip.update_dispatch_rule(one.id, name="hall", room="hall", pin="99")
    assert (changed.name, changed.room, changed.pin) == ("hall", "hall", "99")
    assert {rule.id for rule in await sip.list_dispatch_rules()} == {own.id, one.id}
    assert [rule.name for rule in await sip.list_dispatch_rules([own.id])] == ["a room each"]
    for wrong in ({}, {"room": "a", "room_prefix": "b"}, {"room": "a", "pin": "12a"}):
        with pytest.raises(ConfigError):
            await sip.create_dispatch_rule("wrong", **wrong)  # type: ignore[arg-type]
    for rule in (own, one):
        await sip.delete_dispatch_rule(rule.id)
    assert await sip.list_dispatch_rules() == ()


async def test_a_call_fails_clearly_where_there_is_no_phone_service(phones: LiveKitApi) -> None:
    trunk = await phones.sip.create_outbound_trunk("provider", "sip.example.com", ["+15550100"])
    for wait in (False, True):
        with pytest.raises(ConnectError, match="livekit-sip") as error:
            await phones.sip.call("desk", "+15550109", trunk.id, identity="callee", wait=wait)
        assert error.value.code == "connection_failed"
    with pytest.raises(SessionError) as missing:
        await phones.sip.call("desk", "+15550109", "ST_none")
    assert missing.value.code == "not_found"
    for wrong in (
        phones.sip.call("", "+15550109", trunk.id),
        phones.sip.call("desk", "", trunk.id),
        phones.sip.transfer("desk", "ann", "+15550109"),
    ):
        with pytest.raises(ConfigError):
            await wrong


async def test_without_redis_the_server_is_said_to_lack_it(lk: LiveKitApi) -> None:
    with pytest.raises(ConfigError, match="Redis"):
        await lk.sip.list_inbound_trunks()
