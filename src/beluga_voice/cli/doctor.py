"""``doctor``: is everything there, and what to do if not."""

from __future__ import annotations

import asyncio
import json as jsonlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators
from rich.console import Console
from rich.table import Table
from rich.text import Text

from beluga_voice.cli import checks
from beluga_voice.cli.checks import Finding
from beluga_voice.cli.livekit_check import livekit
from beluga_voice.cli.speech_check import speech

__all__ = ["doctor", "examine"]

Port = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=65_535))]
Check = tuple[str, Callable[[], list[Finding]]]

_MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]note[/]", "fail": "[red]fail[/]"}


def doctor(
    *, config: Path | None = None, provider: str | None = None, port: Port = 8080, json: bool = False
) -> int:
    """Check Python, packages, models, ports, microphone and configuration, and say what to do.

    Exits with 1 if something fails; notes do not count.

    Args:
        config: a YAML or TOML file to check.
        provider: also look closely at this backend, recogniser, voice, model or transport.
        port: where `demo` and `serve` would listen.
        json: print JSON.
    """
    steps: list[Check] = [
        ("machine", checks.machine),
        ("packages", checks.packages),
        ("configuration", lambda: checks.configuration(config)),
        ("port", lambda: [checks.port(port)]),
        ("microphone", checks.microphone),
        ("LiveKit", livekit),
        ("speech", lambda: asyncio.run(speech())),
    ]
    if provider is not None:
        steps.insert(3, ("provider", lambda: checks.provider(provider, config)))
    console = Console(quiet=json)
    findings = examine(steps, console)
    if json:
        sys.stdout.write(jsonlib.dumps([asdict(f) for f in findings]) + "\n")
    else:
        _show(console, findings)
    return 1 if any(f.state == "fail" for f in findings) else 0


def examine(steps: Sequence[Check], console: Console) -> list[Finding]:
    """Runs all checks, each shown while it runs; one that breaks is a finding and does not end the others."""
    findings: list[Finding] = []
    with console.status("") as status:
        for name, check in steps:
            status.update(f"checking {name} …")
            try:
                findings += check()
            except Exception as error:  # libraries of the machine under examination fail in any way
                remedy = "please report this with the output of beluga-voice version"
                findings.append(Finding(name, "fail", f"{type(error).__name__}: {error}", remedy))
    return findings


def _show(console: Console, findings: list[Finding]) -> None:
    table = Table.grid(padding=(0, 2))
    for f in findings:
        found = Text(f.found)
        if f.remedy:
            found.append(f"\n{f.remedy}", style="bold")
        table.add_row(_MARKS[f.state], f.what, found)
    console.print(table)
    failed = sum(f.state == "fail" for f in findings)
    noted = sum(f.state == "warn" for f in findings)
    verdict = f"[red]{failed} failed[/]" if failed else "[green]ready to talk[/]: try beluga-voice demo"
    console.print(verdict + (f", {noted} to note" if noted else ""))
