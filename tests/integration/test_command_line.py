"""Commands as processes: how they start, and that a signal leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from beluga_voice.cli.app import run

READY = 20.0
STOPPED = 5.0


class Command:
    """``beluga-voice …`` in a process of its own; standard error goes to a file."""

    def __init__(self, folder: Path, *words: str) -> None:
        self._log = folder / "output.txt"
        with self._log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "beluga_voice", *words],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                env={**os.environ, "BROWSER": "true", "COLUMNS": "200"},
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait_for(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + READY
        while not condition():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def children(self) -> list[int]:
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for thread in threads for pid in thread.read_text().split()]

    def end(self, sign: signal.Signals) -> int:
        """Sends ``sign``, waits, and checks that no child is left; returns the status."""
        children = self.children()
        self.process.send_signal(sign)
        status = self.process.wait(STOPPED)
        deadline = time.monotonic() + 1.0
        while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)
        assert "Traceback" not in self.output
        return status


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    made: list[Command] = []

    def start(*words: str) -> Command:
        made.append(Command(tmp_path, *words))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait(STOPPED)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_demo_serves_its_page_and_ends_on_a_signal(command, sign: signal.Signals) -> None:
    port = free_port()
    demo = command("demo", "--port", str(port))
    demo.wait_for(lambda: f"http://127.0.0.1:{port}" in demo.output)
    status, page = get(f"http://127.0.0.1:{port}/")
    assert status == 200
    assert b"<html" in page
    assert get(f"http://127.0.0.1:{port}/healthz")[0] == 200
    assert demo.children(), "the recogniser runs in a process of its own"
    assert demo.end(sign) == 0


def test_serve_logs_json_and_has_no_page(command) -> None:
    port = free_port()
    serve = command("serve", "--host", "127.0.0.1", "--port", str(port), "--max-sessions", "7")
    serve.wait_for(lambda: "ready at" in serve.output)
    assert get(f"http://127.0.0.1:{port}/")[0] == 404
    status, body = get(f"http://127.0.0.1:{port}/healthz")
    assert status == 200
    assert json.loads(body)["details"]["max_sessions"] == 7
    assert serve.end(signal.SIGTERM) == 0
    lines = [json.loads(line) for line in serve.output.splitlines()]
    assert {"time", "level", "logger", "message"} <= set(lines[0])
    assert lines[0]["time"].endswith("+00:00")


def test_a_port_in_use_is_one_clear_line(command) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        demo = command("demo", "--port", str(port), "--no-browser")
        assert demo.process.wait(READY) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in demo.output
    assert "--port" in demo.output
    assert "[connection_failed]" in demo.output
    assert "Traceback" not in demo.output


@pytest.mark.parametrize(("sign", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_talk_that_is_stopped_keeps_what_was_said(
    command, tmp_path: Path, sign: signal.Signals, status: int
) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros(16_000 * 30, np.int16), 16_000)
    log = tmp_path / "log.jsonl"
    talk = command("talk", "in.wav", "--out", "out.wav", "--events", "log.jsonl")
    talk.wait_for(log.exists)  # made when the session starts
    time.sleep(0.6)  # some real seconds of conversation to keep
    assert talk.end(sign) == status
    assert 0.4 < soundfile.info(tmp_path / "out.wav").duration < 25
    last = json.loads(log.read_text().splitlines()[-1])
    assert (last["type"], last["reason"]) == ("closed", "stopped")


def test_doctor_loads_the_models_and_understands_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json", "--port", str(free_port())]) == 0
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)}
    for what in ("voice (hibari)", "recogniser (pocketsphinx)", "voice activity (silero)"):
        assert rows[what]["found"].startswith("loaded in")
    assert rows["speak and recognise"]["state"] == "ok"
    assert "what time do you open on saturday" in rows["speak and recognise"]["found"]


def test_doctor_names_the_part_that_cannot_be_loaded(monkeypatch, capsys) -> None:
    import beluga_voice as bv
    from beluga_voice.registry import registry_for

    class Broken:
        async def start(self) -> None:
            raise bv.ConfigError("start", "invalid_config", "the voice file is missing")

        async def close(self) -> None:
            pass

    tts = registry_for("tts")
    real = tts.create
    monkeypatch.setattr(
        tts, "create", lambda name, config=None: Broken() if config == {} else real(name, config)
    )
    assert run(["doctor", "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    (failed,) = (row for row in rows if row["state"] == "fail")
    assert (failed["what"], failed["found"]) == ("voice (hibari)", "the voice file is missing")
    assert failed["remedy"]
