from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.core.resilience import CircuitBreaker, TokenBucket, backoff


@given(st.integers(0, 100), st.floats(0.1, 30), st.floats(0, 0.999))
def test_backoff_is_bounded_and_jittered_over_the_upper_half(
    attempt: int, base: float, chance: float
) -> None:
    full = min(30.0, base * 2 ** min(attempt, 32))
    assert full / 2 <= backoff(attempt, base, chance) <= full


@given(st.lists(st.floats(0, 5), max_size=100))
def test_a_bucket_never_gives_more_than_burst_and_rate(waits: list[float]) -> None:
    bucket = TokenBucket(rate=2.0, burst=3.0, now=0.0)
    now, taken = 0.0, 0
    for wait in waits:
        now += wait
        taken += bucket.take(now)
    assert taken <= 3.0 + 2.0 * now + 1e-6


def test_a_bucket_tells_how_long_to_wait() -> None:
    bucket = TokenBucket(rate=2.0, burst=1.0, now=0.0)
    assert bucket.take(0.0)
    assert not bucket.take(0.1)
    assert bucket.take(0.1 + bucket.wait())


def test_the_breaker_opens_tries_and_closes() -> None:
    breaker = CircuitBreaker()
    for second in range(5):
        assert breaker.allow(second)
        breaker.record(second, ok=False)
    assert breaker.is_open
    assert not breaker.allow(5)
    assert breaker.allow(15)
    assert not breaker.allow(15), "one trial at a time"
    breaker.record(15, ok=False)
    assert not breaker.allow(16)
    assert breaker.allow(26)
    breaker.record(26, ok=True)
    assert breaker.allow(26)
    assert not breaker.is_open


def test_old_failures_are_forgotten() -> None:
    breaker = CircuitBreaker()
    for second in (0, 1, 2, 3, 60, 61):
        breaker.record(second, ok=False)
    assert not breaker.is_open


def test_half_of_many_calls_failing_opens() -> None:
    breaker = CircuitBreaker(failures=100)
    for second in range(10):
        breaker.record(second, ok=second % 2 == 0)
    assert breaker.is_open
