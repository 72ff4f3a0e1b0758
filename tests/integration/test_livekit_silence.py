"""What the transport sends while nobody speaks, and what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path

from livekit import rtc
from livekit_people import Listener, Person, loud, say, transport, until

from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.scripted import silence, tone
from beluga_voice.testing.tones import ToneProbe
from beluga_voice.transports.livekit_router import router


async def received(track: rtc.Track) -> tuple[int, int]:
    """Packets and bytes that have come so far."""
    for stats in await track.get_stats():
        if stats.HasField("inbound_rtp"):
            inbound = stats.inbound_rtp
            return inbound.received.packets_received, inbound.inbound.bytes_received
    return 0, 0


async def test_silence_is_not_sent(livekit_server: LiveKitServer) -> None:
    agent = transport(livekit_server)
    async with Person(livekit_server, "ann") as ann:
        await agent.connect()
        async with asyncio.timeout(10):
            track = await ann.tracks.get()
        await say(agent, tone(1.0))
        spoken = await received(track)
        # A voice that has just ended trails off for a moment.
        await asyncio.sleep(1.0)
        before = await received(track)
        await asyncio.sleep(3.0)
        after = await received(track)
    await agent.close()
    assert spoken[0] > 30
    packets, size = after[0] - before[0], after[1] - before[1]
    assert packets <= 24  # 150 without silence suppression
    assert size <= 40 * packets


async def test_the_first_syllable_is_heard_after_any_pause(livekit_server: LiveKitServer) -> None:
    agent, other = transport(livekit_server, "agent"), transport(livekit_server, "other")
    ear = Listener(other)
    await until(lambda: other.connected)
    first, rest = 1800.0, 440.0
    word = tone(0.06, hertz=first) + tone(0.3, hertz=rest) + silence(0.1)
    for pause in (0.0, 0.3, 1.0, 3.0):
        await asyncio.sleep(pause)
        ear.frames.clear()
        await say(agent, word)
        await until(lambda: loud(ear.frames) >= 0.3)
        heard = {first: 0.0, rest: 0.0}
        for frame in ear.frames:
            probe = ToneProbe((first, rest), window=0.02)
            probe.feed(frame.data)
            for hertz in probe.heard() if loud([frame]) else ():
                heard[hertz] += frame.duration
        assert heard[first] >= 0.04 and heard[rest] >= 0.2, (pause, heard)
    await agent.close()
    await other.close()


def threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_fifty_rooms_leave_nothing_behind(livekit_server: LiveKitServer) -> None:
    async with Person(livekit_server, "ann") as ann:
        ann.hum()
        tasks = threads_before = handles_before = 0
        for cycle in range(50):
            if cycle == 10:  # what is made once is there by now
                gc.collect()
                tasks, threads_before, handles_before = len(asyncio.all_tasks()), threads(), handles()
            agent = transport(livekit_server, f"agent-{cycle}")
            ear = Listener(agent)
            await say(agent, tone(0.02))
            await until(lambda ear=ear: ear.frames)
            await agent.close()
            assert await ear.ended() is None
        await until(lambda: not ann.room.remote_participants)
        gc.collect()
        await until(lambda: len(asyncio.all_tasks()) <= tasks)
        # Threads of the SDK's own pool come and go with its load.
        await until(lambda: threads() <= threads_before + 4, 40)
        await until(lambda: handles() <= handles_before + 4)
        await until(lambda: not router()._rooms and not router().taps)
        assert not router()._waiting


async def test_programs_end_without_a_crash(livekit_server: LiveKitServer) -> None:
    """The SDK's threads bring events until the end; several at once, since not every one of them would crash."""

    async def program(number: int) -> tuple[int, bytes]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            Path(__file__).with_name("livekit_leaver.py"),
            livekit_server.url,
            livekit_server.token(f"leaver-{number}", "lobby", kind="agent"),
            stderr=asyncio.subprocess.PIPE,
        )
        _, complaints = await process.communicate()
        return process.returncode or 0, complaints

    async with Person(livekit_server, "ann", "lobby") as ann:
        ann.hum()
        for status, complaints in await asyncio.gather(*(program(n) for n in range(6))):
            assert status == 0 and b"panicked" not in complaints, complaints.decode()
