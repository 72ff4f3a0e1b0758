from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.core.clauses import ClauseSplitter

words = st.text(alphabet="abcXYZ019.,;:!?—…-'\"()。", min_size=1, max_size=12)
speech = st.lists(words, max_size=60).map(" ".join) | st.text(max_size=400)


def run(chunks: list[str]) -> list[str]:
    splitter = ClauseSplitter()
    out = [piece for chunk in chunks for piece in splitter.feed(chunk)]
    return out + splitter.flush()


def bare(text: str) -> str:
    return "".join(text.split())


def cut(text: str, places: list[int]) -> list[str]:
    at = sorted({p % (len(text) + 1) for p in places})
    return [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]


@given(speech, st.lists(st.integers(min_value=0, max_value=10_000), max_size=30))
def test_chunking_changes_nothing_and_no_character_is_lost(text: str, places: list[int]) -> None:
    whole = run([text])
    assert run(cut(text, places)) == whole
    assert bare("".join(whole)) == bare(text)
    assert all(piece and piece == " ".join(piece.split()) and len(piece) <= 220 for piece in whole)


@given(st.lists(st.text(alphabet="abcXYZ019.,;:!?'\"()", min_size=1, max_size=20), max_size=80))
def test_words_are_never_cut(tokens: list[str]) -> None:
    assert " ".join(run([" ".join(tokens)])).split() == tokens


@given(st.lists(st.text(alphabet="abc ,\n", max_size=8), max_size=40), st.randoms(use_true_random=False))
def test_releases_at_any_time_lose_nothing(chunks: list[str], random: object) -> None:
    splitter = ClauseSplitter()
    out: list[str] = []
    for chunk in chunks:
        out += splitter.feed(chunk)
        if random.random() < 0.3 and splitter.flush_after is not None:  # type: ignore[attr-defined]
            out += splitter.release()
        assert bare("".join(chunks)).startswith(bare("".join(out)) + bare(splitter.pending))
    out += splitter.flush()
    assert bare("".join(out)) == bare("".join(chunks))
    assert " ".join(out).split() == "".join(chunks).split()
