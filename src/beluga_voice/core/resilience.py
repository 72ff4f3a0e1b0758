"""Trying again, giving up and holding back, decided without a clock or dice: both are arguments."""

from __future__ import annotations

from collections import deque

__all__ = ["CircuitBreaker", "TokenBucket", "backoff"]


def backoff(attempt: int, base: float, chance: float, *, cap: float = 30.0) -> float:
    """Seconds to wait before try number ``attempt`` (0 is the first retry).

    Doubles each time up to ``cap``, then jitters over the upper half, so that many clients spread out ("equal jitter",
    AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).

    Args:
        attempt: retries made so far, ≥ 0.
        base: seconds before the first retry.
        chance: a random number in [0, 1).
        cap: longest wait before jitter.
    """
    full = min(cap, base * 2 ** min(attempt, 32))
    return full / 2 + full / 2 * chance


class TokenBucket:
    """Allows ``rate`` things a second on average and ``burst`` at once.

    Args:
        rate: tokens a second.
        burst: most tokens it holds; it starts full.
        now: seconds.
    """

    def __init__(self, *, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, now

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Takes tokens if there are enough."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = max(self._at, now)
        if self._tokens < tokens:
            return False
        self._tokens -= tokens
        return True

    def wait(self, tokens: float = 1.0) -> float:
        """Seconds after the last `take` until there are enough."""
        return max(0.0, tokens - self._tokens) / self._rate


class CircuitBreaker:
    """Stops calling a peer that fails, and lets one call through now and then to see whether it is back.

    Opens after ``failures`` failures within ``window`` seconds, or when at least half of the latest ten or more calls
    in the window failed. After ``reset`` seconds one trial is allowed; its success closes the breaker.

    Args:
        failures: in a row or not.
        window: seconds.
        reset: seconds.
    """

    def __init__(self, *, failures: int = 5, window: float = 30.0, reset: float = 10.0) -> None:
        self._limit, self._window, self._reset = failures, window, reset
        self._calls: deque[tuple[float, bool]] = deque(maxlen=1000)
        self._opened: float | None = None
        self._trial = False

    @property
    def is_open(self) -> bool:
        """Whether calls are refused (but for a trial)."""
        return self._opened is not None

    def allow(self, now: float) -> bool:
        """May a call be made now?"""
        if self._opened is None:
            return True
        if self._trial or now - self._opened < self._reset:
            return False
        self._trial = True
        return True

    def record(self, now: float, *, ok: bool) -> None:
        """Tells how a call went."""
        if self._opened is not None:
            self._trial = False
            if ok:
                self._opened = None
                self._calls.clear()
            else:
                self._opened = now
            return
        self._calls.append((now, ok))
        while self._calls and now - self._calls[0][0] > self._window:
            self._calls.popleft()
        failed = sum(not good for _, good in self._calls)
        if failed >= self._limit or (len(self._calls) >= 10 and failed * 2 >= len(self._calls)):
            self._opened = now
