from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

import beluga_voice as bv
from beluga_voice.cli.loading import DEFAULT_AGENT, agent_factory, load_backend, load_config

SOURCE = """
import functools
import beluga_voice as bv

desk = bv.Agent(instructions="Be brief.")

def make():
    return bv.Agent(instructions="Made anew.")

def make_with_defaults(language="en", *more, **options):
    return bv.Agent(instructions=language)

async def answer(transcript):
    return "Yes."

async def stream(context, transcript):
    yield "Yes."

def wrong():
    return 5

def needs(one):
    return desk

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with agents of the user's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_own_agents.py").write_text(textwrap.dedent(SOURCE))
    (tmp_path / "my_broken_agents.py").write_text("raise ValueError('not today')")
    (tmp_path / "my_unreadable_agents.py").write_text("def (:")
    yield tmp_path
    for name in ("my_own_agents", "my_broken_agents", "my_unreadable_agents"):
        sys.modules.pop(name, None)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROVIDER", "TIMEOUT", "STT_PROVIDER"):
        monkeypatch.delenv(f"BELUGA_VOICE_{name}", raising=False)


def test_the_default_agent_is_made_anew_for_each_session() -> None:
    make = agent_factory(DEFAULT_AGENT)
    first, second = make()["agent"], make()["agent"]
    assert isinstance(first, bv.Agent)
    assert first is not second


def test_an_agent_a_function_that_makes_one_and_callbacks(folder: Path) -> None:
    desk = agent_factory("my_own_agents:desk")
    assert desk()["agent"] is desk()["agent"]
    assert agent_factory("my_own_agents:make")()["agent"].instructions == "Made anew."
    assert agent_factory("my_own_agents:make_with_defaults")()["agent"].instructions == "en"
    assert set(agent_factory("my_own_agents:answer")()) == {"agent_callback"}
    assert set(agent_factory("my_own_agents:stream")()) == {"agent_callback"}


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("my_own_agents", "module:attribute"),
        (":desk", "module:attribute"),
        ("my_own_agents:", "module:attribute"),
        ("my_own_agents:nobody", "nobody"),
        ("no_such_module:desk", "no_such_module"),
        ("my_own_agents:number", "must be an Agent"),
        ("my_own_agents:needs", "must be an Agent"),
        ("my_broken_agents:desk", "ValueError: not today"),
        ("my_unreadable_agents:desk", "SyntaxError"),
    ],
)
def test_a_wrong_agent_names_the_option_and_the_reason(folder: Path, name: str, what: str) -> None:
    with pytest.raises(bv.ConfigError) as caught:
        agent_factory(name)
    assert what in caught.value.message
    assert f"--agent {name!r}" in caught.value.message


def test_a_function_that_makes_something_else(folder: Path) -> None:
    make = agent_factory("my_own_agents:wrong")
    with pytest.raises(bv.ConfigError, match="returned int, not an Agent"):
        make()


def test_embedded_is_the_provider_where_nobody_names_one(tmp_path: Path) -> None:
    assert load_config(None).provider == "embedded"
    path = tmp_path / "voice.yaml"
    path.write_text("latency_target: 0.4\n")
    config = load_config(path, timeout=12, max_retries=None)
    assert (config.provider, config.latency_target, config.timeout, config.max_retries) == (
        "embedded",
        0.4,
        12.0,
        3,
    )


def test_the_environment_and_the_file_name_the_provider(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "voice.toml"
    path.write_text('provider = "embedded"\ntimeout = 20\n')
    monkeypatch.setenv("BELUGA_VOICE_TIMEOUT", "25")
    assert load_config(path).timeout == 25.0
    monkeypatch.setenv("BELUGA_VOICE_PROVIDER", "elsewhere")
    monkeypatch.setenv("BELUGA_VOICE_STT_PROVIDER", "a")
    monkeypatch.setenv("BELUGA_VOICE_TTS_PROVIDER", "b")
    assert load_config(None).provider == "elsewhere"
    with pytest.raises(bv.ConfigError) as caught:
        load_backend(None, None)
    assert caught.value.code == "provider_not_found"


def test_an_unknown_provider_is_said_before_what_it_would_need() -> None:
    with pytest.raises(bv.ConfigError) as caught:
        load_backend(None, "nope")
    assert caught.value.code == "provider_not_found"
    assert "embedded" in caught.value.message


def test_other_mistakes_are_not_hidden_by_the_default(tmp_path: Path) -> None:
    path = tmp_path / "voice.yaml"
    path.write_text("timeout: 0\nlatency: 1\n")
    with pytest.raises(bv.ConfigError) as caught:
        load_config(path)
    assert "timeout=0" in caught.value.message
    assert "latency is not a field" in caught.value.message
    with pytest.raises(bv.ConfigError, match="cannot read"):
        load_config(tmp_path / "none.yaml")


def test_a_platform_without_speech_of_its_own_gets_ours(tmp_path: Path) -> None:
    path = tmp_path / "voice.yaml"
    path.write_text("provider: elsewhere\ntts_provider: theirs\n")
    config = load_config(path)
    assert (config.provider, config.stt_provider, config.tts_provider) == (
        "elsewhere",
        "pocketsphinx",
        "theirs",
    )
    assert load_config(path, "embedded").provider == "embedded"
