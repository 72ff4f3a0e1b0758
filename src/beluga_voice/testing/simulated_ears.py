"""The detector that hears a simulated person and the recogniser that writes down what is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from beluga_voice.core import inputs as inp

if TYPE_CHECKING:
    from beluga_voice.testing.simulator import World

__all__ = ["SimulatedEars"]

_MISHEARD = ("the", "of", "miguel", "hope")


class SimulatedEars:
    """A voice detector that is late by as much as real ones, and a recogniser that keeps the contract of `SttStream`.

    Args:
        world: time, chance and the turn core.
    """

    def __init__(self, world: World) -> None:
        self._w = world
        self._voices = 0
        self._voiced = self._paused = self._suspected = False
        self._segment = 0
        self._open = False
        self._words: list[str] = []

    # --- detector -------------------------------------------------------------------------------------------

    def stretch(self, start: float, end: float) -> None:
        """Somebody is loud from ``start`` to ``end`` seconds from now."""
        w, rng = self._w, self._w.rng
        if w.fault("deaf", 0.1):
            return
        noticed = start + rng.uniform(0.05, 0.12)
        w.at(noticed, self._onset)
        if rng.random() < 0.7:
            w.at(noticed - 0.03, self._suspect)
            if w.fault("suspicion_dismissed", 0.5):
                w.at(noticed - rng.uniform(0.0, 0.03), self._dismiss)
        quiet = end + rng.uniform(0.05, 0.12)
        w.at(quiet, self._pause)
        w.at(max(quiet, end + rng.uniform(0.16, 0.25)), self._offset)
        if w.fault("dips", 0.5):
            dip = start + rng.uniform(0.2, 1.0) * (end - start)
            w.at(dip, self._pause)
            w.at(dip + rng.uniform(0.03, 0.15), self._resume)

    def echo(self, words: str) -> None:
        """The microphone hears the agent say ``words``; the recogniser mishears some."""
        rng = self._w.rng
        self.stretch(0.05, 0.3)
        for n, word in enumerate(words.lower().split()):
            heard = word.strip(".,?!")
            if len(heard) > 3 and rng.random() < 0.15:
                heard = heard[1:]
            self._w.at(0.15 + 0.05 * n, lambda heard=heard: self._echoed(heard))

    def _echoed(self, word: str) -> None:
        if self._open:
            self._words.append(word)
            self._w.rules.echoed[word] += 1
            if self._w.rng.random() < 0.8:
                self._w.tell(inp.PartialText(self._segment, " ".join(self._words)))

    def rustle(self) -> None:
        """A sound that the detector takes for a voice for an instant."""
        self._suspect()
        self._w.at(self._w.rng.uniform(0.03, 0.1), self._dismiss)

    def _suspect(self) -> None:
        if not self._voiced and not self._suspected:
            self._suspected = True
            self._w.tell(inp.SpeechSuspected(max(0.0, self._w.now - 0.03)))

    def _dismiss(self) -> None:
        if self._suspected:
            self._suspected = False
            self._w.tell(inp.SpeechDismissed(self._w.now))

    def _onset(self) -> None:
        self._voices += 1
        if not self._voiced:
            self._voiced = self._open = True
            self._paused = self._suspected = False
            self._w.tell(inp.SpeechStarted(max(0.0, self._w.now - 0.08)))

    def _pause(self) -> None:
        if self._voiced and not self._paused:
            self._paused = True
            self._w.tell(inp.SpeechPaused(max(0.0, self._w.now - 0.08)))

    def _resume(self) -> None:
        if self._voiced and self._paused:
            self._paused = False
            self._w.tell(inp.SpeechResumed(self._w.now))

    def _offset(self) -> None:
        self._voices = max(0, self._voices - 1)
        if self._voiced and not self._voices:
            self._voiced = self._paused = False
            self._w.tell(inp.SpeechEnded(max(0.0, self._w.now - 0.18)))

    # --- recogniser -----------------------------------------------------------------------------------------

    def word(self, word: str) -> None:
        """A word was spoken."""
        w = self._w
        if not self._open:
            return
        if w.fault("wrong_words", 0.2):
            word = w.rng.choice(_MISHEARD)
        self._words.append(word)
        w.rules.heard[word] += 1
        if w.rng.random() < 0.8:
            w.tell(inp.PartialText(self._segment, " ".join(self._words)))

    def ask_final(self) -> None:
        """Answers each request once, sooner or later; a broken recogniser never."""
        w = self._w
        segment, text = self._segment, " ".join(self._words)
        self._segment += 1
        self._words = []
        self._open = self._voiced
        if w.fault("empty_finals", 0.3):
            text = ""
        if w.fault("missing_finals", 0.2):
            return
        w.at(self._final_delay(), lambda: w.tell(inp.FinalText(segment, text)))

    def _final_delay(self) -> float:
        w = self._w
        if w.fault("late_finals", 0.3):
            return w.rng.uniform(1.0, 6.0)
        if w.fault("final_at_its_deadline", 0.3):
            return w.settings.final_timeout + w.rng.uniform(-0.01, 0.01)
        if w.fault("final_at_words_deadline", 0.3):
            return w.settings.words_timeout + w.rng.uniform(-0.01, 0.01)
        return w.rng.uniform(0.0, 0.3)
