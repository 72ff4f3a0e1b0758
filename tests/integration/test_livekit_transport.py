"""The LiveKit transport against a real server: who is heard, what is told, what is sent."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from livekit import rtc
from livekit_people import Listener, Person, loud, say, transport, until

import beluga_voice as bv
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.scripted import tone
from beluga_voice.transports.livekit import LiveKitTransport


async def test_what_one_says_the_other_hears(livekit_server: LiveKitServer) -> None:
    a, b = transport(livekit_server, "a"), transport(livekit_server, "b", audio="each")
    await a.connect()
    ear = Listener(b)
    await b.connect()
    await b.connect()
    await say(a, tone(1.0))
    await a.publish_data(b"note", "topic")
    await a.publish_data(b"\xff\x00", "raw", to=["b"])
    await a.set_attributes({"mood": "calm"})
    await until(lambda: loud(ear.frames) > 0.95 and {"data", "attributes"} < set(ear.phases()))
    await a.close()
    await until(lambda: "left" in ear.phases("a"))
    await b.close()
    assert await ear.ended() is None
    assert {f.participant for f in ear.frames} == {"a"}
    assert {(f.sample_rate, f.channels, f.samples) for f in ear.frames} == {(16_000, 1, 320)}
    assert 0.95 <= loud(ear.frames) < 1.3
    assert ear.states == ["connected"]
    assert ear.phases()[:2] == ["joined", "track_published"]
    data = [m["data"] for m in ear.told if m.get("phase") == "data"]
    assert data == [{"topic": "topic", "text": "note"}, {"topic": "raw", "base64": "/wA="}]
    with pytest.raises(bv.ConnectError, match="connection_failed"):
        await b.recv().__anext__()
    with pytest.raises(bv.ConnectError, match="connection_failed"):
        await b.send(bv.AudioFrame(bytes(640)))
    await b.close()


async def test_closed_before_it_connected(livekit_server: LiveKitServer) -> None:
    one = transport(livekit_server)
    await one.clear()
    await one.send_event({"type": "state", "state": "listening"})
    await one.close()
    await one.close()
    with pytest.raises(bv.ConnectError, match="closed"):
        await one.connect()


async def test_closed_while_it_joins(livekit_server: LiveKitServer) -> None:
    async with Person(livekit_server, "ann") as ann:
        one = transport(livekit_server)
        ear = Listener(one)
        await asyncio.sleep(0)
        await one.close()
        assert await ear.ended() is None
        await asyncio.sleep(0.5)
        await until(lambda: not ann.room.remote_participants)


async def test_a_token_is_enough(livekit_server: LiveKitServer) -> None:
    token = livekit_server.token("me", "room", can_publish=False)
    config = bv.TransportConfig(url=livekit_server.url, token=token, extra={"room": "room"})
    one = bv.transport.new("livekit", config)
    assert isinstance(one, LiveKitTransport)
    await one.connect()
    assert one.room is not None and one.room.isconnected() and one.identity == "me"
    with pytest.raises(bv.AuthError, match="canPublish"):
        await one.send(bv.AudioFrame(bytes(640)))
    with pytest.raises(bv.FormatError, match="16000 Hz"):
        await one.send(bv.AudioFrame(bytes(960), 24_000))
    await one.close()


async def test_people_are_heard_and_agents_are_not(livekit_server: LiveKitServer) -> None:
    one = transport(livekit_server, audio="each", hear="people")
    ear = Listener(one)
    async with Person(livekit_server, "ann") as ann, Person(livekit_server, "bot", kind="agent") as bot:
        ann.hum()
        bot.hum()
        await until(lambda: loud(ear.frames) > 0.5 and "track_published" in ear.phases("bot"))
    await one.close()
    assert {f.participant for f in ear.frames} == {"ann"}
    facts = next(m["data"] for m in ear.told if m.get("identity") == "bot")
    assert facts["kind"] == "agent"


async def test_one_participant_is_picked_and_comes_back(livekit_server: LiveKitServer) -> None:
    one = transport(livekit_server, audio="each", participant="ann")
    ear = Listener(one)
    async with Person(livekit_server, "bob") as bob:
        bob.hum()
        async with Person(livekit_server, "ann") as ann:
            ann.hum()
            await until(lambda: loud(ear.frames) > 0.3)
        await until(lambda: "left" in ear.phases("ann"))
        ear.frames.clear()
        async with Person(livekit_server, "ann") as ann:
            ann.hum()
            await until(lambda: loud(ear.frames) > 0.3)
    await one.close()
    assert {f.participant for f in ear.frames} == {"ann"}
    assert ear.phases("ann").count("joined") == 2


async def test_muted_unpublished_and_published_again(livekit_server: LiveKitServer) -> None:
    one = transport(livekit_server)
    ear = Listener(one)
    async with Person(livekit_server, "ann") as ann:
        ann.hum()
        await until(lambda: loud(ear.frames) > 0.3)
        assert ann.publication is not None and ann.publication.track is not None
        track = ann.publication.track
        assert isinstance(track, rtc.LocalAudioTrack)
        track.mute()
        await until(lambda: "muted" in ear.phases("ann"))
        await asyncio.sleep(0.5)  # what was on its way
        ear.frames.clear()
        await asyncio.sleep(0.3)
        assert loud(ear.frames) == 0
        track.unmute()
        await until(lambda: "unmuted" in ear.phases("ann") and loud(ear.frames) > 0.3)
        ann.hush()
        await ann.room.local_participant.unpublish_track(ann.publication.sid)
        await until(lambda: "track_unpublished" in ear.phases("ann"))
        await ann.publish()
        ear.frames.clear()
        ann.hum()
        await until(lambda: loud(ear.frames) > 0.3)
    await one.close()
    assert ear.phases("ann").count("track_published") == 2


async def test_stereo_is_mixed_down_once(livekit_server: LiveKitServer) -> None:
    one = transport(livekit_server)
    ear = Listener(one)
    async with Person(livekit_server, "ann", channels=2) as ann:
        ann.hum(level=0.3)
        await until(lambda: loud(ear.frames) > 1.0)
    await one.close()
    frames = [np.frombuffer(f.data, "<i2") for f in ear.frames[-25:-5]]
    assert {(f.channels, f.samples) for f in ear.frames} == {(1, 320)}
    level = np.abs(np.concatenate(frames)).max() / 32767
    assert 0.15 < level < 0.5


async def test_voices_are_mixed(livekit_server: LiveKitServer) -> None:
    one = transport(livekit_server)
    ear = Listener(one)
    async with Person(livekit_server, "ann") as ann, Person(livekit_server, "bob") as bob:
        ann.hum(500, 0.1)
        bob.hum(1500, 0.1)
        await until(lambda: loud(ear.frames) > 2.0)
    await one.close()
    assert {f.participant for f in ear.frames} == {""}
    last = np.concatenate([np.frombuffer(f.data, "<i2") for f in ear.frames[-50:]]).astype(float)
    power = np.abs(np.fft.rfft(last * np.hanning(len(last))))
    peaks = {round(float(i) * 16_000 / len(last), -2) for i in np.argsort(power)[-4:]}
    assert peaks == {500.0, 1500.0}


async def test_a_flood_of_data_does_not_drown_the_session(livekit_server: LiveKitServer) -> None:
    one = transport(livekit_server)
    ear = Listener(one)
    async with Person(livekit_server, "ann") as ann:
        ann.hum()
        await until(lambda: loud(ear.frames) > 0.1)
        for _ in range(600):
            await ann.room.local_participant.publish_data(b"x" * 1000, topic="flood")
        await asyncio.sleep(1.1)
        await ann.room.local_participant.publish_data(b"end", topic="end")
        await until(lambda: any(m.get("data", {}).get("topic") == "end" for m in ear.told))
    await one.close()
    data = [m["data"] for m in ear.told if m.get("phase") == "data"]
    assert len(data) < 600
    assert len(data) + sum(d.get("dropped", 0) for d in data) == 601


async def test_digits_are_told(livekit_server: LiveKitServer) -> None:
    one = transport(livekit_server)
    ear = Listener(one)
    async with Person(livekit_server, "ann") as ann:
        await until(lambda: "joined" in ear.phases("ann"))
        await ann.room.local_participant.publish_dtmf(code=5, digit="5")
        await until(lambda: any(m["type"] == "dtmf" for m in ear.told))
    await one.close()
    assert {"type": "dtmf", "digit": "5", "participant": "ann"} in ear.told


async def test_sent_faster_than_it_plays_it_waits(livekit_server: LiveKitServer) -> None:
    one = transport(livekit_server)
    await one.connect()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await say(one, tone(1.0))
    assert loop.time() - began > 0.8
    began = loop.time()
    for _ in range(4):
        await one.send(bv.AudioFrame(bytes(640)))
    await one.clear()
    await one.close()


async def test_cleared_speech_is_not_heard(livekit_server: LiveKitServer) -> None:
    a, b = transport(livekit_server, "a"), transport(livekit_server, "b")
    ear = Listener(b)
    await b.connect()
    await a.connect()
    await say(a, tone(0.5))
    await a.clear()
    await asyncio.sleep(1.0)
    assert loud(ear.frames) < 0.5 + 0.05
    await a.close()
    await b.close()
