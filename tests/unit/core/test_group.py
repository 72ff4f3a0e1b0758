from __future__ import annotations

import pytest

from beluga_voice.core.group import GroupPolicy, GroupSettings, names_in

ADDRESSED = GroupSettings("when_addressed", ("Bella", "beluga voice"), follow_up=10.0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Bella, what time is it?", ["Bella"]),
        ("ask BELLA", ["Bella"]),
        ("what a bellavista", []),
        ("hey Beluga-Voice and bella", ["beluga voice", "Bella"]),
        ("beluga has no voice", []),
        ("", []),
    ],
)
def test_names_are_whole_words(text: str, found: list[str]) -> None:
    assert names_in(text, ADDRESSED.names) == found


def test_signs_in_names_are_taken_as_they_are() -> None:
    assert names_in("is c3po+ here", ["c3po+", "."]) == ["c3po+"]
    assert names_in("anything", ["", "  "]) == []


def test_always_answers_everybody() -> None:
    policy = GroupPolicy(GroupSettings())
    assert policy.answers((("ann", "hello"),), people=5, onset=1.0)


def test_alone_nobody_needs_the_name() -> None:
    policy = GroupPolicy(ADDRESSED)
    assert policy.answers((("ann", "hello"),), people=1, onset=1.0)
    assert policy.answers((("", "hello"),), people=0, onset=1.0)
    assert not policy.answers((("ann", "hello"),), people=2, onset=1.0)


def test_whoever_was_answered_may_go_on_for_a_while() -> None:
    policy = GroupPolicy(ADDRESSED)
    assert policy.answers((("ann", "bella what time is it"),), people=3, onset=1.0)
    policy.replied(5.0)
    assert not policy.answers((("bob", "and the weather"),), people=3, onset=6.0), (
        "another person needs the name"
    )
    assert policy.answers((("ann", "and the weather"),), people=3, onset=14.9)
    policy.replied(20.0)
    assert policy.answers(
        (
            ("bob", "hm"),
            ("ann", "and tomorrow"),
        ),
        people=3,
        onset=29.0,
    )
    assert not policy.answers((("ann", "well"),), people=3, onset=31.0), "too late"


def test_only_who_said_the_name_becomes_the_partner() -> None:
    policy = GroupPolicy(ADDRESSED)
    assert policy.answers((("bob", "good idea"), ("ann", "bella please")), people=2, onset=1.0)
    policy.replied(3.0)
    assert not policy.answers((("bob", "no"),), people=2, onset=4.0)
    assert policy.answers((("ann", "yes"),), people=2, onset=4.0)


def test_a_partner_from_before_the_others_came_may_go_on() -> None:
    policy = GroupPolicy(ADDRESSED)
    assert policy.answers((("ann", "hello"),), people=1, onset=1.0)
    policy.replied(2.0)
    assert policy.answers((("ann", "go on"),), people=2, onset=3.0)
