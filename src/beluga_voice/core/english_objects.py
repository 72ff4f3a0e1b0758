"""English verbs, adjectives and phrases that are nothing without what follows them."""

from __future__ import annotations

from beluga_voice.core.english_frame import ARTICLES, AUXILIARIES, BE, DO, SUBJECTS, WH, Frame, Verdict

__all__ = [
    "intention", "noun_missing", "object_missing", "phrase_begun", "statement_begun", "wish",
]  # fmt: skip

# Verbs that are nothing without what they act on, where a request put them at the end.
_TRANSITIVE = frozenset(
    "book reserve schedule make get take bring buy send find add remove change confirm check ask tell give show "
    "have need want prefer use rent bring request report arrange set put try discuss include require offer sell "
    "serve accept provide recommend hire choose pick transfer deliver see know speak say mention replace update "
    "upgrade describe explain return exchange visit meet enter deposit withdraw".split()
)
_WISHES = frozenset("want need prefer wanted needed require".split())
_ASIDES = frozenset("if as whatever whenever".split())
_GIVES = frozenset("give tell show send get bring let ask hand lend buy book make pass".split())
_NAMED_BEFORE = frozenset("you have i just already he she they".split())
_COUNTED = frozenset("two three four five several some few couple following many".split())
_ANNOUNCED = frozenset(
    "things questions points items options requests reasons issues problems topics".split()
)
# Adjectives that, after an article, wait for their noun.
_ATTRIBUTES = frozenset(
    "new different other next small large big medium single double second third specific special nice quick short long "
    "great full whole certain particular second-hand cheaper better bigger smaller larger earlier later extra "
    "separate private main only first same-day vegetarian direct cheap good local monthly annual".split()
)
_NOUNS_TOO = frozenset("second third first main whole".split())
_BEFORE_ATTRIBUTES = frozenset("a an my your our another any some".split())
# Verbs that a subject pronoun before them leaves without object or clause ("they charged", "I noticed", "it seems").
_LEADING = frozenset(
    "seems seem sounds looks feels said says told heard noticed wonder hope thought found bought received got lost "
    "sent charged gave made took brought forgot saw wanted tried have had ordered booked paid keep kept put "
    "believe mean meant guess suppose suggest recommend prefer depends costs became remember realized".split()
)
# Verbs that lead on after any subject ("my phone needs"), but not after a word that stands for what they lack.
_NEEDING = frozenset(
    "keeps seems needs wants costs includes contains means requires tends uses offers starting".split()
)
_STANDING_IN = WH | BE | frozenset("everything anything whatever all that than as if and time".split())
_BEFORE_LEADING = SUBJECTS | frozenset("has have just who that".split())
_BEGUN = frozenset(
    ["in order", "in case", "as soon", "as long", "as far", "on behalf", "the reason", "the fact", "make sure",
     "be sure", "making sure", "so far as", "due", "according", "supposed", "able", "would mind", "you mind",
     "is it possible", "is it okay", "is it ok", "is it true", "was it possible", "any chance", "would it be possible",
     "mister", "mr", "mrs", "ms", "dr", "miss", "professor", "the way", "even though", "as if", "rather", "used to",
     "half past", "quarter past", "quarter to", "at least", "at most", "as follows",
     "the following"]
)  # fmt: skip
_SUBJECT_NOUNS = frozenset("name problem number address question issue email order reason account".split())
_BEING = frozenset("am i'm we're are was were been".split())
_INTENTIONS = frozenset(
    "looking calling trying wondering going thinking hoping having planning asking phoning".split()
)


def phrase_begun(f: Frame) -> Verdict:
    """Set phrases that lead on."""
    if any(" ".join(f.words[-n:]) in _BEGUN for n in (1, 2, 3, 4)):
        return 0.12, "a phrase begun"
    if f.last == "please" and f.before in SUBJECTS and f.earlier in AUXILIARIES:
        return 0.1, "a request begun"
    if 1 < len(f.main) <= 4 and f.main[0] in ARTICLES and f.last in _SUBJECT_NOUNS:
        return 0.35, "a subject without its verb"
    return None


def wish(f: Frame) -> Verdict:
    """Wishes such as "I want" or "we need"."""
    if f.last not in _WISHES or not f.before or f.before not in SUBJECTS | DO:
        return (0.2, "a verb without its object") if not f.before and f.last in _WISHES else None
    if f.wh or f.words[0] in _ASIDES:
        return 0.7, "a question or an aside about a wish"
    return 0.12, "a wish without its object"


def object_missing(f: Frame) -> Verdict:
    """A verb that wants an object, where a request put it last: "can you book", "I'd like to change"."""
    if f.last in ("me", "us") and f.before in _GIVES:
        return 0.15, "a gift without its thing"
    if f.last == "out" and f.before in ("find", "figure", "check") and "to" in f.words[-4:]:
        return 0.3, "a verb without its object"
    if f.last in ("called", "named") and f.before and f.before not in _NAMED_BEFORE:
        return 0.12, "a name announced"
    asked = f.before in SUBJECTS and f.earlier in AUXILIARIES
    requested = f.before in DO or f.before in ("to", "please", "just", "also", "let's")
    if f.last not in _TRANSITIVE or not (asked or requested):
        return None
    if f.asks_object and f.last != "know":
        return 0.75, "a question about its object"
    if f.before == "to" and f.earlier in ("good", "nice"):
        return 0.7, "a phrase"
    return 0.15, "a verb without its object"


def statement_begun(f: Frame) -> Verdict:
    """A subject and a verb that leads on: "they charged", "it seems", "my phone needs"."""
    if f.last in _NEEDING and f.before and _STANDING_IN.isdisjoint(f.words[:-1]):
        return 0.2, "a verb without its object"
    if f.last not in _LEADING or f.before not in _BEFORE_LEADING or f.wh:
        return None
    return (0.15, "a verb without its object") if len(f.main) <= 3 else (0.45, "a verb that may lead on")


def intention(f: Frame) -> Verdict:
    """Announcements such as "I'm looking" or "I was wondering"."""
    if f.last not in _INTENTIONS or f.before not in _BEING:
        return None
    return (0.8, "a question") if f.wh else (0.15, "an intention without its verb")


def noun_missing(f: Frame) -> Verdict:
    """An adjective or a count whose noun has still to come."""
    if f.last in _ATTRIBUTES and f.before in _BEFORE_ATTRIBUTES:
        return 0.2, "an adjective without its noun"
    if f.last in _ATTRIBUTES - _NOUNS_TOO and f.before == "the":
        return 0.25, "an adjective without its noun"
    if f.last == "couple" or (f.last == "few" and f.before == "a"):
        return 0.35, "a quantity without its noun"
    if f.last in _ANNOUNCED and not _COUNTED.isdisjoint(f.words[-3:-1]):
        return 0.3, "a list announced"
    return None
