from __future__ import annotations

import pytest

from beluga_voice.errors import CapacityError
from beluga_voice.server.limits import Gate, Limits


def test_places_are_taken_and_given_back() -> None:
    gate = Gate(Limits(max_connections=2))
    gate.enter("a", 0.0)
    gate.enter("b", 0.0)
    assert not gate.open
    with pytest.raises(CapacityError) as caught:
        gate.enter("c", 0.0)
    assert caught.value.code == "session_limit_exceeded"
    assert caught.value.details["retry_after"] == 5.0
    assert gate.refused == 1
    gate.leave()
    gate.enter("c", 0.0)
    assert gate.connections == 2


def test_one_address_has_its_rate_and_others_theirs() -> None:
    gate = Gate(Limits(connects_per_second=2.0, connect_burst=3))
    for _ in range(3):
        gate.enter("192.0.2.1", 0.0)
    with pytest.raises(CapacityError) as caught:
        gate.enter("192.0.2.1", 0.0)
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.retryable
    assert caught.value.details["retry_after"] == pytest.approx(0.5)
    gate.enter("192.0.2.2", 0.0)
    gate.enter("192.0.2.1", 0.5)
    assert gate.connections == 5


def test_one_subscriber_s_ipv6_addresses_share_a_rate() -> None:
    gate = Gate(Limits(connects_per_second=0.1, connect_burst=1))
    gate.enter("2001:db8:1:2::1", 0.0)
    with pytest.raises(CapacityError):
        gate.enter("2001:db8:1:2:ffff::9", 0.0)
    gate.enter("2001:db8:1:3::1", 0.0)
    gate.enter("::ffff:192.0.2.1", 0.0)
    gate.enter("::ffff:192.0.2.2", 0.0)


def test_a_million_addresses_cost_bounded_memory() -> None:
    gate = Gate(Limits(max_connections=10**9))
    for i in range(25_000):
        gate.enter(f"host-{i}", 0.0)
    assert len(gate._buckets) == 10_000


def test_a_closed_gate_lets_nobody_in() -> None:
    gate = Gate(Limits())
    gate.close()
    assert not gate.open
    with pytest.raises(CapacityError, match="ending"):
        gate.enter("a", 0.0)
