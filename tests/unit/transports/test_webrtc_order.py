from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest
from aiortc import RTCPeerConnection
from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.transports.webrtc_order import PacketOrder, put_in_order


def packet(number: int, data: bytes | None = None) -> Any:
    number &= 0xFFFF
    content = number.to_bytes(2, "big") if data is None else data
    return SimpleNamespace(sequence_number=number, timestamp=number * 960, _data=content)


def heard(numbers: list[int], depth: int = 3) -> list[int | None]:
    """For each packet, which one came out."""
    order = PacketOrder(depth)
    out: list[int | None] = []
    for number in numbers:
        wants_key_frame, frame = order.add(packet(number))
        assert wants_key_frame is False
        out.append(None if frame is None else int.from_bytes(frame.data, "big"))
        assert frame is None or frame.timestamp == out[-1] * 960
    return out


@pytest.mark.parametrize("first", [0, 7, 65_534])
def test_what_comes_in_order_goes_on_at_once(first: int) -> None:
    numbers = [first + i & 0xFFFF for i in range(10)]
    assert heard(numbers) == numbers


def test_two_that_changed_places_are_put_right() -> None:
    assert heard([1, 3, 2, 4, 5]) == [1, None, 2, 3, 4]


def test_a_lost_one_is_waited_for_60_ms_only() -> None:
    assert heard([1, 3, 4, 5, 6, 7]) == [1, None, None, None, 3, 4]


def test_copies_and_late_ones_are_dropped() -> None:
    assert heard([1, 1, 2, 3, 2, 4]) == [1, None, 2, 3, None, 4]
    assert heard([1, 3, 4, 5, 6, 2, 7]) == [1, None, None, None, 3, None, 4]


def test_a_sender_that_starts_anew_is_followed_at_once() -> None:
    assert heard([1000, 1001, 5, 6]) == [1000, 1001, 5, 6]
    assert heard([1000, 1002, 40_000, 40_001]) == [1000, None, 40_000, 40_001]


def test_an_empty_packet_makes_no_frame_and_no_gap() -> None:
    order = PacketOrder()
    assert order.add(packet(1))[1] is not None
    assert order.add(packet(2, b"")) == (False, None)
    assert order.add(packet(3))[1] is not None


@given(st.integers(0, 65_535), st.integers(0, 2**32), st.floats(0, 0.3), st.integers(0, 3))
def test_any_network_gives_packets_in_order_once_and_soon(
    first: int, seed: int, loss: float, shuffle: int
) -> None:
    chance = random.Random(seed)
    sent = [i for i in range(200) if i == 0 or chance.random() > loss]
    arrived = [0, *sorted(sent[1:], key=lambda i: i + chance.uniform(0, shuffle))]
    order = PacketOrder()
    out: list[int] = []
    for at, number in enumerate(arrived):
        _, frame = order.add(packet(first + number))
        if frame is not None:
            out.append(int.from_bytes(frame.data, "big") - first & 0xFFFF)
        assert len(order._held) <= 4
        assert len(out) >= (at + 1) - 4 - (len(arrived[: at + 1]) - len(set(arrived[: at + 1]))) - late(
            arrived, at
        )
    assert out == sorted(set(out))


def late(arrived: list[int], at: int) -> int:
    """Packets so far that came after a later one, which may have been given up."""
    return sum(number < max(arrived[: i + 1]) for i, number in enumerate(arrived[: at + 1]))


async def test_aiortc_s_receiver_takes_it() -> None:
    pc = RTCPeerConnection()
    receiver = pc.addTransceiver("audio").receiver
    assert put_in_order(receiver), "aiortc has changed: see how it buffers voice packets now"
    await pc.close()


def test_an_unknown_receiver_is_left_alone() -> None:
    assert put_in_order(object()) is False
