"""``replay``: reruns logs, tells stories, and refuses what is no log."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from beluga_voice.cli.app import run
from beluga_voice.cli.story import read_story
from beluga_voice.session.session import Session
from beluga_voice.testing.simulator import simulate
from stage import Stage, speak


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write(tmp_path / "log.jsonl", simulate(3, keep_log=True).log)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_a_log_of_a_simulation_matches(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(log)]) == 0
    out = capsys.readouterr().out
    assert "decisions match" in out
    assert "simulated-3" in out
    for column in ("time", "state", "user", "agent", "decision", "first audio"):
        assert column in out


def test_a_log_of_a_session_matches_and_shows_both_sides(
    stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "session.jsonl"
    stage.utterances("what time is it", "stop it please")

    async def play(session: Session) -> None:
        await session.start()
        await speak(session, 1.5, after=1.0)
        await speak(session, 1.2, after=4.0)
        await session.stop()
        await asyncio.sleep(0)

    stage.run(play, event_log=path)
    assert run(["replay", str(path)]) == 0
    out = capsys.readouterr().out
    assert "what time is it" in out
    assert "interrupted by speech" in out
    assert "You said stop it please." in out
    assert "first audio after" in out
    assert "decisions match" in out
    assert run(["replay", str(path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["match"] is True
    assert result["complete"] is True
    assert [t["text"] for t in result["turns"]] == ["what time is it", "stop it please"]
    assert result["turns"][0]["interrupted"]
    assert 0.19 < result["turns"][1]["decided"] < 0.5
    assert 0.19 < result["turns"][1]["answered"] < 0.7


def test_the_first_difference_is_shown(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    commits = [
        i for i, v in enumerate(lines) if v["kind"] == "command" and v["value"]["type"] == "CommitTurn"
    ]
    lines[commits[2]]["value"]["text"] = "something else"
    write(log, lines)
    assert run(["replay", str(log)]) == 1
    out = capsys.readouterr().out
    assert f"(line {commits[2] + 1})" in out
    assert '"text": "something else"' in out
    assert run(["replay", str(log), "--json"]) == 1
    difference = json.loads(capsys.readouterr().out)["difference"]
    assert difference["line"] == commits[2] + 1
    assert difference["decided"]["text"] != difference["recorded"]["text"] == "something else"


def test_a_command_that_is_no_longer_given_is_a_difference(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    write(log, [*lines, {"kind": "command", "now": 1.0, "value": {"type": "Hold", "reply": 1}}])
    assert run(["replay", str(log)]) == 1
    assert "nothing" in capsys.readouterr().out


def test_the_log_of_a_process_that_died_is_compared_as_far_as_it_goes(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = log.read_text()
    log.write_text(text[: len(text) // 2])
    assert run(["replay", str(log)]) == 0
    out = capsys.readouterr().out
    assert "the log ends before the conversation does" in out
    assert "decisions match" in out


HEADER: dict[str, Any] = {"kind": "header", "version": 1, "settings": {}, "session_id": "x"}
WAKE = {"kind": "wake", "now": 1.0}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "it is empty"),
        ([WAKE], "does not begin with the header"),
        ([{**HEADER, "version": 2}], "version 2 is not supported; this installation reads 1"),
        ([{**HEADER, "settings": []}], "settings is not an object"),
        ([{**HEADER, "settings": {"max_turn": "long"}}], "settings.max_turn='long' is not a number"),
        ([HEADER, {"kind": "dance"}], "line 2: unknown kind 'dance'"),
        ([HEADER, {"kind": "wake"}], "line 2 is not understood: KeyError: 'now'"),
        ([HEADER, {"kind": "input", "now": 1, "value": {"type": "Dance"}}], "line 2 is not understood"),
        ([HEADER, {"kind": "input", "now": 1, "value": None}], "line 2 is not understood"),
        ([HEADER, {"kind": "input", "now": 1, "value": {"type": "TypedText", "text": 5}}], "line 2 is not"),
        (
            [HEADER, {"kind": "event", "at": 1, "type": "agent_text", "final": True}],
            "line 2 is not understood",
        ),
    ],
)
def test_what_is_no_log_is_refused(
    lines: list[dict[str, Any]], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "log.jsonl", lines)
    assert run(["replay", str(path)]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert str(path) in error
    assert "[invalid_format]" in error


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe\x00", "it is not a text file"),
        (b"hello\n", "line 1 is not JSON"),
        (b'{"kind": "header"}\noops\n{}\n', "line 2 is not JSON"),
        (b"[1]\n", "line 1 is not a JSON object"),
        (None, "cannot read it: No such file or directory"),
    ],
)
def test_what_is_no_text_is_refused(
    content: bytes | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.jsonl"
    if content is not None:
        path.write_bytes(content)
    assert run(["replay", str(path)]) == 2
    assert says in capsys.readouterr().err


def test_a_story_tells_what_was_taken_back() -> None:
    for seed in range(200):
        story = read_story(simulate(seed, keep_log=True).log)
        taken_back = [t for t in story.turns if t.taken_back]
        if taken_back:
            again = next(t for t in story.turns if t.turn == taken_back[0].turn and not t.taken_back)
            assert again.text.startswith(taken_back[0].text)
            assert any("taken back" in row.note for row in story.rows)
            return
    pytest.fail("no conversation in which a turn was taken back")
