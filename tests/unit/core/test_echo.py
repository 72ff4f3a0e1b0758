"""The agent's own words, heard again."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.core.echo import find_echo
from beluga_voice.core.voices import attributed

SAID = (
    "We began many years ago in a small house beside the river, with one chair and one very patient dentist."
)


@pytest.mark.parametrize(
    "heard",
    ["we began many years ago", "years ago in a small", "river", "patient dentist", "and one very", "Small house!",
     "we begin many ears a go", "in a small how's beside the river", "one chair and one fairy patient den",
     "many years a go in the small house", "besides the river with one share", "the beside river"],
)  # fmt: skip
def test_a_run_of_the_agents_words_is_echo_with_errors(heard: str) -> None:
    echo = find_echo(heard, SAID)
    assert echo.words
    assert echo.rest == "" or heard == "the beside river"


@pytest.mark.parametrize(
    ("heard", "rest"),
    [
        ("wait", "wait"),
        ("no", "no"),
        ("what time do you open on saturday", "what time do you open on saturday"),
        ("years ago stop please", "years ago stop please"),
        ("many years ago stop please", "stop please"),
        ("in a small house wait", "wait"),
        ("we began many years ago what about Friday?", "what about Friday?"),
        ("excuse me how much is a crown", "excuse me how much is a crown"),
        ("hold on", "hold on"),
    ],
)
def test_what_does_not_fit_is_somebody_elses(heard: str, rest: str) -> None:
    assert find_echo(heard, SAID).rest == rest


def test_a_word_that_stops_is_echo_only_where_the_agent_said_it() -> None:
    assert find_echo("no", "There is no charge.").rest == ""
    assert find_echo("there is stop charge", "There is no charge.").rest == "stop"
    assert find_echo("stop", "There is no charge.").rest == "stop"


def test_scripts_without_spaces() -> None:
    assert find_echo("我们周六上午", "我们周六上午九点开门").rest == ""
    assert find_echo("我们周六等一下", "我们周六上午九点开门").rest == "等一下"
    assert find_echo("土曜日は九時", "土曜日は九時に開きます").rest == ""


def test_each_speaker_keeps_their_words() -> None:
    heard = f"{attributed('phone', 'years ago in a')} {attributed('anna', 'one moment please')}"
    echo = find_echo(heard, SAID)
    assert (echo.words, echo.rest) == (4, attributed("anna", "one moment please"))


@pytest.mark.parametrize(("heard", "said"), [("", SAID), ("hello", ""), ("", ""), ("…", SAID)])
def test_nothing_is_no_echo(heard: str, said: str) -> None:
    assert find_echo(heard, said).words == 0


WORDS = (
    "we open at nine on saturday and the dentist sees patients until noon when it closes for lunch".split()
)
OTHERS = "could somebody explain what price which insurance covers".split()


@given(st.integers(0, 12), st.integers(2, 6), st.randoms(use_true_random=False))
def test_any_run_is_echo_though_a_letter_is_lost(start: int, count: int, rng: random.Random) -> None:
    run = WORDS[start : start + count]
    at = rng.randrange(len(run))
    if len(run[at]) > 4:
        run[at] = run[at][:-1]
    assert find_echo(" ".join(run), " ".join(WORDS)).rest == ""


@given(st.lists(st.sampled_from(OTHERS), min_size=1, max_size=6))
def test_other_words_are_never_echo(words: list[str]) -> None:
    heard = " ".join(words)
    assert find_echo(heard, " ".join(WORDS)).rest == heard


@given(st.integers(0, 10), st.lists(st.sampled_from(OTHERS), min_size=3, max_size=5))
def test_what_is_said_after_an_echo_is_kept(start: int, words: list[str]) -> None:
    heard = " ".join([*WORDS[start : start + 4], *words])
    assert find_echo(heard, " ".join(WORDS)).rest == " ".join(words)


@given(st.text(max_size=40), st.text(max_size=80))
def test_any_text(heard: str, said: str) -> None:
    echo = find_echo(heard, said)
    assert len(echo.rest) <= len(heard)
