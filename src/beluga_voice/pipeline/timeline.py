"""One timeline for a session: the user's audio samples laid on the session's clock."""

from __future__ import annotations

import asyncio

from beluga_voice.clock import Clock

__all__ = ["LoopClock", "Timeline"]

# Audio may arrive late in bursts (a network stall) without being lost. Only when it stays behind for this
# long, or is very far behind (a muted microphone), was there none, and the gap is real silence.
_LATE = 0.3
_LATE_FOR = 0.5
_ABSENT = 1.5
# A burst may run ahead of the clock by this much; more than that was silence counted twice.
_MAX_LEAD = 0.3


class LoopClock:
    """The clock of the event loop it is made in, so that a session on a virtual loop lives in virtual time.

    Attributes:
        now: the current time in seconds; the loop's own function, because it is asked several times a frame.
    """

    def __init__(self) -> None:
        self.now = asyncio.get_running_loop().time


class Timeline:
    """Seconds since the session began.

    Args:
        clock: the session's clock.

    Attributes:
        heard_at: when audio came last (before any did: when this was made), by the clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._time = clock.now
        self._zero = clock.now()
        self.heard_at = 0.0
        self._end = 0.0
        self._started = False
        self._late_since: float | None = None

    def branch(self) -> Timeline:
        """The same clock and zero for the audio of another speaker."""
        other = Timeline(self._clock)
        other._zero = self._zero
        other.heard_at = self.now()
        return other

    def now(self) -> float:
        """Time since the session began, by the clock."""
        return self._time() - self._zero

    @property
    def audio_end(self) -> float:
        """Where the user's audio has got to."""
        return self._end

    @property
    def lead(self) -> float:
        """How far the user's audio was ahead of the clock when it last came; negative when it was behind."""
        return self._end - self.heard_at

    def stamp(self, seconds: float, age: float = 0.0) -> float:
        """Places the next ``seconds`` of the user's audio and returns where they end.

        Samples follow each other without a gap whatever the network did, so a pause measured on them is a
        pause of the speaker. Those of a certain ``age`` are in the past, which may be before the session began.
        """
        self.heard_at = now = self._time() - self._zero
        if age > 0:
            self._end = now - age if not self._started else max(self._end, now - age)
            self._started = True
            return self._end
        if not self._started:
            self._started = True
            self._end = now
            return self._end
        end = self._end + seconds
        late = now - end
        if late < _LATE:
            self._late_since = None
        elif self._late_since is None:
            self._late_since = now
        if late > _ABSENT or (self._late_since is not None and now - self._late_since > _LATE_FOR):
            self._late_since = None
            end = now
        self._end = max(self._end, min(end, now + _MAX_LEAD))
        return self._end
