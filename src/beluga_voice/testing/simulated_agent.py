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
        self._cancelled = 0
        self._playout = Playout()
        self._queued = 0.0
        self._ended = self._started = self._held = self._playing = self._ending = False
        self._progress_at = 0.0
        self._played: set[str] = set()

    @property
    def alive(self) -> bool:
        """Whether there is a reply that may still be heard."""
        return bool(self._reply)

    def was_played(self, text: str) -> bool:
        """Whether exactly these words were heard of some reply."""
        return text in self._played

    # --- generating ---------------------------------------------------------------------------------------

    def start(self, reply: int) -> None:
        """The agent is asked for an answer."""
        w, rng = self._w, self._w.rng
        self._begin(reply)
        delay = rng.uniform(2.0, 12.0) if w.fault("slow_agent", 0.4) else rng.uniform(0.05, 0.8)
        if w.fault("acting_agent", 0.5):
            w.at(rng.choice((0.0, delay / 2)), lambda: self._if(reply, inp.ToolStarted(reply)))
        if w.fault("failing_agent", 0.3):
            w.at(delay, lambda: self._fail(reply))
            return
        if w.fault("silent_agent", 0.3):
            w.at(delay, lambda: self._end(reply))
            return
        if w.fault("hanging_agent", 0.1):
            return
        at = delay
        for _ in range(40 if w.fault("endless_agent", 0.3) else rng.randrange(1, 4)):
            piece = rng.choice(_PIECES)
            w.at(at, lambda words=piece: self._speak(reply, words))
            at += rng.uniform(0.05, 0.6)
            if w.fault("stalling_voice", 0.1):
                at += rng.uniform(1.0, 8.0)
        w.at(at, lambda: self._end(reply))

    def say(self, reply: int, text: str) -> None:
        """The application wants ``text`` spoken."""
        self._begin(reply)
        self._w.at(0.05, lambda: self._speak(reply, text))
        self._w.at(0.06, lambda: self._end(reply))

    def _begin(self, reply: int) -> None:
        self._reply = reply
        self._playout, self._queued = Playout(), 0.0
        self._ended = self._started = self._held = self._ending = False

    def _speak(self, reply: int, text: str) -> None:
        if reply != self._reply or reply == self._cancelled:
            return
        if self._w.fault("failing_voice", 0.1):
            self._fail(reply)
            return
        self._playout.begin_piece(text)
        self._playout.queue(len(text) * _SECONDS_PER_CHARACTER)
        self._playout.end_piece()
        self._queued += len(text) * _SECONDS_PER_CHARACTER
        self._tick_later(reply, 0.03)

    def _end(self, reply: int) -> None:
        if reply != self._reply or reply == self._cancelled:
            return
        self._ended = True
        audio = self._queued > 0
        if not audio:
            self._reply = 0
            self._w.rules.over(reply)
        self._w.tell(inp.ReplyEnded(reply, audio))

    def _fail(self, reply: int) -> None:
        if reply == self._reply and reply != self._cancelled:
            self._settle()
            self._w.tell(inp.ReplyFailed(reply))

    def _if(self, reply: int, event: inp.Input) -> None:
        if reply == self._reply and reply != self._cancelled:
            self._w.tell(event)

    # --- playing ------------------------------------------------------------------------------------------

    def _tick_later(self, reply: int, delay: float) -> None:
        if not self._playing:
            self._playing = True
            self._w.at(delay, lambda: self._tick(reply))

    def _tick(self, reply: int) -> None:
        self._playing = False
        if reply != self._reply or self._held:
            if self._reply and self._queued and not self._held:
                self._tick_later(self._reply, _TICK)  # that was the last reply's; this one has begun since
            return
        w = self._w
        if reply == self._cancelled:
            w.rules.violate(f"reply {reply} is heard after it was cancelled")
            return
        left = self._queued - self._playout.played
        if not self._started:
            self._started = True
            self._progress_at = w.now
            w.tell(inp.PlayoutStarted(reply))
            if reply != self._reply:
                return
        if left > 1e-6:
            self._playout.play(min(_TICK, left))
            self._tell_words(reply)
            if reply != self._reply:
                return
            if self._ended and not self._ending and left < 1.0:
                self._ending = True
                w.user.on_last_words(left)
            self._tick_later(reply, _TICK)
        elif self._ended:
            self._settle()
            w.tell(inp.PlayoutFinished(reply))

    def _tell_words(self, reply: int) -> None:
        w = self._w
        words = self._playout.newly_heard()
        if words:
            w.tell(inp.WordsHeard(reply, words))
            if w.echoes:
                w.ears.echo(words)
        if reply == self._reply and w.now - self._progress_at >= 1.0:
            self._progress_at = w.now
            w.tell(inp.PlayoutProgress(reply))

    def hold(self) -> None:
        """Freezes the voice."""
        self._held = True
        if self._w.fault("voice_fails_while_held", 0.1):
            reply = self._reply
            self._w.at(self._w.rng.uniform(0.0, 0.3), lambda: self._fail(reply))

    def resume(self) -> None:
        """Goes on."""
        self._held = False
        if self._reply and self._queued > 0:
            self._tick_later(self._reply, 0.01)

    def cancel(self, reply: int) -> None:
        """Nothing more of ``reply`` may be heard."""
        self._cancelled = reply
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
        self._played.add(heard)
        self._w.rules.over(self._reply)
        self._reply = 0
        if heard:
            self._w.said("assistant", heard)
