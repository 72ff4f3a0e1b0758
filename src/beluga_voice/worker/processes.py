"""When a worker's process is started anew: decided without a clock or dice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from beluga_voice.core.resilience import backoff

__all__ = ["ProcessLife", "ProcessState"]

ProcessState = Literal["starting", "running", "restarting", "stopping", "stopped"]

_FIRST_DELAY, _LONGEST_DELAY = 0.5, 30.0
# A process that lived this long has earned a quick restart.
_STABLE = 30.0
# For importing the application and loading models, until the first sign of life.
_START_DEADLINE = 60.0


@dataclass(slots=True)
class ProcessLife:
    """One process of a worker through all its lives.

    Attributes:
        unresponsive_after: seconds without a sign of life after which it is to be killed.
        state: where it stands.
        restarts: how often it was started again.
        crashes: in a row, each within half a minute of its start.
        last_exit: how the last life ended, for people.
        retry_at: when it is to be started again.
    """

    unresponsive_after: float
    state: ProcessState = "stopped"
    restarts: int = 0
    crashes: int = 0
    last_exit: str = ""
    retry_at: float | None = None
    _began: float = 0.0
    _heard: float | None = None

    def started(self, now: float) -> None:
        """It was started."""
        if self.retry_at is not None:
            self.restarts += 1
        self.state, self.retry_at, self._began, self._heard = "starting", None, now, None

    def heard(self, now: float) -> None:
        """It gave a sign of life."""
        self._heard = now
        if self.state == "starting":
            self.state = "running"

    def stopping(self) -> None:
        """It was told to end, and is not started again."""
        self.state = "stopped" if self.state in ("restarting", "stopped") else "stopping"
        self.retry_at = None

    def ended(self, now: float, code: int | None, chance: float) -> None:
        """It is gone; ``chance`` in [0, 1) is for jitter."""
        self.last_exit = _exit_text(code)
        if self.state in ("stopping", "stopped"):
            self.state = "stopped"
            return
        self.crashes = 0 if now - self._began >= _STABLE else self.crashes + 1
        wait = backoff(max(0, self.crashes - 1), _FIRST_DELAY, chance, cap=_LONGEST_DELAY)
        self.state, self.retry_at = "restarting", now + wait

    def stuck(self, now: float) -> bool:
        """Whether it is to be killed, because it gives no sign of life."""
        if self.state == "starting":
            return now - self._began > max(_START_DEADLINE, self.unresponsive_after)
        return (
            self.state == "running"
            and self._heard is not None
            and now - self._heard > self.unresponsive_after
        )

    def due(self, now: float) -> bool:
        """Whether it is to be started now."""
        return self.state == "restarting" and self.retry_at is not None and now >= self.retry_at


def _exit_text(code: int | None) -> str:
    if code is None:
        return "unknown"
    return f"signal {-code}" if code < 0 else f"status {code}"
