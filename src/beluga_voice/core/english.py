"""What the words of an English turn tell about its end, beyond the table of function words.

Each rule looks at the words and their frame; of each tuple the first that knows is right.
"""

from __future__ import annotations

from collections.abc import Callable

from beluga_voice.core.english_frame import ARTICLES, AUXILIARIES, BE, OPENERS, SUBJECTS, WH, Frame, Verdict
from beluga_voice.core.english_objects import (
    intention,
    noun_missing,
    object_missing,
    phrase_begun,
    statement_begun,
    wish,
)

__all__ = ["CLAUSES", "ENDINGS"]

_NEGATED = frozenset("don't doesn't didn't can't cannot couldn't won't wouldn't shouldn't".split())
_CONTRACTED = ("'d", "'m", "'ll", "'re")
_OBJECTS = frozenset("it them him her me us you that this".split())
_POINTERS = frozenset("that there this".split())
# Verb and particle, with or without an object between: these end a clause ("log in", "turn it on").
_PARTICLES = frozenset(
    "in on over by through about around along across under down up off out away back".split()
)
_ONLY_PARTICLES = frozenset("up off out away back down along across".split())
_PARTICLE_VERBS = frozenset(
    "log sign check come get go went gone going move moving hold hang turn switch put try drop pass pick stop hand "
    "call carry take bring send look walk run stay fill break settle phone ring join opt plug set let start "
    "working checking logging signing carrying hurry think pull push clock cut pop fit bid sleep read talk".split()
)
_PREPOSITIONS = frozenset(
    "of to for from with at by in on into onto over under about around through near before after since "
    "between like without".split()
)
_STRANDED = frozenset("for about with from to like on in at by of".split())
_STRANDING = frozenset("what who where which whose what's who's where's".split())
_TIMES = frozenset(
    "day week month year hour minute long just ever never been days weeks months years".split()
)
_WISHING = frozenset("would i'd we'd you'd he'd she'd they'd looks something sounds".split())
_TO_VERBS = frozenset("want like need have going love able prefer i'd".split())
_SAYS = frozenset(
    "think thought say said says know knew mean meant sure hope believe guess suppose so is was told tell hear heard "
    "see fact now given such provided guarantee".split()
)
_HEDGES = (("i", "think"), ("i", "guess"), ("i", "believe"), ("i", "suppose"), ("i", "mean"), ("you", "know"))
_HOLDS = (
    "let me think", "let me see", "let's see", "hold on", "hang on", "one moment", "just a moment", "one second",
    "just a second", "give me a second", "give me a moment", "one sec", "just a sec", "wait a second",
    "wait a minute", "just a minute", "a moment", "bear with me", "let me check", "let me look", "hold on a second",
    "let me look that up", "let me get my calendar", "just a moment please", "one moment please",
)  # fmt: skip
_ENDED_BY_SO = frozenset("think hope guess if or even not suppose say do thought believe expect".split())
_LINKED = frozenset("then also maybe perhaps actually just possibly probably".split())
_LEADING = frozenset("just only even basically such roughly approximately especially".split())
_ADVERBS = frozenset(
    "already still often sometimes never always usually currently recently finally also actually probably maybe "
    "perhaps".split()
)
_BEFORE_TOO = BE | frozenset("it's that's be been far way".split())
_DENIED = frozenset("do does did would could should has had is are".split())
_MEASURES = frozenset("many much long kind sort type".split())
_MEASURED = frozenset(
    "time day one kind sort type many much long far date size colour color often big number ones about else old early "
    "late soon".split()
)
_CLAUSES = frozenset("as than if whenever wherever whatever what think".split())
_ASKS_IF = frozenset("wondering wonder wondered know ask asking asked see check tell sure find".split())
_CONDITIONS = frozenset("if unless although though while whenever once".split())
_OTHER_SUBJECTS = frozenset("please then let i'm it's that's nobody somebody someone everyone there".split())
_FRONTED = (
    "as soon as", "as long as", "by the time", "in case", "every time", "each time", "the next time", "the last time",
    "the moment",
)  # fmt: skip
_TIMED = frozenset("when before after because since until as".split())


def _holding(f: Frame) -> Verdict:
    text = " ".join(f.words)
    if any(text == hold or text.endswith(" " + hold) for hold in _HOLDS):
        return 0.12, "asks for a moment"
    return None


def _opening(f: Frame) -> Verdict:
    if (f.before, f.last) in _HEDGES:
        return (0.1, "an opening phrase") if len(f.main) <= 3 else (0.5, "a hedge at the end")
    if f.last in ("well", "like") and (not f.before or f.before in OPENERS or f.before == "was"):
        return 0.1, "an opening word"
    if f.last == "so":
        return (0.75, "'so' closes it") if f.before in _ENDED_BY_SO else (0.1, "an opening word")
    return None


def _adverb(f: Frame) -> Verdict:
    if f.last in _LINKED and f.before in ("and", "or", "but", "so"):
        return 0.08, "a conjunction and its adverb"
    if f.last in _LEADING:
        return 0.12, "an adverb that leads on"
    if f.last in _ADVERBS and (f.before in SUBJECTS | AUXILIARIES or f.before.endswith(_CONTRACTED)):
        return 0.12, "an adverb before its verb"
    if f.last == "too" and f.before in _BEFORE_TOO:
        return 0.15, "an adverb before its adjective"
    if f.last == "really" and f.before not in ("", "not"):
        return 0.2, "an adverb before its word"
    return None


def _negation(f: Frame) -> Verdict:
    if f.last == "not" and f.before:
        return (0.15, "a negation without its verb") if f.before in _DENIED else (0.6, "'not' may close it")
    if (
        f.last == "no"
        and len(f.words) > 2
        and f.before not in ("say", "said", "oh", "no", "yes", "so", "and")
    ):
        return 0.2, "'no' without its noun"
    return None


def _wh_last(f: Frame) -> Verdict:
    if f.last not in WH or not f.before:
        return None
    if f.before in ("know", "that", "for", "so", "exactly"):
        return (0.2, "a clause begun") if f.is_question else (0.45, "a question word may close it")
    return (0.5, "a bare question") if len(f.main) <= 2 else (0.1, "a clause begun")


def _wh_noun(f: Frame) -> Verdict:
    """After "…what time" or "…how many people" the clause has still to come, unless that is all there is."""
    short = f.before in ("what", "which", "how") and f.last in _MEASURED
    long = f.earlier in ("what", "which", "how") and f.before in _MEASURES
    if not (short or (long and f.last not in AUXILIARIES | _OBJECTS)):
        return None
    if len(f.main) <= (2 if short else 3):
        return 0.5, "a short question"
    return 0.25, "a question word and its noun"


def _pronoun(f: Frame) -> Verdict:
    """A personal pronoun at the end: "can you" goes on, "how are you" does not."""
    if f.last not in SUBJECTS:
        return None
    if f.before in BE and not WH.isdisjoint(f.words[:-2]):
        return (0.85 if f.wh else 0.6), "a question of being"
    if f.before in AUXILIARIES | _NEGATED:
        echo = f.earlier in ("so", "neither", "nor")
        return (0.85, "an echo") if echo else (0.1, "a question without its verb")
    if f.last not in ("you", "it"):
        return 0.1, "a subject without its verb"
    return None


def _auxiliary(f: Frame) -> Verdict:
    """The turns "yes, I do" and "what time it is" end with an auxiliary; "my name is" does not."""
    if f.last not in AUXILIARIES and f.last not in _NEGATED:
        return None
    if f.before in SUBJECTS | _POINTERS:
        verdict = _clause_of_auxiliary(f)
        if verdict is not None:
            return verdict
    return 0.1, "an auxiliary without its verb"


def _clause_of_auxiliary(f: Frame) -> Verdict:
    answers = f.words[0] in ("yes", "no", "yeah", "nope", "sure", "of")
    if answers and 2 < len(f.words) <= 5:
        return 0.85, "a short answer"
    if f.last in BE and not WH.isdisjoint(f.words[:-2]):
        return 0.65, "an embedded question"
    if _clause_closes(f):
        return 0.6, "a clause that may end so"
    if len(f.words) == 2 and (f.last in _NEGATED or f.before not in _POINTERS | {"it"}):
        return 0.3, "a short answer or a clause begun"
    return None


def _clause_closes(f: Frame) -> bool:
    """A clause like "… if you can"; not one that asks: "I was wondering if you could"."""
    words = f.words[:-2]
    at = next((i for i in range(len(words) - 1, -1, -1) if words[i] in _CLAUSES), None)
    return at is not None and not (words[at] == "if" and (at == 0 or words[at - 1] in _ASKS_IF))


def _determiner(f: Frame) -> Verdict:
    if f.last in ("that", "this", "those", "these"):
        if f.before in BE:
            asks = f.wh and len(f.main) <= 4
            return (0.8, "a question") if asks else (0.15, "a clause begun")
        if f.last == "that" and f.before in _SAYS:
            return 0.12, "a clause announced"
        return 0.6, "a pronoun"
    if f.last in ("his", "its"):
        return 0.12, "a possessive without its noun"
    if f.last == "her":
        return 0.45, "'her' may be either"
    if f.last in ("some", "any", "more", "each", "both", "all"):
        wanting = f.before in ("like", "need", "want", "have", "get", "of", "for")
        return (0.3 if wanting else 0.5), "a quantity"
    return None


def _particle(f: Frame) -> Verdict:
    if f.last not in _PARTICLES:
        return None
    with_object = f.before in _OBJECTS | {"one"} and f.earlier in _PARTICLE_VERBS
    if f.before in _PARTICLE_VERBS or with_object:
        return 0.65, "a verb and its particle"
    if f.last in _ONLY_PARTICLES:
        return 0.6, "a particle"
    return None


def _preposition(f: Frame) -> Verdict:
    """Prepositions lead on, but for those that a question has stranded."""
    if f.last not in _PREPOSITIONS:
        return None
    if f.last in ("before", "after", "since", "over") and f.before in _TIMES | _OBJECTS:
        return 0.5, "an adverb of time"
    if f.last == "like" and f.before in _WISHING:
        asks = f.wh and len(f.words) >= 4
        return (0.75, "a question") if asks else (0.08, "a wish without its object")
    if f.last == "to" and f.before in _TO_VERBS:
        return 0.06, "an infinitive without its verb"
    # "what is it for", "who am I talking to"; but "when can I come in for" leads on.
    fronted = f.last in _STRANDED and f.main[0] in _STRANDING and f.before not in ARTICLES
    if fronted and (3 <= len(f.main) <= 6 or f.before in _OBJECTS):
        return 0.75, "a preposition stranded by a question"
    return 0.08, "a preposition without its object"


def _correlative(f: Frame) -> Verdict:
    for first, second in (("either", "or"), ("both", "and"), ("between", "and"), ("neither", "nor")):
        if first not in f.words[:-1]:
            continue
        rest = f.words[list(f.words).index(first) + 1 :]
        plural = first == "both" and rest[-1].endswith("s")  # "both tickets"
        if second not in rest and len(rest) <= 4 and rest[0] not in ("of", "are") and not plural:
            return 0.25, f"'{first}' without its '{second}'"
    return None


def _condition(f: Frame) -> Verdict:
    """A subordinate clause in front, and nothing after it."""
    text = " ".join(f.main)
    fronted = next((len(p.split()) - 1 for p in _FRONTED if text.startswith(p + " ")), 0)
    first, second, *_ = (*f.main[fronted:], "")
    timed = (first in _TIMED or fronted > 0) and len(f.main) > 2 and second in SUBJECTS | {"my", "the"}
    if not timed and not (first in _CONDITIONS and second):
        return None
    later = f.main[fronted + 3 :]
    new_clause = any(
        w in SUBJECTS or w in _OTHER_SUBJECTS or w.endswith(("'d", "'ll", "'re"))
        for w in later[:-1]
    )  # fmt: skip
    if new_clause:
        return None
    return (
        0.5 if first == "because" else 0.3 if timed else 0.25
    ), "a clause in front without its main clause"


ENDINGS: tuple[Callable[[Frame], Verdict], ...] = (
    phrase_begun, _holding, _opening, _adverb, _negation, _wh_last, _pronoun, object_missing, _auxiliary, _determiner,
    _particle, _preposition, _wh_noun, wish, statement_begun, intention, noun_missing,
)  # fmt: skip
"""Rules on the last words; they go before the table of function words."""

CLAUSES: tuple[Callable[[Frame], Verdict], ...] = (_correlative, _condition)
"""Rules on the whole clause; they go after it."""
