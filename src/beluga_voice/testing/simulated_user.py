"""A person: speaks, hesitates, interrupts, murmurs, coughs, types, falls silent and hangs up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State

if TYPE_CHECKING:
    from beluga_voice.testing.simulator import World

__all__ = ["SimulatedUser"]

_SENTENCES = (
    "what time do you open on saturday",
    "i would like to book a table for two people",
    "my number is five five five one two three four",
    "no",
    "yes please",
    "can you tell me about the weather in london and in paris",
    "i want to cancel my appointment because i am ill",
    "thank you very much",
    "how much is it",
    "well i am not sure but maybe the second one is better for me",
    "two people",
    "i was wondering if you could move me to a quieter room",
    "it is spelled m i l l e r",
    "either monday or wednesday would suit me",
    "can you send the invoice to my office in boston",
)
_INTERRUPTIONS = ("no wait", "stop", "that is not what i meant", "hold on a second please")
_MURMURS = ("mm-hmm", "yeah", "okay", "uh huh", "right")
_PAUSES = (0.25, 0.4, 0.8, 1.5, 3.0)
_WORD = 0.28


class SimulatedUser:
    """Says sentences, waits for answers, and sometimes does not.

    Args:
        world: time, chance and the turn core.
    """

    def __init__(self, world: World) -> None:
        self._w = world
        self._rng = world.rng
        self._length = world.rng.uniform(60.0, 180.0)
        self._speaking = self._quiet = False
        self._ended_at: float | None = None
        self._planned = False
        self._spoke_at = -1e9
        self._early: set[int] = set()

    def begin(self) -> None:
        """Schedules the first words and the end."""
        w, rng = self._w, self._rng
        if rng.random() < 0.3:
            w.at(0.0, lambda: w.tell(inp.SayRequested("Hello, how can I help you today?")))
        w.at(rng.uniform(0.3, 3.0), self._act)
        w.at(self._length, self._hang_up)
        if w.fault("false_alarms", 1.0):
            for _ in range(5):
                w.at(rng.uniform(1.0, self._length), self._noise)
        if w.fault("continuous_noise", 1.0):
            w.at(rng.uniform(1.0, self._length), lambda: w.ears.stretch(0.0, rng.uniform(5.0, 30.0)))

    # --- acting -------------------------------------------------------------------------------------------

    def _act(self) -> None:
        self._planned = False
        if self._speaking or self._w.now >= self._length:
            return
        choice = self._rng.random()
        if choice < 0.06:
            self._w.tell(inp.TypedText("what are your prices"))
        elif choice < 0.12:
            self._plan(self._rng.uniform(5.0, 30.0))  # says nothing for a while
        else:
            self._speak(self._rng.choice(_SENTENCES).split(), main=True)

    def _plan(self, delay: float) -> None:
        if not self._planned:
            self._planned = True
            self._w.at(delay, self._act)

    def on_state(self, state: State) -> None:
        """The agent's behaviour, as far as a person notices it."""
        w, rng = self._w, self._rng
        self._quiet = state is State.LISTENING
        if state is State.LISTENING:
            self._ended_at = None
            self._plan(rng.uniform(0.2, 4.0))
        elif state is State.THINKING:
            if w.fault("voice_as_it_thinks"):
                self._later(rng.uniform(0.0, 0.4), "and on sunday")
        elif state is State.SPEAKING:
            if self._ended_at is not None:
                w.report.delays.append(w.now - self._ended_at)
                self._ended_at = None
            self._while_it_speaks(rng.random())
        if w.fault("typed_at_a_turn", 0.03):
            w.at(rng.choice((0.0, 0.01)), lambda: w.tell(inp.TypedText("one more thing")))
        if w.fault("say_at_a_turn", 0.05):
            w.tell(inp.SayRequested("A notice.", interruptible=rng.random() < 0.5))

    def _while_it_speaks(self, choice: float) -> None:
        w, rng = self._w, self._rng
        if w.fault("voice_as_it_begins"):
            self._later(rng.uniform(0.0, 0.1), rng.choice(_INTERRUPTIONS))
        elif choice < 0.25:
            self._later(rng.uniform(0.1, 4.0), rng.choice(_INTERRUPTIONS))
        elif choice < 0.45:
            self._later(rng.uniform(0.1, 4.0), rng.choice(_MURMURS))
        elif choice < 0.55:
            w.at(rng.uniform(0.1, 4.0), self._noise)
        elif choice < 0.65:
            w.at(rng.uniform(0.1, 4.0), w.ears.rustle)

    def on_last_words(self, left: float) -> None:
        """The agent comes to its end in ``left`` seconds."""
        if self._w.fault("voice_as_it_ends"):
            self._later(max(0.0, left + self._rng.uniform(-0.3, 0.05)), self._rng.choice(_MURMURS))

    def _later(self, delay: float, text: str) -> None:
        def say() -> None:
            if not self._speaking and self._w.now < self._length:
                self._speak(text.split(), main=False)

        self._w.at(delay, say)

    def on_commit(self, turn: int) -> None:
        """A turn was taken: was the person finished?"""
        if self._speaking:
            self._w.report.early += 1
            self._early.add(turn)

    def on_retract(self, turn: int) -> None:
        """… and given back."""
        self._early.discard(turn)

    def on_end(self) -> None:
        """Counts what was never given back."""
        self._w.report.cut_off = len(self._early)

    def _hang_up(self) -> None:
        if not self._w.faulty and (self._speaking or not self._quiet):
            self._w.at(1.0, self._hang_up)  # a polite person waits for the answer
            return
        graceful = self._rng.random() < 0.3
        self._w.tell(inp.Stop("hung_up", graceful))
        if graceful and self._rng.random() < 0.5:
            self._w.at(self._rng.uniform(0.0, 3.0), lambda: self._w.tell(inp.Stop("stopped")))

    # --- speaking -----------------------------------------------------------------------------------------

    def _speak(self, words: Sequence[str], *, main: bool) -> None:
        """Schedules the words, with a pause inside now and then."""
        rng, w = self._rng, self._w
        self._speaking, self._quiet = True, False
        w.report.utterances += main
        self._ended_at = None
        parts = [list(words)]
        if len(words) > 4 and rng.random() < 0.35:
            cut = rng.randrange(2, len(words) - 1)
            parts = [[*words[:cut], *(["um"] if rng.random() < 0.2 else [])], list(words[cut:])]
        at = 0.0
        for index, part in enumerate(parts):
            if index:
                at += rng.choice(_PAUSES)
            end = at + len(part) * _WORD
            w.ears.stretch(at, end)
            for n, word in enumerate(part, 1):
                w.at(at + n * _WORD, lambda heard=word: w.ears.word(heard))
            at = end
        w.at(at, self._finished if main else self._fall_silent)

    def _finished(self) -> None:
        self._speaking = False
        self._ended_at = self._spoke_at = self._w.now
        self._plan(self._rng.uniform(8.0, 30.0))  # asks again if nobody answers

    def _fall_silent(self) -> None:
        self._speaking = False
        self._spoke_at = self._w.now

    def spoke_lately(self) -> bool:
        """Whether something was said, or made a noise, that may be understood only now."""
        return self._speaking or self._w.now < self._spoke_at + 5.0

    def _noise(self) -> None:
        """A cough or a door: voice without words."""
        if not self._speaking:
            self._w.ears.stretch(0.0, self._rng.uniform(0.1, 0.9))
            self._spoke_at = self._w.now
