from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import beluga_voice as bv


def test_defaults() -> None:
    config = bv.Config(provider="embedded")
    assert (config.stt_provider, config.tts_provider) == ("pocketsphinx", "hibari")
    assert (config.latency_target, config.timeout, config.max_retries) == (0.5, 30.0, 3)
    assert (config.retry_delay, config.max_concurrent_sessions) == (1.0, 100)
    assert bv.Config(provider="x", pipeline_type="s2s", s2s_provider="y").latency_target == 0.3


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "provider is required"),
        ({"provider": ""}, "provider=''"),
        ({"provider": "livekit"}, "stt_provider is required for pipeline_type stt_tts"),
        ({"provider": "livekit", "stt_provider": "x"}, "tts_provider is required"),
        ({"provider": "livekit", "pipeline_type": "s2s"}, "s2s_provider is required"),
        ({"provider": "embedded", "pipeline_type": "magic"}, "pipeline_type='magic'"),
        ({"provider": "embedded", "latency_target": 0.05}, "latency_target=0.05"),
        ({"provider": "embedded", "latency_target": 6}, "latency_target=6"),
        ({"provider": "embedded", "timeout": 0.5}, "timeout=0.5"),
        ({"provider": "embedded", "timeout": 301}, "timeout=301"),
        ({"provider": "embedded", "max_retries": 11}, "max_retries=11"),
        ({"provider": "embedded", "retry_delay": 31}, "retry_delay=31"),
        ({"provider": "embedded", "max_concurrent_sessions": -1}, "max_concurrent_sessions=-1"),
        ({"provider": "embedded", "timeout": "soon"}, "timeout='soon'"),
        ({"provider": "embedded", "tiemout": 3}, "tiemout is not a field of Config; known: auth_hook"),
        (
            {"provider": "embedded", "turn": {"min_endpointing_delay": 2, "max_endpointing_delay": 1}},
            "max_endpointing_delay must not be below",
        ),
    ],
)
def test_errors_name_the_field_the_value_and_the_remedy(values: dict[str, Any], says: str) -> None:
    with pytest.raises(bv.ConfigError) as caught:
        bv.Config(**values)
    assert caught.value.code == "invalid_config"
    assert says in str(caught.value)


def test_all_wrong_fields_are_told_at_once() -> None:
    with pytest.raises(bv.ConfigError) as caught:
        bv.Config(provider="embedded", timeout=0, max_retries=99)
    assert caught.value.details["fields"] == ["timeout", "max_retries"]


def test_secrets_are_not_shown() -> None:
    config = bv.Config(provider="embedded", provider_config={"api_key": "sk-secret"})
    assert "sk-secret" not in repr(config)
    with pytest.raises(bv.ConfigError) as caught:
        bv.TransportConfig(token=["sk-secret"])  # type: ignore[arg-type]
    assert "sk-secret" not in str(caught.value)
    assert "token=***" in str(caught.value)
    assert "sk" not in repr(bv.SessionConfig(user_id="u", token="sk-secret"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "user_id is required"),
        ({"user_id": "u", "agent": object(), "agent_callback": print}, "not both"),
        ({"user_id": "u", "agent_callback": 3}, "must be an async function"),
        ({"user_id": "u", "transport": "webrtc"}, "connection_url is required"),
        ({"user_id": "u", "input_sample_rate": 100}, "input_sample_rate=100"),
    ],
)
def test_session_config(values: dict[str, Any], says: str) -> None:
    with pytest.raises(bv.ConfigError, match=says):
        bv.SessionConfig(**values)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.yaml", "provider: embedded\ntimeout: 10\nturn:\n  interrupt_after: 0.9\n"),
        ("c.toml", 'provider = "embedded"\ntimeout = 10\n[turn]\ninterrupt_after = 0.9\n'),
        ("c.yml", "voice:\n  provider: embedded\n  timeout: 10\n  turn: {interrupt_after: 0.9}\nother: 1\n"),
    ],
)
def test_files_variables_and_arguments_in_that_order(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    env = {
        "BELUGA_VOICE_TIMEOUT": "20",
        "BELUGA_VOICE_MAX_RETRIES": "5",
        "BELUGA_VOICE_TURN__HOLD_AFTER": "0.25",
        "BELUGA_VOICE_STT_CONFIG": '{"language": "en"}',
        "BELUGA_VOICE_LOG_LEVEL": "debug",
        "HOME": "/",
    }
    config = bv.Config.load(path, env=env, max_retries=7)
    assert (config.timeout, config.max_retries) == (20.0, 7)
    assert (config.turn.interrupt_after, config.turn.hold_after) == (0.9, 0.25)
    assert config.stt_config == {"language": "en"}


@pytest.mark.parametrize(
    ("name", "text"), [("c.yaml", ": : :"), ("c.toml", "= 3"), ("c.yaml", "- a list"), ("missing.yaml", None)]
)
def test_unreadable_files(tmp_path: Path, name: str, text: str | None) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(bv.ConfigError) as caught:
        bv.Config.load(path, env={})
    assert name in str(caught.value)


def test_a_config_cannot_be_changed() -> None:
    config = bv.Config(provider="embedded")
    with pytest.raises(Exception, match="frozen"):
        config.timeout = 3  # type: ignore[misc]
