"""Interruption, back-channel or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from beluga_voice.core.interruption import Verdict, judge, length_limit
from beluga_voice.core.settings import TurnSettings

OPEN, CUT, MURMUR, NOTHING = (
    Verdict.UNDECIDED, Verdict.INTERRUPTION, Verdict.BACKCHANNEL, Verdict.NOTHING,
)  # fmt: skip


def weigh(text: str, voiced: float, ended: bool = False, final: bool = False, **settings: Any) -> Verdict:
    settings.setdefault("language", "")
    return judge(text=text, voiced_for=voiced, ended=ended, final=final, settings=TurnSettings(**settings))


@pytest.mark.parametrize(
    ("text", "voiced", "verdict"),
    [
        ("", 0.1, OPEN),
        ("", 1.7, OPEN),
        ("", 1.8, CUT),
        ("stop", 0.2, CUT),
        ("no", 0.2, CUT),
        ("mm-hmm", 1.0, OPEN),
        ("yeah okay", 1.8, CUT),
        ("yeah but", 0.4, CUT),
        ("the", 1.0, OPEN),
        ("um", 1.0, OPEN),
        ("halt", 0.2, CUT),
        ("non attendez", 0.3, CUT),
    ],
)
def test_while_the_voice_lasts(text: str, voiced: float, verdict: Verdict) -> None:
    assert weigh(text, voiced) is verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("", NOTHING),
        ("mm-hmm", MURMUR),
        ("the", MURMUR),
        ("genau", MURMUR),
        ("ah oui", MURMUR),
        ("sí claro", MURMUR),
        ("wait", CUT),
    ],
)
def test_when_it_has_ended_and_the_words_are_known(text: str, verdict: Verdict) -> None:
    assert weigh(text, 0.4, ended=True, final=True) is verdict


def test_words_may_still_come() -> None:
    assert weigh("", 0.4, ended=True) is OPEN
    assert weigh("mm-hmm", 0.4, ended=True) is OPEN


def test_more_words_can_be_required_but_length_is_enough_with_any() -> None:
    assert weigh("the price", 0.3, min_interruption_words=3) is OPEN
    assert weigh("the price", 0.7, min_interruption_words=3) is CUT
    assert weigh("the price", 0.3, ended=True, final=True, min_interruption_words=3) is MURMUR


def test_words_that_stop_need_no_others() -> None:
    assert weigh("stop it", 0.1, min_interruption_words=3) is CUT
    assert weigh("um no", 0.1, ended=True, final=True, min_interruption_words=3) is CUT


def test_its_own_words_are_no_interruption_however_long_they_last() -> None:
    judged = {"voiced_for": 9.0, "settings": TurnSettings(), "echo": True}
    assert judge(text="", ended=False, final=False, **judged) is OPEN
    assert judge(text="", ended=True, final=False, **judged) is OPEN
    assert judge(text="", ended=True, final=True, **judged) is Verdict.ECHO
    assert judge(text="wait", ended=False, final=False, **judged) is CUT


def test_a_yes_answers_a_question() -> None:
    judged = {"voiced_for": 0.2, "settings": TurnSettings(), "ended": False, "final": False}
    assert judge(text="yeah sure", asked=True, **judged) is CUT
    assert judge(text="yeah sure", asked=False, **judged) is OPEN
    assert judge(text="mm", asked=True, **judged) is OPEN


def test_no_words_can_be_required() -> None:
    assert weigh("", 0.7, min_interruption_words=0) is CUT
    assert weigh("mm-hmm", 0.7, min_interruption_words=0) is OPEN


def test_the_limit_is_what_judging_uses() -> None:
    settings = TurnSettings(interrupt_after=0.4)
    for text in ("", "mm-hmm", "stop", "the"):
        limit = length_limit(text, settings)
        assert judge(text=text, voiced_for=limit, ended=False, final=False, settings=settings) is CUT
