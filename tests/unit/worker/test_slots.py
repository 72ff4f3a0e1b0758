from __future__ import annotations

from beluga_voice.worker.slots import Slots


def test_a_slot_is_reserved_taken_and_released() -> None:
    slots = Slots(2)
    assert slots.reserve("a", 5.0)
    assert not slots.reserve("a", 9.0)
    assert (slots.used, slots.free, slots.share) == (1, 1, 0.5)
    assert slots.take("a")
    assert not slots.take("a")
    assert slots.runs("a")
    assert slots.running == ("a",)
    assert slots.release("a")
    assert not slots.release("a")
    assert slots.free == 2


def test_no_more_than_there_are() -> None:
    slots = Slots(1)
    assert slots.reserve("a", 5.0)
    assert not slots.reserve("b", 5.0)
    assert not slots.take("b")
    slots.release("a")
    assert slots.take("b")


def test_reservations_expire_and_can_be_extended() -> None:
    slots = Slots(3)
    slots.reserve("a", 5.0)
    slots.reserve("b", 6.0)
    slots.extend("a", 7.0)
    slots.extend("unknown", 7.0)
    assert slots.deadline() == 6.0
    assert slots.expired(5.9) == ()
    assert slots.expired(6.0) == ("b",)
    slots.drop_reservations()
    assert slots.used == 0
    assert slots.deadline() is None
