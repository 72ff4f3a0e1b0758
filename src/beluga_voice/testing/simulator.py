"""Whole conversations from a seed, in virtual time, around the real turn core.

People hesitate, cough, murmur, interrupt and type; the detector is deaf or mistaken; the recogniser is late, empty,
wrong or silent; the agent is slow, fails, acts or never ends; the voice stalls. Each fault is possible in one
conversation of four, and many strike where it hurts: as a turn is decided, as a deadline comes, as the agent begins
or ends. Minutes take milliseconds, and what must never happen is checked at every step::

    python -m beluga_voice.testing.simulator --seeds 1000
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State
from beluga_voice.core.replay import LOG_VERSION
from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.turn import TurnMachine
from beluga_voice.testing.simulated_agent import SimulatedVoice
from beluga_voice.testing.simulated_ears import SimulatedEars
from beluga_voice.testing.simulated_rules import Report, Rules
from beluga_voice.testing.simulated_user import SimulatedUser

__all__ = ["Report", "World", "simulate"]

_MAX_STEPS = 50_000
_POSSIBLE = 0.25


class World:
    """Virtual time, the turn core and the models around it.

    Args:
        seed: decides everything.
        settings: of the turn core; by default drawn from the seed.
        faults: whether anything may go wrong.
        keep_log: record inputs and commands.
        echoes: the microphone hears the agent.
    """

    def __init__(
        self,
        seed: int,
        settings: TurnSettings | None = None,
        *,
        faults: bool = True,
        keep_log: bool = False,
        echoes: bool = False,
    ) -> None:
        self.rng = random.Random(seed)
        self.faulty = faults
        self._possible: dict[str, bool] = {}
        self.echoes = echoes or self.fault("echoes", 0.3)
        self.settings = settings or _draw_settings(self.rng, faults=faults)
        self.report = Report(seed)
        self.machine = TurnMachine(self.settings)
        self.now = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._wake_at: float | None = None
        self._keep_log = keep_log
        self._busy = self._closed = False
        self.rules = Rules(self)
        self.user = SimulatedUser(self)
        self.ears = SimulatedEars(self)
        self.voice = SimulatedVoice(self)

    # --- time and chance ------------------------------------------------------------------------------------

    def at(self, delay: float, action: Callable[[], None]) -> None:
        """Does ``action`` in ``delay`` seconds."""
        self._count += 1
        heapq.heappush(self._queue, (self.now + max(0.0, delay), self._count, action))

    def fault(self, name: str, chance: float = _POSSIBLE) -> bool:
        """Whether the fault ``name`` happens now: it must be possible in this conversation, and strike."""
        if not self.faulty:
            return False
        possible = self._possible.get(name)
        if possible is None:
            possible = self._possible[name] = self.rng.random() < _POSSIBLE
        return possible and self.rng.random() < chance

    def run(self) -> Report:
        """Plays the conversation to its end."""
        self._log(
            {
                "kind": "header",
                "version": LOG_VERSION,
                "session_id": f"simulated-{self.report.seed}",
                "started_at": "1970-01-01T00:00:00+00:00",
                "settings": self.settings.to_dict(),
            }
        )
        try:
            self._play()
        except AssertionError as error:  # the core found itself where its table does not lead
            self.rules.violate(str(error))
        self.rules.end()
        self.user.on_end()
        self.report.seconds = round(self.now, 2)
        return self.report

    def _play(self) -> None:
        self._perform()
        self.user.begin()
        for _ in range(_MAX_STEPS):
            if not self._queue or self._closed:
                break
            self.now, _, action = heapq.heappop(self._queue)
            action()
            self.rules.step()
        for event in (inp.SpeechStarted(self.now), inp.TypedText("hello"), inp.Stop("again")):
            self.machine.feed(event, self.now)
        self.machine.wake(self.now + 1e6)
        self._perform()

    # --- the core -------------------------------------------------------------------------------------------

    def tell(self, event: inp.Input) -> None:
        """Tells the turn core and performs its commands."""
        if isinstance(event, inp.TypedText):
            self.rules.heard.update(event.text.split())
        if self._keep_log:
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
            if self._keep_log:
                value = cmd.command_to_dict(command)
                self._log({"kind": "command", "now": self.machine.c.now, "value": value})
            self.rules.command(command)
            self._do(command)
        self._busy = False
        due = self.machine.deadline()
        if due is not None and due != self._wake_at:
            self._wake_at = due
            late = self.rng.uniform(0.0, 0.15) if self.fault("late_shell") else 0.0
            self.at(due - self.now + late, lambda: self._wake(due))

    def _do(self, command: cmd.Command) -> None:
        match command:
            case cmd.MoveTo(state, _):
                self.report.states[state] = self.report.states.get(state, 0) + 1
                self.user.on_state(State(state))
            case cmd.AskFinal():
                self.ears.ask_final()
            case cmd.CommitTurn(turn, text):
                self.report.history.append(("user", text))
                self.user.on_commit(turn)
            case cmd.RetractTurn(turn):
                users = [i for i, (role, _) in enumerate(self.report.history) if role == "user"]
                del self.report.history[users[-1]]
                self.user.on_retract(turn)
            case cmd.StartReply(reply):
                self.voice.start(reply)
            case cmd.StartSay(reply, text, _):
                self.voice.say(reply, text)
            case cmd.CancelReply(reply, _):
                self.voice.cancel(reply)
            case cmd.Hold():
                self.voice.hold()
            case cmd.Resume():
                self.voice.resume()
            case cmd.StopPlayout(reply):
                self._stop_playout(reply)
            case cmd.Close():
                self._closed = True
            case _:
                pass

    def _stop_playout(self, reply: int) -> None:
        heard = self.voice.stop()
        if self.fault("slow_cut"):
            self.at(self.rng.uniform(0.01, 1.5), lambda: self.tell(inp.PlayoutStopped(reply, heard)))
        else:
            self.tell(inp.PlayoutStopped(reply, heard))

    def said(self, role: str, text: str) -> None:
        """Words become history."""
        self.report.history.append((role, text))
        if self._keep_log:
            event = {"type": "agent_text", "at": round(self.now, 4), "turn": 0, "text": text, "final": True}
            self._log({"kind": "event", **event})

    def _log(self, line: dict[str, Any]) -> None:
        if self._keep_log:
            self.report.log.append(line)


def _draw_settings(rng: random.Random, *, faults: bool) -> TurnSettings:
    """Short deadlines, so that they come; now and then unusual ones."""
    unusual = faults and rng.random() < _POSSIBLE
    return TurnSettings(
        thinking_timeout=8.0,
        reply_gap_timeout=5.0,
        user_away_timeout=20.0,
        allow_interruptions=not (unusual and rng.random() < 0.4),
        min_interruption_words=rng.choice((0, 1, 3)) if unusual else 1,
        max_turn=rng.choice((3.0, 6.0, 60.0)) if unusual else 60.0,
        merge_window=rng.choice((0.0, 1.5, 4.0)) if unusual else 1.5,
        max_guesses=rng.choice((0, 1, 4)),
        duck_after=rng.choice((0.0, 0.1, 0.3)) if unusual else 0.0,
        hold_after=rng.choice((0.0, 0.15, 0.5)) if unusual else 0.15,
    )


def simulate(
    seed: int,
    settings: TurnSettings | None = None,
    *,
    faults: bool = True,
    keep_log: bool = False,
    echoes: bool = False,
) -> Report:
    """Plays the conversation of ``seed``; the same seed gives the same conversation."""
    return World(seed, settings, faults=faults, keep_log=keep_log, echoes=echoes).run()


def main(arguments: Sequence[str] | None = None) -> int:
    """Plays many conversations and prints how they went; 1 if anything happened that must not."""
    parser = argparse.ArgumentParser(
        prog="python -m beluga_voice.testing.simulator", description=main.__doc__
    )
    parser.add_argument("--seeds", type=int, default=1000, help="how many conversations")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--no-faults", action="store_true", help="nothing goes wrong")
    parser.add_argument("--echoes", action="store_true", help="the microphone hears the agent")
    parser.add_argument("--show", action="store_true", help="print the last conversation")
    parser.add_argument("--log", help="write the last conversation's log here, for beluga-voice replay")
    options = parser.parse_args(arguments)
    seeds = range(options.first, options.first + options.seeds)
    began = time.perf_counter()
    keep = bool(options.log)
    reports = [
        simulate(s, faults=not options.no_faults, keep_log=keep and s == seeds[-1], echoes=options.echoes)
        for s in seeds
    ]
    took = time.perf_counter() - began
    sys.stdout.write(_table(reports, took))
    if options.show and reports:
        sys.stdout.write(f"\n{reports[-1].transcript()}\n")
    if options.log and reports:
        lines = "".join(json.dumps(line) + "\n" for line in reports[-1].log)
        Path(options.log).write_text(lines, encoding="utf-8")
    return 1 if any(r.violations for r in reports) else 0


def _table(reports: Sequence[Report], took: float) -> str:
    seconds = sum(r.seconds for r in reports)
    delays = sorted(d for r in reports for d in r.delays) or [0.0]
    utterances = sum(r.utterances for r in reports)
    bad = [r for r in reports if r.violations]
    two_minutes = seconds / 120 / took if took else 0.0
    rows = [
        ("conversations", f"{len(reports)}, {seconds / 3600:.1f} hours in {took:.1f} s"),
        ("speed", f"{two_minutes:.0f} conversations of two minutes a second"),
        ("turns", f"{sum(r.turns for r in reports)}"),
        (
            "answer after",
            f"p50 {delays[len(delays) // 2]:.2f} s, p95 {delays[int(len(delays) * 0.95)]:.2f} s",
        ),
        (
            "prepared",
            f"{sum(r.guesses for r in reports)} answers before the turn was taken, "
            f"{sum(r.used for r in reports)} became its reply",
        ),
        ("taken early", f"{sum(r.early for r in reports)} of {utterances} utterances"),
        ("cut off", f"{sum(r.cut_off for r in reports)}: the others were taken back in time"),
        ("words lost", f"{sum(r.lost for r in reports)} of {sum(r.words for r in reports)}"),
        (
            "interrupted",
            f"{sum(r.self_interruptions for r in reports)} replies while the user was silent; "
            f"{sum(r.own_words for r in reports)} words of the agent taken for the user's",
        ),
        ("violations", f"{len(bad)}"),
    ]
    lines = [f"{name:<15}{value}" for name, value in rows]
    for report in bad[:10]:
        again = f"python -m beluga_voice.testing.simulator --seeds 1 --first {report.seed} --log log.jsonl"
        lines += [f"VIOLATION seed {report.seed} {report.violations[0]}", f"  again: {again}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
