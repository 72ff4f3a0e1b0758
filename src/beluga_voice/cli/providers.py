"""``providers``: what there is, whether it is installed and what it needs."""

from __future__ import annotations

import json as jsonlib
import sys
from importlib.util import find_spec
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from beluga_voice.errors import BackendError
from beluga_voice.registry import KINDS, registry_for

__all__ = ["listing", "providers"]

# What a built-in part imports when used, and the extra that brings it.
_NEEDS = {
    ("transport", "webrtc"): ("aiortc", "webrtc"),
    ("transport", "local"): ("sounddevice", "local"),
    ("llm", "openai"): ("httpx2", "llm"),
}


def listing() -> list[dict[str, Any]]:
    """Every registered part: kind, name, installed, and the command that installs it if it is not."""
    rows: list[dict[str, Any]] = []
    for kind in KINDS:
        registry = registry_for(kind)
        for name in registry.names():
            module, extra = _NEEDS.get((kind, name), ("", ""))
            installed = not module or find_spec(module) is not None
            row: dict[str, Any] = {"kind": kind, "name": name, "installed": installed, "install": ""}
            if not installed:
                row["install"] = f'pip install "beluga-voice[{extra}]"'
            else:
                row["settings"] = _settings(kind, name)
            rows.append(row)
    return rows


def _settings(kind: str, name: str) -> list[str]:
    try:
        schema = registry_for(kind).config_schema(name)
    except BackendError:
        return []
    required = set(schema.get("required", ()))
    return [f"{field}*" if field in required else field for field in schema.get("properties", {})]


def providers(*, json: Annotated[bool, Parameter(name="--json", negative="")] = False) -> int:
    """List backends, transports, recognisers, voices and models.

    Args:
        json: print JSON.
    """
    rows = listing()
    if json:
        sys.stdout.write(jsonlib.dumps(rows) + "\n")
        return 0
    table = Table(title="What this installation can use", title_justify="left")
    for column in ("kind", "name", "", "settings (* required) or how to install"):
        table.add_column(column, overflow="fold")
    last = ""
    for row in rows:
        mark = "[green]ready[/]" if row["installed"] else "[yellow]not installed[/]"
        note = ", ".join(row.get("settings", ())) if row["installed"] else row["install"]
        table.add_row("" if row["kind"] == last else row["kind"], row["name"], mark, note)
        last = row["kind"]
    Console().print(table)
    return 0
