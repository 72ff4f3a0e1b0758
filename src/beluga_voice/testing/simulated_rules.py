"""What must never happen in a conversation, checked at every step, and what it came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from beluga_voice.core import commands as cmd
from beluga_voice.core.conversation import State
from beluga_voice.core.voices import plain
from beluga_voice.core.words import split_words

if TYPE_CHECKING:
    from beluga_voice.testing.simulator import World

__all__ = ["Report", "Rules"]

# A shell may be late by so much; nobody can be judged more exactly.
_SLACK = 0.3


@dataclass(slots=True)
class Report:
    """How a conversation went.

    Attributes:
        seed: makes it again.
        seconds: virtual length.
        turns: user turns committed and not taken back.
        history: (``user`` or ``assistant``, words) as both experienced it.
        violations: what must never happen, and did.
        utterances: utterances begun.
        early: of those, turns taken in their middle …
        cut_off: … and not taken back when the user went on.
        delays: seconds from the end of an utterance to the agent's voice.
        words: words that reached the recogniser.
        lost: of those, words neither answered nor reported as no turn.
        states: how often each state was entered.
        guesses: answers that were prepared before a turn was taken …
        used: … and became its reply.
        own_words: words of the agent, heard by the microphone, that were taken for the user's.
        self_interruptions: replies that were cut while the user was silent.
        log: lines that `beluga_voice.core.replay` takes.
    """

    seed: int
    seconds: float = 0.0
    turns: int = 0
    history: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    violations: list[str] = field(default_factory=list[str])
    utterances: int = 0
    early: int = 0
    cut_off: int = 0
    delays: list[float] = field(default_factory=list[float])
    words: int = 0
    lost: int = 0
    guesses: int = 0
    used: int = 0
    own_words: int = 0
    self_interruptions: int = 0
    states: dict[str, int] = field(default_factory=dict[str, int])
    log: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def transcript(self) -> str:
        """The conversation as lines to read."""
        return "\n".join(f"{role:>9}  {text}" for role, text in self.history)


class Rules:
    """Watches a world's commands and states.

    Args:
        world: is asked about time, settings and the turn core.
    """

    def __init__(self, world: World) -> None:
        self._w = world
        self.heard: Counter[str] = Counter()
        self.echoed: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._discarded: Counter[str] = Counter()
        self._commits: list[cmd.CommitTurn] = []
        self._pending: cmd.CommitTurn | None = None
        self._state = State.LISTENING.value
        self._guess: cmd.Speculate | None = None
        self._alive: set[int] = set()
        self._cancelled: set[int] = set()
        self._quiet_since: float | None = None
        self._draining_since: float | None = None
        self._closed = False

    def violate(self, text: str) -> None:
        """Records a violation."""
        self._w.report.violations.append(f"at {self._w.now:.2f} s: {text}")

    def over(self, reply: int) -> None:
        """The voice ended or failed by itself."""
        self._alive.discard(reply)
        self._quiet_since = None

    def command(self, command: cmd.Command) -> None:
        """Checks a command before it is carried out."""
        if self._closed:
            self.violate(f"{type(command).__name__} after Close")
        check = getattr(self, f"_on_{type(command).__name__}", None)
        if check is not None:
            check(command)

    def _on_MoveTo(self, c: cmd.MoveTo) -> None:
        if c.previous != self._state or c.state == c.previous:
            self.violate(f"moved to {c.state} from {c.previous}, but was {self._state}")
        self._state = c.state
        if c.state == State.DRAINING:
            self._draining_since = self._w.now

    def _on_CommitTurn(self, c: cmd.CommitTurn) -> None:
        if self._pending is not None:
            self.violate("two turns were committed for one reply")
        if c.turn != len(self._commits) + 1:
            self.violate(f"turn {c.turn} was committed after {len(self._commits)}")
        if not c.text.strip():
            self.violate("a turn without words was committed")
        self._pending = c
        self._commits.append(c)
        self._answered.update(c.text.split())
        unsaid = self._answered - self.heard
        own = unsaid & self.echoed
        if own:
            self._w.report.own_words += own.total()
            self._answered -= own
            unsaid -= own
        if unsaid:
            self.violate(f"a turn holds words that nobody said, or that were answered before: {unsaid}")
            self._answered -= unsaid

    def _on_RetractTurn(self, c: cmd.RetractTurn) -> None:
        if not self._commits or self._commits[-1].turn != c.turn:
            self.violate(f"turn {c.turn} was taken back, but is not the last")
            return
        self._answered.subtract(self._commits.pop().text.split())

    def _on_StartReply(self, c: cmd.StartReply) -> None:
        if self._pending is None or (self._pending.turn, self._pending.text) != (c.turn, c.text):
            self.violate("a reply answers what was not committed")
        self._pending = None
        guess, self._guess = self._guess, None
        if guess is not None and c.guess != guess.guess:
            self.violate(f"a turn is answered while guess {guess.guess} is prepared for nothing")
        elif c.guess:
            self._w.report.used += 1
            if guess is None or split_words(plain(guess.text)) != split_words(plain(c.text)):
                self.violate(f"guess {c.guess} answers {guess and guess.text!r}, but the turn is {c.text!r}")
        self._start(c.reply)

    def _on_Speculate(self, c: cmd.Speculate) -> None:
        if self._guess is not None:
            self.violate(f"guess {c.guess} begins while {self._guess.guess} is prepared")
        if self._alive:
            self.violate(f"guess {c.guess} begins over a reply")
        self._guess = c
        self._w.report.guesses += 1

    def _on_Abandon(self, c: cmd.Abandon) -> None:
        if self._guess is None or self._guess.guess != c.guess:
            self.violate(f"guess {c.guess} is given up, but is not prepared")
        self._guess = None

    def _on_StartSay(self, c: cmd.StartSay) -> None:
        self._start(c.reply)

    def _start(self, reply: int) -> None:
        if self._alive:
            self.violate(f"reply {reply} began while {self._alive} was alive")
        self._alive.add(reply)

    def _on_CancelReply(self, c: cmd.CancelReply) -> None:
        if c.reason == "interrupted" and not self._w.user.spoke_lately():
            self._w.report.self_interruptions += 1
        if c.reply not in self._alive:
            self.violate(f"reply {c.reply} is cancelled, but is not alive")
        self._cancelled.add(c.reply)
        self.over(c.reply)

    def _on_StopPlayout(self, c: cmd.StopPlayout) -> None:
        if c.reply not in self._cancelled:
            self.violate(f"reply {c.reply} is cut, but goes on being made")

    def _on_Duck(self, c: cmd.Duck | cmd.Hold) -> None:
        if c.reply not in self._alive:
            self.violate(f"reply {c.reply} is quieted, but is not alive")
        if self._quiet_since is None:
            self._quiet_since = self._w.now

    _on_Hold = _on_Duck

    def _on_Resume(self, c: cmd.Resume) -> None:
        if c.reply not in self._alive or self._quiet_since is None:
            self.violate(f"reply {c.reply} is resumed, but was not quieted")
        self._quiet_since = None

    def _on_DiscardSpeech(self, c: cmd.DiscardSpeech) -> None:
        self._discarded.update(c.text.split())

    def _on_Close(self, _: cmd.Close) -> None:
        if self._guess is not None:
            self.violate(f"guess {self._guess.guess} outlived the conversation")
        self._closed = True

    def step(self) -> None:
        """Checks what holds between any two events."""
        machine, now, settings = self._w.machine, self._w.now, self._w.settings
        deadline = machine.deadline()
        if (deadline is None) != (machine.state is State.CLOSED):
            self.violate(f"{machine.state} has deadline {deadline}")
        if self._quiet_since is not None:
            longest = 2.5 * settings.interrupt_after + 2 * settings.words_timeout + _SLACK
            if now > self._quiet_since + longest and not machine.c.voiced:
                self.violate(f"the voice is held since {self._quiet_since:.2f} s, and nobody speaks")
                self._quiet_since = now
        drained_by = (self._draining_since or now) + settings.draining_timeout + _SLACK
        if now > drained_by and not self._closed:
            self.violate("draining takes too long")
            self._draining_since = now

    def end(self) -> None:
        """Checks how it ended, and sums up."""
        machine, report = self._w.machine, self._w.report
        if machine.state is not State.CLOSED or not self._closed:
            self.violate(f"the conversation ended in {machine.state}")
        if self._w.voice.alive:
            self.violate("a reply outlived the conversation")
        for role, text in report.history:
            if role == "assistant" and not self._w.voice.was_played(text):
                self.violate(f"history holds words that were not heard: {text!r}")
        report.turns = len(self._commits)
        report.words = self.heard.total()
        report.lost = (self.heard - self._answered - self._discarded).total()
