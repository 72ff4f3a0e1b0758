"""The realtime machine against everything that could be said to it: all states, all inputs, all timers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core import realtime_words as rt
from beluga_voice.core.conversation import State
from beluga_voice.core.realtime import RealtimeMachine, RealtimeSettings
from beluga_voice.core.realtime_transitions import TABLE, TIMERS
from beluga_voice.core.realtime_words import Words

# Half a million steps in each process that has a share of these tests.
pytestmark = pytest.mark.timeout(400)

SERVER = RealtimeSettings(user_away_timeout=5.0, idle_timeout=100.0, max_turn=8.0, renew_early=10.0)
VARIANTS = {
    "the model takes turns": SERVER,
    "we take turns": replace(SERVER, server_turns=False),
    "we take turns, without haste": replace(SERVER, server_turns=False, speculate=False, transcripts=False),
    "the model takes turns, our agent reasons": replace(SERVER, agent_reasons=True),
    "we take turns, our agent reasons": replace(SERVER, server_turns=False, agent_reasons=True),
    "every reply is heard": replace(SERVER, allow_interruptions=False),
    "we take turns, every reply is heard": replace(SERVER, server_turns=False, allow_interruptions=False),
    "no patience": replace(
        SERVER, server_turns=False, thinking_timeout=0.7, reply_gap_timeout=0.7, min_voice=0.01
    ),
    "a model that does not tell when it hears": replace(SERVER, voice_events=False),
}
SITUATIONS = 1000
NEEDS_LINK = (rt.AskModel, rt.CommitInput, rt.SendText, rt.Renew, rt.SwitchOver)


def every_input(machine: RealtimeMachine, now: float) -> list[Any]:
    """One or more of each kind of input, current and late."""
    c = machine.c
    out: list[Any] = [
        inp.SpeechStarted(now - 0.05),
        inp.SpeechEnded(now - 0.02),
        inp.SpeechEnded(now - 2.6),
        inp.SpeechStarted(now - 2.0),
        rt.SpeechPaused(now - 0.07),
        rt.SpeechPaused(now - 2.5),
        rt.SpeechResumed(now - 2.0),
        rt.SpeechResumed(now - 0.03),
        inp.TurnProbability(0.95),
        inp.TurnProbability(0.01),
        inp.TypedText("hello there"),
        inp.TypedText(" "),
        inp.SayRequested("one moment"),
        inp.SayRequested("listen to this", interruptible=False),
        inp.Stop("bye"),
        inp.Stop("bye", graceful=True),
        rt.ModelHeard(),
        rt.ModelPaused(),
        Words("stop it now", True),
        Words("i want to", False),
        Words("", True),
        Words("mm-hmm", True),
        rt.Linked(),
        rt.Linked(60.0),
        rt.LinkLost(),
        rt.Renewed(60.0),
        rt.RenewFailed(),
        rt.Expiring(20.0),
    ]
    for reply in {c.reply, 777}:
        out += [
            inp.ToolStarted(reply),
            inp.PlayoutStarted(reply),
            inp.PlayoutProgress(reply),
            inp.ReplyEnded(reply, audio=True),
            inp.ReplyEnded(reply, audio=False),
            inp.ReplyFailed(reply),
            inp.PlayoutFinished(reply),
            rt.ToolsDone(reply),
            rt.PieceAsked(reply),
            rt.SourceEnded(reply),
        ]
    for response in {*c.responses[:1], "new"}:
        out += [
            rt.ResponseBegan(response),
            rt.ResponseProgress(response),
            rt.ToolAsked(response),
            rt.ResponseOver(response),
            rt.ResponseOver(response, failed=True),
        ]
    return out


class Watched(RealtimeMachine):
    """Notes which state followed which event in which."""

    seen: set[tuple[State, str, State]]

    def _dispatch(self, name: str, event: Any) -> None:
        before = self.c.state
        ours = getattr(event, "reply", None) in (None, self.c.reply or None)
        super()._dispatch(name, event)
        if name in TABLE[before] and ours:
            Watched.seen.add((before, name, self.c.state))


def clone(machine: RealtimeMachine) -> RealtimeMachine:
    c = machine.c
    twin = Watched(machine.settings)
    twin.c = replace(
        c,
        timers=dict(c.timers),
        responses=list(c.responses),
        says=list(c.says),
        unsent=list(c.unsent),
        candidate=c.candidate and replace(c.candidate),
    )
    twin._out.clear()
    return twin


def drain(machine: RealtimeMachine, linked: bool = True) -> list[Any]:
    """The commands; what needs a connection is not asked for without one."""
    out: list[Any] = []
    while (command := machine.poll()) is not None:
        out.append(command)
    return out


def check(machine: RealtimeMachine, commands: list[Any], before: bool) -> None:
    """What holds in every situation."""
    c = machine.c
    closed = machine.state is State.CLOSED
    assert (machine.deadline() is None) == closed
    if not (before or c.linked):
        assert not [x for x in commands if isinstance(x, NEEDS_LINK)], "asked of a model that is not there"
    replies = [x.reply for x in commands if isinstance(x, rt.AskModel | rt.EndReply | rt.RunTools)]
    cancelled: set[int] = set()
    for x in commands:
        if isinstance(x, cmd.CancelReply):
            cancelled.add(x.reply)
        elif isinstance(x, rt.AskModel | rt.EndReply | rt.RunTools | cmd.Resume | cmd.Hold | cmd.Duck):
            assert x.reply not in cancelled, "a cancelled reply goes on"
    assert all(replies), "asked for no reply"
    if closed:
        assert not c.reply
        return
    assert set(c.timers) <= set(TIMERS)
    if machine.state in (State.THINKING, State.SPEAKING, State.DRAINING):
        assert c.reply
    elif machine.state is State.DECIDING:
        assert bool(c.reply) == c.held
    else:
        assert not c.reply
        assert not c.responses and not c.asked
    if machine.state in (State.USER_SPEAKING, State.DECIDING):
        assert c.turn_open
        assert c.candidate is None
    if machine.state is State.LISTENING:
        assert not c.turn_open
        assert not c.voiced or not machine.settings.server_turns or c.turn >= 0
    if machine.state in (State.THINKING, State.SPEAKING):
        assert "reply" in c.timers, "a reply has a deadline"
        held = c.candidate is not None and (c.candidate.held or c.candidate.ducked)
        assert "candidate" in c.timers or not held, "a voice is not lowered for ever"
    if c.reply and c.ended:
        assert not (c.asked or c.calls or c.source), "a reply has ended with something to come"


def shape(machine: RealtimeMachine) -> tuple[Any, ...]:
    """What makes two conversations behave alike, times and words left out."""
    c = machine.c
    return (
        c.state, c.turn_open, c.voiced, c.model_voiced, c.model_heard, bool(c.words), c.words_final, c.words_due,
        c.uncommitted, bool(c.reply), c.reply_turn > 0, c.interruptible, c.held, c.acted, c.audible, c.ended,
        min(c.asked, 2), min(len(c.responses), 2), c.calls, c.source, bool(c.typed), bool(c.says), c.linked, c.redo,
        c.resend, bool(c.unsent), c.renew_due, c.renewing, c.stalled, c.now - c.committed_at > 1.5,
        c.candidate and (c.candidate.ducked, c.candidate.held, c.candidate.ended_at is not None),
        tuple(sorted(c.timers)),
    )  # fmt: skip


def steps(machine: RealtimeMachine) -> Iterator[tuple[Any, float]]:
    """All that can happen next: an input soon; or time passing alone."""
    now = machine.c.now
    for event in every_input(machine, now + 0.05):
        yield event, now + 0.05
    for moment in sorted(set(machine.c.timers.values())):
        yield None, moment
        if machine.c.voiced and moment > now + 0.1:
            yield inp.SpeechEnded(moment - 0.02), moment - 0.01


def act(machine: RealtimeMachine, event: Any, moment: float) -> list[Any]:
    before = machine.c.linked
    if event is None:
        machine.wake(moment)
    else:
        machine.feed(event, moment)
    commands = drain(machine)
    check(machine, commands, before)
    return commands


def beginnings(variant: RealtimeSettings) -> list[RealtimeMachine]:
    """A new conversation, and some further on, so that few steps go deep."""
    fresh = Watched(variant)
    linked = Watched(variant)
    act(linked, rt.Linked(60.0), 0.0)
    asked = clone(linked)
    act(asked, inp.TypedText("hello"), 1.0)
    saying = clone(linked)
    act(saying, inp.SayRequested("listen", interruptible=False), 1.0)
    act(saying, rt.PieceAsked(1), 1.0)
    speaking = clone(saying)
    act(speaking, rt.ResponseBegan("r"), 1.0)
    act(speaking, inp.PlayoutStarted(1), 1.2)
    user = clone(linked)
    act(user, inp.SpeechStarted(1.0), 1.0)
    act(user, rt.ModelHeard(), 1.1)
    act(user, inp.SpeechEnded(2.0), 2.2)
    answered = clone(linked)
    act(answered, inp.TypedText("hello"), 1.0)
    act(answered, rt.ResponseBegan("r"), 1.0)
    act(answered, inp.PlayoutStarted(1), 1.2)
    short = clone(answered)
    act(short, rt.Expiring(9.0), 1.2)
    draining = clone(answered)
    act(draining, inp.Stop("bye", graceful=True), 1.3)
    act(draining, rt.Linked(9.0), 1.3)
    unsure = clone(linked)
    act(unsure, inp.SpeechStarted(1.0), 1.0)
    act(unsure, rt.SpeechPaused(1.5), 1.6)
    act(unsure, inp.TurnProbability(0.01), 1.6)
    act(unsure, inp.SpeechEnded(1.5), 2.0)
    cough = clone(linked)
    act(cough, inp.SpeechStarted(1.0), 1.0)
    act(cough, rt.SpeechPaused(1.0), 1.1)
    act(cough, inp.TurnProbability(0.01), 1.1)
    act(cough, inp.SpeechEnded(1.0), 1.5)
    return [fresh, linked, asked, saying, speaking, user, answered, short, draining, unsure, cough]


@cache
def explore(variant: str) -> tuple[list[RealtimeMachine], set[tuple[State, str, State]]]:
    """Breadth first: distinct situations and the transitions seen."""
    Watched.seen = set()
    frontier = beginnings(VARIANTS[variant])
    found = {shape(machine): machine for machine in frontier}
    while frontier:
        following: list[RealtimeMachine] = []
        for machine in frontier:
            for event, moment in steps(machine):
                child = clone(machine)
                act(child, event, moment)
                key = shape(child)
                if key not in found and len(found) < SITUATIONS:
                    found[key] = child
                    following.append(child)
        frontier = following
    return list(found.values()), set(Watched.seen)


@pytest.mark.parametrize("variant", VARIANTS)
def test_everything_can_be_said_in_every_situation(variant: str) -> None:
    machines, _ = explore(variant)
    assert {m.state for m in machines} == set(State) - {State.INTERRUPTED}


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
    names = {type(e).__name__ for e in every_input(Watched(SERVER), 1.0)} | {f"timer:{t}" for t in TIMERS}
    for state, rules in TABLE.items():
        for event, (handler, _) in rules.items():
            assert event in names
            assert callable(getattr(RealtimeMachine, handler)), (state, event)
    assert {event for rules in TABLE.values() for event in rules} == names


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_stop_from_anywhere_ends_within_its_deadline(variant: str) -> None:
    for machine in explore(variant)[0]:
        if machine.state is State.CLOSED:
            continue
        for stop in (inp.Stop("bye", graceful=True), inp.Stop("bye")):
            ending = clone(machine)
            commands = act(ending, stop, ending.c.now)
            if not stop.graceful:
                assert ending.state is State.CLOSED
            ending.wake(ending.c.now + ending.settings.draining_timeout)
            commands += drain(ending)
            assert ending.state is State.CLOSED
            assert [c for c in commands if isinstance(c, cmd.Close)] == [commands[-1]]


@pytest.mark.parametrize("variant", VARIANTS)
def test_left_alone_every_situation_comes_to_rest_and_then_ends(variant: str) -> None:
    """A model that says nothing, a connection that never comes: deadlines alone lead to the end."""
    for machine in explore(variant)[0]:
        alone = clone(machine)
        for _ in range(200):
            due = alone.deadline()
            if due is None:
                break
            if alone.c.voiced:  # nobody speaks for ever
                act(alone, inp.SpeechEnded(alone.c.now), alone.c.now)
            for command in act(alone, None, due):
                if isinstance(command, rt.Relink):
                    act(alone, rt.Linked(60.0), alone.c.now)
                elif isinstance(command, rt.Renew):
                    act(alone, rt.RenewFailed(), alone.c.now)
        assert alone.state is State.CLOSED, (alone.state, alone.c)


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_walks(variant: str, data: st.DataObject) -> None:
    """Long walks with time passing in big and small steps; a snapshot on the way behaves the same."""
    machine: RealtimeMachine = Watched(VARIANTS[variant])
    Watched.seen = set()
    now = 0.0
    moves = data.draw(
        st.lists(
            st.tuples(st.integers(0, 200), st.sampled_from((0.0, 0.02, 0.1, 0.3, 1.0, 3.0)), st.booleans()),
            max_size=60,
        )
    )
    for number, pause, wake in moves:
        now += pause
        if wake:
            act(machine, None, now)
        inputs = every_input(machine, now)
        event = inputs[number % len(inputs)]
        if isinstance(event, inp.Stop) and number < 190:
            continue
        twin = RealtimeMachine(machine.settings)
        twin.restore(json.loads(json.dumps(machine.snapshot())))
        assert twin.c == machine.c
        commands = act(machine, event, now)
        twin.feed(event, now)
        assert drain(twin) == commands
        assert twin.c == machine.c
