"""What words tell about turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.core.words import completeness, content_words, is_backchannel, is_hesitation

UNFINISHED = [
    "I would like to book a table for",
    "can you tell me the",
    "my name is",
    "I want to go to Berlin and",
    "it was because",
    "well um",
    "so I was going to",
    "please send it to,",
    "I think…",
    "ich möchte einen Tisch für",
    "wo ist die",
    "ich war gestern beim",
    "können Sie mir sagen ob",
    "je voudrais une table pour",
    "je voudrais parler avec",
    "est-ce que vous avez des",
    "quisiera una mesa para",
    "quiero hablar con",
    "el pan y",
]
FINISHED = [
    "What time do you open on Saturday?",
    "what time do you open on saturday",
    "yes",
    "no thank you",
    "two people please",
    "that is all right",
    "can you call me back tomorrow",
    "what is it like",
    "einen Tisch für zwei bitte",
    "nein",
    "s'il vous plaît",
    "oui merci",
    "una mesa por favor",
    "hola",
]


@pytest.mark.parametrize("text", UNFINISHED)
def test_unfinished(text: str) -> None:
    assert completeness(text) <= 0.3


@pytest.mark.parametrize("text", FINISHED)
def test_finished(text: str) -> None:
    assert completeness(text) >= 0.7


@pytest.mark.parametrize(
    "text",
    [
        "I lost my key",
        "will it die",
        "how long do I pour",
        "for my son",
        "rufen Sie mich bitte an",
        "fangen wir an",
    ],
)
def test_words_that_may_end_a_sentence(text: str) -> None:
    assert completeness(text) > 0.3


def test_between() -> None:
    assert 0.3 < completeness("I lost my key") < 0.7
    assert completeness("") == 0.5


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("my number is five five five", 0.3, 0.3),
        ("my number is five five five one two three four", 0.7, 1.0),
        ("five five five 1234", 0.7, 1.0),
        ("it is 555 1234", 0.7, 1.0),
        ("oh two oh seven nine four six oh nine five eight", 0.7, 1.0),
        ("triple five one two three four", 0.7, 1.0),
        ("double five five one two three four", 0.7, 1.0),
        ("the code is four seven one one", 0.4, 0.6),
        ("m i g u e", 0.3, 0.3),
        ("meine Nummer ist null drei null", 0.3, 0.3),
        ("zéro six douze", 0.5, 0.7),
        ("nueve uno dos", 0.3, 0.3),
        ("cuatro siete uno uno dos tres cuatro", 0.7, 1.0),
        ("a table for two", 0.5, 0.7),
        ("5551234567", 0.7, 1.0),
    ],
)
def test_dictated_numbers(text: str, low: float, high: float) -> None:
    assert low <= completeness(text) <= high


MURMURS = {
    "English": ["mm-hmm", "uh huh", "Yeah, okay.", "I see", "right", "all right", "oh okay", "mhm", "got it"],
    "German": ["genau", "ach so", "ja ja", "stimmt", "na klar", "alles klar", "verstehe", "aha", "sehr gut"],
    "French": ["ouais", "d'accord", "D’accord.", "oui oui", "ah bon", "je vois", "voilà", "très bien"],
    "Spanish": ["sí sí", "vale", "claro", "ajá", "muy bien", "ya veo", "entiendo", "de acuerdo"],
}


@pytest.mark.parametrize("text", [text for texts in MURMURS.values() for text in texts])
def test_backchannels(text: str) -> None:
    assert is_backchannel(text)
    assert content_words(text) == 0


@pytest.mark.parametrize(
    "text",
    ["no", "stop", "wait a moment", "yeah but I meant Sunday", "what", "", "nein", "doch", "non", "espera", "basta",
     "arrêtez", "ja aber", "yes yes yes yes yes"],
)  # fmt: skip
def test_not_backchannels(text: str) -> None:
    assert not is_backchannel(text)
    assert bool(content_words(text)) is bool(text)


def test_noise_words_do_not_count_alone() -> None:
    assert content_words("the") == 0
    assert content_words("the second one") == 3


@pytest.mark.parametrize("text", ["um", "Uh, um…", "äh", "euh"])
def test_hesitations(text: str) -> None:
    assert is_hesitation(text)


@pytest.mark.parametrize("text", ["", "mm", "mm-hmm", "um yes", "hm", "a"])
def test_not_hesitations(text: str) -> None:
    assert not is_hesitation(text)


@given(st.text(max_size=80))
def test_any_text_has_a_probability(text: str) -> None:
    assert 0.0 < completeness(text) < 1.0
    assert content_words(text) >= 0
