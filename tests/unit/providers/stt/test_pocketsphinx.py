"""pocketsphinx on real (synthesised) speech, in its own processes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import cache

import pytest

import beluga_voice as bv
from beluga_voice.audio.resample import resample
from beluga_voice.frames import SttEvent
from beluga_voice.providers.stt.pocketsphinx import PocketsphinxSTT, SphinxStream, clean, create, process
from beluga_voice.providers.stt.pocketsphinx.phrases import PhraseBook


@cache
def speech(text: str, rate: int = 16_000) -> bytes:
    from hibari import Hibari

    samples = Hibari()(text, seed=0)
    pcm = (samples * 32767).astype("<i2").tobytes()
    return resample(bytes(9600) + pcm + bytes(14_400), 24_000, rate)


@pytest.fixture
async def stt() -> AsyncIterator[PocketsphinxSTT]:
    made = create({})
    await made.start()
    yield made
    await made.close()


async def say(stream: SphinxStream, pcm: bytes, rate: int = 16_000) -> list[SttEvent]:
    """Speaks with the VAD's hints around it; returns the events up to the final."""
    lead = int(0.2 * rate) * 2
    reader = asyncio.create_task(final(stream))
    stream.push(pcm[:lead], 0.2)
    stream.speech_started(0.2)
    step = int(0.02 * rate) * 2
    for start in range(lead, len(pcm), step):
        stream.push(pcm[start : start + step], 1.0)
        await asyncio.sleep(0.002)  # the process decodes meanwhile, as it would in real time
    stream.finalize(2.0)
    return await reader


async def final(stream: SphinxStream) -> list[SttEvent]:
    out: list[SttEvent] = []
    async with asyncio.timeout(20):
        async for event in stream.events():
            out.append(event)
            if event.final:
                return out
    raise AssertionError("the stream ended without a final")


async def test_words_partials_and_segments(stt: PocketsphinxSTT) -> None:
    stream = await stt.open(sample_rate=16_000)
    first = await say(stream, speech("What time do you open on Saturday?"))
    second = await say(stream, speech("Do you have parking near the clinic?"))
    assert first[-1].text == "what time do you open on saturday"
    assert second[-1].text == "do you have parking near the clinic"
    assert [e.segment for e in first] == [0] * len(first)
    assert {e.segment for e in second} == {1}
    assert len(first) > 1  # how many partials depends on how far the process got in a tenth of the time
    assert all(not e.final for e in first[:-1])
    await stream.close()


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
async def test_other_rates(stt: PocketsphinxSTT, rate: int) -> None:
    stream = await stt.open(sample_rate=rate)
    events = await say(stream, speech("Please call me back tomorrow.", rate), rate)
    words = events[-1].text.split()
    assert len(set(words) & {"please", "call", "me", "back", "tomorrow"}) >= (2 if rate == 8_000 else 5)
    await stream.close()


async def test_every_finalize_is_answered_once_whatever_comes_before(stt: PocketsphinxSTT) -> None:
    rng = random.Random(1)
    stream = await stt.open(sample_rate=16_000)
    asked = 0
    for _ in range(60):
        match rng.randrange(4):
            case 0:
                stream.speech_started(0.0)
            case 1:
                stream.finalize(0.0)
                asked += 1
            case _:
                stream.push(bytes(2 * rng.randrange(2000)), 0.0)
        if rng.random() < 0.2:
            await asyncio.sleep(0.01)
    stream.finalize(0.0)
    finals: list[SttEvent] = []
    async with asyncio.timeout(20):
        async for event in stream.events():
            finals += [event] if event.final else []
            if len(finals) == asked + 1:
                break
    assert [e.segment for e in finals] == list(range(asked + 1))
    await stream.close()


async def test_a_process_that_dies_fails_its_own_stream_only(stt: PocketsphinxSTT) -> None:
    first, second = await stt.open(sample_rate=16_000), await stt.open(sample_rate=16_000)
    os.kill(first.pid, signal.SIGKILL)
    with pytest.raises(bv.PipelineError, match="process ended"):
        await say(first, speech("What time do you open on Saturday?"))
    assert (await say(second, speech("Do you have parking near the clinic?")))[-1].text
    third = await stt.open(sample_rate=16_000)
    assert (await say(third, speech("Do you have parking near the clinic?")))[-1].text
    for stream in (first, second, third):
        await stream.close()


async def test_a_dead_model_process_is_started_again(stt: PocketsphinxSTT) -> None:
    assert stt._server is not None
    stt._server.kill()
    stt._server.wait()
    stream = await stt.open(sample_rate=16_000)
    assert (await say(stream, speech("Do you have parking near the clinic?")))[-1].text
    await stream.close()


async def test_nothing_is_left_behind() -> None:
    before = set(os.listdir("/proc/self/fd"))
    stt = create({})
    await stt.start()
    server = stt._server
    assert server is not None
    streams = [await stt.open(sample_rate=16_000) for _ in range(3)]
    streams[0].speech_started(0.0)
    streams[0].push(bytes(64_000), 1.0)
    for stream in streams:
        await stream.close()
        await stream.close()
    await stt.close()
    await stt.close()
    assert server.poll() is not None
    assert set(os.listdir("/proc/self/fd")) <= before
    for stream in streams:
        for _ in range(100):
            if not os.path.exists(f"/proc/{stream.pid}"):
                break
            await asyncio.sleep(0.02)
        assert not os.path.exists(f"/proc/{stream.pid}")


async def test_a_recogniser_closed_before_its_streams_ends_them() -> None:
    stt = create({})
    await stt.start()
    stream = await stt.open(sample_rate=16_000)
    reader = asyncio.create_task(anext(stream.events(), None))
    stream.speech_started(0.0)
    stream.push(bytes(64_000), 1.0)
    await stt.close()
    assert await asyncio.wait_for(reader, 5) is None
    stream.finalize(1.0)
    await stream.close()
    with pytest.raises(bv.PipelineError, match="await start"):
        await stt.open(sample_rate=16_000)
    await stt.start()
    again = await stt.open(sample_rate=16_000)
    again.finalize(0.0)
    assert (await final(again))[-1].text == ""
    await stt.close()


def children(pid: int) -> int:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return len(file.read().split())


async def test_an_open_given_up_half_way_leaves_nothing(stt: PocketsphinxSTT) -> None:
    server = stt._server
    assert server is not None
    before = set(os.listdir("/proc/self/fd"))
    opens = [asyncio.create_task(stt.open(sample_rate=16_000)) for _ in range(12)]
    for number in range(0, 12, 2):
        while not (number == 0 or opens[number - 1].done()):
            await asyncio.sleep(0)
        for _ in range(6):  # until it waits for the server
            await asyncio.sleep(0)
        opens[number].cancel()
    made = await asyncio.gather(*opens, return_exceptions=True)
    streams = [m for m in made if isinstance(m, SphinxStream)]
    assert 6 <= len(streams) < 12  # some were ready before they were given up
    assert all(isinstance(m, (SphinxStream, asyncio.CancelledError)) for m in made)
    assert len({s.pid for s in streams}) == len(streams)
    assert stt._server is server  # it was not needed to start another one
    for stream in streams:
        with open(f"/proc/{stream.pid}/stat") as file:
            assert int(file.read().split()[3]) == server.pid
        await stream.close()
    for _ in range(200):
        if not children(server.pid):
            break
        await asyncio.sleep(0.01)
    assert children(server.pid) == 0
    assert set(os.listdir("/proc/self/fd")) <= before


async def test_a_server_that_hangs_is_replaced(stt: PocketsphinxSTT) -> None:
    server = stt._server
    assert server is not None
    assert stt._sock is not None
    stt._sock.settimeout(0.05)
    os.kill(server.pid, signal.SIGSTOP)
    with pytest.raises(bv.PipelineError, match="open again"):
        await stt.open(sample_rate=16_000)
    stream = await stt.open(sample_rate=16_000)
    assert server.poll() == -signal.SIGKILL
    await stream.close()


async def test_a_process_that_hangs_fails_its_stream(stt: PocketsphinxSTT) -> None:
    stream = await stt.open(sample_rate=16_000)
    stream._sock.settimeout(0.05)
    os.kill(stream.pid, signal.SIGSTOP)
    stream.finalize(0.0)
    with pytest.raises(bv.PipelineError, match="did not answer") as caught:
        await final(stream)
    assert caught.value.code == "timeout"
    stream.speech_started(0.0)
    stream.push(bytes(64_000), 1.0)
    stream.finalize(1.0)
    assert not stream._work
    await asyncio.wait_for(stream.close(), 1.0)
    os.kill(stream.pid, signal.SIGKILL)


def test_a_request_that_never_ends_ends_its_process() -> None:
    program = """if True:
        import socket, sys, time
        sys.path.insert(0, sys.argv[1])
        import process
        class Stuck:
            def start_utt(self):
                while True:
                    pass
        ours, theirs = socket.socketpair()
        process._LONGEST_REQUEST = 0.05
        process.send(ours, b"B")
        process._serve(Stuck(), theirs)
    """
    folder = os.path.dirname(process.__file__)
    done = subprocess.run([sys.executable, "-c", program, folder], timeout=20, check=False)
    assert done.returncode == -signal.SIGALRM


async def test_a_backlog_loses_its_oldest_seconds_only(stt: PocketsphinxSTT) -> None:
    stream = await stt.open(sample_rate=16_000)
    stream.speech_started(0.0)
    stream.push(bytes(2 * 16_000 * 12) + speech("Do you have parking near the clinic?"), 14.0)
    whole = 2 * 16_000 * 12 + len(speech("Do you have parking near the clinic?"))
    assert stream.dropped_bytes == whole - 2 * 16_000 * 10
    stream.finalize(14.0)
    assert "do you have parking near the clinic" in (await final(stream))[-1].text
    await stream.close()


async def test_partials_nobody_reads_do_not_pile_up(stt: PocketsphinxSTT) -> None:
    stream = await stt.open(sample_rate=16_000)
    pcm = speech("Do you have parking near the clinic?")
    stream.speech_started(0.0)
    for start in range(0, len(pcm), 2560):
        stream.push(pcm[start : start + 2560], 1.0)
        await asyncio.sleep(0.01)
    stream.finalize(2.0)
    while not (stream._events and stream._events[-1].final):
        await asyncio.sleep(0.01)
    assert len(stream._events) <= 2
    await stream.close()


async def test_speech_right_after_finalize_is_neither_lost_nor_doubled(stt: PocketsphinxSTT) -> None:
    first = speech("What time do you open on Saturday?")
    second = speech("Do you have parking near the clinic?")
    stream = await stt.open(sample_rate=16_000)
    stream.speech_started(0.0)
    stream.push(first, 1.0)
    stream.finalize(1.0)
    stream.speech_started(1.0)  # the first final is still to come
    stream.speech_started(1.0)
    stream.push(second, 2.0)
    stream.finalize(2.0)
    finals = [(await final(stream))[-1], (await final(stream))[-1]]
    assert finals[0].text == "what time do you open on saturday"
    assert finals[1].text == "do you have parking near the clinic"
    assert [e.segment for e in finals] == [0, 1]
    await stream.close()


async def test_events_end_after_close(stt: PocketsphinxSTT) -> None:
    stream = await stt.open(sample_rate=16_000)
    reader = asyncio.create_task(anext(stream.events(), None))
    await asyncio.sleep(0)
    await stream.close()
    assert await asyncio.wait_for(reader, 5) is None
    stream.push(bytes(640), 0.0)
    stream.finalize(0.0)


async def test_bad_input(stt: PocketsphinxSTT) -> None:
    with pytest.raises(bv.ConfigError, match="language='de'"):
        await stt.open(sample_rate=16_000, language="de")
    stream = await stt.open(sample_rate=16_000, language="en-GB")
    with pytest.raises(bv.FormatError):
        stream.push(b"abc", 0.0)
    await stream.close()
    with pytest.raises(bv.ConfigError, match="language='de' needs acoustic_model"):
        create({"language": "de"})
    broken = create({"acoustic_model": "/no/such/model"})
    with pytest.raises(bv.PipelineError, match="/no/such/model"):
        await broken.start()
    await broken.close()


def test_clean() -> None:
    assert clean("<s> what(2) <sil> time [NOISE] do ++UH++ you </s>") == "what time do you"


PHRASES = ["What time do you open?", "I would like to book an appointment.", "How much does a cleaning cost?"]


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("what time do you hope", "what time do you open"),
        ("i would like to book and appointment", "i would like to book an appointment"),
        ("how much does a cleaning cost", "how much does a cleaning cost"),
        ("how much does a filling cost", "how much does a filling cost"),
        ("what time do you open on sunday", "what time do you open on sunday"),
        ("i would not like to book an appointment", "i would not like to book an appointment"),
        ("tell me about the clinic", "tell me about the clinic"),
        ("", ""),
    ],
)
def test_phrases_mend_near_misses_and_nothing_else(heard: str, meant: str) -> None:
    assert PhraseBook(PHRASES).match(heard) == meant
