"""A thousand conversations end with the rules kept, and the rules can be broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beluga_voice.core.conversation import Conversation, State
from beluga_voice.core.echo import Echo
from beluga_voice.core.effects import Effects
from beluga_voice.core.overlap import Overlap
from beluga_voice.core.replay import replay
from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.turn import TurnMachine
from beluga_voice.core.user_turn import UserTurn
from beluga_voice.testing.simulated_agent import SimulatedVoice
from beluga_voice.testing.simulator import main, simulate

KEPT = [
    int(line) for line in Path(__file__).with_name("seeds.txt").read_text().splitlines() if line[:1].isdigit()
]


@pytest.mark.parametrize("block", range(10))
def test_a_thousand_conversations(block: int) -> None:
    reports = [simulate(seed) for seed in range(block * 100, block * 100 + 100)]
    assert [v for r in reports for v in (f"seed {r.seed} {v}" for v in r.violations)] == []
    assert sum(r.turns for r in reports) > 500
    visited = {state for r in reports for state in r.states}
    assert visited == {s.value for s in State}, "every state is visited"


def test_kept_seeds() -> None:
    assert {seed: simulate(seed).violations for seed in KEPT} == {seed: [] for seed in KEPT}


def test_where_nothing_fails_no_word_is_lost_and_nobody_waits() -> None:
    reports = [simulate(seed, faults=False) for seed in range(150)]
    assert [r.violations for r in reports if r.violations] == []
    assert sum(r.words for r in reports) > 5000
    assert [(r.seed, r.lost) for r in reports if r.lost] == []
    delays = sorted(d for r in reports for d in r.delays)
    assert delays[len(delays) // 2] < 1.0
    assert sum(r.cut_off for r in reports) < 0.1 * sum(r.utterances for r in reports)


def test_answers_prepared_ahead_are_mostly_used() -> None:
    reports = [simulate(seed, TurnSettings(max_guesses=4), faults=False) for seed in range(60)]
    guesses, used = sum(r.guesses for r in reports), sum(r.used for r in reports)
    assert guesses > 200
    assert used > 0.7 * guesses
    assert [v for r in reports for v in r.violations] == []


def test_waiting_longer_cuts_fewer_people_off() -> None:
    """The point of a delay: the same people, quicker and more patient."""
    cut: list[int] = []
    for least in (0.2, 0.9, 1.6):
        settings = TurnSettings(
            min_endpointing_delay=least, max_endpointing_delay=least + 2.5, merge_window=0.0
        )
        cut.append(sum(simulate(seed, settings, faults=False).early for seed in range(60)))
    assert cut[0] > 1.5 * cut[1] > 1.5 * cut[2]


def test_the_agent_does_not_interrupt_itself_where_the_microphone_hears_it() -> None:
    reports = [simulate(seed, faults=False, echoes=True) for seed in range(20)]
    assert [v for r in reports for v in r.violations] == []
    assert sum(r.self_interruptions for r in reports) == 0
    assert sum(r.own_words for r in reports) < 0.04 * sum(r.words for r in reports)
    assert sum(r.lost for r in reports) < 0.08 * sum(r.words for r in reports)
    assert sum(role == "user" for r in reports for role, _ in r.history) > 100


def test_without_the_guard_it_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Overlap, "_echo_in", lambda *_: Echo(0, _[1]))
    assert sum(simulate(seed, faults=False, echoes=True).self_interruptions for seed in range(3)) > 0


def test_the_same_seed_is_the_same_conversation() -> None:
    assert simulate(7, keep_log=True) == simulate(7, keep_log=True)
    assert simulate(7).history == simulate(7, keep_log=True).history != simulate(8).history


def test_a_conversation_can_be_read() -> None:
    lines = simulate(3, faults=False).transcript().splitlines()
    assert {line.split()[0] for line in lines} == {"user", "assistant"}


@pytest.mark.parametrize("seed", range(20))
def test_a_log_replays_to_the_same_decisions(seed: int) -> None:
    report = simulate(seed, keep_log=True)
    result = replay(report.log)
    assert result.difference is None
    assert result.inputs == sum(line["kind"] == "input" for line in report.log)


def nothing(*_: Any, **__: Any) -> None:
    return None


@pytest.mark.parametrize(
    ("owner", "name", "instead", "noticed"),
    [
        (Conversation, "settle_words", nothing, "answered before"),
        (Conversation, "take_words", nothing, "lost"),
        (UserTurn, "_discard", nothing, "is not in the table"),
        (Overlap, "_give_back", nothing, "nobody speaks"),
        (Overlap, "_cancel", nothing, "was alive"),
        (Overlap, "_settled", nothing, "is not in the table"),
        (TurnMachine, "_drain_timeout", nothing, "is not in the table"),
        (Effects, "_abandon_guess", nothing, "is prepared"),
        (TurnMachine, "deadline", nothing, "has deadline None"),
        (SimulatedVoice, "stop", lambda *_: "", "after it was cancelled"),
        (SimulatedVoice, "was_played", lambda *_: False, "were not heard"),
    ],
)
def test_a_broken_core_is_noticed(
    owner: type, name: str, instead: Any, noticed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, instead)
    others: list[str] = []
    for seed in range(600):  # a drain that comes too late is rare
        report = simulate(seed)
        found = [*report.violations, *(["lost"] if report.lost > 0.2 * report.words else [])]
        if any(noticed in violation for violation in found):
            return
        others += found
    raise AssertionError(f"not noticed; but: {others[:5]}")


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    assert main(["--seeds", "5", "--log", str(log), "--show"]) == 0
    out = capsys.readouterr().out
    assert "violations     0" in out
    assert "     user  " in out
    assert log.read_text().startswith('{"kind": "header"')


def test_the_command_names_a_seed_that_broke_a_rule(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SimulatedVoice, "was_played", lambda *_: False)
    assert main(["--seeds", "2", "--first", "5"]) == 1
    out = capsys.readouterr().out
    assert "VIOLATION seed 5 at " in out
    assert "--seeds 1 --first 5" in out
