"""`beluga-voice talk` on spoken questions, and on files that are no questions at all."""

from __future__ import annotations

import asyncio
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hibari import Hibari

from beluga_voice.audio.resample import resample
from beluga_voice.audio.wav import read_wav
from beluga_voice.core.words import split_words
from beluga_voice.providers.stt.pocketsphinx import create

QUESTIONS = [
    "How long does it take to get to the station?",
    "Is there a table for four people tonight?",
    "I lost my key and I cannot get into my room.",
    "Could you send the bill to my office please?",
    "What is the weather going to be like tomorrow?",
    "My brother wants to change his flight to Monday.",
    "Do you know where I can buy a map of the city?",
    "Please tell the doctor that I will be late.",
    "How many stops are there before the museum?",
    "The light in the kitchen does not work any more.",
    "Can you wake me up at seven in the morning?",
    "I would like to speak to the manager.",
]


def voice(text: str, *, lead: float = 0.6) -> np.ndarray:
    return np.concatenate([np.zeros(int(24_000 * lead), np.float32), Hibari()(text, seed=5)])


def wrong_words(said: str, heard: str) -> int:
    """Edit distance in words."""
    a, b = split_words(said), split_words(heard)
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


def talk(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
    command = [sys.executable, "-m", "beluga_voice", "talk", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, cwd=Path(__file__).parent)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.timeout(120)
def test_questions_never_seen_before_are_understood(tmp_path: Path) -> None:
    """All in one conversation, with a pause in which each is answered."""
    path = tmp_path / "questions.wav"
    parts = [np.concatenate([voice(q), np.zeros(24_000 * 5, np.float32)]) for q in QUESTIONS]
    soundfile.write(path, np.concatenate(parts), 24_000)
    result = talk(path, "--fast", "--agent", "talk_agents:echo_briefly")
    heard = [turn["user"] for turn in result["turns"]]
    assert len(heard) == len(QUESTIONS), heard
    wrong = sum(wrong_words(q, h) for q, h in zip(QUESTIONS, heard, strict=True))
    words = sum(len(split_words(q)) for q in QUESTIONS)
    assert wrong / words <= 0.1, heard


def recognise(path: Path) -> str:
    recording = read_wav(path)
    pcm = resample(recording.pcm, recording.sample_rate, 16_000)

    async def run() -> str:
        stt = create({})
        await stt.start()
        stream = await stt.open(sample_rate=16_000)
        stream.speech_started(0.0)
        for at in range(0, len(pcm), 64_000):
            stream.push(pcm[at : at + 64_000], 0.0)
            await asyncio.sleep(0.2)
        stream.finalize(0.0)
        async for event in stream.events():
            if event.final:
                await stream.close()
                await stt.close()
                return event.text
        raise AssertionError

    return asyncio.run(run())


@pytest.mark.parametrize("kind", ["stereo-44100", "mono-8-bit", "float-48000", "pcm-24"])
def test_the_answer_is_in_the_file_whatever_the_format(tmp_path: Path, kind: str) -> None:
    path, out, log = tmp_path / "in.wav", tmp_path / "out.wav", tmp_path / "log.jsonl"
    pcm = (voice("What time do you open on Saturday?") * 32767).astype("<i2").tobytes()
    rate = 44_100 if "44100" in kind else 48_000 if "48000" in kind else 24_000
    samples = np.frombuffer(resample(pcm, 24_000, rate), "<i2").astype(np.float32) / 32768
    subtype = {"mono-8-bit": "PCM_U8", "float-48000": "FLOAT", "pcm-24": "PCM_24"}.get(kind, "PCM_16")
    soundfile.write(
        path, np.stack([samples, samples], 1) if "stereo" in kind else samples, rate, subtype=subtype
    )
    result = talk(path, "--fast", "--out", out, "--events", log)
    (turn,) = result["turns"]
    assert "saturday" in turn["user"]
    assert "ten" in turn["agent"]
    assert turn["metrics"]["total"] <= 0.5
    recording = read_wav(out)
    assert recording.seconds == pytest.approx(result["seconds"], abs=0.1)
    answered = turn["metrics"]["speech_end"] + turn["metrics"]["total"]
    loud = np.flatnonzero(np.abs(np.frombuffer(recording.pcm, "<i2")) > 500) / recording.sample_rate
    assert loud[0] == pytest.approx(answered, abs=0.3), "the reply is where it was on the timeline"
    again = recognise(out)
    assert {"saturday", "ten", "two"} <= set(again.split()), again
    replay = subprocess.run(
        [sys.executable, "-m", "beluga_voice", "replay", str(log), "--json"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(replay.stdout)["match"] is True


def test_in_real_time(tmp_path: Path) -> None:
    path, out = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(path, voice("How much does a cleaning cost?"), 24_000)
    result = talk(path, "--out", out, "--stereo")
    (turn,) = result["turns"]
    assert "cleaning" in turn["user"]
    assert turn["agent"]
    assert soundfile.info(str(out)).channels == 2


RIFF = b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"this is no wav file at all", "not a readable WAV"),
        (RIFF + b"data" + struct.pack("<I", 0), "holds no audio"),
        (RIFF[:20], "not a readable WAV"),
        (None, "no such file"),
    ],
    ids=["empty", "text", "no-audio", "header-only", "missing"],
)
def test_files_that_cannot_be_heard(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "in.wav"
    if content is not None:
        path.write_bytes(content)
    error = talk(path, code=2)["error"]
    assert error["code"] == "invalid_format"
    assert says in error["message"]


def test_a_file_that_was_cut_off_is_heard_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    soundfile.write(path, voice("What time do you open on Saturday?"), 24_000)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 7_001])
    assert talk(path, "--fast")["turns"]


def test_silence_is_no_question(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    soundfile.write(path, np.zeros(48_000, np.float32), 16_000)
    assert talk(path, "--fast")["turns"] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--agent", "nonsense"], "module:attribute"),
        (["--agent", "no.such.module:x"], "no.such.module"),
        (["--agent", "json:dumps"], "must be an Agent"),
        (["--provider", "nope"], "'nope'"),
        (["--config", "missing.yaml"], "missing.yaml"),
    ],
)
def test_wrong_arguments(tmp_path: Path, arguments: list[str], says: str) -> None:
    path = tmp_path / "in.wav"
    soundfile.write(path, np.zeros(16_000, np.float32), 16_000)
    assert says in talk(path, *arguments, code=2)["error"]["message"]
