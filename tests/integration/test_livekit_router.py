"""The way of the SDK's events: notices when another version of the SDK works differently."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from livekit import rtc

import beluga_voice as bv
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.scripted import tone
from beluga_voice.transports.livekit import LiveKitTransport
from beluga_voice.transports.livekit_router import router


def transport(server: LiveKitServer, identity: str, room: str) -> LiveKitTransport:
    token = server.token(identity, room, kind="agent")
    config = bv.TransportConfig(url=server.url, token=token, extra={"hear": "everyone"})
    return LiveKitTransport(config, features=())


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_room_is_not_woken_by_another(livekit_server: LiveKitServer) -> None:
    quiet = [transport(livekit_server, "quiet", f"quiet-{i}") for i in range(3)]
    a, b = transport(livekit_server, "a", "loud"), transport(livekit_server, "b", "loud")
    for one in (*quiet, a, b):
        await one.connect()
    woken: list[str] = []
    for one in quiet:
        assert one.room is not None
        queue: Any = one.room._ffi_queue  # type: ignore[attr-defined]
        put = queue.put_nowait
        queue.put_nowait = lambda event, put=put: (woken.append(event.WhichOneof("message")), put(event))
    heard = 0

    async def hear() -> None:
        nonlocal heard
        async for _ in b.recv():
            heard += 1

    hearing = asyncio.create_task(hear())
    await until(lambda: heard > 0)
    pcm = tone(1.0)
    for at in range(0, len(pcm), 640):
        await a.send(bv.AudioFrame(pcm[at : at + 640]))
    for n in range(10):
        await a.publish_data(b"note", "topic")
        await a.set_attributes({"n": str(n)})
    await until(lambda: heard > 50)
    assert set(woken) <= {"room_event"}  # its own, such as the quality of its connection
    assert len(woken) < 20
    for one in (*quiet, a, b):
        await one.close()
    await hearing
    await until(lambda: not router()._rooms and not router().taps)
    assert not router()._waiting


async def test_the_sdk_itself_works_beside_it(livekit_server: LiveKitServer) -> None:
    a = transport(livekit_server, "a", "both")
    await a.connect()
    room = rtc.Room()
    got: asyncio.Queue[rtc.Track] = asyncio.Queue()
    room.on("track_subscribed", lambda track, *_: got.put_nowait(track))
    await room.connect(livekit_server.url, livekit_server.token("sdk", "both"))
    async with asyncio.timeout(10):
        stream = rtc.AudioStream(await got.get(), sample_rate=16_000, num_channels=1)
        source = rtc.AudioSource(16_000, 1)
        track = rtc.LocalAudioTrack.create_audio_track("voice", source)
        await room.local_participant.publish_track(track)
        await source.capture_frame(rtc.AudioFrame(bytes(640), 16_000, 1, 320))
        count = 0
        async for _ in stream:
            count += 1
            if count == 10:
                break
        await a.recv().__anext__()
    await stream.aclose()
    await source.aclose()
    await room.disconnect()
    await a.close()
