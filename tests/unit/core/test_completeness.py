"""Whether words sound finished."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from beluga_voice.core.completeness import completeness, judge_words
from beluga_voice.core.languages import LANGUAGES

UNFINISHED = {
    "function words": [
        "I would like to book a table for", "can you tell me the", "my name is", "I want to go to Berlin and",
        "it was because", "so I was going to", "I'd like to", "we have two dogs and a", "do you know if",
        "I'm not sure whether", "it depends on", "please send it to my", "there are", "it is", "this is",
        "she said she",
        "that would be very", "I will be there at half past", "the total is less than", "I would like",
    ],
    "verbs": [
        "I want", "we need", "can you book", "I'd like to change", "I would like to reserve", "do you have",
        "could you give me", "please tell me", "it seems", "they charged", "I'm looking", "I was wondering",
        "I was wondering if you could",
        "do you know if they can", "a place called", "could you", "what can I", "how do I", "where can I find",
        "would you mind", "I just wanted to ask",
        "the light keeps", "my phone needs", "the plan includes", "we need a room for three nights starting",
        "can I", "they don't", "I want to find out", "and I also", "he never", "I can't",
    ],
    "phrases": [
        "is it possible", "make sure", "in order", "as soon", "the reason", "could you please", "at least", "the next",
        "a large", "a vegetarian", "I have three questions", "either Monday", "something between fifty",
        "as soon as I open the app", "by the time we arrive", "the next time you call", "every time I call",
        "if it rains on Sunday", "unless I restart it", "tell me how many people", "tell me what time", "I think",
        "you know",
        "let me think", "hold on a second", "just a moment", "okay so", "well", "so", "and then",
    ],
    "fillers": ["well um", "I would like uh", "um", "it costs erm"],
    "punctuation": ["please send it to,", "I think…", "I want it -", "I would like to book a table for."],
    "dictation": [
        "my number is five", "my number is five five five", "my phone number is five five five one two", "m i g u e",
        "it is spelled m i l", "four point", "my email is john at", "john dot miller at example dot",
        "I was born on the twenty", "my birthday is on March", "double", "the code is nine double",
        "my card number is four two four two",
    ],
    "de": [
        "ich möchte einen Tisch für", "wo ist die", "ich war gestern beim", "können Sie mir sagen ob",
        "meine Nummer ist null drei null", "ich hätte gerne einen", "ich würde gerne einen Tisch", "also ähm",
        "das ist weil",
    ],
    "fr": [
        "je voudrais une table pour", "je voudrais parler avec", "est-ce que vous avez des", "je voudrais euh",
        "mon numéro est zéro six douze", "c'est parce que", "je cherche un",
    ],
    "es": ["quisiera una mesa para", "quiero hablar con", "el pan y", "necesito un", "nueve uno dos", "me llamo pues"],
    "it": ["vorrei un tavolo per", "posso parlare con", "il mio numero è", "ho bisogno di un", "vorrei ehm"],
    "pt": ["queria uma mesa para", "eu gostaria de", "você pode me dizer onde", "preciso falar com", "o meu nome é"],
    "nl": ["ik wil graag een tafel voor", "kunt u mij vertellen of", "mijn naam is", "ik zoek een", "dat komt omdat"],
}  # fmt: skip
FINISHED = {
    "questions": [
        "What time do you open on Saturday?", "what time do you open on saturday", "can you call me back tomorrow",
        "what is it like", "who are you talking to", "what is it for", "how are you", "where are you",
        "what time is it",
        "who is this", "how much does it cost", "do you have any rooms for tonight", "is parking included",
        "what do you recommend", "what do you have", "what are you looking for", "okay and when do you close",
    ],
    "answers": [
        "yes", "no thank you", "yes please", "no thanks", "sure", "hello", "goodbye", "yes I do", "no we can't",
        "two people please", "two people", "at seven thirty", "on Monday", "that's all", "I don't think so",
        "I hope so",
        "that is all right", "so do I", "yes that's right", "thank you very much", "three",
    ],
    "dictation": [
        "my number is five five five one two three four", "five five five 1234", "it is 555 1234", "5551234567",
        "oh two oh seven nine four six oh nine five eight", "triple five one two three four", "john at example dot com",
        "double five five one two three four", "cuatro siete uno uno dos tres cuatro",
    ],
    "other languages": [
        "einen Tisch für zwei bitte", "nein", "s'il vous plaît", "oui merci", "una mesa por favor", "hola",
        "ja graag", "sì grazie", "não obrigado", "wann haben Sie geöffnet", "où est la gare", "dónde está el baño",
    ],
}  # fmt: skip
OPEN = [
    "I lost my key", "saturday", "I would like to book a table", "can I log in", "please turn it off",
    "I paid for it before",
    "will it die", "how long do I pour", "for my son", "rufen Sie mich bitte an", "fangen wir an", "a table for two",
    "it was on tuesday I think", "I don't know why", "room number nine", "twenty five", "I'd like that",
    "the second one",
    "he said he would if he could", "please cancel both tickets", "I am not", "Je voudrais un café", "ich kann nicht",
]  # fmt: skip


@pytest.mark.parametrize("text", [text for texts in UNFINISHED.values() for text in texts])
def test_unfinished(text: str) -> None:
    assert completeness(text) <= 0.37, judge_words(text)


@pytest.mark.parametrize("text", [text for texts in FINISHED.values() for text in texts])
def test_finished(text: str) -> None:
    assert completeness(text) >= 0.7, judge_words(text)


@pytest.mark.parametrize("text", OPEN)
def test_words_that_may_end_a_sentence(text: str) -> None:
    assert 0.4 < completeness(text) <= 0.85, judge_words(text)


def test_no_words_tell_nothing() -> None:
    assert completeness("") == completeness(" … ") == 0.5


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("the code is four seven one one", 0.4, 0.6),
        ("a table for two", 0.5, 0.8),
        ("zip code nine four one", 0.1, 0.3),
    ],
)
def test_numbers_that_may_be_whole(text: str, low: float, high: float) -> None:
    assert low <= completeness(text) <= high


def test_more_digits_of_a_known_length_are_more_complete() -> None:
    digits = "five five five one two three four five six seven".split()
    told = [completeness(f"my phone number is {' '.join(digits[:n])}") for n in range(1, 11)]
    assert max(told[:6]) <= 0.25
    assert told[6] >= 0.7 <= told[9]


def test_punctuation_counts_only_where_the_words_allow_it() -> None:
    assert completeness("I lost my key") < completeness("I lost my key.") < completeness("I lost my key?")
    assert completeness("I would like to book a table for.") < 0.2
    assert completeness("my name is.") < 0.2


def test_a_judgement_says_why_and_in_which_language() -> None:
    judged = judge_words("je voudrais une table pour")
    assert judged.language == "fr"
    assert judged.reasons == ("a function word at the end",)
    assert judge_words("a table for").reasons[0] == "a preposition without its object"
    assert judge_words("how much is it?").reasons == ("punctuation", "a question of being")


def test_the_expected_language_decides_where_words_leave_it_open() -> None:
    assert judge_words("no", "es-MX").language == "es"
    assert judge_words("Berlin").language == "en"
    assert judge_words("what time is it", "de").language == "en"


def test_tables_are_in_lower_case_words() -> None:
    for language in LANGUAGES.values():
        for words in (
            language.fillers,
            language.unfinished,
            language.question,
            language.alone,
            language.last,
        ):
            assert words
            assert all(w == w.lower() and " " not in w for w in words)


@given(st.text(max_size=80), st.sampled_from(sorted(LANGUAGES)))
def test_any_text_has_a_probability(text: str, language: str) -> None:
    judged = judge_words(text, language)
    assert 0.0 < judged.probability < 1.0
    assert judged.reasons


_VOCABULARY = (
    "i you the a to for and want like book table five two m is are do can what time not so well um please my number "
    "on in it if that your email dot at yes no would who with"
).split()


@given(st.lists(st.sampled_from(_VOCABULARY), min_size=1, max_size=9))
def test_any_words_have_a_probability_whatever_their_case_and_spaces(words: list[str]) -> None:
    plain = completeness(" ".join(words))
    assert 0.0 < plain < 1.0
    assert completeness("  ".join(w.upper() for w in words) + " ") == plain


@example(["email", "at"], "the")
@given(
    st.lists(st.sampled_from(_VOCABULARY), max_size=6), st.sampled_from(["the", "my", "and", "because", "um"])
)
def test_articles_conjunctions_and_fillers_never_end_a_turn(words: list[str], last: str) -> None:
    assert completeness(" ".join([*words, last])) <= 0.15


@given(st.lists(st.sampled_from(_VOCABULARY), max_size=6))
def test_a_question_mark_never_makes_words_less_complete(words: list[str]) -> None:
    text = " ".join([*words, "table"])
    assert completeness(text + "?") >= completeness(text)


def test_it_is_cheap_enough_for_every_partial() -> None:
    began = time.perf_counter()
    for _ in range(200):
        completeness(
            "I would like to book a table at seven thirty for two people and a dog if that is possible"
        )
    assert (time.perf_counter() - began) / 200 < 0.005
