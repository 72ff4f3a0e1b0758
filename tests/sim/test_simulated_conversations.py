"""A thousand conversations end with the rules kept, and the rules can be broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from beluga_voice.core.conversation import Conversation, State
from beluga_voice.core.replay import replay
from beluga_voice.core.turn import TurnMachine
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


def test_the_same_seed_is_the_same_conversation() -> None:
    assert simulate(7, keep_log=True) == simulate(7, keep_log=True)
    assert simulate(7).history != simulate(8).history


@pytest.mark.parametrize("seed", range(20))
def test_a_log_replays_to_the_same_decisions(seed: int) -> None:
    report = simulate(seed, keep_log=True)
    result = replay(report.log)
    assert result.difference is None
    assert result.inputs == sum(line["kind"] == "input" for line in report.log)


def violations() -> list[str]:
    return [v for seed in range(40) for v in simulate(seed).violations]


def test_words_answered_twice_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conversation, "settle_words", lambda self: None)
    assert any("answered twice" in v for v in violations())


def test_audio_after_an_interruption_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedVoice, "stop", lambda self: "")
    assert any("after it was cancelled" in v or "alive" in v for v in violations())


def test_a_state_without_deadline_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TurnMachine, "deadline", lambda self: None)
    assert any("has deadline None" in v for v in violations())


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    assert main(["--seeds", "5", "--log", str(log)]) == 0
    assert "violations     0" in capsys.readouterr().out
    assert log.read_text().startswith('{"kind": "header"')
