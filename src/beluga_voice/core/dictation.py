"""Numbers, spellings, dates and addresses while they are being dictated: is that all of it?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from beluga_voice.core.languages import Language

__all__ = ["dictation"]

_REPEATS = {"double": 1, "triple": 2}  # so many digits more than the one that follows
_SPELLED = re.compile(r"^[a-z]$|^\d+$")
_MONTHS = frozenset(
    "january february march april may june july august september october november december "
    "januar februar märz mai juni juli oktober dezember janvier février mars avril juin juillet août".split()
)
_TENS = frozenset("twenty thirty forty fifty sixty seventy eighty ninety".split())
# So many digits are likely all: a card's last four or a PIN; local, area, country numbers; a card's.
_WHOLE = {4: 0.5, 5: 0.45, 6: 0.45, 7: 0.75, 8: 0.6, 9: 0.6, 10: 0.75, 11: 0.78, 12: 0.7, 13: 0.7, 16: 0.8}
_ONGOING = 0.22
# What announces that digits or letters follow.
_ANNOUNCED = frozenset(
    "number phone telephone mobile cell card code pin postcode zip order account reference booking tracking "
    "confirmation policy nummer telefonnummer numéro número numero nummers".split()
)
# … of a thing that has a short one: "room number nine".
_LABELLED = frozenset(
    "room gate platform table track line house bus seat option floor terminal apartment".split()
)
_LENGTH = {"zip": 5, "pin": 4, "card": 16, "phone": 10, "telephone": 10, "mobile": 10, "cell": 10}
_SPELLING = frozenset("spelled spelt spell".split())
_JOINS = frozenset(
    "point dot dash hyphen slash underscore punkt komma minus point tiret punto guion barra".split()
)
_DOMAINS = frozenset("com org net io co uk de fr es it eu nl pt edu gov".split())


def dictation(words: Sequence[str], language: Language) -> tuple[float, str] | None:
    """How likely what is being dictated is complete, and why; None if nothing is.

    Args:
        words: the turn so far, in lower case.
        language: whose digits count.
    """
    last = words[-1]
    if last in _JOINS and len(words) > 1:
        return 0.06, "a point or dash asks for more"
    if len(words) >= 2 and words[-2] in ("dot", "punkt", "punto", "point") and last in _DOMAINS:
        return 0.85, "an address with its domain"
    address = len(words) >= 3 and words[-2] == "at" and "email" in words and last not in language.unfinished
    if language.code == "en" and address:
        return 0.2, "an e-mail address without its domain"
    return _date(words) or _digits(words, language)


def _date(words: Sequence[str]) -> tuple[float, str] | None:
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in _MONTHS and before in ("on", "is", "was", "born", "from", "until"):
        return 0.22, "a month without its day"
    if last in ("twenty", "thirty") and before == "the":
        return 0.15, "an ordinal begun"
    if last == "nineteen" and len(words) > 2 and not _MONTHS.isdisjoint(words):
        return 0.15, "a year begun"
    return None


def _digits(words: Sequence[str], language: Language) -> tuple[float, str] | None:
    run = _run(words, language)
    if not run:
        return None
    context = words[: len(words) - len(run)]
    announced = [w for w in context[-6:] if w in _ANNOUNCED]
    count = sum(_REPEATS.get(w, len(w) if w.isdigit() else 1) for w in run)
    if words[-1] in _REPEATS:
        return 0.05, "a digit to be repeated"
    if not _SPELLING.isdisjoint(context[-4:]):
        return (0.3 if count < 8 else 0.5), "letters are being spelled"
    if len(run) < 2 and count < 5:
        first = announced and _LABELLED.isdisjoint(context)
        return (0.12, "the first digit of a number") if first else None
    if any(w.isalpha() and len(w) == 1 for w in run):
        return (0.35 if count >= 4 else 0.3), "letters or a code are being dictated"
    if announced:
        length = next((_LENGTH[w] for w in announced if w in _LENGTH), 0)
        if count < length and not (length == 10 and count == 7):
            return min(_ONGOING, _WHOLE.get(count, _ONGOING)), f"{count} of {length} digits"
    elif len(run) == 2 and count < 5:
        # "twenty five" is a quantity
        return None if _TENS & set(run) else (0.3, "two digits")
    return _WHOLE.get(count, 0.3 if count < 7 else 0.55), f"{count} digits"


def _run(words: Sequence[str], language: Language) -> list[str]:
    """The digits and letters at the end; none if the last of them is a function word ("a", "de")."""
    run: list[str] = []
    for word in reversed(words):
        if word in language.unfinished and not run:
            return []
        if word not in language.digits and not _SPELLED.match(word) and not (run and word in _TENS):
            break
        run.append(word)
    return run
