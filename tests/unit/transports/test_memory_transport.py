from __future__ import annotations

import asyncio

import pytest

import beluga_voice as bv
from beluga_voice.transports.memory import MemoryTransport, create


def frame(value: int = 1) -> bv.AudioFrame:
    return bv.AudioFrame(bytes([value, 0]) * 320)


def test_it_is_a_transport_with_the_config_s_rate() -> None:
    transport = create(bv.TransportConfig(sample_rate=24_000))
    assert transport.output_sample_rate == 24_000


async def test_what_is_fed_is_received_in_order_until_the_end() -> None:
    transport = MemoryTransport(bv.TransportConfig(sample_rate=8_000))
    transport.feed(b"\1\0\2\0")
    transport.feed(bv.AudioFrame(b"\3\0\4\0", 44_100, 2))
    transport.end()
    received = [f async for f in transport.recv()]
    assert [(f.data, f.sample_rate, f.channels) for f in received] == [
        (b"\1\0\2\0", 8_000, 1),
        (b"\3\0\4\0", 44_100, 2),
    ]


async def test_recv_waits_for_more() -> None:
    transport = MemoryTransport()
    got: list[bytes] = []

    async def listen() -> None:
        async for f in transport.recv():
            got.append(f.data)

    listener = asyncio.create_task(listen())
    await asyncio.sleep(0)
    transport.feed(b"\1\0")
    await asyncio.sleep(0)
    assert got == [b"\1\0"]
    await transport.close()
    await listener


async def test_odd_audio_is_refused() -> None:
    with pytest.raises(bv.FormatError):
        MemoryTransport().feed(b"\1\0\2")


async def test_played_gives_what_was_not_cleared() -> None:
    transport = MemoryTransport()
    await transport.send(frame(1))
    await transport.clear()
    await transport.send(frame(2))
    played = transport.played()
    assert (await anext(played)).data == frame(2).data
    waiting = asyncio.create_task(anext(played, None))
    await asyncio.sleep(0)
    await transport.send(frame(3))
    assert (await waiting).data == frame(3).data
    assert transport.clears == 1
    assert len(transport.sent) == 3
    await transport.close()
    assert [f async for f in transport.played()] == []


async def test_it_keeps_ten_seconds_and_drops_the_oldest() -> None:
    transport = MemoryTransport()
    for value in range(600):
        transport.feed(value.to_bytes(2, "little"))
        await transport.send(bv.AudioFrame(value.to_bytes(2, "little")))
    assert len(transport.sent) == 500
    transport.end()
    received = [f async for f in transport.recv()]
    assert len(received) == 500
    assert received[0].data == (100).to_bytes(2, "little")


async def test_after_close_send_and_recv_are_errors_and_close_is_not() -> None:
    transport = MemoryTransport()
    await transport.close()
    await transport.close()
    with pytest.raises(bv.ConnectError) as caught:
        await transport.send(frame())
    assert caught.value.code == "connection_failed"
    with pytest.raises(bv.ConnectError):
        await anext(transport.recv())


async def test_controls_and_events_pass() -> None:
    transport = MemoryTransport()
    transport.control({"type": "text", "text": "nobody listens yet"})
    told: list[object] = []
    transport.on_control(told.append)
    transport.control({"type": "stop"})
    await transport.send_event({"type": "state"})
    assert told == [{"type": "stop"}]
    assert list(transport.events) == [{"type": "state"}]
