"""What words tell about turns: back-channels, and whether a sentence sounds finished.

Rules on text only; they are cheap enough to run on every partial. The lists are closed classes of words
(function words, listener responses), so they do not grow with the domain.
"""

from __future__ import annotations

import re

__all__ = ["completeness", "content_words", "is_backchannel", "is_hesitation", "split_words"]

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*", re.UNICODE)

# Listener responses that ask the speaker to go on. Hyphens and apostrophes are removed before the look-up ("mm-hmm").
_BACKCHANNELS = frozenset(
    # English
    "uh huh uhhuh mm mmm hm hmm mmhmm mhm mhmm aha ah oh okay ok yeah yep yup right sure yes cool wow great "
    "alright gotcha um er eh "
    # German
    "ja jaja jo genau achso ach stimmt klar verstehe gut super hmhm "
    # French
    "oui ouais voilà mouais daccord hum bien "
    # Spanish
    "sí si vale ajá claro ya entiendo bueno "
    # Italian, Portuguese, Dutch
    "già certo capito esatto sim tá pois hoor klopt".split()
)
_BACKCHANNEL_PHRASES = frozenset(
    ("i see", "got it", "of course", "go on", "ah so", "ach so", "d accord", "all right", "oh okay", "uh huh",
     "i know", "is that so", "oh i see", "alles klar", "na klar", "ich verstehe", "sehr gut", "ah bon", "je vois",
     "bien sûr", "très bien", "de acuerdo", "muy bien", "ya veo", "por supuesto", "ho capito")
)  # fmt: skip
# Sounds of somebody who looks for words; none of them answers a question, as "mm" may.
_HESITATIONS = frozenset("um umm uh uhh uhm er erm äh ähm öhm euh".split())
_FILLERS = _HESITATIONS | frozenset("eh hmm hm mm este cioè".split())

# A clause that ends in one of these goes on.
_UNFINISHED = frozenset(
    # English
    "a an the my your his her its our their this these those some any every each another "
    "and or but so because since although though while if unless until when whenever where whether that which "
    "who whose than as like "
    "of to for from with without at by in into on onto over under between about around through during before "
    "after near against per via "
    "is are was were be am been being do does did have has had will would can could should shall may might must "
    "i'd i'll i'm we'd we'll you'd let's please um uh er very really quite "
    "i we he she they it's there's what's that's not "
    "want need wants needs going gonna wanna trying looking "
    # German, without the words that split off a verb and end its sentence ("rufen Sie mich an")
    "und oder aber weil dass denn ob wenn der das dem den ein eine einen einem einer mein meine meinen ihre kein "
    "keine mit für von zu zum zur beim im ohne gegen zwischen ich wir möchte hätte würde sehr "
    # French
    "et ou mais parce que qui dont comme quand le la les un une de du des à au aux dans avec chez entre vers mon "
    "mes votre vos notre nos cette ces je voudrais très "
    # Spanish
    "pero porque cuando el los las una unos unas del al en para desde hasta mi su mis sus muy quisiera necesito".split()
)
# Likewise, but also words that end English sentences: only after a word that is not English.
_UNFINISHED_ELSEWHERE = frozenset(
    "die des war hat pour son ton sa ma par sur sans y o e con sin por tu".split()
)
_NOT_ENGLISH = frozenset(
    "ich sie mich mir und der das ist nicht ein eine einen mit für wir möchte haben wie wo je vous nous une est "
    "le et pas les un du que quel quelle el los las es una mi por para con quiero quisiera yo está qué cuál".split()
)
_QUESTION = frozenset("what when where who whom whose which why how".split())
_AUXILIARY = frozenset(
    "is are am was were do does did can could will would shall should may might must have has had".split()
)
_COMPLETE_ALONE = frozenset(
    "yes no yeah nope yep okay ok sure thanks hello hi hey goodbye bye stop wait help correct exactly right "
    "absolutely definitely never maybe nothing none "
    "ja nein doch danke hallo tschüss oui non merci bonjour salut sí si gracias hola adiós vale".split()
)
_COMPLETE_LAST = frozenset("please bitte plaît danke merci gracias".split())
_MAY_STRAND = frozenset("like for about with from to is are at in on".split())
_DIGITS = frozenset(
    "zero oh one two three four five six seven eight nine ten double triple "
    "null eins zwei drei vier fünf sechs sieben acht neun zéro un deux trois quatre cinq sept huit neuf "
    "cero uno dos tres cuatro cinco seis siete ocho nueve".split()
)
_REPEATS = {"double": 1, "triple": 2}  # so many digits more than the one that follows
# What recognisers make of a cough or a chair: alone, one of these is no interruption.
_NOISE_WORDS = frozenset("a the of and in it i to uh he at on is but or as an if are you".split())
_CUT_OFF = ("…", "...", ",", "-", "–", ":")
_CLOSINGS = frozenset(
    [
        ("thank", "you"),
        ("good", "bye"),
        ("of", "course"),
        ("all", "right"),
        ("that's", "all"),
        ("por", "favor"),
    ]
)
# How likely so many digits are all of them: a code, or a quarter of a card's number; local, area, country numbers.
_NUMBER_LENGTHS = {4: 0.5, 7: 0.75, 10: 0.75, 11: 0.75, 16: 0.75}
_SPELLED = re.compile(r"^[a-z]$|^\d+$")


def split_words(text: str) -> list[str]:
    """The words of ``text`` in lower case, without punctuation."""
    return _WORD.findall(text.lower())


def content_words(text: str) -> int:
    """How many words mean something; 0 for a pure back-channel, a filler or a lone function word."""
    words = split_words(text)
    if is_backchannel(text) or (len(words) == 1 and words[0] in _NOISE_WORDS):
        return 0
    return sum(w.replace("-", "") not in _FILLERS for w in words)


def is_backchannel(text: str) -> bool:
    """Whether ``text`` is nothing but listener response ("mm-hmm", "yeah, okay"); empty text is not one."""
    words = split_words(text)
    if not words or len(words) > 4:
        return False
    if " ".join(words) in _BACKCHANNEL_PHRASES:
        return True
    return all(w.replace("-", "").replace("’", "").replace("'", "") in _BACKCHANNELS for w in words)


def is_hesitation(text: str) -> bool:
    """Whether ``text`` is nothing but "um" and the like; empty text is not."""
    words = split_words(text)
    return bool(words) and all(w in _HESITATIONS for w in words)


def completeness(text: str) -> float:
    """Probability (0–1) that a turn with these words is complete, by rules on its last words.

    0.1 means plainly unfinished ("I would like to book a table for"), 0.9 plainly finished ("yes, please").
    """
    stripped = text.rstrip()
    words = split_words(stripped)
    if not words:
        return 0.5
    if stripped.endswith(_CUT_OFF):
        return 0.1
    if _closes(words):
        return 0.9
    dictated = _dictated(words)
    if dictated:
        return _NUMBER_LENGTHS.get(dictated, 0.3)
    if words[-1] in _FILLERS or (_goes_on(words) and not _stranded(words)):
        return 0.1
    if stripped.endswith(("?", "!")):
        return 0.95
    if stripped.endswith("."):
        return 0.85
    if len(words) >= 4 and (words[0] in _QUESTION or words[0] in _AUXILIARY):
        return 0.8
    return 0.65 if len(words) >= 3 else 0.55


def _closes(words: list[str]) -> bool:
    """Words that end a turn by convention: "…, please", "thank you", a lone "yes"."""
    if len(words) == 1:
        return words[0] in _COMPLETE_ALONE
    return words[-1] in _COMPLETE_LAST or tuple(words[-2:]) in _CLOSINGS


def _goes_on(words: list[str]) -> bool:
    """Whether the last word asks for another."""
    last, english = words[-1], _NOT_ENGLISH.isdisjoint(words[:-1])
    if last == "an":  # English "an …", German "rufen Sie mich an"
        return english
    return last in _UNFINISHED or (last in _UNFINISHED_ELSEWHERE and not english)


def _dictated(words: list[str]) -> int:
    """How many digits or letters end the text one by one or in groups; 0 if it is not dictation."""
    tokens = digits = 0
    for word in reversed(words):
        if word not in _DIGITS and not _SPELLED.match(word):
            break
        tokens += 1
        digits += _REPEATS.get(word, len(word) if word.isdigit() else 1)
    return digits if tokens >= 2 or digits >= 5 else 0


def _stranded(words: list[str]) -> bool:
    """A final function word that does end an English sentence: "what is it like", "who is she with"."""
    question = any(w in _QUESTION for w in words[:2])
    return question and len(words) >= 4 and words[-1] in _MAY_STRAND
