"""The commands by name, each loaded when it is called, and one way to report errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from cyclopts import App
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
    help_epilogue="Try: beluga-voice demo",
)
app.command("beluga_voice.cli.demo:demo", name="demo")
app.command("beluga_voice.cli.talk:talk", name="talk")
app.command("beluga_voice.cli.serve:serve", name="serve")
app.command("beluga_voice.cli.providers:providers", name="providers")
app.command("beluga_voice.cli.doctor:doctor", name="doctor")
app.command("beluga_voice.cli.replay:replay", name="replay")

_USER_ERRORS = (ConfigError, FormatError, AuthError)


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns the exit status; errors are one line, with the code and the remedy.

    ``--debug`` anywhere shows the traceback instead; with ``--json`` the error is JSON on standard output.
    """
    words = list(arguments)
    debug = "--debug" in words
    if debug:
        words.remove("--debug")
    try:
        result = app(words, exit_on_error=False, result_action="return_value")
        return result if isinstance(result, int) else 0
    except BackendError as error:
        if debug:
            raise
        _report(error, as_json="--json" in words)
        return 2 if isinstance(error, _USER_ERRORS) else 1
    except CycloptsError:
        return 2  # cyclopts has shown what is wrong
    except (KeyboardInterrupt, BrokenPipeError):
        return 130


def _report(error: BackendError, *, as_json: bool) -> None:
    if as_json:
        payload = {"error": {"code": error.code, "message": error.message, "op": error.op}}
        sys.stdout.write(json.dumps(payload) + "\n")
        return
    console = Console(stderr=True)
    console.print(
        Text.assemble(("error ", "bold red"), (error.message, ""), (f"  [{error.code}]", "dim")),
        soft_wrap=True,
    )
