"""Closed classes of words by language: what says that more is to come, and what closes a turn.

Function words only, so the tables do not grow with what people talk about. English has rules of its own beside its
table (`beluga_voice.core.english`); the others are judged by their tables alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ENGLISH", "LANGUAGES", "Language", "language_of"]


@dataclass(frozen=True, slots=True)
class Language:
    """Words of one language, in lower case.

    Attributes:
        code: ISO 639-1.
        fillers: sounds and words of somebody who looks for words; at the end, more is to come.
        unfinished: a clause that ends in one of these goes on.
        question: a clause that begins with one of these is a question.
        alone: a whole turn by themselves.
        last: end a turn by convention.
        digits: what numbers are dictated with.
        telling: other words by which the language is known.
    """

    code: str
    fillers: frozenset[str]
    unfinished: frozenset[str]
    question: frozenset[str]
    alone: frozenset[str]
    last: frozenset[str]
    digits: frozenset[str]
    telling: frozenset[str]


def _language(code: str, **words: str) -> Language:
    return Language(code, **{name: frozenset(text.split()) for name, text in words.items()})


ENGLISH = _language(
    "en",
    fillers="um umm uh uhh uhm er erm ehm hmm hm mm",
    unfinished=(
        "a an the my your our their every another and or but because although though while if unless until "
        "whereas than whether as of to for from with without at by into onto between during against per via toward "
        "towards among regarding concerning including except versus plus is are was were be been being has had does "
        "did would could should shall may might must cannot i'd i'll i'm we'd we'll we're you'd you'll you're "
        "he'd he'll she'd she'll they'd they'll they're it'll it's that's there's here's what's who's where's how's "
        "when's let's i've we've you've they've there'll isn't aren't wasn't weren't hasn't haven't hadn't very quite "
        "extremely somewhat such nor either neither whose which gonna wanna gotta"
    ),
    question="what where when who whom whose which why how what's where's who's how's",
    alone=(
        "yes no yeah nope yep yup okay ok sure thanks hello hi hey goodbye bye stop wait help correct exactly right "
        "absolutely definitely never maybe nothing none what why when where who how really sorry pardon fine great "
        "perfect cool good alright agreed certainly neither both either anything whatever today tomorrow tonight now"
    ),
    last="please thanks",
    digits="zero oh one two three four five six seven eight nine ten double triple",
    telling=(
        "you he she they we it this that these those not have do can will me us him them what how please yes in on at "
        "about i'd like want need there here one some any good today again back thank my order number long it's"
    ),
)
_GERMAN = _language(
    "de",
    fillers="äh ähm öhm öh ehm hmm hm mh also naja tja halt",
    # Without the words that split off a verb and end its sentence ("rufen Sie mich an", "ich komme mit").
    unfinished=(
        "und oder aber sondern weil dass daß denn ob wenn falls während obwohl damit bevor nachdem sobald solange "
        "der das dem den des die ein eine einen einem einer eines mein meine meinen meinem meiner dein deine ihre "
        "ihren ihrem unser unsere unseren sein seine seinen kein keine keinen keinem für von vom zur zum beim im am "
        "ohne gegen zwischen bis seit wegen trotz ich wir möchte hätte würde könnte sollte müsste bin ist "
        "sehr ganz ziemlich etwa ungefähr circa welche welcher welches welchen dieser diese dieses diesen diesem "
        "jeden jede jedes per als wie sowie beziehungsweise entweder weder"
    ),
    question="was wo wann wer wen wem wessen warum wieso weshalb wie welche welcher welches woher wohin wieviel",
    alone="ja nein doch danke hallo tschüss genau richtig gerne stimmt klar gut morgen heute stopp servus moin",
    last="bitte danke dankeschön tschüss wiederhören",
    digits="null eins zwei zwo drei vier fünf sechs sieben acht neun zehn",
    telling=(
        "sie mir mich uns euch nicht auch mit auf nach aus haben hat habe kann können will wollen muss gibt es er ihr "
        "noch schon bitte einmal gern war sind an"
    ),
)
_FRENCH = _language(
    "fr",
    fillers="euh heu ben bah hein hum enfin genre",
    unfinished=(
        "et ou mais parce que qu car donc puisque lorsque quand si comme dont qui le la les l un une des du de d au "
        "aux à en dans avec sans chez entre vers pour par sur sous contre depuis pendant jusqu jusque mon ma mes ton "
        "ta tes son sa ses notre nos votre vos leur leurs ce cet cette ces quelques chaque plusieurs je j' j tu il on "
        "voudrais aimerais souhaite souhaiterais peux pouvez suis est-ce c'est très assez environ quel quelle quels "
        "quelles ni afin ainsi"
    ),
    question="qui que quoi où quand comment pourquoi combien quel quelle quels quelles est-ce lequel laquelle",
    alone="oui non si merci bonjour salut bonsoir d'accord exactement voilà parfait pardon stop demain aujourd'hui",
    last="plaît merci revoir",
    digits="zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize",
    telling="vous nous elle ils elles pas est et ne me te se moi toi lui avez avoir ai as ont être c'est j'ai plus",
)
_SPANISH = _language(
    "es",
    fillers="eh este pues ehm mmm bueno o sea entonces",
    unfinished=(
        "y e o u pero sino porque aunque cuando si que como donde mientras el la los las un una unos unas lo del al de "
        "a en con sin por para entre desde hasta sobre contra según mi mis tu tus su sus nuestro nuestra este esta "
        "estos estas ese esa cada yo quiero quisiera necesito puedo podría me gustaría soy es está muy bastante "
        "aproximadamente ni además"
    ),
    question="qué cuál cuáles quién quiénes dónde cuándo cómo cuánto cuánta cuántos cuántas adónde",
    alone="sí si no gracias hola adiós vale claro exacto correcto perfecto mañana hoy perdón bueno ok",
    last="favor gracias adiós",
    digits="cero uno dos tres cuatro cinco seis siete ocho nueve diez",
    telling="usted ustedes él ella nos les se hay tiene tengo son está puede más también ya mañana hola aquí",
)
_ITALIAN = _language(
    "it",
    fillers="ehm eh mmm cioè allora dunque insomma ecco beh",
    unfinished=(
        "e ed o oppure ma però perché anche se che quando mentre come dove il lo la i gli le un uno una l di a da in "
        "con su per tra fra del dello della dei degli delle al allo alla ai agli alle dal dalla nel nella nei nelle "
        "sul sulla mio mia miei mie tuo tua suo sua nostro vostro questo questa questi ogni io vorrei voglio posso "
        "potrei sono è molto abbastanza circa né quindi quale quali"
    ),
    question="chi che cosa dove quando come perché quanto quanta quanti quante quale quali",
    alone="sì si no grazie ciao salve pronto certo esatto perfetto domani oggi scusi basta giusto",
    last="favore grazie piacere arrivederci",
    digits="zero uno due tre quattro cinque sei sette otto nove dieci",
    telling="lei noi voi loro mi ti ci vi non ho ha hai abbiamo c'è più della buongiorno vorrei sono",
)
_PORTUGUESE = _language(
    "pt",
    fillers="ahn hum hã é tipo então né bem",
    unfinished=(
        "e ou mas porque embora quando se que como onde enquanto o a os as um uma uns umas do da dos das no na nos nas "
        "ao à aos às de em com sem por para pra pelo pela entre desde até sobre contra meu minha meus minhas seu sua "
        "nosso nossa este esta esse essa cada eu quero queria gostaria preciso posso poderia sou é está muito bastante "
        "nem qual quais"
    ),
    question="quem que quê onde quando como quanto quanta quantos quantas qual quais",
    alone="sim não obrigado obrigada oi olá tchau claro exato certo perfeito amanhã hoje desculpe isso",
    last="favor obrigado obrigada tchau",
    digits="zero um uma dois duas três quatro cinco seis meia sete oito nove dez",
    telling="você vocês ele ela nós eles me te lhe não tem tenho são mais também já boa bom dia aqui",
)
_DUTCH = _language(
    "nl",
    fillers="eh euh ehm uh uhm hm nou dus zeg eigenlijk",
    # Without prepositions that split off a verb ("belt u mij op", "kom maar binnen").
    unfinished=(
        "en of maar want omdat dat als toen terwijl hoewel zodat voordat nadat totdat de het een mijn jouw zijn haar "
        "ons onze hun geen van voor met naar bij tot tussen zonder tegen sinds tijdens vanaf ik wij we ben is wil zou "
        "kan moet heb erg heel zeer ongeveer deze die dit elke ieder iedere welke te om"
    ),
    question="wat waar wanneer wie waarom hoe welke welk hoeveel waarheen waarvandaan",
    alone="ja nee dank bedankt hallo hoi dag doei precies juist klopt graag goed prima morgen vandaag sorry stop",
    last="alstublieft alsjeblieft bedankt dank graag doei",
    digits="nul een één twee drie vier vijf zes zeven acht negen tien",
    telling="u jij je jullie hij zij ze mij me niet ook op aan er nog al kunt kunnen willen hebben heeft graag wel",
)

LANGUAGES = {
    language.code: language
    for language in (ENGLISH, _GERMAN, _FRENCH, _SPANISH, _ITALIAN, _PORTUGUESE, _DUTCH)
}  # fmt: skip

# For each word, the languages it is a function word of.
_KNOWN: dict[str, tuple[str, ...]] = {}
for _each in LANGUAGES.values():
    for _word in (
        _each.unfinished
        | _each.question
        | _each.alone
        | _each.last
        | _each.digits
        | _each.telling
        | _each.fillers
    ):
        _KNOWN[_word] = (*_KNOWN.get(_word, ()), _each.code)


def language_of(words: Sequence[str], expected: str = "en") -> Language:
    """The language of ``words``, by its function words; the ``expected`` one where they leave it open.

    People change their language in mid-call, and an agent's setting may not follow.
    """
    home = LANGUAGES.get(expected[:2].lower(), ENGLISH)
    votes = dict.fromkeys(LANGUAGES, 0.0)
    for word in words:
        codes = _KNOWN.get(word, ()) if len(word) > 1 else ()  # letters may be spelled
        for code in codes:
            votes[code] += 1.0 / len(codes)
    best = max(votes, key=lambda code: votes[code])
    # Another language must be plainly ahead: many little words look alike.
    return LANGUAGES[best] if votes[best] >= votes[home.code] + 0.5 else home
