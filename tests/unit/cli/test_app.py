from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

import beluga_voice as bv
from beluga_voice.cli import app as app_module
from beluga_voice.cli import main
from beluga_voice.cli.app import run

COMMANDS = ["demo", "doctor", "livekit", "providers", "replay", "serve", "talk", "version"]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes every command fail with the given error."""

    def fails_with(error: BaseException) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr(app_module, "app", fail)

    return fails_with


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (bv.ConfigError("x", "invalid_config", "timeout=0 is too short"), 2),
        (bv.ConfigError("x", "missing_extra", 'run: pip install "beluga-voice[webrtc]"'), 2),
        (bv.FormatError("x", "invalid_format", "a.wav is empty"), 2),
        (bv.AuthError("x", "authentication_failed", "the key was refused"), 2),
        (bv.ConnectError("x", "connection_failed", "port 8080 is in use"), 1),
        (bv.PipelineError("x", "timeout", "not ready in 30 s"), 1),
        (bv.BackendError("x", "pipeline_error", "broke"), 1),
    ],
)
def test_errors_are_one_line_with_their_code(command, capsys, error: bv.BackendError, status: int) -> None:
    command(error)
    assert run(["talk"]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [f"error {error.message}  [{error.code}]"]


def test_a_long_message_is_not_wrapped_and_brackets_are_not_markup(command, capsys) -> None:
    message = 'run: pip install "beluga-voice[webrtc]" ' + "and then some more words " * 20 + "[bold]end"
    command(bv.ConfigError("x", "missing_extra", message))
    run(["demo"])
    assert capsys.readouterr().err == f"error {message}  [missing_extra]\n"


def test_with_json_the_error_is_json_on_standard_output(command, capsys) -> None:
    command(bv.FormatError("read_wav", "invalid_format", "a.wav is empty"))
    assert run(["talk", "a.wav", "--json"]) == 2
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == {
        "error": {"code": "invalid_format", "message": "a.wav is empty", "op": "read_wav"}
    }


def test_an_unexpected_error_says_how_to_see_more(command, capsys) -> None:
    command(ZeroDivisionError("division by zero"))
    assert run(["talk"]) == 1
    err = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in err
    assert "--debug" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("error", [ZeroDivisionError("no"), bv.ConfigError("x", "invalid_config", "no")])
def test_debug_lets_errors_through(command, error: Exception) -> None:
    command(error)
    with pytest.raises(type(error)):
        run(["talk", "--debug"])


def test_debug_is_not_passed_on_to_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(app_module, "app", lambda words, **_: seen.append(words))
    assert run(["talk", "--debug", "a.wav"]) == 0
    assert seen == [["talk", "a.wav"]]


@pytest.mark.parametrize(("result", "status"), [(0, 0), (1, 1), (None, 0)])
def test_the_status_is_that_of_the_command(monkeypatch, result: object, status: int) -> None:
    monkeypatch.setattr(app_module, "app", lambda *_, **__: result)
    assert run(["doctor"]) == status
    with pytest.raises(SystemExit) as caught:
        main(["doctor"])
    assert caught.value.code == status


def test_ctrl_c_is_130_and_sigterm_143(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "app", lambda *_, **__: signal.raise_signal(signal.SIGINT))
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert run(["demo"]) == 130
    monkeypatch.setattr(app_module, "app", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    assert run(["demo"]) == 143
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_sigterm_ends_it_even_where_the_shell_ignores_sigint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        monkeypatch.setattr(app_module, "app", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
        assert run(["demo"]) == 143
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_it_runs_outside_the_main_thread(capsys) -> None:
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(run(["version"])))
    thread.start()
    thread.join(10)
    assert statuses == [0]
    assert bv.__version__ in capsys.readouterr().out


# --- arguments --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*(n for n in COMMANDS if n != "livekit"), "livekit dev", "livekit token"])
def test_every_command_has_help_with_an_example(capsys, name: str) -> None:
    assert run([*name.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert f"Usage: beluga-voice {name}" in out
    assert f"beluga-voice {name}" in out.split("Examples:")[1]


def test_the_list_of_commands_says_what_each_does(capsys) -> None:
    assert run(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in COMMANDS:
        (line,) = (text for text in lines if text.startswith(f"│ {name} "))
        assert len(line.strip("│ ").split()) > 3


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["nosuch"], "nosuch"),
        (["talk"], "requires an argument"),
        (["talk", "a.wav", "--bogus"], "--bogus"),
        (["talk", "a.wav", "--tail", "soon"], "--tail"),
        (["talk", "a.wav", "--tail", "-1"], "--tail"),
        (["talk", "a.wav", "--timeout", "0"], "--timeout"),
        (["demo", "--port", "70000"], "--port"),
        (["doctor", "--port", "0"], "--port"),
        (["serve", "--port", "eighty"], "--port"),
        (["livekit", "dev", "--port", "-1"], "--port"),
        (["livekit", "token", "--room", "r"], "--identity"),
        (["livekit", "token", "--room", "r", "--identity", "i", "--ttl", "0"], "--ttl"),
    ],
)
def test_wrong_use_is_status_2(capsys, words: list[str], what: str) -> None:
    assert run(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert what in err
    assert "[wrong_use]" in err
    assert run([*words, "--json"]) == 2
    payload = json.loads(capsys.readouterr().out)
    assert payload["error"]["code"] == "wrong_use"
    assert what in payload["error"]["message"]


def test_version(capsys) -> None:
    assert run(["version"]) == 0
    assert bv.__version__ in capsys.readouterr().out
    assert run(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == bv.__version__
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == bv.__version__


def test_python_m_is_the_same_and_a_closed_pipe_is_no_traceback() -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "beluga_voice", "version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, env=environment)
    assert bv.__version__ in done.stdout
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=30, env=environment
    )
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode == 1


# --- the end of the program -------------------------------------------------------------------------------

_PROGRAM = """
import atexit, logging, sys, threading, time
sys.argv = ["beluga-voice", "version"]
logging.basicConfig(stream=sys.stdout)
logging.warning("logged")
{also}
atexit.register(print, "registered")
from beluga_voice.cli import main
main()
"""


@pytest.mark.parametrize(
    "also",
    [
        pytest.param("", id="nothing"),
        pytest.param("threading.Thread(target=time.sleep, args=(600,)).start()", id="thread"),
        pytest.param("sys.modules['livekit.rtc'] = sys", id="sdk"),
        pytest.param(
            "atexit.register(time.sleep, 600); sys.modules['livekit.rtc'] = sys", id="hanging-exit-function"
        ),
    ],
)
def test_the_program_ends_whatever_its_threads_do_and_loses_no_output(also: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(also=also)], capture_output=True, text=True, timeout=50
    )
    assert ended.returncode == 0
    assert bv.__version__ in ended.stdout
    assert "logged" in ended.stdout and "registered" in ended.stdout and ended.stderr == ""


def test_called_by_another_program_it_only_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever that program's threads do."""
    monkeypatch.setitem(sys.modules, "livekit.rtc", sys)
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        with pytest.raises(SystemExit) as caught:
            main(["version"])
    finally:
        release.set()
        thread.join(10)
    assert caught.value.code == 0
