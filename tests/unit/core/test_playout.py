from __future__ import annotations

import pytest

from beluga_voice.core.playout import Playout


def test_words_are_heard_as_their_audio_is_played() -> None:
    playout = Playout()
    playout.begin_piece("one two three four")
    playout.queue(4.0)
    playout.end_piece()
    assert playout.heard() == ""
    playout.play(2.0)
    assert playout.heard() == "one two"
    assert playout.newly_heard() == "one two"
    assert playout.newly_heard() == ""
    playout.play(2.0)
    assert playout.newly_heard() == "three four"
    assert playout.heard() == "one two three four"


def test_word_timings_are_used_where_the_voice_gives_them() -> None:
    playout = Playout()
    playout.begin_piece("a looooooong")
    playout.queue(2.0, (1.5, 2.0))
    playout.end_piece()
    playout.play(1.4)
    assert playout.heard() == ""
    playout.play(0.2)
    assert playout.heard() == "a"


def test_pieces_follow_each_other() -> None:
    playout = Playout()
    playout.begin_piece("Hello there.")
    playout.queue(1.0)
    playout.begin_piece("How are you?")
    playout.queue(1.0)
    playout.end_piece()
    playout.play(1.0)
    assert playout.heard() == "Hello there."
    playout.play(1.0)
    assert playout.heard() == "Hello there. How are you?"
    assert (playout.played, playout.queued) == (2.0, 2.0)


def test_unfinished_audio_is_not_taken_for_the_whole_text() -> None:
    playout = Playout()
    playout.begin_piece("one two three four five six seven eight nine ten")
    playout.queue(0.5)
    playout.play(0.5)
    assert playout.heard() in ("one", "one two")


def test_audio_without_words() -> None:
    playout = Playout()
    playout.begin_piece("")
    playout.queue(1.0)
    playout.play(1.0)
    assert playout.heard() == ""


def test_what_was_sent_but_not_heard_is_taken_back() -> None:
    playout = Playout()
    playout.begin_piece("one two")
    playout.queue(2.0)
    playout.end_piece()
    playout.play(2.0)
    playout.play(-1.0)
    assert playout.heard() == "one"
    assert playout.played == pytest.approx(1.0)
