"""Listener responses and words that stop, language by language."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.core.backchannel_tables import SOUNDS, TABLES
from beluga_voice.core.backchannels import LANGUAGES, fold, listening
from beluga_voice.core.words import asks_to_stop, content_words, is_answer, is_backchannel, split_words

# What listeners say while somebody speaks: alone, repeated, combined, as recognisers write it.
RESPONSES = {
    "en": ["mm-hmm", "uh huh", "Yeah, okay.", "I see", "yeah yeah", "mm-hmm right", "That makes sense.", "Oh, I see!",
           "right right right", "okay got it", "sure, sounds good", "Haha", "mmmm", "hmmm", "yeahhh", "that's true",
           "no kidding", "uh-huh, uh-huh", "OK", "oh really"],
    "de": ["genau", "ach so", "ja ja", "stimmt", "na klar", "alles klar", "ja, verstehe", "mhm genau", "ach so, okay",
           "Das stimmt.", "sehr gut", "ja ja ja", "hahaha"],
    "fr": ["ouais", "d'accord", "D’accord.", "oui oui", "ah bon", "je vois", "voilà", "très bien", "oui d'accord",
           "ah ouais ?", "c'est ça", "tout à fait", "mhm oui", "bien sûr"],
    "es": ["sí sí", "vale", "claro", "ajá", "muy bien", "ya veo", "entiendo", "de acuerdo", "sí, claro", "ah vale",
           "jajaja", "claro que sí", "ok vale"],
    "it": ["sì sì", "certo", "ho capito", "va bene", "eh sì", "ah ecco", "sì, certo", "mm", "d'accordo", "è vero"],
    "pt": ["sim", "tá bom", "pois é", "sim, claro", "entendi", "com certeza", "uhum", "aham", "isso mesmo", "tá, tá",
           "kkkk", "ah tá"],
    "nl": ["ja ja", "klopt", "ja hoor", "precies", "oké", "ja, dat klopt", "ik snap het", "mm-hmm", "oh ja", "is goed"],
    "pl": ["tak", "no", "no tak", "aha", "mhm", "rozumiem", "tak tak", "jasne", "no dobrze", "aha, rozumiem",
           "zgadza się", "no właśnie"],
    "sv": ["ja", "just det", "jaha", "mm", "precis", "ja visst", "okej", "ja just det"],
    "ja": ["はい", "うん", "うんうん", "はい、はい", "そうですね", "なるほど", "へえ", "はいそうですね", "ええ",
           "そうなんですか", "なるほど、そうですか", "わかりました", "ふーん", "あー、なるほど", "はははは"],
    "zh": ["嗯", "嗯嗯", "对", "对对对", "好的", "好的好的", "是的", "嗯,对", "哦,明白了", "原来如此", "没问题", "不错",
           "哈哈哈", "对啊对啊", "我知道了"],
    "hi": ["हाँ", "जी", "अच्छा", "ठीक है", "हाँ जी", "अच्छा, ठीक है", "हम्म", "समझ गया", "haan ji", "accha accha",
           "theek hai"],
    "ko": ["네", "네 네", "아 네", "그렇군요", "맞아요", "네, 알겠습니다", "응", "아 그래요", "ㅋㅋㅋ"],
}  # fmt: skip
# What is no mere response, though it may begin like one.
CONTENT = {
    "en": ["yeah but when", "okay and on sunday", "right turn", "I see a problem", "which one", "uh the second one",
           "yes yes yes yes yes", "great what else"],
    "de": ["ja aber wann", "genau das meine ich nicht", "und am Sonntag", "gut und wo"],
    "fr": ["oui mais quand", "et dimanche", "bien plus tard", "d'accord et le prix"],
    "es": ["sí pero cuándo", "y el domingo", "claro pero", "vale y cuánto cuesta"],
    "it": ["sì ma quando", "e domenica", "certo ma quanto costa"],
    "pt": ["sim mas quando", "e no domingo", "claro mas quanto custa"],
    "nl": ["ja maar wanneer", "en op zondag", "goed en waar"],
    "pl": ["tak ale kiedy", "a w niedzielę", "dobrze a ile to kosztuje"],
    "sv": ["ja men när", "och på söndag"],
    "ja": ["はい、日曜日は", "うん、でも", "それはいくらですか", "そうじゃない"],
    "zh": ["对但是什么时候", "那星期天呢", "好的多少钱", "是不是"],
    "hi": ["हाँ लेकिन कब", "और रविवार को", "अच्छा कितने का है"],
    "ko": ["네 그런데 언제", "일요일은요", "얼마예요"],
}  # fmt: skip
STOPS = {
    "en": ["no", "wait", "stop", "hold on", "no wait", "yeah no", "Stop!", "excuse me", "um, sorry",
           "one moment please"],
    "de": ["nein", "stopp", "warte", "Moment", "einen Moment", "halt", "entschuldigung", "ja nein"],
    "fr": ["non", "attendez", "arrête", "stop", "pardon", "non non", "un instant"],
    "es": ["no", "espera", "para", "perdón", "un momento", "basta"],
    "it": ["no", "aspetta", "basta", "un attimo", "scusi"],
    "pt": ["não", "espera", "um momento", "desculpe", "chega"],
    "nl": ["nee", "wacht", "wacht even", "stop", "sorry"],
    "pl": ["nie", "czekaj", "chwileczkę", "stop", "przepraszam", "nie nie"],
    "sv": ["nej", "vänta", "stopp", "ursäkta"],
    "ja": ["いいえ", "待って", "ちょっと待ってください", "違います", "ストップ", "すみません"],
    "zh": ["不", "等一下", "停", "不是", "不对", "等等", "别说了"],
    "hi": ["नहीं", "रुको", "एक मिनट", "रुकिए", "nahi"],
    "ko": ["아니요", "잠깐만요", "잠시만요", "그만"],
}  # fmt: skip


def pairs(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(language, text) for language, texts in table.items() for text in texts]


def test_every_language_has_its_cases() -> None:
    assert set(RESPONSES) == set(CONTENT) == set(STOPS) == set(TABLES) == set(LANGUAGES)


@pytest.mark.parametrize(("language", "text"), pairs(RESPONSES))
def test_responses(language: str, text: str) -> None:
    assert is_backchannel(text, language)
    assert content_words(text, language) == 0
    assert not asks_to_stop(text, language)


@pytest.mark.parametrize(("language", "text"), pairs(CONTENT))
def test_content(language: str, text: str) -> None:
    assert not is_backchannel(text, language)
    assert not is_backchannel(text)
    assert content_words(text, language) > 0


@pytest.mark.parametrize(("language", "text"), pairs(STOPS))
def test_words_that_stop(language: str, text: str) -> None:
    assert asks_to_stop(text, language)
    assert asks_to_stop(text), "… also where the language is not known"
    assert not is_backchannel(text, language)
    assert content_words(text, language) > 0


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", "yeah"), ("en", "okay sure"), ("en", "mm-hmm yeah"), ("de", "ja klar"),
     ("fr", "oui d'accord"), ("es", "claro que sí"), ("it", "va bene"), ("pt", "pode ser"), ("nl", "ja hoor"),
     ("pl", "no tak"), ("ja", "はい、お願いします"), ("zh", "好的"), ("hi", "ठीक है"), ("ko", "네 맞아요")],
)  # fmt: skip
def test_answers(language: str, text: str) -> None:
    assert is_answer(text, language)


@pytest.mark.parametrize(
    ("language", "text"), [("en", "mm"), ("en", "wow"), ("en", "no"), ("en", "yes but"), ("de", "ach so")]
)
def test_no_answers(language: str, text: str) -> None:
    assert not is_answer(text, language)


def test_the_same_sound_means_other_things_elsewhere() -> None:
    assert is_backchannel("no", "pl")
    assert asks_to_stop("no", "en")
    assert asks_to_stop("no", "es,pl"), "where both may be spoken, nobody is talked over"
    assert not is_backchannel("genau", "en")
    assert is_backchannel("genau", "en,de")


@pytest.mark.parametrize("language", ["", "auto", "multi", "xx", "en,xx"])
def test_an_unknown_language_is_all_of_them(language: str) -> None:
    assert is_backchannel("genau", language)
    assert is_backchannel("そうですね", language)


@pytest.mark.parametrize("language", ["pt-BR", "pt_PT", " PT "])
def test_regions_do_not_matter(language: str) -> None:
    assert listening(language) is listening("pt")


@pytest.mark.parametrize("code", LANGUAGES)
def test_tables_hold_together(code: str) -> None:
    table, listener = TABLES[code], listening(code)
    said = table.words | table.phrases
    assert not said & table.stops, "a response does not stop"
    for entry in said | SOUNDS:
        assert listener.responds(split_words(entry)), entry
    for entry in table.stops:
        assert listener.stops(split_words(entry)), entry
    for entry in table.answers:
        assert listener.answers(split_words(entry)), entry
    for entry in said | table.stops | table.answers:
        assert entry == entry.strip().lower(), entry


responses = st.sampled_from(
    [(code, entry) for code, t in TABLES.items() for entry in sorted(t.words | t.phrases)]
)


@given(responses, st.integers(1, 4), st.sampled_from([" ", ", ", "… ", " - "]))
def test_a_response_may_be_repeated_but_not_for_ever(
    response: tuple[str, str], times: int, between: str
) -> None:
    code, entry = response
    assert is_backchannel(between.join([entry] * times), code)
    assert not is_backchannel(between.join([entry] * 20), code)


@given(responses, st.data())
def test_a_response_with_a_stop_after_it_stops(response: tuple[str, str], data: st.DataObject) -> None:
    code, entry = response
    stop = data.draw(st.sampled_from(sorted(TABLES[code].stops)))
    assert asks_to_stop(f"{entry}, {stop}", code)


@given(st.text(max_size=60), st.sampled_from([*LANGUAGES, "", "en,zh"]))
def test_any_text_is_at_most_one_of_them(text: str, language: str) -> None:
    assert not (is_backchannel(text, language) and asks_to_stop(text, language))
    assert not (is_answer(text, language) and not is_backchannel(text, language))
    assert content_words(text, language) == 0 or not is_backchannel(text, language)


@given(st.text(alphabet="abhmoju-'", max_size=12))
def test_folding_is_done_once(word: str) -> None:
    assert fold(fold(word)) == fold(word)
