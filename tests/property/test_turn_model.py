"""The turn machine against everything that could be said to it: all states, all inputs, all timers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State
from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.transitions import TABLE, TIMERS
from beluga_voice.core.turn import TurnMachine

WORDS = ("", "uh", "yes", "i want to", "stop it now")
SETTINGS = TurnSettings(user_away_timeout=5.0, idle_timeout=100.0, max_turn=8.0)
VARIANTS = {
    "usual": SETTINGS,
    "every reply is heard": replace(SETTINGS, allow_interruptions=False),
    "three words to interrupt": replace(SETTINGS, min_interruption_words=3, duck_after=0.1),
    "answers are prepared": replace(SETTINGS, max_guesses=2),
    "no patience": replace(
        SETTINGS, thinking_timeout=0.7, reply_gap_timeout=0.7, min_interruption_words=0, interrupt_after=0.1
    ),
}
# Distinct situations explored for each variant, in the order of how few inputs lead there.
SITUATIONS = 1200


def every_input(machine: TurnMachine, now: float) -> list[inp.Input]:
    """One or more of each kind of input, current and late."""
    c = machine.c
    out: list[inp.Input] = [
        inp.SpeechStarted(now - 0.05),
        inp.SpeechEnded(now - 0.1),
        inp.SpeechPaused(now - 0.05),
        inp.SpeechResumed(now - 0.03),
        inp.SpeechSuspected(now - 0.03),
        inp.SpeechDismissed(now),
        inp.TurnProbability(0.9),
        inp.TypedText("hello there"),
        inp.TypedText(""),
        inp.SayRequested("one moment"),
        inp.SayRequested("listen to this", interruptible=False),
        inp.Stop("bye"),
        inp.Stop("bye", graceful=True),
    ]
    for reply in {c.reply, 77}:
        out += [
            inp.ToolStarted(reply),
            inp.PlayoutStarted(reply),
            inp.PlayoutProgress(reply),
            inp.WordsHeard(reply, "shall i stop it now?"),
            inp.ReplyEnded(reply, audio=True),
            inp.ReplyEnded(reply, audio=False),
            inp.ReplyFailed(reply),
            inp.PlayoutFinished(reply),
            inp.PlayoutStopped(reply, "heard"),
        ]
    for segment in {c.answered, c.asked}:
        out += [inp.PartialText(segment, text) for text in WORDS]
        out += [inp.FinalText(segment, text) for text in WORDS]
    return out


def clone(machine: TurnMachine) -> TurnMachine:
    c = machine.c
    twin = Watched(machine.settings)
    twin.c = replace(
        c,
        timers=dict(c.timers),
        finals=dict(c.finals),
        partials=dict(c.partials),
        says=list(c.says),
        said=list(c.said),
        candidate=c.candidate and replace(c.candidate),
        interrupted=c.interrupted and replace(c.interrupted),
    )
    return twin


class Watched(TurnMachine):
    """Notes which state followed which event in which."""

    seen: set[tuple[State, str, State]]

    def _dispatch(self, name: str, event: Any) -> None:
        before = self.c.state
        known = name in TABLE[before] and self._current(event)
        super()._dispatch(name, event)
        if known:
            Watched.seen.add((before, name, self.c.state))


def drain(machine: TurnMachine) -> list[cmd.Command]:
    out: list[cmd.Command] = []
    while (command := machine.poll()) is not None:
        out.append(command)
    return out


def check(machine: TurnMachine) -> None:
    """What holds in every situation."""
    c = machine.c
    closed = machine.state is State.CLOSED
    assert (machine.deadline() is None) == closed
    assert machine.poll() is None
    if closed:
        return
    assert set(c.timers) <= set(TIMERS)
    assert not c.guess or machine.state in (State.USER_SPEAKING, State.DECIDING), (
        "a guess is for an open turn"
    )
    assert c.guesses <= machine.settings.max_guesses
    agent = machine.state in (State.THINKING, State.SPEAKING, State.INTERRUPTED, State.DRAINING)
    assert bool(c.reply) == agent
    assert c.turn_open == (machine.state in (State.USER_SPEAKING, State.DECIDING, State.INTERRUPTED)) or (
        machine.state is State.DRAINING
    )
    assert not c.suspected or (machine.state is State.SPEAKING and c.candidate is None)
    if machine.state in (State.THINKING, State.SPEAKING):
        assert (c.candidate is not None) >= c.voiced, "a voice over the agent is a candidate"
        held = c.suspected or (c.candidate is not None and (c.candidate.held or c.candidate.ducked))
        assert "candidate" in c.timers or not held, "a voice is not lowered for ever"
    elif machine.state is not State.DRAINING:
        assert c.candidate is None
        assert not c.voiced or machine.state is not State.LISTENING, "a voice is listened to"


def shape(machine: TurnMachine) -> tuple[Any, ...]:
    """What makes two conversations behave alike, times and words left out."""
    c = machine.c
    return (
        c.state, c.turn_open, c.voiced, c.forced, bool(c.spoken()), bool(c.text(before=c.asked)), c.finals_due > 0,
        c.asked > c.answered, bool(c.typed), bool(c.reply), c.acted, c.audible, c.interruptible, c.continuable,
        c.reply_ended, c.reply_turn > 0, len(c.says) > 0, c.away_told, c.now - c.committed_at > 1.5,
        c.candidate and (c.candidate.ducked, c.candidate.held, c.candidate.ended_at is not None),
        c.guess > 0, c.guesses, c.suspected, c.echoes > 1, c.over_voice is not None, bool(c.said),
        c.quiet and c.state is State.USER_SPEAKING and machine.settings.max_guesses > 0,
        c.interrupted and c.interrupted.ended_at is not None, tuple(sorted(c.timers)),
    )  # fmt: skip


def steps(machine: TurnMachine) -> Iterator[tuple[inp.Input | None, float]]:
    """All that can happen next: an input soon, after a while, or after the deadlines; or time passing alone."""
    now = machine.c.now
    for event in every_input(machine, now + 0.05):
        yield event, now + 0.05
    for moment in sorted(set(machine.c.timers.values())):
        yield None, moment
    # Deadlines follow the audio, so other news may overtake one that is due.
    late = (machine.deadline() or now) + 0.1
    for event in every_input(machine, late):
        if not isinstance(event, inp.PlayoutProgress | inp.SayRequested | inp.Stop):
            yield event, late
    yield inp.FinalText(machine.c.answered, "stop it now"), now + 20.0


def beginnings(settings: TurnSettings) -> list[TurnMachine]:
    """A new conversation, one where the agent speaks, and one where it was cut, so that few steps go deep."""
    fresh, speaking = Watched(settings), Watched(settings)
    for event in (inp.TypedText("hello"), inp.PlayoutStarted(1)):
        speaking.feed(event, 1.0)
    cut = clone(speaking)
    cut.feed(inp.SpeechStarted(1.0), 1.0)
    while cut.state is State.SPEAKING and cut.deadline() is not None and cut.c.now < 4.0:
        cut.wake(cut.deadline() or 0.0)
    for machine in (fresh, speaking, cut):
        drain(machine)
    return [fresh, speaking, cut]


@cache
def explore(variant: str) -> tuple[list[TurnMachine], set[tuple[State, str, State]], set[tuple[State, str]]]:
    """Breadth first: distinct situations, the transitions seen, and the pairs of state and input tried."""
    Watched.seen = set()
    frontier = beginnings(VARIANTS[variant])
    found = {shape(machine): machine for machine in frontier}
    pairs: set[tuple[State, str]] = set()
    while frontier:
        following: list[TurnMachine] = []
        for machine in frontier:
            for event, moment in steps(machine):
                child = clone(machine)
                if event is None:
                    child.wake(moment)
                else:
                    child.feed(event, moment)
                    pairs.add((machine.state, type(event).__name__))
                drain(child)
                check(child)
                key = shape(child)
                if key not in found and len(found) < SITUATIONS:
                    found[key] = child
                    following.append(child)
        frontier = following
    return list(found.values()), set(Watched.seen), pairs


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_state_takes_every_input_and_timer(variant: str) -> None:
    machines, _, pairs = explore(variant)
    states = set(State) if variant != "every reply is heard" else set(State) - {State.INTERRUPTED}
    assert {m.state for m in machines} == states
    assert len(pairs) == len(states) * len(inp.INPUTS)


def test_the_table_says_exactly_what_can_happen() -> None:
    possible = {
        (s, event, after)
        for s, rules in TABLE.items()
        for event, (_, rule) in rules.items()
        for after in rule
    }
    happened = set[tuple[State, str, State]]().union(*(explore(variant)[1] for variant in VARIANTS))
    assert happened == possible


def test_the_table_names_real_handlers_and_known_events() -> None:
    names = {cls.__name__ for cls in inp.INPUTS} | {f"timer:{name}" for name in TIMERS}
    for state, rules in TABLE.items():
        for event, (handler, _) in rules.items():
            assert event in names
            assert callable(getattr(TurnMachine, handler)), (state, event)
    assert {event for rules in TABLE.values() for event in rules} == names


def test_closed_is_the_end() -> None:
    assert TABLE[State.CLOSED] == {}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_stop_from_anywhere_ends_within_its_deadline(variant: str) -> None:
    for machine in explore(variant)[0]:
        if machine.state is State.CLOSED:
            continue
        for stop in (inp.Stop("bye", graceful=True), inp.Stop("bye")):
            ending = clone(machine)
            ending.feed(stop, ending.c.now)
            commands = drain(ending)
            if not stop.graceful:
                assert ending.state is State.CLOSED
            ending.wake(ending.c.now + ending.settings.draining_timeout)
            commands += drain(ending)
            assert ending.state is State.CLOSED
            assert [c for c in commands if isinstance(c, cmd.Close)] == [commands[-1]]


@pytest.mark.parametrize("variant", VARIANTS)
def test_left_alone_every_situation_comes_to_rest_and_then_ends(variant: str) -> None:
    """No reply, no voice, no words: deadlines alone lead to the end, and not by way of endless small steps."""
    for machine in explore(variant)[0]:
        alone = clone(machine)
        for _ in range(100):
            due = alone.deadline()
            if due is None:
                break
            if alone.c.voiced:  # nobody speaks for ever
                alone.feed(inp.SpeechEnded(alone.c.now), alone.c.now)
            alone.wake(due)
            for command in drain(alone):
                if isinstance(command, cmd.StopPlayout):
                    alone.feed(inp.PlayoutStopped(command.reply, ""), alone.c.now)
        assert alone.state is State.CLOSED


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_snapshot_goes_through_json_and_behaves_the_same(variant: str) -> None:
    rng = random.Random(1)
    for machine in explore(variant)[0]:
        one, other = clone(machine), TurnMachine(machine.settings)
        other.restore(json.loads(json.dumps(machine.snapshot())))
        assert other.c == machine.c
        now = one.c.now
        for _ in range(8):
            now += rng.choice((0.02, 0.1, 0.5, 2.0))
            event = rng.choice(every_input(one, now))
            for each in (one, other):
                each.feed(event, now)
                each.wake(now)
            assert drain(one) == drain(other)
        assert one.c == other.c


@pytest.mark.parametrize("seed", range(300))
def test_at_random(seed: int) -> None:
    """What breadth first does not reach: long walks, with time passing in big and small steps."""
    rng = random.Random(seed)
    machine = TurnMachine(rng.choice(list(VARIANTS.values())))
    now = 0.0
    for _ in range(150):
        now += rng.choice((0.0, 0.02, 0.1, 0.3, 1.0, 3.0))
        if rng.random() < 0.8:
            machine.wake(now)
        event = rng.choice(every_input(machine, now))
        if not isinstance(event, inp.Stop) or rng.random() < 0.05:
            machine.feed(event, now)
        drain(machine)
        check(machine)


def test_now_never_goes_back() -> None:
    machine = TurnMachine(SETTINGS, now=5.0)
    machine.feed(inp.SpeechStarted(4.0), 4.0)
    assert machine.c.now == 5.0
    machine.wake(3.0)
    assert machine.c.now == 5.0
