from __future__ import annotations

import pytest

from beluga_voice.core.endpointing import endpointing_delay
from beluga_voice.core.interruption import Verdict, judge
from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.words import completeness, content_words, is_backchannel

UNFINISHED = [
    "I would like to book a table for",
    "can you tell me the",
    "my name is",
    "I want to go to Berlin and",
    "it was because",
    "my number is five five five",
    "well um",
    "so I was going to",
    "please send it to,",
    "I think…",
]
FINISHED = [
    "What time do you open on Saturday?",
    "what time do you open on saturday",
    "yes",
    "no thank you",
    "two people please",
    "my number is five five five one two three four",
    "that is all right",
    "can you call me back tomorrow",
    "what is it like",
]


@pytest.mark.parametrize("text", UNFINISHED)
def test_unfinished(text: str) -> None:
    assert completeness(text) <= 0.3


@pytest.mark.parametrize("text", FINISHED)
def test_finished(text: str) -> None:
    assert completeness(text) >= 0.7


def test_between() -> None:
    assert 0.3 < completeness("I lost my key") < 0.7
    assert completeness("") == 0.5


@pytest.mark.parametrize(
    "text",
    [
        "mm-hmm",
        "uh huh",
        "Yeah, okay.",
        "I see",
        "right",
        "genau",
        "ach so",
        "ouais",
        "sí sí",
        "vale",
        "all right",
    ],
)
def test_backchannels(text: str) -> None:
    assert is_backchannel(text)
    assert content_words(text) == 0


@pytest.mark.parametrize("text", ["no", "stop", "wait a moment", "yeah but I meant Sunday", "what"])
def test_not_backchannels(text: str) -> None:
    assert not is_backchannel(text)
    assert content_words(text) > 0


def test_noise_words_do_not_count_alone() -> None:
    assert content_words("the") == 0
    assert content_words("the second one") == 3


def test_delay_runs_from_min_to_max() -> None:
    settings = TurnSettings(min_endpointing_delay=0.3, max_endpointing_delay=2.4)
    assert endpointing_delay("yes please", None, settings) == pytest.approx(0.3)
    assert endpointing_delay("I would like to", None, settings) == pytest.approx(2.4)
    middle = endpointing_delay("I lost my key", None, settings)
    assert 0.3 < middle < 1.0
    assert (
        endpointing_delay("I lost my key", 0.95, settings)
        < middle
        < endpointing_delay("I lost my key", 0.1, settings)
    )


def test_words_veto_a_detector() -> None:
    settings = TurnSettings()
    assert endpointing_delay("a table for", 0.99, settings) == pytest.approx(settings.max_endpointing_delay)


def test_no_minimum() -> None:
    assert endpointing_delay("yes please", None, TurnSettings(min_endpointing_delay=0.0)) == 0.0


def _judge(text: str, voiced: float, *, ended: bool = False, final: bool = False) -> Verdict:
    return judge(text=text, voiced_for=voiced, ended=ended, final=final, settings=TurnSettings())


def test_interruption_by_words_or_length() -> None:
    assert _judge("stop", 0.2) is Verdict.INTERRUPTION
    assert _judge("", 0.69) is Verdict.UNDECIDED
    assert _judge("", 0.71) is Verdict.INTERRUPTION
    assert _judge("yeah", 0.9) is Verdict.UNDECIDED
    assert _judge("yeah", 2.0) is Verdict.INTERRUPTION
    assert _judge("yeah", 0.4, ended=True, final=True) is Verdict.BACKCHANNEL
    assert _judge("", 0.4, ended=True, final=True) is Verdict.NOTHING
    assert _judge("", 0.4, ended=True) is Verdict.UNDECIDED


def test_more_words_can_be_required() -> None:
    settings = TurnSettings(min_interruption_words=3)
    verdict = judge(text="stop it", voiced_for=0.3, ended=False, final=False, settings=settings)
    assert verdict is Verdict.UNDECIDED
