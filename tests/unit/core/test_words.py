"""What words tell about turns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.core.words import content_words, is_backchannel, is_hesitation

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
def test_any_text_has_words(text: str) -> None:
    assert content_words(text) >= 0
