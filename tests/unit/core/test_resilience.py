"""Trying again, giving up and holding back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.core.resilience import CircuitBreaker, TokenBucket, backoff

CHANCES = st.floats(0, 1, exclude_max=True)


@given(st.integers(0, 100), st.floats(0.1, 30), CHANCES)
def test_backoff_is_bounded_and_jittered_over_the_upper_half(
    attempt: int, base: float, chance: float
) -> None:
    full = min(30.0, base * 2 ** min(attempt, 32))
    assert full / 2 <= backoff(attempt, base, chance) <= full


@given(st.integers(0, 10), st.floats(0.1, 5))
def test_backoff_doubles_until_its_cap(attempt: int, base: float) -> None:
    assert backoff(attempt + 1, base, 0.0, cap=1e9) == 2 * backoff(attempt, base, 0.0, cap=1e9)
    assert backoff(attempt, base, 0.999999, cap=2.0) <= 2.0


@given(st.lists(st.floats(0, 5), max_size=100))
def test_a_bucket_never_gives_more_than_burst_and_rate(waits: list[float]) -> None:
    bucket = TokenBucket(rate=2.0, burst=3.0, now=0.0)
    now, taken = 0.0, 0
    for wait in waits:
        now += wait
        taken += bucket.take(now)
    assert taken <= 3.0 + 2.0 * now + 1e-6


@given(st.lists(st.floats(0, 3), max_size=30), st.floats(0.1, 3))
def test_after_the_wait_it_told_a_bucket_gives(waits: list[float], tokens: float) -> None:
    bucket = TokenBucket(rate=2.0, burst=3.0, now=0.0)
    now = 0.0
    for wait in waits:
        now += wait
        bucket.take(now, tokens)
    assert bucket.take(now + bucket.wait(tokens) + 1e-6, tokens)


def test_a_clock_that_goes_back_fills_no_bucket() -> None:
    bucket = TokenBucket(rate=2.0, burst=1.0, now=10.0)
    assert bucket.take(10.0)
    assert not bucket.take(5.0)
    assert not bucket.take(10.4)
    assert bucket.take(10.5)


def opened(breaker: CircuitBreaker, chance: float = 0.5) -> CircuitBreaker:
    for second in range(5):
        assert breaker.allow(second)
        breaker.record(second, ok=False, chance=chance)
    assert breaker.is_open
    return breaker


def test_the_breaker_opens_tries_and_closes() -> None:
    breaker = opened(CircuitBreaker())
    assert not breaker.allow(5)
    assert breaker.allow(14)
    assert not breaker.allow(14), "one trial at a time"
    breaker.record(15, ok=False)
    assert not breaker.allow(24)
    assert breaker.allow(25)
    breaker.record(26, ok=True)
    assert breaker.allow(26)
    assert not breaker.is_open
    breaker.record(27, ok=False)
    assert not breaker.is_open, "what was before is forgotten"


@given(CHANCES)
def test_the_trial_is_spread_around_ten_seconds(chance: float) -> None:
    breaker = opened(CircuitBreaker(), chance)
    assert not breaker.allow(4 + 7.99)
    assert breaker.allow(4 + 12.01)


def test_a_trial_that_is_never_told_does_not_close_the_door_for_ever() -> None:
    breaker = opened(CircuitBreaker())
    assert breaker.allow(14)
    assert not breaker.allow(23)
    assert breaker.allow(24)


def test_old_failures_are_forgotten() -> None:
    breaker = CircuitBreaker()
    for second in (0, 1, 2, 3, 60, 61):
        breaker.record(second, ok=False)
    assert not breaker.is_open


def test_half_of_many_calls_failing_opens() -> None:
    breaker = CircuitBreaker(failures=100)
    for second in range(10):
        assert not breaker.is_open
        breaker.record(second, ok=second % 2 == 0)
    assert breaker.is_open


def test_a_success_never_opens() -> None:
    breaker = CircuitBreaker(failures=100)
    for second in range(9):
        breaker.record(second, ok=second >= 5)
    breaker.record(9, ok=True)
    assert not breaker.is_open


@given(st.lists(st.tuples(st.floats(0, 4), st.booleans(), CHANCES), max_size=120))
def test_a_breaker_refuses_only_after_failures_and_never_for_ever(
    calls: list[tuple[float, bool, float]],
) -> None:
    breaker = CircuitBreaker()
    now, failures = 0.0, 0
    for wait, ok, chance in calls:
        now += wait
        if breaker.allow(now):
            breaker.record(now, ok=ok, chance=chance)
            failures += not ok
        else:
            assert breaker.is_open
    assert failures >= 5 or not breaker.is_open
    assert breaker.allow(now + 24.1)
