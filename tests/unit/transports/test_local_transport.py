"""The local transport on a stream that stands in for PortAudio's."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice.transports.local import LocalTransport


class FakeStream:
    """Calls back from a thread of its own, as PortAudio does, when the test says so."""

    latency = (0.01, 0.03)

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.started = self.closed = False
        self.failure: Exception | None = None

    def start(self) -> None:
        if self.failure is not None:
            raise self.failure
        self.started = True

    def close(self) -> None:
        self.closed = True

    def block(self, heard: bytes) -> bytes:
        """One callback; returns what the speaker was given."""
        played = bytearray(len(heard))
        self._in_thread(self.options["callback"], heard, memoryview(played), len(heard) // 2, None, None)
        return bytes(played)

    def finish(self) -> None:
        self._in_thread(self.options["finished_callback"])

    def _in_thread(self, function: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=function, args=args)
        thread.start()
        thread.join()


class Device:
    def __init__(self, failure: Exception | None = None) -> None:
        self.streams: list[FakeStream] = []
        self.failure = failure

    def __call__(self, **options: Any) -> FakeStream:
        stream = FakeStream(**options)
        stream.failure = self.failure
        self.streams.append(stream)
        return stream


def pcm(value: int) -> bytes:
    return value.to_bytes(2, "little") * 320


async def test_microphone_to_recv_and_send_to_speaker() -> None:
    device = Device()
    transport = LocalTransport(bv.TransportConfig(extra={"input_device": 3}), device)
    await transport.send(bv.AudioFrame(pcm(7)))
    stream = device.streams[0]
    assert stream.started
    assert stream.options["samplerate"] == 16_000
    assert stream.options["blocksize"] == 320
    assert stream.options["device"] == (3, None)
    assert transport.output_delay == pytest.approx(0.05)
    assert stream.block(pcm(1)) == pcm(7)
    assert stream.block(pcm(2)) == bytes(640), "silence when nothing waits"
    received = transport.recv()
    assert (await anext(received)).data == pcm(1)
    assert (await anext(received)).data == pcm(2)
    assert len(device.streams) == 1
    await transport.close()
    await transport.close()
    assert stream.closed


async def test_clear_drops_what_was_not_played() -> None:
    device = Device()
    transport = LocalTransport(open_stream=device)
    await transport.send(bv.AudioFrame(pcm(7)))
    await transport.clear()
    assert device.streams[0].block(pcm(0)) == bytes(640)
    await transport.close()


async def test_both_ways_are_bounded_and_drop_the_oldest() -> None:
    device = Device()
    transport = LocalTransport(open_stream=device)
    for value in range(15):
        await transport.send(bv.AudioFrame(pcm(value)))
    stream = device.streams[0]
    played = [stream.block(pcm(100 + i)) for i in range(15)]
    assert played[:10] == [pcm(v) for v in range(5, 15)]
    assert played[10:] == [bytes(640)] * 5
    await asyncio.sleep(0)
    first = await anext(transport.recv())
    assert first.data == pcm(105)
    await transport.close()


async def test_an_unplugged_device_ends_recv() -> None:
    device = Device()
    transport = LocalTransport(open_stream=device)

    async def listen() -> int:
        return len([f async for f in transport.recv()])

    listener = asyncio.create_task(listen())
    while not device.streams or not device.streams[0].started:
        await asyncio.sleep(0)
    device.streams[0].block(pcm(1))
    device.streams[0].finish()
    async with asyncio.timeout(5):
        assert await listener == 1
    await transport.close()


async def test_close_ends_a_waiting_recv() -> None:
    device = Device()
    transport = LocalTransport(open_stream=device)
    await transport.send(bv.AudioFrame(b""))
    listener = asyncio.create_task(anext(transport.recv(), None))
    await asyncio.sleep(0)
    await transport.close()
    async with asyncio.timeout(5):
        assert await listener is None
    device.streams[0].block(pcm(1))  # a last callback after close does no harm
    with pytest.raises(bv.ConnectError, match="closed"):
        await anext(transport.recv())
    with pytest.raises(bv.ConnectError, match="closed"):
        await transport.send(bv.AudioFrame(pcm(1)))


async def test_a_device_that_cannot_be_opened_is_named_and_released() -> None:
    device = Device(OSError("Invalid sample rate"))
    transport = LocalTransport(open_stream=device)
    with pytest.raises(bv.ConnectError, match=r"Invalid sample rate.*python -m sounddevice") as caught:
        await anext(transport.recv())
    assert caught.value.code == "connection_failed"
    assert device.streams[0].closed
    await transport.close()


async def test_another_rate_is_refused() -> None:
    transport = LocalTransport(open_stream=Device())
    with pytest.raises(bv.FormatError, match="16000"):
        await transport.send(bv.AudioFrame(bytes(4), 8_000))
    await transport.close()


def test_without_sounddevice_the_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(bv.ConfigError, match=r"pip install \"beluga-voice\[local\]\""):
        LocalTransport()


def test_unknown_settings_are_named() -> None:
    with pytest.raises(bv.ConfigError, match="input_devise"):
        LocalTransport(bv.TransportConfig(extra={"input_devise": 1}), Device())
