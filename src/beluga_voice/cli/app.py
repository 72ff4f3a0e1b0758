"""The commands by name, each loaded when it is called, and one way to report errors."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Generator, Sequence

from cyclopts import App, Parameter
from cyclopts.exceptions import CycloptsError
from rich.console import Console
from rich.text import Text

from beluga_voice import __version__
from beluga_voice.errors import AuthError, BackendError, ConfigError, FormatError

__all__ = ["app", "run"]

app = App(
    name="beluga-voice",
    help="Voice agents that answer fast, stop when told and run offline.",
    version=__version__,
    help_epilogue="Try: beluga-voice demo. With --debug any command shows where an error comes from.",
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,
)
# Name, what it does, examples. Here and not in the commands' docstrings, because those are loaded only when called.
_COMMANDS = (
    (
        "demo",
        "Talk to an agent in the browser: offline, no keys.",
        ("beluga-voice demo", "beluga-voice demo --port 9000 --agent my_agent:answer"),
    ),
    (
        "talk",
        "Hold one conversation with an agent, the user's side taken from a file.",
        (
            "beluga-voice talk question.wav --out answer.wav --events log.jsonl",
            "beluga-voice talk question.wav --agent my_agent:answer --fast --json",
        ),
    ),
    (
        "serve",
        "Serve conversations over WebRTC and WebSocket to your own clients.",
        ("beluga-voice serve --agent my_agent:answer --allowed-origin https://shop.example",),
    ),
    (
        "worker",
        "Take jobs from a LiveKit server and run an entry point for each.",
        (
            "beluga-voice worker my_agent:entrypoint --agent-name desk",
            "beluga-voice worker my_agent:entrypoint --processes 4 --max-jobs 25 --json",
        ),
    ),
    (
        "providers",
        "List backends, transports, recognisers, voices and models, and what each needs.",
        ("beluga-voice providers", "beluga-voice providers --json"),
    ),
    (
        "doctor",
        "Check Python, packages, models, ports, microphone and configuration, and say what to do.",
        ("beluga-voice doctor", "beluga-voice doctor --config voice.yaml --provider openai"),
    ),
    (
        "replay",
        "Rerun a conversation's event log and tell whether today's code decides the same.",
        ("beluga-voice talk question.wav --events log.jsonl && beluga-voice replay log.jsonl",),
    ),
    ("version", "Show versions, for a bug report.", ("beluga-voice version --json",)),
)


def _epilogue(examples: Sequence[str]) -> str:
    return "\n".join(("Examples:", "", *(f"    {line}" for line in examples)))


for _name, _help, _examples in _COMMANDS:
    app.command(
        f"beluga_voice.cli.{_name}:{_name}", name=_name, help=_help, help_epilogue=_epilogue(_examples)
    )

_livekit = App(name="livekit", help="Run a LiveKit server of your own, and make tokens to join rooms.")
_LIVEKIT_COMMANDS = (
    (
        "dev",
        "Run a LiveKit server on this machine, built first where Go is found and no server is.",
        ("beluga-voice livekit dev", "beluga-voice livekit dev --port 0 --room lobby --json"),
    ),
    (
        "token",
        "Print a token to join a room, from LIVEKIT_API_KEY and LIVEKIT_API_SECRET.",
        ("beluga-voice livekit token --identity ann --room lobby --agent desk",),
    ),
)
for _name, _help, _examples in _LIVEKIT_COMMANDS:
    _livekit.command(
        f"beluga_voice.cli.livekit:{_name}", name=_name, help=_help, help_epilogue=_epilogue(_examples)
    )
app.command(_livekit)

_FAILED, _WRONG_USE, _INTERRUPTED, _TERMINATED = 1, 2, 130, 143
_USER_ERRORS = (ConfigError, FormatError, AuthError)


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns the exit status; errors are one line, with the code and the remedy.

    ``--debug`` anywhere shows the traceback instead; with ``--json`` the error is JSON on standard output.
    SIGTERM ends a command like Ctrl-C: conversations are stopped and nothing is left running.
    """
    words = list(arguments)
    debug = "--debug" in words
    if debug:
        words.remove("--debug")
    as_json = "--json" in words
    with _sigterm_interrupts() as terminated:
        try:
            result = app(words, exit_on_error=False, print_error=False, result_action="return_value")
            sys.stdout.flush()
        except CycloptsError as error:
            if debug:
                raise
            _report("wrong_use", _text(error), as_json=as_json)
            return _WRONG_USE
        except BackendError as error:
            if debug:
                raise
            _report(error.code, error.message, as_json=as_json, op=error.op)
            return _WRONG_USE if isinstance(error, _USER_ERRORS) else _FAILED
        except KeyboardInterrupt:
            return _TERMINATED if terminated.is_set() else _INTERRUPTED
        except BrokenPipeError:
            # Whoever read our output has left; Python would complain again when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return _FAILED
        except Exception as error:
            if debug:
                raise
            message = f"{type(error).__name__}: {error}; run it again with --debug to see where"
            _report("unexpected_error", message, as_json=as_json)
            return _FAILED
    return result if isinstance(result, int) else 0


@contextlib.contextmanager
def _sigterm_interrupts() -> Generator[threading.Event]:
    """Turns SIGTERM into Ctrl-C, which asyncio and every command already end cleanly on."""
    terminated = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield terminated
        return

    def interrupt(*_: object) -> None:
        terminated.set()
        signal.raise_signal(signal.SIGINT)

    # A shell starts its background jobs with SIGINT ignored; then raising it would do nothing.
    before = (
        signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.signal(signal.SIGTERM, interrupt),
    )
    try:
        yield terminated
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])


def _text(error: CycloptsError) -> str:
    try:
        return str(error)
    except ImportError as broken:  # it wanted to name the other commands, and one of them cannot be loaded
        return f"no such command ({broken})"


def _report(code: str, message: str, *, as_json: bool, op: str = "") -> None:
    if as_json:
        sys.stdout.write(json.dumps({"error": {"code": code, "message": message, "op": op}}) + "\n")
        return
    console = Console(stderr=True)
    console.print(Text.assemble(("error ", "bold red"), message, (f"  [{code}]", "dim")), soft_wrap=True)
