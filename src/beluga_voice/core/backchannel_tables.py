"""What listeners say in each language to have the speaker go on, and what they say to have them stop.

Closed classes: listener responses in the sense of Yngve (1970), not answers with content. Where they come from:

- all: N. Ward, "Common Backchannels" (cs.utep.edu/nigel/bc/common-bcs.html), a list by language with its literature;
  A. Liesenfeld and M. Dingemanse, "Bottom-up discovery of structure and variation in response tokens across diverse
  languages", Interspeech 2022 (a nasal "mm" and a fuller "yeah" in nearly every language).
- English, Japanese, Mandarin: P. Clancy, S. Thompson, R. Suzuki, H. Tao, "The conversational use of reactive tokens in
  English, Japanese, and Mandarin", Journal of Pragmatics 26, 1996; English also: D. Jurafsky and others, "Switchboard
  SWBD-DAMSL", 1997 (its classes b, bk and ba); Mandarin also: Deng Xudong, Pragmatics 18:2, 2008.
- German, Dutch: A. Knudsen and others, "Forgotten little words", Frontiers in Psychology 11, 2020.
- Polish, Korean: M. Karpiński and others, Speech Prosody 2006; Italian, Swedish: L. Cerrato, KTH 2007.
- The words that stop are the languages' plain words for no, wait, stop, wrong and excuse me.

Entries are in lower case without hyphens and apostrophes; runs of three and more of a letter are written once.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SOUNDS", "TABLES", "Table"]


@dataclass(frozen=True, slots=True)
class Table:
    """One language.

    Attributes:
        words: listener responses of one word.
        phrases: … of several words; of any length in a language that is written without spaces.
        answers: of both, those that answer a question with yes.
        stops: words and phrases after which the speaker should be silent, whoever says them.
    """

    words: frozenset[str]
    phrases: frozenset[str]
    answers: frozenset[str]
    stops: frozenset[str]


def _table(words: str, phrases: str, answers: str, stops: str) -> Table:
    """Words are separated by spaces, phrases by commas."""
    listed = {phrase.strip() for phrase in phrases.split(",")} - {""}
    return Table(
        words=frozenset(words.split()),
        phrases=frozenset(listed),
        answers=frozenset(p.strip() for p in answers.split(",")),
        stops=frozenset(p.strip() for p in stops.split(",")),
    )


# The same everywhere, spelled as recognisers of several languages do.
SOUNDS = frozenset(
    "m mm hm hmm mhm mmhm mmhmm hmhm uhhuh uhuh aha ahan ah aah oh ooh ok okay okey okej wow".split()
)

TABLES: dict[str, Table] = {
    "en": _table(
        "uh huh um er eh yeah yea yep yup yes right sure cool great nice alright gotcha exactly really true "
        "okey dokey fine good wonderful perfect interesting indeed absolutely definitely totally gosh ha",
        "i see, got it, of course, go on, ah so, all right, i know, is that so, oh really, makes sense, that "
        "makes sense, fair enough, i understand, sounds good, very good, oh i see, oh my, my goodness, thats "
        "right, thats true, thats good, thats great, thats nice, you know, for sure, no kidding, oh good, how "
        "nice",
        "yes, yeah, yea, yep, yup, sure, right, okay, ok, exactly, absolutely, definitely, of course, alright, "
        "all right, sounds good, uhhuh, uh huh, mmhmm, mhm, for sure, thats right",
        "no, nope, nah, stop, wait, hold on, hang on, one moment, one second, just a moment, just a second, a "
        "moment, quiet, enough, pause, cancel, wrong, excuse me, sorry, never mind, nevermind, shut up, be "
        "quiet, but, actually, listen, let me, thats wrong, thats not, not that, dont, help, hello, what, why, "
        "pardon",
    ),
    "de": _table(
        "ja jaja jo joa genau achso ach stimmt klar verstehe gut super prima toll schön richtig jawohl eben "
        "gell äh ähm tja sicher natürlich interessant echt wirklich hach",
        "ach so, ah so, alles klar, na klar, ich verstehe, sehr gut, ach ja, ah ja, na gut, ja genau, ja klar, "
        "ja gut, das stimmt, ist klar, kein problem, ach wirklich, in ordnung, geht klar, so ist es, schon "
        "klar, okay gut",
        "ja, jaja, jo, genau, klar, natürlich, sicher, jawohl, richtig, stimmt, gut, okay, ok, alles klar, na "
        "klar, in ordnung, sehr gut, mhm, ja klar, ja genau, ja gut, das stimmt",
        "nein, nee, nö, ne, doch, stopp, stop, halt, warte, warten, moment, sekunde, augenblick, genug, falsch, "
        "entschuldigung, entschuldige, verzeihung, ruhe, aufhören, schluss, aber, quatsch, abbrechen, hallo, "
        "hilfe, was, wie bitte, hör auf, hören sie auf, sei still, lass mal",
    ),
    "fr": _table(
        "oui ouais voilà mouais daccord hum bien euh ben bah tiens exact exactement parfait super génial "
        "compris entendu évidemment absolument certes vraiment chouette hein",
        "d accord, ah bon, je vois, bien sûr, très bien, ah oui, ah ouais, ben oui, mais oui, oui oui, je "
        "comprends, cest ça, cest vrai, tout à fait, ah daccord, ah dac, pas mal, en effet, ça marche, ça va, "
        "cest bien",
        "oui, ouais, daccord, d accord, voilà, exact, exactement, absolument, bien sûr, très bien, parfait, "
        "tout à fait, okay, ok, cest ça, entendu, ça marche",
        "non, nan, stop, arrête, arrêtez, attends, attendez, pardon, excusez moi, excuse moi, assez, faux, "
        "mais, silence, taisez vous, tais toi, un instant, une seconde, un moment, minute, pas du tout, allô, "
        "quoi, comment, pourquoi, ça suffit",
    ),
    "es": _table(
        "sí si vale ajá claro ya entiendo bueno bien eso exacto exactamente correcto cierto genial perfecto "
        "órale sale este pues anda vaya ándale verdad comprendo efectivamente",
        "de acuerdo, muy bien, ya veo, por supuesto, claro que sí, ah sí, ah ya, sí sí, está bien, te entiendo, "
        "lo entiendo, es verdad, así es, qué bien, eso es, desde luego, ah vale, ya ya, ya entiendo",
        "sí, si, vale, claro, claro que sí, exacto, correcto, por supuesto, de acuerdo, okay, ok, muy bien, "
        "está bien, perfecto, así es, desde luego",
        "no, para, pare, alto, basta, espera, espere, un momento, un segundo, perdón, perdona, perdone, "
        "disculpa, disculpe, silencio, cállate, cállese, pero, mal, incorrecto, detente, oye, oiga, hola, qué, "
        "cómo, nada de eso, stop",
    ),
    "it": _table(
        "sì si già certo capito esatto ecco bene giusto vero perfetto ottimo chiaro eh beh ah davvero appunto "
        "esattamente capisco infatti bello",
        "ho capito, va bene, ah sì, eh sì, sì sì, certo certo, è vero, molto bene, come no, ah ecco, ah ho "
        "capito, daccordo, d accordo, ci sta, si si",
        "sì, si, certo, esatto, va bene, giusto, daccordo, d accordo, okay, ok, come no, perfetto, esattamente",
        "no, stop, basta, aspetta, aspetti, fermo, ferma, fermati, si fermi, un attimo, un momento, un secondo, "
        "scusa, scusi, mi scusi, silenzio, zitto, zitta, ma, però, sbagliato, pronto, cosa, come, perché",
    ),
    "pt": _table(
        "sim tá pois certo claro isso exato exatamente entendi entendo bom bem ótimo legal beleza né sei "
        "verdade perfeito combinado é ahã aham uhum hum",
        "tá bom, está bem, tá bem, pois é, com certeza, claro que sim, muito bem, isso mesmo, ah sim, ah tá, já "
        "entendi, é verdade, que bom, tudo bem, pois sim, sim sim, estou a ver, sei sei",
        "sim, claro, isso, certo, exato, com certeza, tá bom, está bem, isso mesmo, okay, ok, pode ser, claro "
        "que sim, tá, combinado",
        "não, para, pare, chega, espera, espere, um momento, um segundo, um instante, desculpa, desculpe, "
        "perdão, com licença, silêncio, cala a boca, mas, errado, alto, basta, olá, alô, o quê, quê, como, stop",
    ),
    "nl": _table(
        "ja jaja jawel zo klopt precies juist inderdaad goed prima oké oke mooi leuk natuurlijk zeker tuurlijk "
        "snap nou tja hè echt zeg hoor",
        "ja hoor, ja ja, dat klopt, ik snap het, ik begrijp het, oh ja, ah ja, is goed, heel goed, ja precies, "
        "ja natuurlijk, ja goed, goed zo, zo is het, dat is waar, o ja, aha ja",
        "ja, jawel, klopt, zeker, natuurlijk, tuurlijk, goed, prima, oké, oke, okay, ok, ja hoor, precies, "
        "inderdaad, is goed, dat klopt",
        "nee, neen, stop, wacht, wacht even, ho, hou op, moment, momentje, een moment, even, genoeg, sorry, "
        "pardon, stil, stilte, maar, fout, verkeerd, hallo, wat, hoezo, ophouden, niet doen",
    ),
    "pl": _table(
        "tak no mhm aha jasne dobrze dobra rozumiem racja oczywiście pewnie fajnie super świetnie właśnie "
        "dokładnie naprawdę serio prawda zgadza ehe yhy",
        "no tak, no jasne, no dobrze, no dobra, tak tak, zgadza się, ma sens, w porządku, aha rozumiem, no "
        "proszę, no właśnie, to prawda, bardzo dobrze, aha no tak, jasna sprawa",
        "tak, no, no tak, jasne, dobrze, dobra, oczywiście, pewnie, zgadza się, okej, okay, ok, w porządku, "
        "dokładnie",
        "nie, stop, czekaj, zaczekaj, poczekaj, proszę czekać, proszę poczekać, chwila, chwileczkę, moment, "
        "momencik, dość, dosyć, przepraszam, cisza, cicho, ale, źle, błąd, przestań, proszę przestać, halo, co, "
        "dlaczego",
    ),
    "sv": _table(
        "ja jo jaha jajamän just precis visst okej bra klart jaså va fint självklart absolut verkligen exakt "
        "förstår toppen",
        "just det, just så, jag förstår, ja visst, så klart, det stämmer, ja precis, mycket bra, ja ja, ja just "
        "det, det är sant",
        "ja, jo, precis, visst, okej, absolut, självklart, ja visst, det stämmer, så klart, just det",
        "nej, nä, stopp, stop, vänta, vänta lite, ett ögonblick, ursäkta, förlåt, sluta, tyst, men, fel, "
        "räcker, hallå, vad, varför, avbryt",
    ),
    "ja": _table(
        "はい はあ うん うーん うんうん ええ えー へえ へー ほう ほお ふーん ふうん ふむ あー ああ おー おお "
        "そう なるほど なるほどね 本当 ほんと ほんとに 本当に 確かに たしかに もちろん さすが すごい よし "
        "オッケー オーケー そっか そうか マジ まじ",
        "そうです, そうですね, そうですか, そうですよね, そうね, そうだね, そうなんだ, そうなんですか, "
        "そうなんですね, わかりました, 分かりました, わかった, 分かった, 了解です, 了解しました, 了解, "
        "はいはい, ええええ, いいですね, いいね, なるほどです, 承知しました, かしこまりました, 本当ですか, "
        "ほんとですか, 確かにね, その通り, そのとおり, その通りです, あそう, ですね, ですよね",
        "はい, うん, ええ, そう, そうです, もちろん, お願いします, わかりました, 分かりました, 了解, "
        "その通りです, いいです, いいですよ, オッケー",
        "いいえ, いえ, いや, いやいや, だめ, ダメ, 違う, ちがう, 違います, ちがいます, 待って, まって, "
        "待ってください, ちょっと待って, ちょっと, ストップ, やめて, 止めて, とめて, もういい, もういいです, "
        "すみません, すいません, 静かに, うるさい, でも, もしもし, 何, なに, 黙って",
    ),
    "zh": _table(
        "嗯 嗯嗯 恩 唔 哦 噢 喔 啊 哎 诶 欸 呃 哈 对 对对 是 是的 是啊 好 好的 好啊 好吧 行 行吧 成 可以 当然 "
        "没错 不错 明白 明白了 懂 懂了 了解 知道 知道了 原来如此 这样 这样啊 这样子 真的 真的吗 真的啊 哇 "
        "有道理 对的 对啊 嗯哼 對 對啊 沒錯 瞭解 是嗎 是吗 好好 哦哦 啊哈",
        "对对对, 是是是, 好好好, 嗯嗯嗯, 我明白, 我明白了, 我知道, 我知道了, 我懂, 我懂了, 原来是这样, 没问题, "
        "挺好, 挺好的, 很好, 太好了, 说得对, 就是, 就是啊, 可不是, 那倒是, 也是, 没关系",
        "对, 是, 是的, 好, 好的, 行, 可以, 当然, 没错, 没问题, 对的, 对啊, 嗯, 對, 好啊",
        "不, 不是, 不要, 不用, 不行, 不对, 不對, 没有, 等等, 等一下, 等一会, 等会, 稍等, 慢着, 且慢, 停, 停下, "
        "停一下, 打住, 够了, 行了, 别说了, 闭嘴, 安静, 错了, 对不起, 不好意思, 打扰一下, 但是, 可是, 喂, 什么, "
        "为什么, 取消",
    ),
    "hi": _table(
        "हाँ हां हा जी हूँ हूं हम्म अच्छा ठीक सही बिल्कुल ज़रूर जरूर बढ़िया वाह ओके ओह समझा समझी बिलकुल haan han ji "
        "accha acha achha theek thik sahi bilkul zaroor hoon samjha samjhi badhiya",
        "ठीक है, जी हाँ, जी हां, हाँ जी, हां जी, अच्छा जी, समझ गया, समझ गई, अच्छा ठीक है, सही है, बहुत अच्छा, हाँ "
        "हाँ, हां हां, अच्छा अच्छा, सही बात है, theek hai, thik hai, haan ji, ji haan, samajh gaya, samajh gayi, "
        "sahi hai, bahut accha, accha accha, sahi baat hai",
        "हाँ, हां, जी, जी हाँ, जी हां, हाँ जी, ठीक है, बिल्कुल, ज़रूर, जरूर, सही है, haan, ji, ji haan, haan ji, "
        "theek hai, bilkul, zaroor",
        "नहीं, नही, ना, मत, रुको, रुकिए, रुक जाओ, रुकिये, ठहरो, ठहरिए, बस, एक मिनट, एक सेकंड, माफ़ कीजिए, माफ "
        "कीजिए, चुप, चुप रहो, गलत, ग़लत, लेकिन, पर, सुनो, सुनिए, हैलो, क्या, क्यों, nahi, nahin, ruko, rukiye, "
        "bas, ek minute, galat, lekin, suno, suniye, kya, kyon",
    ),
    "ko": _table(
        "네 넵 넹 예 응 어 아 음 으음 그래 그래요 그렇죠 그렇지 맞아 맞아요 맞습니다 좋아 좋아요 알겠어요 "
        "알겠습니다 알았어 알았어요 그렇군요 그렇구나 정말 정말요 진짜 진짜요 아하 오 와 오케이 물론 물론이죠 "
        "아네",
        "네 네, 예 예, 아 네, 아 예, 그렇군요 네, 네 맞아요, 네 알겠습니다, 아 그래요, 아 그렇군요, 아 "
        "그렇구나, 그러게요",
        "네, 예, 응, 그래요, 맞아요, 좋아요, 물론이죠, 알겠습니다, 네 맞아요",
        "아니, 아니요, 아뇨, 아니오, 잠깐, 잠깐만, 잠깐만요, 잠시만요, 잠시만, 기다려, 기다려요, 기다려 주세요, "
        "멈춰, 그만, 그만해, 그만하세요, 됐어요, 스톱, 틀렸어요, 죄송한데, 실례지만, 저기요, 조용히, 근데, "
        "하지만, 여보세요, 뭐, 왜",
    ),
}  # fmt: skip
