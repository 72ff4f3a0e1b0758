from __future__ import annotations

import json
import socket
import sys
import types
from pathlib import Path

import pytest
from rich.console import Console

from beluga_voice.cli import checks
from beluga_voice.cli import doctor as doctor_module
from beluga_voice.cli.app import run
from beluga_voice.cli.checks import Finding
from beluga_voice.cli.doctor import examine


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("BELUGA_VOICE_"):
            monkeypatch.delenv(name)


def states(findings: list[Finding]) -> dict[str, str]:
    return {f.what: f.state for f in findings}


def test_this_machine_is_described() -> None:
    found = {f.what: f.found for f in checks.machine()}
    assert found["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert int(found["processors"]) >= 1


def test_little_memory_and_one_core_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_available_megabytes", lambda: 120)
    monkeypatch.setattr(checks.os, "cpu_count", lambda: 1)
    found = checks.machine()
    assert states(found) == {"python": "ok", "processors": "warn", "memory": "warn"}
    assert all(f.remedy for f in found if f.state == "warn")
    monkeypatch.setattr(checks, "_available_megabytes", lambda: None)
    assert "memory" not in states(checks.machine())


def test_packages_are_all_here() -> None:
    assert set(states(checks.packages()).values()) == {"ok"}


def test_a_missing_package_fails_and_a_missing_extra_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import PackageNotFoundError

    def version(name: str) -> str:
        if name == "hibari-tts":
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(checks, "version", version)
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == "aiortc" else object())
    found = {f.what: f for f in checks.packages()}
    assert (found["hibari-tts"].state, found["hibari-tts"].remedy) == ("fail", "pip install beluga-voice")
    assert (found["aiortc"].state, found["aiortc"].remedy) == ("warn", 'pip install "beluga-voice[webrtc]"')


def test_the_configuration_is_made_not_only_read(tmp_path: Path) -> None:
    assert states(checks.configuration(None)) == {"environment": "ok", "configuration": "ok"}
    path = tmp_path / "voice.yaml"
    path.write_text("stt_provider: nobody\n")
    failed = checks.configuration(path)[1]
    assert failed.state == "fail"
    assert "nobody" in failed.found
    path.write_text("timeout: [1\n")
    assert checks.configuration(path)[1].state == "fail"


def test_a_variable_nobody_reads_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELUGA_VOICE_TIMEOUT", "20")
    assert states(checks.configuration(None))["environment"] == "ok"
    monkeypatch.setenv("BELUGA_VOICE_TIMOUT", "20")
    found = checks.configuration(None)[0]
    assert (found.state, found.found) == ("warn", "BELUGA_VOICE_TIMOUT")


def test_a_wrong_variable_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELUGA_VOICE_TIMEOUT", "0")
    found = checks.configuration(None)[1]
    assert found.state == "fail"
    assert "timeout='0'" in found.found


def test_required_settings_of_a_provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (found,) = checks.provider("openai", None)
    assert found.state == "fail"
    assert "llm_config.model" in found.remedy
    assert "BELUGA_VOICE_LLM_CONFIG__MODEL" in found.remedy
    monkeypatch.setenv("BELUGA_VOICE_LLM_CONFIG__MODEL", "small")
    assert checks.provider("openai", None)[0].state == "ok"
    monkeypatch.delenv("BELUGA_VOICE_LLM_CONFIG__MODEL")
    path = tmp_path / "voice.yaml"
    path.write_text("llm_config: {model: small}\n")
    assert checks.provider("openai", path)[0].state == "ok"


def test_a_name_of_two_kinds_is_looked_at_twice_and_an_unknown_one_fails() -> None:
    assert set(states(checks.provider("memory", None))) == {"memory (transport)", "memory (store)"}
    (unknown,) = checks.provider("nobody", None)
    assert unknown.state == "fail"
    assert "embedded" in unknown.remedy


def test_a_provider_that_is_not_installed_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    from beluga_voice.cli import providers

    monkeypatch.setattr(providers, "find_spec", lambda _: None)
    (found,) = checks.provider("webrtc", None)
    assert (found.state, found.remedy) == ("fail", 'pip install "beluga-voice[webrtc]"')


def test_a_port_in_use_is_noted() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        found = checks.port(number)
        assert found.state == "warn"
        assert "--port" in found.remedy
    assert checks.port(number).state == "ok"


def test_the_microphone(monkeypatch: pytest.MonkeyPatch) -> None:
    def module(query) -> types.ModuleType:
        made = types.ModuleType("sounddevice")
        made.query_devices = query
        return made

    monkeypatch.setattr(checks, "find_spec", lambda _: object())
    good = module(lambda kind: {"name": "Headset", "default_samplerate": 48_000.0})
    monkeypatch.setattr(checks.importlib, "import_module", lambda _: good)
    assert checks.microphone() == [Finding("microphone", "ok", "Headset, 48000 Hz")]
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == "livekit" else object())
    device, canceller = checks.microphone()
    assert (device.state, canceller.state) == ("ok", "warn")
    assert 'pip install "beluga-voice[livekit]"' in canceller.remedy

    def no_library(_: str) -> None:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr(checks.importlib, "import_module", no_library)
    (found,) = checks.microphone()
    assert (found.state, found.found) == ("warn", "PortAudio library not found")
    monkeypatch.setattr(checks, "find_spec", lambda _: None)
    assert checks.microphone() == []


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on() -> None:
    def broken() -> list[Finding]:
        raise MemoryError("enough")

    steps = [("first", broken), ("second", lambda: [Finding("second", "ok", "fine")])]
    found = examine(steps, Console(quiet=True))
    assert states(found) == {"first": "fail", "second": "ok"}
    assert "MemoryError: enough" in found[0].found


# --- the command ------------------------------------------------------------------------------------------


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """A doctor that does not load models; what speech finds can be set."""
    found = [Finding("speak and recognise", "ok", "“yes”")]

    async def speech() -> list[Finding]:
        return found

    monkeypatch.setattr(doctor_module, "speech", speech)
    return found


def test_doctor_says_what_it_found(deaf: list[Finding], capsys) -> None:
    assert run(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "ready to talk" in out
    assert "speak and recognise" in out


def test_doctor_exits_with_1_if_something_fails(deaf: list[Finding], capsys) -> None:
    deaf[:] = [Finding("voice", "fail", "no [voice] here", "install one")]
    assert run(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "no [voice] here" in out
    assert "install one" in out
    assert "1 failed" in out


def test_doctor_as_json(deaf: list[Finding], capsys) -> None:
    assert run(["doctor", "--json", "--provider", "nobody"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert {"what", "state", "found", "remedy"} == set(rows[0])
    assert [r["what"] for r in rows if r["state"] == "fail"] == ["nobody"]
