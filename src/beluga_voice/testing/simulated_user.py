"""A person with a voice, the detector that hears it and the recogniser that writes it down."""

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
    "well um i am not sure but maybe the second one is better for me",
)
_INTERRUPTIONS = ("no wait", "stop", "that is not what i meant", "hold on a second please")
_MURMURS = ("mm-hmm", "yeah", "okay", "uh huh", "right")
_WORD = 0.28


class SimulatedUser:
    """Says sentences, waits for answers, and sometimes does not.

    Args:
        world: time, chance and the turn core.
    """

    def __init__(self, world: World) -> None:
        self._w = world
        self._rng = world.rng
        self._length = world.rng.uniform(40.0, 150.0)
        self._speaking = False
        self._voiced = False
        self._utterance = 0
        self._ended_at: float | None = None
        self._busy_until = 0.0
        self._segment = 0
        self._open = False
        self._words: list[str] = []
        self._planned = False

    def begin(self) -> None:
        """Schedules the first words and the end."""
        w = self._w
        if self._rng.random() < 0.3:
            w.at(0.0, lambda: w.tell(inp.SayRequested("Hello, how can I help you today?")))
        w.at(self._rng.uniform(0.3, 3.0), self._act)
        w.at(self._length, self._hang_up)
        if w.faults.false_alarms:
            for _ in range(5):
                w.at(self._rng.uniform(1.0, self._length), self._noise)

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
        rng = self._rng
        if state is State.LISTENING:
            self._plan(rng.uniform(0.2, 4.0))
        elif state is State.SPEAKING:
            if self._ended_at is not None:
                self._w.report.delays.append(self._w.now - self._ended_at)
                self._ended_at = None
            choice = rng.random()
            if choice < 0.25:
                self._later(rng.uniform(0.1, 4.0), rng.choice(_INTERRUPTIONS))
            elif choice < 0.45:
                self._later(rng.uniform(0.1, 4.0), rng.choice(_MURMURS))
            elif choice < 0.55:
                self._w.at(rng.uniform(0.1, 4.0), self._noise)

    def _later(self, delay: float, text: str) -> None:
        def say() -> None:
            if not self._speaking:
                self._speak(text.split(), main=False)

        self._w.at(delay, say)

    def on_commit(self, turn: int) -> None:
        """A turn was taken: was the person finished?"""
        if self._speaking:
            self._w.report.cut_off += 1

    def _hang_up(self) -> None:
        graceful = self._rng.random() < 0.3
        self._w.tell(inp.Stop("hung_up", graceful))
        if graceful and self._rng.random() < 0.5:
            self._w.at(self._rng.uniform(0.0, 3.0), lambda: self._w.tell(inp.Stop("stopped")))

    # --- speaking -----------------------------------------------------------------------------------------

    def _speak(self, words: Sequence[str], *, main: bool) -> None:
        """Schedules the words, with a pause inside now and then."""
        rng, w = self._rng, self._w
        self._speaking = True
        if main:
            w.report.utterances += 1
        at = 0.0
        parts = [words]
        if len(words) > 4 and rng.random() < 0.35:
            cut = rng.randrange(2, len(words) - 1)
            parts = [words[:cut], words[cut:]]
        for index, part in enumerate(parts):
            if index:
                at += rng.choice((0.25, 0.4, 0.8, 1.5))
            at = self._voice(part, at)
        w.at(at, self._finished if main else self._quiet)

    def _voice(self, words: Sequence[str], start: float) -> float:
        """One stretch of voice; returns when it ends."""
        rng, w = self._rng, self._w
        end = start + len(words) * _WORD
        if not (w.faults.deaf and rng.random() < 0.1):
            w.at(start + rng.uniform(0.05, 0.12), lambda: self._onset(w.now - 0.08))
            w.at(end + rng.uniform(0.16, 0.25), lambda: self._offset(w.now - 0.18))
        for index, word in enumerate(words):
            w.at(start + (index + 1) * _WORD, lambda heard=word: self._hear(heard))
        return end

    def _finished(self) -> None:
        self._speaking = False
        self._ended_at = self._w.now

    def _quiet(self) -> None:
        self._speaking = False

    def _noise(self) -> None:
        """A cough or a door: voice without words."""
        if not self._speaking:
            w = self._w
            self._onset(w.now)
            w.at(self._rng.uniform(0.1, 0.9), lambda: self._offset(w.now))

    # --- detector and recogniser --------------------------------------------------------------------------

    def _onset(self, at: float) -> None:
        if not self._voiced:
            self._voiced = True
            self._open = True
            self._w.tell(inp.SpeechStarted(at))

    def _offset(self, at: float) -> None:
        if self._voiced:
            self._voiced = False
            self._w.tell(inp.SpeechEnded(at))

    def _hear(self, word: str) -> None:
        if not self._open:
            return
        if self._w.faults.wrong_words and self._rng.random() < 0.2:
            word = self._rng.choice(("the", "of", "miguel", "hope"))
        self._words.append(word)
        self._w.spoken[word] += 1
        if self._rng.random() < 0.8:
            self._w.tell(inp.PartialText(self._segment, " ".join(self._words)))

    def on_ask_final(self) -> None:
        """The recogniser answers each request once, sooner or later."""
        rng, faults = self._rng, self._w.faults
        segment, text = self._segment, " ".join(self._words)
        self._segment += 1
        self._words = []
        self._open = self._voiced
        if faults.empty_finals and rng.random() < 0.3:
            text = ""
        late = faults.late_finals and rng.random() < 0.3
        delay = rng.uniform(1.0, 6.0) if late else rng.uniform(0.02, 0.3)
        self._w.at(delay, lambda: self._w.tell(inp.FinalText(segment, text)))
