from __future__ import annotations

from beluga_voice.core.talk import Talk


def test_the_words_are_those_of_whoever_talked_longest() -> None:
    talk = Talk()
    talk.began("ann", 0.0)
    talk.began("bob", 0.8)
    talk.ended("ann", 1.0)
    assert talk.take(1.4) == "ann"
    talk.ended("bob", 2.0)
    assert talk.take(2.5) == "bob", "only what came since counts"


def test_short_stretches_add_up() -> None:
    talk = Talk()
    for at in (0.0, 1.0, 2.0):
        talk.began("ann", at)
        talk.ended("ann", at + 0.3)
    talk.began("bob", 2.4)
    talk.ended("bob", 3.0)
    assert talk.take(3.0) == "ann"


def test_with_nothing_said_it_is_whoever_spoke_last() -> None:
    talk = Talk()
    assert talk.take(0.0) == ""
    talk.began("ann", 0.0)
    talk.ended("ann", 1.0)
    talk.take(1.0)
    assert talk.take(2.0) == "ann"
    talk.forget("ann")
    assert talk.take(3.0) == ""
