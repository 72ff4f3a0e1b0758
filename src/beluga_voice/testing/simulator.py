"""Whole conversations from a seed, in virtual time, around the real turn core.

People hesitate, cough, murmur, interrupt and type; the detector is late or mistaken; the recogniser is late, empty or
wrong; the agent is slow, fails, acts or never ends; the voice stalls. Minutes take milliseconds, and what must never
happen is checked after every step::

    python -m beluga_voice.testing.simulator --seeds 1000
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State
from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.turn import TurnMachine
from beluga_voice.testing.simulated_agent import SimulatedVoice
from beluga_voice.testing.simulated_user import SimulatedUser

__all__ = ["Faults", "Report", "World", "simulate"]

_MAX_STEPS = 50_000


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong in this conversation, each with a chance of one in four."""

    deaf: bool
    false_alarms: bool
    late_finals: bool
    empty_finals: bool
    wrong_words: bool
    slow_agent: bool
    failing_agent: bool
    endless_agent: bool
    silent_agent: bool
    acting_agent: bool
    stalling_voice: bool
    failing_voice: bool

    @classmethod
    def draw(cls, rng: random.Random) -> Faults:
        """Draws each by its chance."""
        return cls(*(rng.random() < 0.25 for _ in cls.__slots__))


@dataclass(slots=True)
class Report:
    """How a conversation went.

    Attributes:
        seed: makes it again.
        seconds: virtual length.
        turns: user turns committed and not taken back.
        history: (role, words) as user and agent experienced it.
        violations: what must never happen, and did.
        cut_off: utterances that were answered in the middle.
        utterances: utterances begun.
        delays: seconds from the end of an utterance to the agent's voice.
        states: how often each state was entered.
        log: lines that `beluga_voice.core.replay` takes.
    """

    seed: int
    seconds: float = 0.0
    turns: int = 0
    history: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    violations: list[str] = field(default_factory=list[str])
    cut_off: int = 0
    utterances: int = 0
    delays: list[float] = field(default_factory=list[float])
    states: dict[str, int] = field(default_factory=dict[str, int])
    log: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


class World:
    """Virtual time, the turn core and the models around it.

    Args:
        seed: decides everything.
        settings: of the turn core.
        keep_log: record inputs and commands.
    """

    def __init__(self, seed: int, settings: TurnSettings | None = None, *, keep_log: bool = False) -> None:
        self.rng = random.Random(seed)
        self.faults = Faults.draw(self.rng)
        self.settings = settings or TurnSettings(
            thinking_timeout=8.0, reply_gap_timeout=5.0, user_away_timeout=20.0
        )
        self.report = Report(seed)
        self.machine = TurnMachine(self.settings)
        self.now = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._wake_at: float | None = None
        self._keep_log = keep_log
        self._busy = False
        self.user = SimulatedUser(self)
        self.voice = SimulatedVoice(self)
        self.spoken: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._pending_commit: cmd.CommitTurn | None = None
        self._closed = False

    # --- time ---------------------------------------------------------------------------------------------

    def at(self, delay: float, action: Callable[[], None]) -> None:
        """Does ``action`` in ``delay`` seconds."""
        self._count += 1
        heapq.heappush(self._queue, (self.now + max(0.0, delay), self._count, action))

    def run(self) -> Report:
        """Plays the conversation to its end."""
        self._log(
            {"kind": "header", "version": 1, "settings": self.settings.to_dict(), "session_id": "simulated"}
        )
        self.user.begin()
        for _ in range(_MAX_STEPS):
            if not self._queue or self._closed:
                break
            self.now, _, action = heapq.heappop(self._queue)
            action()
            self._check_state()
        self._check_end()
        self.report.seconds = round(self.now, 2)
        return self.report

    # --- the core -----------------------------------------------------------------------------------------

    def tell(self, event: inp.Input) -> None:
        """Tells the turn core and performs its commands."""
        if isinstance(event, inp.TypedText):
            self.spoken.update(event.text.split())
        self._log({"kind": "input", "now": self.now, "value": inp.input_to_dict(event)})
        self.machine.feed(event, self.now)
        self._perform()

    def _wake(self, due: float) -> None:
        if self._wake_at != due:
            return
        self._wake_at = None
        self._log({"kind": "wake", "now": self.now})
        self.machine.wake(self.now)
        self._perform()

    def _perform(self) -> None:
        if self._busy:
            return
        self._busy = True
        while (command := self.machine.poll()) is not None:
            self._log({"kind": "command", "now": self.machine.c.now, "value": cmd.command_to_dict(command)})
            self._check_command(command)
            self._do(command)
        self._busy = False
        due = self.machine.deadline()
        if due is not None and due != self._wake_at:
            self._wake_at = due
            self.at(due - self.now, lambda: self._wake(due))

    def _do(self, command: cmd.Command) -> None:
        match command:
            case cmd.MoveTo(state, _):
                self.report.states[state] = self.report.states.get(state, 0) + 1
                self.user.on_state(State(state))
            case cmd.AskFinal():
                self.user.on_ask_final()
            case cmd.CommitTurn(turn, text, _, _):
                self.report.turns += 1
                self.report.history.append(("user", text))
                self.user.on_commit(turn)
            case cmd.RetractTurn():
                self.report.turns -= 1
                last = max(i for i, (role, _) in enumerate(self.report.history) if role == "user")
                self._answered.subtract(self.report.history.pop(last)[1].split())
            case cmd.StartReply(reply, _, text):
                self.voice.start(reply, text)
            case cmd.StartSay(reply, text, _):
                self.voice.say(reply, text)
            case cmd.CancelReply(reply, _):
                self.voice.cancel(reply)
            case cmd.Hold():
                self.voice.hold()
            case cmd.Resume():
                self.voice.resume()
            case cmd.StopPlayout(reply):
                self.tell(inp.PlayoutStopped(reply, self.voice.stop()))
            case cmd.Close():
                self._closed = True
            case _:
                pass

    # --- what must never happen -----------------------------------------------------------------------------

    def violate(self, text: str) -> None:
        """Records a violation."""
        self.report.violations.append(f"at {self.now:.2f} s: {text}")

    def _check_command(self, command: cmd.Command) -> None:
        if self._closed:
            self.violate(f"{type(command).__name__} after Close")
        if isinstance(command, cmd.CommitTurn):
            if self._pending_commit is not None:
                self.violate("two turns were committed for one reply")
            self._pending_commit = command
            self._answered.update(command.text.split())
            unsaid = self._answered - self.spoken
            if unsaid:
                self.violate(
                    f"a turn holds words that nobody said, or said once and were answered twice: {unsaid}"
                )
                self._answered -= unsaid
            if not command.text.strip():
                self.violate("a turn without words was committed")
        elif isinstance(command, cmd.StartReply):
            if self._pending_commit is None or self._pending_commit.text != command.text:
                self.violate("a reply answers what was not committed")
            self._pending_commit = None

    def _check_state(self) -> None:
        deadline = self.machine.deadline()
        state = self.machine.state
        if (deadline is None) != (state is State.CLOSED):
            self.violate(f"{state} has deadline {deadline}")
        if self.voice.alive > 1:
            self.violate(f"{self.voice.alive} replies are alive")

    def _check_end(self) -> None:
        if self.machine.state is not State.CLOSED:
            self.violate(f"the conversation ended in {self.machine.state}")
        if self.voice.alive:
            self.violate("a reply outlived the conversation")
        for role, text in self.report.history:
            if role == "agent" and not self.voice.was_played(text):
                self.violate(f"history holds words that were not heard: {text!r}")

    def _log(self, line: dict[str, Any]) -> None:
        if self._keep_log:
            self.report.log.append(line)


def simulate(seed: int, settings: TurnSettings | None = None, *, keep_log: bool = False) -> Report:
    """Plays the conversation of ``seed``; the same seed gives the same conversation."""
    return World(seed, settings, keep_log=keep_log).run()


def main(arguments: list[str] | None = None) -> int:
    """Plays many conversations and prints how they went; 1 if anything happened that must not."""
    parser = argparse.ArgumentParser(
        prog="python -m beluga_voice.testing.simulator", description=main.__doc__
    )
    parser.add_argument("--seeds", type=int, default=1000, help="how many conversations")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument(
        "--log", help="write the last conversation's log here (JSONL), for beluga-voice replay"
    )
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    reports = [
        simulate(s, keep_log=bool(options.log)) for s in range(options.first, options.first + options.seeds)
    ]
    took = time.perf_counter() - began
    write = sys.stdout.write
    delays = sorted(d for r in reports for d in r.delays)
    utterances = sum(r.utterances for r in reports)
    write(
        f"conversations  {len(reports)} ({sum(r.seconds for r in reports) / 60:.0f} minutes in {took:.1f} s)\n"
    )
    write(f"turns          {sum(r.turns for r in reports)}\n")
    if delays:
        write(
            f"answer after   p50 {delays[len(delays) // 2]:.2f} s, p95 {delays[int(len(delays) * 0.95)]:.2f} s\n"
        )
    write(f"cut off        {sum(r.cut_off for r in reports)} of {utterances} utterances\n")
    bad = [r for r in reports if r.violations]
    for report in bad[:10]:
        write(f"VIOLATION seed {report.seed}: {report.violations[0]}\n")
        write(
            f"  again: python -m beluga_voice.testing.simulator --seeds 1 --first {report.seed} --log log.jsonl\n"
        )
    write(f"violations     {len(bad)}\n")
    if options.log:
        with open(options.log, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.writelines(json.dumps(line) + "\n" for line in reports[-1].log)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
