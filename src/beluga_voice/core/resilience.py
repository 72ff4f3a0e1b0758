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

    Opens after ``failures`` failures within ``window`` seconds, or when at least half of ``calls`` or more calls in
    the window failed. After ``reset`` seconds, spread by ``jitter`` so that many processes do not try at the same
    moment, one trial is allowed: its success closes the breaker, its failure opens it anew. A trial that is never
    recorded (its caller was cancelled) counts as lost after another ``reset``.

    Args:
        failures: in a row or not.
        calls: fewest calls from which half is a verdict.
        window: seconds.
        reset: seconds.
        jitter: share of ``reset`` by which it is shortened or lengthened, 0 to 1.
    """

    def __init__(
        self,
        *,
        failures: int = 5,
        calls: int = 10,
        window: float = 30.0,
        reset: float = 10.0,
        jitter: float = 0.2,
    ) -> None:
        self._failures, self._enough, self._window = failures, calls, window
        self._reset, self._jitter = reset, jitter
        self._calls: deque[tuple[float, bool]] = deque(maxlen=1000)
        self._try_at: float | None = None
        self._wait = reset

    @property
    def is_open(self) -> bool:
        """Whether calls are refused, but for a trial."""
        return self._try_at is not None

    def allow(self, now: float) -> bool:
        """May a call be made now? While open, yes once for each trial."""
        if self._try_at is None:
            return True
        if now < self._try_at:
            return False
        self._try_at = now + self._wait
        return True

    def record(self, now: float, *, ok: bool, chance: float = 0.5) -> None:
        """Tells how a call went.

        Args:
            now: seconds.
            ok: whether the peer answered.
            chance: a random number in [0, 1) for the jitter; 0.5 is none.
        """
        if self._try_at is not None:
            if ok:
                self._try_at = None
                self._calls.clear()
            else:
                self._open(now, chance)
            return
        self._calls.append((now, ok))
        while now - self._calls[0][0] > self._window:
            self._calls.popleft()
        failed = sum(not good for _, good in self._calls)
        half_failed = len(self._calls) >= self._enough and failed * 2 >= len(self._calls)
        if not ok and (failed >= self._failures or half_failed):
            self._open(now, chance)

    def _open(self, now: float, chance: float) -> None:
        self._wait = self._reset * (1.0 + self._jitter * (2.0 * chance - 1.0))
        self._try_at = now + self._wait
