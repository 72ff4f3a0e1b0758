"""An agent that thinks and a voice that speaks what it says, piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beluga_voice.core import inputs as inp
from beluga_voice.core.playout import Playout

if TYPE_CHECKING:
    from beluga_voice.testing.simulator import World

__all__ = ["SimulatedVoice"]

_TICK = 0.1
_SECONDS_PER_CHARACTER = 0.06
_PIECES = (
    "We are open from nine until five.",
    "On Sunday we are closed.",
    "I have booked that for you.",
    "Your number is four seven one one.",
    "Is there anything else I can do for you today?",
)


class SimulatedVoice:
    """One reply at a time.

    Args:
        world: time, chance and the turn core.
    """

    def __init__(self, world: World) -> None:
        self._w = world
        self._reply = 0
        self._cancelled: set[int] = set()
        self._playout = Playout()
        self._ended = self._started = self._held = self._playing = False
        self._progress_at = 0.0
        self._played: list[str] = []
        self._generated = ""

    @property
    def alive(self) -> int:
        """Replies that may still be heard."""
        return 1 if self._reply else 0

    def was_played(self, text: str) -> bool:
        """Whether exactly these words were heard of some reply."""
        return text in self._played

    # --- generating ---------------------------------------------------------------------------------------

    def start(self, reply: int, text: str) -> None:
        """The agent is asked to answer ``text``."""
        rng, faults = self._w.rng, self._w.faults
        self._begin(reply)
        delay = rng.uniform(0.05, 0.8)
        if faults.slow_agent and rng.random() < 0.4:
            delay = rng.uniform(2.0, 12.0)
        if faults.acting_agent and rng.random() < 0.5:
            self._w.at(delay / 2, lambda: self._if(reply, inp.ToolStarted(reply)))
        if faults.failing_agent and rng.random() < 0.3:
            self._w.at(delay, lambda: self._fail(reply))
            return
        if faults.silent_agent and rng.random() < 0.3:
            self._w.at(delay, lambda: self._end(reply))
            return
        count = 40 if faults.endless_agent and rng.random() < 0.3 else rng.randrange(1, 4)
        at = delay
        for _ in range(count):
            piece = rng.choice(_PIECES)
            self._w.at(at, lambda words=piece: self._speak(reply, words))
            at += rng.uniform(0.05, 0.6)
            if faults.stalling_voice and rng.random() < 0.1:
                at += rng.uniform(1.0, 8.0)
        self._w.at(at, lambda: self._end(reply))

    def say(self, reply: int, text: str) -> None:
        """The application wants ``text`` spoken."""
        self._begin(reply)
        self._w.at(0.05, lambda: self._speak(reply, text))
        self._w.at(0.06, lambda: self._end(reply))

    def _begin(self, reply: int) -> None:
        if self._reply:
            self._w.violate(f"reply {reply} began while {self._reply} was alive")
        self._reply = reply
        self._playout = Playout()
        self._ended = self._started = self._held = False

    def _speak(self, reply: int, text: str) -> None:
        if reply != self._reply or reply in self._cancelled:
            return
        faults, rng = self._w.faults, self._w.rng
        if faults.failing_voice and rng.random() < 0.1:
            self._fail(reply)
            return
        self._playout.begin_piece(text)
        self._playout.queue(len(text) * _SECONDS_PER_CHARACTER)
        self._playout.end_piece()
        self._tick_later(reply, 0.03)

    def _end(self, reply: int) -> None:
        if reply == self._reply and reply not in self._cancelled:
            self._ended = True
            audio = self._playout.queued > 0
            if not audio:
                self._reply = 0
            self._w.tell(inp.ReplyEnded(reply, audio))

    def _fail(self, reply: int) -> None:
        if reply == self._reply and reply not in self._cancelled:
            self._settle()
            self._w.tell(inp.ReplyFailed(reply))

    def _if(self, reply: int, event: inp.Input) -> None:
        if reply == self._reply and reply not in self._cancelled:
            self._w.tell(event)

    # --- playing ------------------------------------------------------------------------------------------

    def _tick_later(self, reply: int, delay: float) -> None:
        if not self._playing:
            self._playing = True
            self._w.at(delay, lambda: self._tick(reply))

    def _tick(self, reply: int) -> None:
        self._playing = False
        if reply != self._reply or self._held:
            return
        if reply in self._cancelled:
            self._w.violate(f"reply {reply} is heard after it was cancelled")
            return
        left = self._playout.queued - self._playout.played
        if not self._started:
            self._started = True
            self._progress_at = self._w.now
            self._w.tell(inp.PlayoutStarted(reply))
            if reply != self._reply:
                return
        if left > 1e-6:
            self._playout.play(min(_TICK, left))
            if self._w.now - self._progress_at >= 1.0:
                self._progress_at = self._w.now
                self._w.tell(inp.PlayoutProgress(reply))
            self._tick_later(reply, _TICK)
        elif self._ended:
            self._settle()
            self._w.tell(inp.PlayoutFinished(reply))

    def hold(self) -> None:
        """Freezes the voice."""
        self._held = True

    def resume(self) -> None:
        """Goes on."""
        self._held = False
        if self._reply and self._playout.queued > 0:
            self._tick_later(self._reply, 0.01)

    def cancel(self, reply: int) -> None:
        """Nothing more of ``reply`` may be heard."""
        self._cancelled.add(reply)
        if reply == self._reply and not self._started:
            self._reply = 0

    def stop(self) -> str:
        """Cuts the voice; returns what was heard."""
        heard = self._playout.heard()
        if self._reply:
            self._settle()
        return heard

    def _settle(self) -> None:
        heard = self._playout.heard()
        self._played.append(heard)
        if heard:
            self._w.report.history.append(("agent", heard))
        self._reply = 0
        self._playing = False
