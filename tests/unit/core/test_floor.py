"""The floor's rules, one at a time."""

from __future__ import annotations

from typing import Any

import pytest

from beluga_voice.core import floor_rounds as cmd
from beluga_voice.core.floor import FloorMachine
from beluga_voice.core.floor_settings import FloorSettings
from beluga_voice.core.moderator import Candidate, FloorLine, FloorTurn, choose


class Driver:
    """A floor whose moderator makes the default choice unless told otherwise."""

    def __init__(self, *names: str, **settings: Any) -> None:
        self.floor = FloorMachine(FloorSettings(**settings))
        self.moderate = True
        self.tokens = 0
        for name in names:
            self.floor.join(name, name, 0.0)

    def told(self) -> list[Any]:
        """The commands that wait, with the moderator's answered."""
        out: list[Any] = []
        while (command := self.floor.poll()) is not None:
            if isinstance(command, cmd.AskModerator) and self.moderate:
                self.floor.decided(command.round, choose(command.turn, command.candidates), self.now)
            else:
                out.append(command)
        return out

    now = 0.0

    def claim(self, agent: str, words: str, onset: float, end: float, now: float, **more: Any) -> list[Any]:
        self.tokens += 1
        self.now = now
        turn = FloorTurn((("ann", words),))
        self.floor.claim(agent, self.tokens, turn, onset=onset, end=end, now=now, patience=10.0, **more)
        return self.told()

    def at(self, now: float, step: Any) -> list[Any]:
        self.now = now
        step()
        return self.told()


def test_who_is_addressed_answers_and_the_others_are_refused() -> None:
    d = Driver("ada", "ben")
    assert d.claim("ada", "hello ben", 1.0, 2.0, 2.3) == []
    assert d.claim("ben", "hello Ben", 1.1, 2.1, 2.4) == [cmd.Grant("ben", 2), cmd.Refuse("ada", 1)]
    assert d.floor.hold is not None
    assert d.floor.hold.agent == "ben"


def test_a_late_claim_for_a_turn_that_is_answered_is_refused() -> None:
    d = Driver("ada", "ben")
    d.claim("ada", "ada hello", 1.0, 2.0, 2.3)
    assert d.claim("ben", "ada hello", 1.0, 2.0, 4.0) == [cmd.Refuse("ben", 2)]
    d.at(5.0, lambda: d.floor.release("ada", "hi", 5.0))
    assert d.claim("ben", "ben hello", 1.0, 2.0, 5.5) == [cmd.Grant("ben", 3)], (
        "it has claimed that one before: this is another turn"
    )


@pytest.mark.parametrize(
    ("words", "partner", "chosen"),
    [
        ("what time is it", "", "cem"),
        ("what time is it", "ada", "ada"),
        ("ben what time is it", "ada", "ben"),
        ("cem and ben what is it", "", "cem"),
    ],
)
def test_the_default_choice(words: str, partner: str, chosen: str) -> None:
    candidates = [
        Candidate(name, name, silent_for, last_with_speaker=name == partner)
        for name, silent_for in (("ada", 1.0), ("ben", 5.0), ("cem", 9.0))
    ]
    assert choose(FloorTurn((("ann", words),)), candidates) == chosen
    assert choose(FloorTurn(()), []) is None


def test_an_agent_may_have_several_names() -> None:
    d = Driver("ada")
    d.floor.join("c", "Cora", 0.0, ("korra", "quora"))
    assert d.claim("c", "hey quora what is that", 1.0, 2.0, 2.3) == [cmd.Grant("c", 1)]


def test_the_chosen_one_is_waited_for_then_invited_then_passed_over() -> None:
    d = Driver("ada", "ben")
    d.claim("ada", "hello ben", 1.0, 2.0, 2.3)
    assert d.floor.deadline() == pytest.approx(3.3)
    invited = d.at(3.3, lambda: d.floor.wake(3.3))
    assert invited == [cmd.Invite("ben", 1, FloorTurn((("ann", "hello ben"),)), heard=False)]
    assert d.floor.expects("ben", 1)
    assert not d.floor.expects("ada", 1)
    due = d.floor.deadline()
    assert due == pytest.approx(6.3)
    assert d.at(6.4, lambda: d.floor.wake(6.4)) == [cmd.Grant("ada", 1)]
    assert not d.floor.expects("ben", 1)


def test_an_invited_agent_answers() -> None:
    d = Driver("ada", "ben")
    d.claim("ada", "hello ben", 1.0, 2.0, 2.3)
    d.at(3.3, lambda: d.floor.wake(3.3))
    assert d.claim("ben", "hello ben", 3.3, 3.3, 3.4, invitation=1) == [
        cmd.Grant("ben", 2),
        cmd.Refuse("ada", 1),
    ]
    told = d.at(5.0, lambda: d.floor.release("ben", "hi", 5.0))
    assert told == [cmd.Tell("ada", (FloorLine("ben", "hi", agent=True),))]


def test_who_did_not_hear_the_turn_is_told_of_it() -> None:
    d = Driver("ada", "ben", "cem")
    d.claim("ada", "hello ada", 1.0, 2.0, 2.3)
    d.claim("ben", "hello ada", 1.0, 2.0, 2.4)
    told = d.at(4.0, lambda: d.floor.release("ada", "hi there", 4.0))
    line = FloorLine("ada", "hi there", agent=True)
    assert told == [cmd.Tell("ben", (line,)), cmd.Tell("cem", (FloorLine("ann", "hello ada"), line))]
    assert tuple(d.floor.record.lines) == (FloorLine("ann", "hello ada"), line)


def test_a_turn_while_somebody_speaks_waits_for_what_becomes_of_it() -> None:
    d = Driver("ada", "ben")
    d.claim("ada", "ada tell me", 1.0, 2.0, 2.3)
    d.at(3.0, lambda: d.floor.alive("ada", 3.0))
    assert d.claim("ben", "ben stop her", 4.0, 5.0, 5.3) == []
    told = d.at(5.4, lambda: d.floor.release("ada", "once upon", 5.4, interrupted=True))
    lines = (FloorLine("ann", "ada tell me"), FloorLine("ada", "once upon", agent=True))
    assert told == [cmd.Tell("ben", lines), cmd.Grant("ben", 2)]


def test_a_sound_that_was_no_turn_is_answered_by_nobody_also_later() -> None:
    d = Driver("ada", "ben", "cem")
    d.claim("ada", "ada tell me", 1.0, 2.0, 2.3)
    d.claim("ben", "mm hm", 4.0, 4.3, 4.6)
    assert d.at(4.9, lambda: d.floor.dismissed("ada", 4.0, 4.9)) == [cmd.Refuse("ben", 2)]
    assert d.claim("cem", "mm hm", 4.05, 4.3, 6.0) == [cmd.Refuse("cem", 3)]
    assert d.claim("cem", "really cem", 5.5, 6.0, 6.3) == []
    d.at(7.0, lambda: d.floor.dismissed("ben", 5.4, 7.0))
    assert [type(c) for c in d.at(7.5, lambda: d.floor.release("ada", "end", 7.5))][-1] is cmd.Grant, (
        "only the speaker's judgement counts"
    )


def test_a_turn_that_goes_on_is_one_round_more_and_is_remembered_once() -> None:
    d = Driver("ada", "ben")
    assert d.claim("ada", "what time", 1.0, 2.0, 2.3) == [cmd.Grant("ada", 1)]
    assert d.claim("ben", "what time", 1.0, 2.0, 2.3) == [cmd.Refuse("ben", 2)]
    d.at(2.8, lambda: d.floor.withdraw("ada", 1, 2.8))
    assert d.floor.hold is None
    assert list(d.floor.record.lines) == []
    d.claim("ada", "what time is it", 1.0, 3.5, 3.8)
    d.claim("ben", "is it", 2.6, 3.5, 3.8)
    assert d.floor.hold is not None
    assert len(d.floor.record.lines) == 1


def test_withdrawing_what_was_only_claimed() -> None:
    d = Driver("ada", "ben")
    d.claim("ada", "hello ben", 1.0, 2.0, 2.3)
    d.at(2.5, lambda: d.floor.withdraw("ada", 1, 2.5))
    assert d.claim("ben", "hello ben", 1.0, 2.0, 2.6) == [cmd.Grant("ben", 2)]


def test_nobody_wants_it() -> None:
    d = Driver("ada", "ben")
    d.claim("ada", "nice weather", 1.0, 2.0, 2.3, willing=False)
    assert d.floor.deadline() == pytest.approx(5.3)
    assert d.at(5.3, lambda: d.floor.wake(5.3)) == [cmd.Tell("ben", (FloorLine("ann", "nice weather"),))]
    assert d.floor.deadline() is None
    d.claim("ada", "nice car", 11.0, 12.0, 12.3, willing=False)
    assert d.claim("ben", "nice car", 11.0, 12.0, 12.4) == [cmd.Grant("ben", 3)]


def test_the_chosen_one_does_not_want_it() -> None:
    d = Driver("ada", "ben")
    d.claim("ada", "ask ben", 1.0, 2.0, 2.3)
    assert d.claim("ben", "ask ben", 1.0, 2.0, 2.4, willing=False) == [cmd.Grant("ada", 1)]


def test_a_holder_that_is_silent_for_too_long() -> None:
    d = Driver("ada", "ben", deadline=5.0)
    d.claim("ada", "hello ada", 1.0, 2.0, 2.0)
    d.claim("ben", "hello ada", 1.0, 2.0, 2.1)
    d.at(6.0, lambda: d.floor.alive("ben", 6.0))
    assert d.floor.deadline() == pytest.approx(7.0)
    assert d.at(7.0, lambda: d.floor.wake(7.0)) == [cmd.Revoke("ada")]
    told = d.at(7.6, lambda: d.floor.wake(7.6))
    assert told == [cmd.Invite("ben", 1, FloorTurn((("ann", "hello ada"),)), heard=True)]


def test_a_holder_that_says_what_was_heard_when_it_is_cut() -> None:
    d = Driver("ada", "ben", deadline=5.0)
    d.claim("ada", "hello ada", 1.0, 2.0, 2.0)
    d.claim("ben", "hello ada", 1.0, 2.0, 2.1)
    d.at(3.0, lambda: d.floor.alive("ada", 3.0))
    assert d.at(8.0, lambda: d.floor.wake(8.0)) == [cmd.Revoke("ada")]
    assert d.at(8.0, lambda: d.floor.release("ada", "well", 8.0)) == [
        cmd.Tell("ben", (FloorLine("ada", "well", agent=True),))
    ], "it has answered, if badly"
    assert d.floor.hold is None


def test_an_invited_agent_that_then_hears_the_turn_itself_answers_once() -> None:
    d = Driver("ada", "ben")
    d.claim("ada", "hello ben", 1.0, 2.0, 2.3)
    d.at(3.3, lambda: d.floor.wake(3.3))
    d.claim("ben", "hello ben", 3.3, 3.3, 3.4, invitation=1)
    assert d.claim("ben", "hello Ben", 1.0, 2.0, 3.6) == [cmd.Refuse("ben", 3)]
    d.at(5.0, lambda: d.floor.release("ben", "hi", 5.0))
    assert d.claim("ben", "hello Ben", 1.0, 2.0, 5.1)[0] == cmd.Grant("ben", 4)


def test_agents_that_come_and_go() -> None:
    d = Driver("ada", "ben")
    d.claim("ada", "hello ada", 1.0, 2.0, 2.0)
    d.claim("ben", "hello ada", 1.0, 2.0, 2.1)
    assert [type(c) for c in d.at(3.0, lambda: d.floor.leave("ada", 3.0))] == [cmd.Invite]
    assert d.at(3.1, lambda: d.floor.leave("ben", 3.1)) == []
    assert d.floor.deadline() is None
    assert d.at(3.2, lambda: d.floor.leave("ben", 3.2)) == []
    assert d.claim("ada", "hello", 4.0, 5.0, 5.0) == [cmd.Refuse("ada", 3)]


def test_the_chosen_one_leaves_before_its_claim() -> None:
    d = Driver("ada", "ben")
    d.claim("ada", "hello ben", 1.0, 2.0, 2.3)
    assert d.at(2.5, lambda: d.floor.leave("ben", 2.5)) == [cmd.Grant("ada", 1)]


def test_things_to_say_wait_in_line_behind_turns() -> None:
    d = Driver("ada", "ben", "cem")
    d.floor.want_say("ada", 0.0)
    d.floor.want_say("ben", 0.0)
    d.floor.want_say("nobody", 0.0)
    assert d.told() == [cmd.GrantSay("ada")]
    d.claim("cem", "cem hello", 1.0, 2.0, 2.3)
    assert d.at(3.0, lambda: d.floor.release("ada", "welcome", 3.0))[-1] == cmd.Grant("cem", 1)
    assert cmd.GrantSay("ben") not in d.at(4.0, lambda: d.floor.release("cem", "hi", 4.0))
    assert d.floor.deadline() == pytest.approx(4.4)
    assert d.at(4.4, lambda: d.floor.wake(4.4)) == [cmd.GrantSay("ben")]


def test_claims_are_not_kept_for_ever() -> None:
    d = Driver("ada", "ben")
    d.floor.want_say("ada", 0.0)
    d.told()
    d.at(1.0, lambda: d.floor.alive("ada", 1.0))
    d.claim("ben", "ben hello", 1.0, 2.0, 2.3)
    d.at(12.0, lambda: d.floor.alive("ada", 12.0))
    assert d.at(12.4, lambda: d.floor.wake(12.4))[0] == cmd.Refuse("ben", 1)


def test_a_moderator_that_is_late_or_wrong_is_replaced() -> None:
    d = Driver("ada", "ben", decide_within=2.0)
    d.moderate = False
    asked = d.claim("ada", "hello ben", 1.0, 2.0, 2.3)
    assert isinstance(asked[0], cmd.AskModerator)
    assert [c.agent for c in asked[0].candidates] == ["ada", "ben"]
    d.claim("ben", "hello ben", 1.0, 2.0, 2.4)
    assert d.at(4.3, lambda: d.floor.wake(4.3)) == [cmd.Grant("ben", 2), cmd.Refuse("ada", 1)]
    assert d.at(4.4, lambda: d.floor.decided(1, "ada", 4.4)) == []
    d.at(5.0, lambda: d.floor.release("ben", "hi", 5.0))
    asked = d.claim("ada", "hello ada", 6.0, 7.0, 7.3)
    assert d.at(7.4, lambda: d.floor.decided(asked[0].round, "zoe", 7.4)) == [cmd.Grant("ada", 3)]


def test_a_moderator_may_leave_a_turn_unanswered() -> None:
    d = Driver("ada", "ben")
    d.moderate = False
    asked = d.claim("ada", "we talk", 1.0, 2.0, 2.3)
    told = d.at(2.4, lambda: d.floor.decided(asked[0].round, None, 2.4))
    assert told == [cmd.Tell("ben", (FloorLine("ann", "we talk"),)), cmd.Refuse("ada", 1)]
    assert d.claim("ben", "we talk", 1.0, 2.0, 2.6) == [cmd.Refuse("ben", 2)]


def converse(d: Driver, speaker: str, words: str, now: float) -> list[Any]:
    d.at(now, lambda: d.floor.alive(speaker, now))
    d.at(now + 1, lambda: d.floor.release(speaker, words, now + 1))
    due = d.floor.deadline()
    return [] if due is None else d.at(due, lambda: d.floor.wake(due))


def test_agents_answer_each_other_until_their_turns_are_over() -> None:
    d = Driver("ada", "ben", converse=True, max_turns=2)
    d.floor.want_say("ada", 0.0)
    d.told()
    invited = converse(d, "ada", "hello", 0.0)
    assert invited == [cmd.Invite("ben", 1, FloorTurn((("ada", "hello"),), by_agent=True), heard=False)]
    assert d.claim("ben", "hello", 1.5, 1.5, 1.5, invitation=1) == [cmd.Grant("ben", 1)]
    invited = converse(d, "ben", "hi ada", 2.0)
    assert isinstance(invited[0], cmd.Invite)
    d.claim("ada", "hi ada", 3.5, 3.5, 3.5, invitation=2)
    assert converse(d, "ada", "bye", 4.0) == []
    assert d.floor.turns_in_a_row == 2
    assert list(d.floor.record.lines) == [
        FloorLine("ada", "hello", True), FloorLine("ben", "hi ada", True), FloorLine("ada", "bye", True)
    ]  # fmt: skip
    d.claim("ben", "go on ben", 8.0, 9.0, 9.3)
    assert d.floor.turns_in_a_row == 0


def test_agents_that_are_stopped_or_interrupted_do_not_go_on() -> None:
    d = Driver("ada", "ben", converse=True)
    d.floor.want_say("ada", 0.0)
    d.told()
    d.floor.stop()
    assert converse(d, "ada", "hello", 0.0) == []
    d = Driver("ada", "ben", converse=True)
    d.floor.want_say("ada", 0.0)
    d.told()
    d.at(1.0, lambda: d.floor.release("ada", "hel", 1.0, interrupted=True))
    assert d.floor.deadline() is None


def test_an_agents_turn_that_met_a_voice_is_tried_again() -> None:
    d = Driver("ada", "ben", converse=True, pause=0.5)
    d.floor.want_say("ada", 0.0)
    d.told()
    assert isinstance(converse(d, "ada", "hello", 0.0)[0], cmd.Invite)
    assert d.at(1.6, lambda: d.floor.declined("ben", 1, 1.6)) == []
    assert d.floor.deadline() == pytest.approx(2.6)
    again = d.at(2.6, lambda: d.floor.wake(2.6))
    assert isinstance(again[0], cmd.Invite)
    assert d.floor.turns_in_a_row == 1
    d.at(2.7, lambda: d.floor.declined("ben", 2, 2.7))
    d.claim("ben", "I am speaking", 2.0, 3.0, 3.3)
    assert d.floor.turns_in_a_row == 0, "a person has spoken: what the agent said is over"
