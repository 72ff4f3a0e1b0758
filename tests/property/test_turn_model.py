"""The turn machine against everything that could be said to it."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State
from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.transitions import TABLE, TIMERS
from beluga_voice.core.turn import TurnMachine

WORDS = ("", "yes", "mm-hmm", "i want to", "stop it now", "what time is it")
SETTINGS = TurnSettings(user_away_timeout=5.0, idle_timeout=100.0, max_turn=8.0)


def every_input(machine: TurnMachine, now: float) -> list[inp.Input]:
    """One or more of each kind of input, current and late."""
    c = machine.c
    out: list[inp.Input] = [
        inp.SpeechStarted(now - 0.05),
        inp.SpeechEnded(now - 0.1),
        inp.TurnProbability(0.9),
        inp.TurnProbability(0.1),
        inp.TypedText("hello there"),
        inp.SayRequested("one moment"),
        inp.Stop("bye"),
        inp.Stop("bye", graceful=True),
    ]
    for reply in {c.reply, c.last_reply, 0, 77}:
        out += [
            inp.ToolStarted(reply),
            inp.PlayoutStarted(reply),
            inp.PlayoutProgress(reply),
            inp.ReplyEnded(reply, audio=True),
            inp.ReplyEnded(reply, audio=False),
            inp.ReplyFailed(reply),
            inp.PlayoutFinished(reply),
            inp.PlayoutStopped(reply, "heard"),
        ]
    for segment in {c.answered, c.asked}:
        out += [inp.PartialText(segment, text) for text in WORDS] + [
            inp.FinalText(segment, text) for text in WORDS
        ]
    return out


def drain(machine: TurnMachine) -> list[cmd.Command]:
    out: list[cmd.Command] = []
    while (command := machine.poll()) is not None:
        out.append(command)
    return out


def check(machine: TurnMachine, now: float) -> None:
    deadline = machine.deadline()
    assert (deadline is None) == (machine.state is State.CLOSED)
    assert machine.poll() is None


def shape(machine: TurnMachine) -> tuple[Any, ...]:
    """What makes two conversations behave alike, times and words left out."""
    c = machine.c
    return (
        c.state, c.turn_open, c.voiced, c.forced, bool(c.text()), c.finals_due > 0, bool(c.reply), c.acted, c.audible,
        c.interruptible, c.reply_ended, c.reply_turn > 0, len(c.says) > 0,
        c.candidate and (c.candidate.ducked, c.candidate.held, c.candidate.ended_at is not None),
        c.interrupted is not None, tuple(sorted(c.timers)),
    )  # fmt: skip


def test_every_state_takes_every_input_and_timer() -> None:
    """Breadth first over all distinct situations: nothing raises, nothing leads outside the table."""
    start = TurnMachine(SETTINGS)
    seen = {shape(start)}
    frontier: list[tuple[TurnMachine, float]] = [(start, 1.0)]
    pairs: set[tuple[State, str]] = set()
    while frontier and len(seen) < 1500:
        following: list[tuple[TurnMachine, float]] = []
        for machine, now in frontier:
            deadline = machine.deadline()
            moments = [now + 0.05] + ([deadline] if deadline is not None else [])
            for event in [*every_input(machine, now), None]:
                moment = moments[0] if event is not None else moments[-1]
                child = copy.deepcopy(machine)
                before = child.state
                if event is None:
                    child.wake(moment)
                else:
                    child.feed(event, moment)
                drain(child)
                check(child, moment)
                pairs.add((before, "wake" if event is None else type(event).__name__))
                key = shape(child)
                if key not in seen:
                    seen.add(key)
                    following.append((child, moment))
        frontier = following
    assert {state for state, _ in pairs} == set(State)
    assert len(pairs) == len(State) * (len(inp.INPUTS) + 1)


def test_the_table_names_real_handlers_and_known_events() -> None:
    names = {cls.__name__ for cls in inp.INPUTS} | {f"timer:{name}" for name in TIMERS}
    for state, rules in TABLE.items():
        for event, (handler, following) in rules.items():
            assert event in names
            assert callable(getattr(TurnMachine, handler)), (state, event)
            assert following <= set(State)


def test_closed_can_be_reached_from_everywhere_and_left_from_nowhere() -> None:
    assert TABLE[State.CLOSED] == {}
    for state in set(State) - {State.CLOSED}:
        assert "Stop" in TABLE[state]


@pytest.mark.parametrize("seed", range(200))
def test_stop_ends_any_conversation_within_its_deadline(seed: int) -> None:
    rng = random.Random(seed)
    machine = TurnMachine(SETTINGS)
    now = 0.0
    for _ in range(rng.randrange(1, 60)):
        now += rng.choice((0.02, 0.1, 0.5, 2.0))
        event = rng.choice([e for e in every_input(machine, now) if not isinstance(e, inp.Stop)])
        machine.feed(event, now)
        machine.wake(now)
        drain(machine)
    machine.feed(inp.Stop("end", graceful=True), now)
    commands = drain(machine)
    machine.wake(now + SETTINGS.draining_timeout)
    commands += drain(machine)
    assert machine.state is State.CLOSED
    closes = [c for c in commands if isinstance(c, cmd.Close)]
    assert len(closes) == 1
    assert commands[-1] is closes[0]


@pytest.mark.parametrize("seed", range(100))
def test_a_snapshot_goes_through_json_and_behaves_the_same(seed: int) -> None:
    rng = random.Random(seed)
    machine = TurnMachine(SETTINGS)
    now = 0.0
    for _ in range(rng.randrange(1, 40)):
        now += rng.choice((0.02, 0.1, 0.5, 2.0))
        machine.feed(rng.choice(every_input(machine, now)), now)
        drain(machine)
    twin = TurnMachine(SETTINGS)
    twin.restore(json.loads(json.dumps(machine.snapshot())))
    assert twin.c == machine.c
    for _ in range(20):
        now += rng.choice((0.02, 0.1, 0.5, 2.0))
        event = rng.choice(every_input(machine, now))
        for each in (machine, twin):
            each.feed(event, now)
            each.wake(now)
        assert drain(machine) == drain(twin)


class Shell(RuleBasedStateMachine):
    """A shell that obeys every command, as the pipeline does."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = TurnMachine(SETTINGS)
        self.now = 0.0
        self.told: set[str] = set()
        self.alive: set[int] = set()
        self.dead: set[int] = set()
        self.segment = 0
        self.due: list[int] = []
        self.turn = 0
        self.commits_without_reply = 0
        self.closed = False

    def tell(self, event: inp.Input | None) -> None:
        if event is None:
            self.machine.wake(self.now)
        else:
            self.machine.feed(event, self.now)
        while (command := self.machine.poll()) is not None:
            assert not self.closed, "a command after Close"
            self.obey(command)

    def obey(self, command: cmd.Command) -> None:
        match command:
            case cmd.AskFinal():
                self.due.append(self.segment)
                self.segment += 1
            case cmd.CommitTurn(turn, text, _, _):
                self.turn += 1
                assert turn == self.turn
                assert set(text.split()) <= self.told
                assert text.strip()
                self.commits_without_reply += 1
            case cmd.RetractTurn(turn):
                assert turn == self.turn
                self.turn -= 1
            case cmd.StartReply(reply, _, _) | cmd.StartSay(reply, _, _):
                if isinstance(command, cmd.StartReply):
                    self.commits_without_reply -= 1
                assert not self.alive, "two replies at once"
                assert reply not in self.dead
                self.alive.add(reply)
            case cmd.CancelReply(reply, _):
                self.alive.discard(reply)
                self.dead.add(reply)
            case cmd.Duck(reply) | cmd.Hold(reply) | cmd.Resume(reply):
                assert reply in self.alive
            case cmd.StopPlayout(reply):
                assert reply not in self.alive
            case cmd.Close():
                self.closed = True
            case _:
                pass

    @rule(seconds=st.sampled_from((0.02, 0.1, 0.3, 1.0, 3.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.tell(None)

    @rule()
    def voice_begins(self) -> None:
        self.tell(inp.SpeechStarted(max(0.0, self.now - 0.1)))

    @rule()
    def voice_ends(self) -> None:
        self.tell(inp.SpeechEnded(max(0.0, self.now - 0.2)))

    @rule(text=st.sampled_from(WORDS))
    def partial(self, text: str) -> None:
        self.told.update(text.split())
        self.tell(inp.PartialText(self.segment, text))

    @precondition(lambda self: self.due)
    @rule(text=st.sampled_from(WORDS))
    def final(self, text: str) -> None:
        self.told.update(text.split())
        self.tell(inp.FinalText(self.due.pop(0), text))

    @rule()
    def typed(self) -> None:
        self.told.add("typed")
        self.tell(inp.TypedText("typed"))

    @rule(interruptible=st.booleans())
    def say(self, interruptible: bool) -> None:
        self.tell(inp.SayRequested("notice", interruptible))

    @precondition(lambda self: self.alive)
    @rule(kind=st.sampled_from(("audible", "progress", "tool", "silent", "ended", "finished", "failed")))
    def reply_goes_on(self, kind: str) -> None:
        reply = next(iter(self.alive))
        if kind in ("silent", "finished", "failed"):
            self.alive.discard(reply)
            self.dead.add(reply)
        events: dict[str, inp.Input] = {
            "audible": inp.PlayoutStarted(reply),
            "progress": inp.PlayoutProgress(reply),
            "tool": inp.ToolStarted(reply),
            "silent": inp.ReplyEnded(reply, audio=False),
            "ended": inp.ReplyEnded(reply, audio=True),
            "finished": inp.PlayoutFinished(reply),
            "failed": inp.ReplyFailed(reply),
        }
        self.tell(events[kind])

    @precondition(lambda self: self.machine.state is State.INTERRUPTED)
    @rule()
    def stopped(self) -> None:
        self.tell(inp.PlayoutStopped(self.machine.c.reply, "heard"))

    @rule(graceful=st.booleans(), chance=st.integers(0, 19))
    def stop(self, graceful: bool, chance: int) -> None:
        if chance == 0:
            self.tell(inp.Stop("end", graceful))

    @invariant()
    def always(self) -> None:
        check(self.machine, self.now)
        assert self.commits_without_reply == 0
        assert len(self.alive) <= 1


Shell.TestCase.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
TestShell = Shell.TestCase
