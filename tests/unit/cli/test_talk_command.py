"""``talk`` with scripted ears and voice: what it prints, writes and returns. Real speech is in tests/integration."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from beluga_voice.audio.wav import write_wav
from beluga_voice.cli.app import run
from beluga_voice.testing.scripted import silence, tone

AGENTS = """
async def echo(transcript):
    return f"You said {transcript}."

async def long(transcript):
    return "This is a long answer that nobody lets me finish, because it goes on and on and on."

async def broken(transcript):
    raise RuntimeError("[no] idea")

"""


@pytest.fixture
def talk(stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """Runs ``talk`` on the given speech and returns (status, JSON result, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("scripted_agents.py").write_text(AGENTS)
    Path("voice.yaml").write_text(
        "provider: embedded\nstt_provider: scripted\ntts_provider: scripted\nvad_provider: scripted\n"
    )

    def call(
        pcm: bytes,
        *options: str,
        agent: str = "scripted_agents:echo",
        config: str = "voice.yaml",
        name: str = "in.wav",
        as_json: bool = True,
    ):
        if pcm:
            write_wav(name, pcm, 16_000)
        words = ["talk", name, "--fast", "--config", config, "--agent", agent]
        status = run([*words, *options, *(["--json"] if as_json else [])])
        out, err = capsys.readouterr()
        return status, json.loads(out) if as_json else out, err

    yield call
    sys.modules.pop("scripted_agents", None)


def speech(*seconds: float, pause: float = 4.0) -> bytes:
    return silence(0.5) + b"".join(tone(s) + silence(pause) for s in seconds)


def test_the_result_as_json(talk, stage) -> None:
    stage.utterances("hello there", "and goodbye")
    status, result, err = talk(speech(1.0, 1.2))
    assert (status, err) == (0, "")
    assert [(t["turn"], t["user"], t["agent"]) for t in result["turns"]] == [
        (1, "hello there", "You said hello there."),
        (2, "and goodbye", "You said and goodbye."),
    ]
    assert all(0 < t["metrics"]["total"] < 1 for t in result["turns"])
    assert not any(t["interrupted"] for t in result["turns"])
    assert result["errors"] == result["warnings"] == []
    assert result["seconds"] >= 10.7


def test_it_ends_when_both_have_been_quiet(talk, stage) -> None:
    stage.utterances("hello")
    _, short, _ = talk(silence(0.5) + tone(1.0), "--tail", "0.5")
    stage.utterances("hello")
    _, long, _ = talk(silence(0.5) + tone(1.0), "--tail", "3")
    assert short["turns"][0]["agent"] == long["turns"][0]["agent"] == "You said hello."
    assert long["seconds"] - short["seconds"] == pytest.approx(2.5, abs=0.2)


def test_the_answer_lies_where_it_was_heard(talk, stage) -> None:
    stage.utterances("hello")
    _, result, _ = talk(speech(1.0), "--out", "deep/out.wav")
    answer, rate = soundfile.read("deep/out.wav", dtype="int16")
    assert rate == stage.tts.sample_rate
    assert len(answer) / rate == pytest.approx(result["seconds"], abs=0.05)
    sound = np.flatnonzero(answer) / rate
    metrics = result["turns"][0]["metrics"]
    assert sound[0] == pytest.approx(metrics["speech_end"] + metrics["total"], abs=0.06)
    assert metrics["speech_end"] == pytest.approx(1.5, abs=0.1)
    assert sound[-1] - sound[0] == pytest.approx(len("You said hello.") * 0.06, abs=0.05)


def test_stereo_has_the_user_left_and_the_agent_right(talk, stage) -> None:
    stage.utterances("hello")
    talk(speech(1.0), "--out", "both.wav", "--stereo")
    both, rate = soundfile.read("both.wav", dtype="int16")
    loud = np.abs(both) > 1000
    user, agent = (np.flatnonzero(loud[:, side]) / rate for side in (0, 1))
    assert user[0] == pytest.approx(0.5, abs=0.02)
    assert user[-1] == pytest.approx(1.5, abs=0.02)
    assert agent[0] > user[-1]


def test_an_interrupted_answer_ends_where_the_user_stopped_hearing_it(talk, stage) -> None:
    stage.utterances("tell me everything", "stop please now")
    pcm = silence(0.3) + tone(1.0) + silence(1.5) + tone(1.5) + silence(5.0)
    _, result, _ = talk(pcm, "--out", "out.wav", agent="scripted_agents:long")
    first = result["turns"][0]
    assert first["interrupted"]
    assert len(first["agent"]) < 60
    answer, rate = soundfile.read("out.wav", dtype="int16")
    around = answer[int(3.6 * rate) : int(4.2 * rate)]
    assert not around.any(), "silent soon after the user spoke over it"


def test_the_events_replay(talk, stage, capsys) -> None:
    stage.utterances("hello")
    talk(speech(1.0), "--events", "log.jsonl")
    assert run(["replay", "log.jsonl", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["match"] is True
    kinds = {json.loads(line)["kind"] for line in Path("log.jsonl").read_text().splitlines()}
    assert {"header", "input", "command", "event"} <= kinds


def test_two_runs_decide_the_same_at_the_same_times(talk, stage) -> None:
    logs = []
    for _ in range(2):
        stage.utterances("hello", "and goodbye")
        talk(speech(1.0, 1.2), "--events", "log.jsonl")
        logs.append(Path("log.jsonl").read_text().splitlines()[1:])
    assert logs[0] == logs[1]


def test_what_a_person_sees(talk, stage) -> None:
    stage.utterances("hello")
    status, out, err = talk(speech(1.0), "--out", "out.wav", as_json=False)
    assert (status, out) == (0, "")
    assert "you  hello" in err
    assert "agent  You said hello." in err
    assert "endpointing" in err
    assert "out.wav" in err
    assert "answer after" in err


def test_an_agent_that_fails_is_told_and_the_conversation_goes_on(talk, stage) -> None:
    stage.utterances("hello", "again")
    status, result, _ = talk(speech(1.0, 1.0, pause=8.0), agent="scripted_agents:broken")
    assert status == 0
    assert [e["code"] for e in result["errors"]] == ["agent_error", "agent_error"]
    assert len(result["turns"]) == 2
    stage.utterances("hello")
    _, _, err = talk(speech(1.0, pause=8.0), agent="scripted_agents:broken", as_json=False)
    assert "[no] idea" in err
    assert "[agent_error]" in err


def test_no_words_are_said_to_be_missing(talk, stage) -> None:
    status, result, _ = talk(silence(2.0), "--out", "out.wav")
    assert status == 0
    assert result["turns"] == []
    assert "no words were recognised" in result["warnings"][0]
    answer, _ = soundfile.read("out.wav", dtype="int16")
    assert len(answer)
    assert not answer.any()


def test_a_recording_that_was_cut_off_is_used_with_a_warning(talk, stage) -> None:
    stage.utterances("hello")
    write_wav("cut.wav", speech(1.0), 16_000)
    Path("cut.wav").write_bytes(Path("cut.wav").read_bytes()[:-20_001])
    status, result, _ = talk(b"", name="cut.wav")
    assert status == 0
    assert result["turns"][0]["user"] == "hello"
    assert result["warnings"] == ["cut.wav was cut off; it is used as far as it goes"]


def test_past_the_time_limit_what_there_was_is_kept(talk, stage) -> None:
    stage.utterances("hello", "again")
    status, result, _ = talk(speech(1.0, 1.0), "--timeout", "4", "--out", "out.wav")
    assert status == 1
    assert result["error"]["code"] == "timeout"
    assert "--timeout" in result["error"]["message"]
    answer, rate = soundfile.read("out.wav", dtype="int16")
    assert len(answer) / rate == pytest.approx(4.0, abs=0.1)
    assert answer.any()


@pytest.mark.parametrize(
    ("options", "more", "code"),
    [
        (["--out", "in.wav/x.wav"], {}, "invalid_config"),
        (["--events", "in.wav/x.jsonl"], {}, "invalid_config"),
        (["--provider", "nobody"], {}, "provider_not_found"),
        ([], {"config": "none.yaml"}, "invalid_config"),
        ([], {"agent": "scripted_agents:nobody"}, "invalid_config"),
    ],
)
def test_wrong_use_ends_before_the_conversation(
    talk, stage, options: list[str], more: dict[str, str], code: str
) -> None:
    stage.utterances("hello")
    status, result, _ = talk(speech(1.0), *options, **more)
    assert (status, result["error"]["code"]) == (2, code)
    assert stage.stt.next_utterance() == "hello", "nothing was heard"


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"),
    [(44_100, 2, "PCM_16"), (8000, 1, "PCM_U8"), (48_000, 1, "FLOAT"), (22_050, 6, "PCM_24")],
)
def test_recordings_of_any_kind(talk, stage, capsys, rate: int, channels: int, subtype: str) -> None:
    stage.utterances("hello")
    mono = np.frombuffer(silence(0.5, rate) + tone(1.0, rate), "<i2") / 32768
    if subtype == "PCM_U8":
        mono = np.where(mono == 0, 0, mono)
    soundfile.write("any.wav", np.repeat(mono[:, None], channels, axis=1), rate, subtype=subtype)
    words = [
        "talk",
        "any.wav",
        "--fast",
        "--config",
        "voice.yaml",
        "--agent",
        "scripted_agents:echo",
        "--json",
    ]
    assert run(words) == 0
    assert json.loads(capsys.readouterr().out)["turns"][0]["user"] == "hello"


def test_a_bad_recording_is_refused_before_models_are_loaded(talk, monkeypatch) -> None:
    def load(*_: object) -> None:
        pytest.fail("models were loaded")

    monkeypatch.setattr("beluga_voice.cli.talk.load_backend", load)
    Path("bad.wav").write_bytes(b"RIFF and nothing else")
    status, result, _ = talk(b"", name="bad.wav")
    assert (status, result["error"]["code"]) == (2, "invalid_format")
    assert "bad.wav" in result["error"]["message"]
