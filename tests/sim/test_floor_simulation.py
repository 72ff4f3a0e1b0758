"""Hundreds of rooms of agents that join, leave, hang and fail: the floor keeps its promises."""

from __future__ import annotations

from typing import Any

import pytest
from floor_world import FloorWorld

from beluga_voice.core.floor import FloorMachine


def violations(seeds: range, **options: bool) -> list[str]:
    found: list[str] = []
    for seed in seeds:
        world = FloorWorld(seed, **options)
        world.play(120.0)
        found += [f"seed {seed} {options} {v}" for v in world.violations[:3]]
    return found


@pytest.mark.parametrize("block", range(5))
def test_rooms_where_anything_may_fail(block: int) -> None:
    assert violations(range(block * 100, block * 100 + 100)) == []


def test_rooms_where_nothing_fails_answer_every_turn() -> None:
    assert violations(range(200), faults=False) == []


def test_agents_that_converse() -> None:
    assert violations(range(150), converse=True) == []
    spoken = 0
    for seed in range(20):
        world = FloorWorld(seed, faults=False, converse=True)
        world.play(60.0)
        spoken += len(world.agent_turns)
    assert spoken > 50


@pytest.mark.parametrize(
    ("name", "instead", "noticed"),
    [
        ("dismissed", lambda *_, **__: None, "although it was no turn"),
        ("wake", lambda self, now: None, "again and again"),
        ("_free", lambda *_, **__: None, "again and again"),
        ("_grant_once", None, "audible at the same time"),
    ],
)
def test_a_broken_floor_is_noticed(
    name: str, instead: Any, noticed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "_grant_once":
        grant = FloorMachine._grant

        def forget(self: FloorMachine, *args: Any) -> None:
            grant(self, *args)
            self.hold = None

        monkeypatch.setattr(FloorMachine, "_grant", forget)
    else:
        monkeypatch.setattr(FloorMachine, name, instead)
    found = violations(range(30))
    assert any(noticed in v for v in found)
