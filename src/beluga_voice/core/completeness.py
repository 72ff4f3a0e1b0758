"""Whether a turn's words sound finished: rules on the text alone, cheap enough for every partial.

`judge_words` gives a probability and the reason for it; the reason goes into logs and the waterfall. The rules know
closed classes of words and word order, not topics: trailing conjunctions, prepositions, articles and auxiliaries, verbs
without their object, numbers and spellings being dictated, questions, short answers, fillers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from beluga_voice.core.dictation import dictation
from beluga_voice.core.english import CLAUSES, ENDINGS
from beluga_voice.core.english_frame import Frame, Verdict
from beluga_voice.core.english_objects import phrase_begun
from beluga_voice.core.languages import Language, language_of
from beluga_voice.core.voices import voices
from beluga_voice.core.words import split_words

__all__ = ["Completeness", "completeness", "judge_words"]

_CUT_OFF = ("…", "...", ",", "-", "–", "—", ":", ";")
_CLOSINGS = frozenset(
    ["thank you", "good bye", "of course", "all right", "that's all", "that's it", "thank you very much", "por favor",
     "per favore", "s'il vous plaît", "that is all", "thanks a lot", "no problem", "never mind", "you're welcome",
     "au revoir", "auf wiedersehen", "dank u", "dank je", "muito obrigado", "está bien", "va bene", "me too"]
)  # fmt: skip
_NUMBERS = frozenset(
    "one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty".split()
)
# German, Dutch: these verbs open a bracket that an infinitive or participle closes.
_BRACKETS = frozenset(
    "würde würden könnte könnten kann können muss müssen darf dürfen soll sollte will wollen "
    "zou kan kunt moet mag wil willen".split()
)
_ANSWERS = frozenset("yes no yeah sure correct".split())
_APPROVALS = frozenset("right correct fine good great thanks perfect is".split())
_LONG = 24  # words; a clause that has gone on for so long is about to end


@dataclass(frozen=True, slots=True)
class Completeness:
    """A judgement of words.

    Attributes:
        probability: that the turn is complete, 0 to 1: about 0.1 is plainly unfinished, 0.9 plainly finished.
        reasons: what it rests on, the decisive one first.
        language: ISO 639-1 of the table that was used.
    """

    probability: float
    reasons: tuple[str, ...]
    language: str = "en"


def completeness(text: str, language: str = "en") -> float:
    """Probability (0–1) that a turn with these words is complete; see `judge_words`."""
    return judge_words(text, language).probability


def judge_words(text: str, language: str = "en") -> Completeness:
    """Judges the words of a turn so far.

    Of several speakers the least finished counts: nobody is cut off because another has finished.

    Args:
        text: all of them, with or without punctuation.
        language: ISO 639-1 that is expected; another one is recognised by its function words.
    """
    return min((_judge_speaker(said, language) for said in voices(text)), key=lambda c: c.probability)


def _judge_speaker(text: str, language: str) -> Completeness:
    stripped = text.rstrip()
    words = split_words(stripped)
    if not words:
        return Completeness(0.5, ("no words",), language)
    table = language_of(words, language)
    p, reason = _judge(stripped, words, table)
    reasons = [reason]
    if stripped.endswith(("?", "!")) and p > 0.3:
        p, reasons = max(p, 0.95), ["punctuation", *reasons]
    elif stripped.endswith("."):
        # Recognisers put a full stop after any pause; after words that go on it tells little.
        p = max(p, 0.85) if p >= 0.5 else p + 0.03
        reasons.append("full stop")
    if len(words) > _LONG and 0.3 < p < 0.85:
        p, reasons = p + 0.05, [*reasons, "a long turn"]
    return Completeness(p, tuple(reasons), table.code)


def _judge(text: str, words: Sequence[str], table: Language) -> tuple[float, str]:
    last = words[-1]
    if text.endswith(_CUT_OFF):
        return 0.1, "cut off by its punctuation"
    if last in table.fillers and last not in ("bueno", "bien", "halt", "allora", "também"):
        return 0.08, "a filler at the end"
    frame = Frame(words) if table.code == "en" else None
    closing = (phrase_begun(frame) if frame else None) or _closes(words, table)
    if closing is not None:
        return closing
    dictated = dictation(words, table)
    if dictated is not None:
        return dictated
    verdict = _first(ENDINGS, frame)
    if verdict is None and last in table.unfinished:
        verdict = 0.1, "a function word at the end"
    verdict = verdict or _first(CLAUSES, frame)
    if verdict is not None:
        return verdict
    asks = frame.is_question if frame else words[0] in table.question
    return _open(words, table, asks=asks)


def _first(rules: Sequence[Callable[[Frame], Verdict]], frame: Frame | None) -> Verdict:
    return next((v for rule in rules if (v := rule(frame)) is not None), None) if frame else None


def _closes(words: Sequence[str], table: Language) -> tuple[float, str] | None:
    """Words that end a turn by convention: "…, please", "thank you", a lone "yes"."""
    if len(words) == 1:
        return (0.9, "a short answer") if words[0] in table.alone else None
    if words[-1] in table.last or any(" ".join(words[-n:]) in _CLOSINGS for n in (2, 3, 4)):
        return 0.9, "a closing phrase"
    if len(words) <= 3 and all(w in table.alone for w in words):
        return 0.88, "a short answer"
    if len(words) <= 4 and words[0] in _ANSWERS and words[-1] in _APPROVALS:
        return 0.9, "a short answer"
    return None


def _open(words: Sequence[str], table: Language, *, asks: bool) -> tuple[float, str]:
    """Nothing at the end decides."""
    if table.code in ("de", "nl") and _bracket_open(words):
        return 0.25, "a modal verb without its infinitive"
    if asks and len(words) >= 3:
        return 0.85, "a question"
    if asks:
        return 0.5, "a question begun"
    if len(words) <= 4 and (words[0] in _NUMBERS or words[0].isdigit()):
        return 0.75, "a quantity"
    if len(words) <= 3 and words[0] in (
        "at",
        "on",
        "in",
        "for",
        "to",
        "from",
        "around",
        "about",
        "tomorrow",
        "next",
    ):
        return 0.7, "a time or place"
    return (0.65, "a statement") if len(words) >= 3 else (0.55, "a few words")


def _bracket_open(words: Sequence[str]) -> bool:
    """German and Dutch: a modal verb near the front, and no infinitive at the end yet."""
    at = next((i for i, w in enumerate(words[:3]) if w in _BRACKETS), None)
    if at is None or len(words) - at < 3 or words[-1] in ("nicht", "niet", "auch", "ook", "sein", "zijn"):
        return False
    return not words[-1].endswith(("en", "ern", "eln", "aan", "oen", "tun"))
