"""What a caller means, from words as a recogniser gives them: lower case, no punctuation, some of them wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from beluga_voice.agents.clinic.calendar import DAYS, PRICES

__all__ = ["Heard", "understand"]

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
_TEENS = dict(zip(("seventeen", "eighteen", "nineteen"), (17, 18, 19), strict=True))
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}
_NUMBERS = {**{w: n for n, w in enumerate(_UNITS)}, **_TEENS, **_TENS, "oh": 0, "o": 0}
# What numbers are mistaken for, where a number is expected.
_SOUNDS_LIKE = {"to": "two", "too": "two", "for": "four", "won": "one", "ate": "eight", "tent": "ten", "tan": "ten",
                "sex": "six", "sick": "six", "free": "three", "tree": "three", "nein": "nine", "fife": "five",
                "heaven": "seven", "leaven": "eleven"}  # fmt: skip
_REPAIRS = (
    (r"\b(?:have|half) pass(?:ed|t)?\b", "half past"),
    (r"\bhave past\b", "half past"),
    (r"\bhalf past (?:to )?you\b", "half past two"),
    (r"\bhalf past (\w+) you\b", r"half past \1"),
    (r"\bo clock\b", "oclock"),
    (r"\ba m\b", "am"),
    (r"\bp m\b", "pm"),
    (r"\btooth ache\b", "toothache"),
    (r"\bcheckup\b", "check up"),
    (r"\b(?:x rays?|xray)\b", "x ray"),
    (r"\b(?:an?|the|my) apartment\b", "an appointment"),
    (r"\bgood bye\b", "goodbye"),
)
_TREATMENTS = {
    **{w: "check up" for w in ("checkup", "examination", "inspection")},
    **{w: "cleaning" for w in ("cleaning", "cleanings", "hygiene", "polishing")},
    **{w: "filling" for w in ("filling", "fillings")},
    **{w: "extraction" for w in ("extraction", "extractions")},
    **{w: "whitening" for w in ("whitening", "bleaching")},
    **{w: "crown" for w in ("crown", "crowns")},
}
# Only when a price is asked for: words that mean something else, or that these are mistaken for.
_PRICED = {
    **{w: "check up" for w in ("check", "checking")},
    **{w: "cleaning" for w in ("clean", "cleaned")},
    **{w: "filling" for w in ("failing", "feeling", "fueling", "filing")},
    **{w: "whitening" for w in ("lightning", "lightening", "whiting", "widening", "white")},
    **{w: "emergency visit" for w in ("emergency", "emergencies")},
    "pulled": "extraction",
    "ray": "x ray",
    "canal": "root canal",
    "crowd": "crown",
}
# Looked for in this order: the first that is found is what the caller is after.
_TOPICS = tuple(
    (name, re.compile(rf"\b(?:{pattern})\b"))
    for name, pattern in (
        ("repeat", r"repeat|say (?:that|it) again|come again|pardon|once more|(?:what|when) did you say|"
                   r"did not (?:hear|catch|get)|didn't (?:hear|catch|get)"),
        ("person", r"(?:speak|talk|connect|put)\b.*\b(?:person|human|someone|somebody|receptionist|people|doctor)|"
                   r"operator|receptionist|real (?:person|human)"),
        ("never_mind", r"never mind|nevermind|forget (?:it|about it|that)|start over"),
        ("cancel", r"cancel|cancels|canceled|cancelled|cancelling|call off"),
        ("insurance", r"insurance|insured|insurances"),
        ("pay", r"credit cards?|cash|card|cards|pay by|pay with|how can i pay"),
        ("price", r"how much|price|prices|priced|cost|costs|fee|fees|charge|expensive"),
        ("emergency", r"emergency|emergencies|pain|painful|hurts?|hurting|toothache|swollen|bleeding|broken tooth"),
        ("parking", r"park|parking|car park|bus|train"),
        ("address", r"where|address|located|location|find you|get there|directions?|which street"),
        ("children", r"child|children|kids?|daughter|son"),
        ("phone", r"phone|telephone|e ?mail|call you"),
        ("about", r"about (?:the|your|this) (?:clinic|practice|place|team)|about you|tell me more|describe"),
        ("book", r"book|booking|booked|reserve|schedule|appointments?|see (?:a|the|your) (?:dentist|doctor)|"
                 r"can i (?:come|drop)|come in|free|available|availability|any slots?|any times?|dentist"),
        ("hours", r"open|opens|opening|hours?|close|closes|closed|closing|shut|what time|ours"),
        ("help", r"what can (?:you|i) (?:do|ask|say)|help|options|what do you do"),
        ("who", r"who are you|your name|are you (?:a )?(?:robot|human|real|machine|computer)"),
        ("thanks", r"thanks?|thank you|great|perfect|wonderful"),
        ("bye", r"goodbye|bye|see you|that is all|that's all|nothing else"),
        ("hello", r"hello|hi|hey|good (?:morning|afternoon|evening|day)|how are you"),
    )
)  # fmt: skip
_YES = re.compile(
    r"\b(?:yes|yeah|yep|yup|sure|okay|ok|correct|right|please do|go ahead|do it|book it|sounds good|of course|"
    r"perfect|fine|definitely|absolutely|that works)\b"
)
_NO = re.compile(r"\b(?:no|nope|nah|not|don't|do not|wrong|incorrect)\b")
_CHOICES = (("first", 0), ("earliest", 0), ("any", 0), ("either", 0), ("whatever", 0), ("second", 1), ("third", 2),
            ("last", -1), ("latest", -1))  # fmt: skip
_NAME = re.compile(r"\b(?:my name is|my name's|the name is|name is)((?: [a-z']+){1,2})")


@dataclass(frozen=True, slots=True)
class Heard:
    """What a caller said, taken apart. Times are minutes since midnight.

    Attributes:
        topic: what they are after, or empty.
        day: a day of the week, ``today``, ``tomorrow``, or empty.
        time: a time that was plainly one ("at ten", "half past two").
        number_time: a time, if a bare number is one ("ten").
        part: ``morning``, ``afternoon`` or empty.
        choice: which of the offered times: 0 is the first, −1 the last.
        digits: the longest run of digits.
        yes: they agree.
        no: they do not.
        treatment: one of the price list, or empty.
        name: their name, or empty.
    """

    topic: str = ""
    day: str = ""
    time: int | None = None
    number_time: int | None = None
    part: str = ""
    choice: int | None = None
    digits: str = ""
    yes: bool = False
    no: bool = False
    treatment: str = ""
    name: str = ""


def understand(text: str) -> Heard:
    """Takes an utterance apart."""
    said = _plain(text)
    words = said.split()
    time = _time(words)
    topic = next((name for name, pattern in _TOPICS if pattern.search(said)), "")
    treatment = _treatment(said, words, topic == "price")
    if not topic and treatment:
        topic = "price"
    no = _NO.search(said) is not None
    name = _NAME.search(said)
    choice = next((n for word, n in _CHOICES if word in words), None)
    # The "one" of "the last one" is no number.
    numbers = [w for w in words if w != "one"] if choice is not None else words
    return Heard(
        topic=topic,
        day=_day(words),
        time=time,
        number_time=time if time is not None else _bare_time(numbers),
        part=next((p for p in ("morning", "afternoon") if p in words and f"good {p}" not in said), ""),
        choice=choice,
        digits=_digits(words),
        yes=not no and _YES.search(said) is not None,
        no=no,
        treatment=treatment,
        name=name.group(1).strip().title() if name else "",
    )


def _plain(text: str) -> str:
    said = re.sub(r"(\d):(\d\d)", r"\1 \2", text.lower().replace("’", "'"))
    said = re.sub(r"\b([ap])\.\s?m\b\.?", r"\1m", said).replace("o'clock", "oclock")
    said = " ".join(re.sub(r"[^a-z0-9' ]", " ", said).split())
    for pattern, repaired in _REPAIRS:
        said = re.sub(pattern, repaired, said)
    return said


def _day(words: Sequence[str]) -> str:
    for word in words:
        base = word.removesuffix("'s")
        for name in (*DAYS, "today", "tomorrow"):
            if base in (name, name + "s"):
                return name
    for word in words:
        close = get_close_matches(word, DAYS, n=1, cutoff=0.8) if len(word) >= 5 else []
        if close and word != "someday":
            return close[0]
    return ""


def _value(word: str) -> int | None:
    return int(word) if word.isdigit() and len(word) <= 2 else _NUMBERS.get(word)


def _number(words: Sequence[str], at: int) -> tuple[int, int] | None:
    """The number at ``at`` ("forty five" is one) and how many words it takes."""
    if at >= len(words) or (value := _value(words[at])) is None:
        return None
    if value in (20, 30, 40, 50) and at + 1 < len(words):
        unit = _value(words[at + 1])
        if unit is not None and 1 <= unit <= 9:
            return value + unit, 2
    return value, 1


def _minutes(hour: int, minute: int, words: Sequence[str]) -> int | None:
    """Minutes since midnight; without "am" or "pm" one to seven are in the afternoon."""
    if not 0 <= minute < 60 or not 0 < hour < 24:
        return None
    if "pm" in words and hour < 12:
        hour += 12
    elif "am" in words and hour == 12:
        hour = 0
    elif "am" not in words and hour < 8:
        hour += 12
    return hour * 60 + minute


def _time(words: Sequence[str]) -> int | None:
    """A time that cannot be anything else."""
    for at, word in enumerate(words):
        if word in ("noon", "midday"):
            return 12 * 60
        if word in ("past", "after", "to", "till") and at and (found := _relative(words, at)) is not None:
            return found
    for at, word in enumerate(words):
        if word.isdigit() and len(word) in (3, 4) and int(word[-2:]) < 60 and _digits(words) == word:
            if (
                int(word[-2:]) % 15 == 0
                and (found := _minutes(int(word[:-2]), int(word[-2:]), words)) is not None
            ):
                return found
            continue
        hour = _number(words, at)
        if hour is None or not 1 <= hour[0] <= 23:
            continue
        after = at + hour[1]
        minute = _number(words, after)
        if minute is not None and minute[0] in (15, 30, 45) and _value(words[at]) is not None:
            return _minutes(hour[0], minute[0], words)
        told = after < len(words) and words[after] in ("oclock", "am", "pm")
        alone = after == len(words) or minute is None
        if told or (alone and at and words[at - 1] in ("at", "around", "about")):
            return _minutes(hour[0], 0, words)
    return None


def _relative(words: Sequence[str], at: int) -> int | None:
    """Such as "half past two", "quarter to three", "ten past nine"; ``at`` is the word between."""
    hour = _number(words, at + 1)
    if hour is None and words[at] == "past" and at + 1 < len(words):
        hour = _number([_SOUNDS_LIKE.get(words[at + 1], "")], 0)
    if hour is None:
        return None
    before = words[at - 1]
    amount = {"half": 30, "quarter": 15}.get(before)
    if amount is None:
        amount = _value(before)
        if amount not in (5, 10, 20, 25):
            return None
    if words[at] in ("past", "after"):
        return _minutes(hour[0], amount, words)
    full = _minutes(hour[0], 0, words)
    return None if full is None else full - amount


def _bare_time(words: Sequence[str]) -> int | None:
    """A time, if a number is expected to be one."""
    for replaced in (list(words), [_SOUNDS_LIKE.get(w, w) for w in words]):
        for at in range(len(replaced)):
            found = _number(replaced, at)
            if found is None or not 1 <= found[0] <= 18:
                continue
            minute = _number(replaced, at + found[1])
            exact = minute[0] if minute is not None and minute[0] in (15, 30, 45) else 0
            return _minutes(found[0], exact, replaced)
    return None


def _digits(words: Sequence[str]) -> str:
    """The longest run of digits: "four seven one two", "forty seven twelve", "double four", "4712"."""
    best = run = ""
    times, tens = 1, False  # how often the next digit is meant; whether the last word was "forty"
    for word in [*words, ""]:
        if word in ("double", "triple"):
            times = 2 if word == "double" else 3
            continue
        value = _NUMBERS.get(word, _NUMBERS.get(_SOUNDS_LIKE.get(word, "")) if run else None)
        if word.isdigit():
            run += word
        elif value is None:
            best, run = max(best, run, key=len), ""
        elif tens and 1 <= value <= 9:
            run = run[:-1] + str(value)  # "forty seven" is 47, not 407
        else:
            run += str(value) * (times if value < 10 else 1)
        times, tens = 1, word in _TENS
    return best


def _treatment(said: str, words: Sequence[str], priced: bool) -> str:
    for name in PRICES:
        if name in said:
            return name
    known = {**_TREATMENTS, **_PRICED} if priced else _TREATMENTS
    found = next((known[w] for w in words if w in known), "")
    if not found and priced:
        close = [get_close_matches(w, _TREATMENTS, n=1, cutoff=0.75) for w in words if len(w) >= 5]
        found = next((_TREATMENTS[c[0]] for c in close if c), "")
    return found
