"""What a worker refuses before it does anything, and the sums of its load."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice.worker.load import busyness
from beluga_voice.worker.settings import with_credentials

KEY = {"url": "ws://127.0.0.1:7880", "api_key": "k", "api_secret": "s" * 32}


async def entrypoint(job: bv.JobContext) -> None:
    pass


def test_every_missing_credential_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(bv.ConfigError) as caught:
        bv.Worker(entrypoint, api_key="k")
    assert "url (set LIVEKIT_URL); api_secret (set LIVEKIT_API_SECRET)" in caught.value.message
    assert "api_key" not in caught.value.message


def test_credentials_come_from_the_environment_or_the_config() -> None:
    env = {"LIVEKIT_URL": "ws://env", "LIVEKIT_API_KEY": "env"}
    config = bv.Config.model_construct(provider_config={"url": "ws://config", "api_secret": "config"})
    found = with_credentials({"url": "ws://own"}, config, env)
    assert found == {"url": "ws://own", "api_key": "env", "api_secret": "config"}


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"url": "127.0.0.1:7880"}, "wss://host"),
        ({"kind": "table"}, "kind"),
        ({"processes": 0}, "processes"),
        ({"max_jobs": -1}, "max_jobs"),
        ({"request_timeout": 20.0}, "request_timeout"),
        ({"colour": "blue"}, "colour is not a field"),
    ],
)
def test_wrong_settings_are_named(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(bv.ConfigError, match=what) as caught:
        bv.Worker(entrypoint, **{**KEY, **changes})
    assert "s" * 32 not in str(caught.value)


def test_an_entry_point_is_a_function() -> None:
    with pytest.raises(bv.ConfigError, match="entrypoint must be"):
        bv.Worker("my_agent:entrypoint", **KEY)  # type: ignore[arg-type]


def test_several_processes_need_an_importable_entry_point() -> None:
    async def inside(job: bv.JobContext) -> None:
        pass

    with pytest.raises(bv.ConfigError, match="top of a module"):
        bv.Worker(inside, processes=2, **KEY)


async def test_an_unknown_part_is_told_when_it_starts() -> None:
    worker = bv.Worker(entrypoint, config=bv.Config(provider="embedded", tts_provider="nobody"), **KEY)
    with pytest.raises(bv.ConfigError, match="not found"):
        await worker.serve()


async def test_a_worker_that_is_not_started_says_so() -> None:
    worker = bv.Worker(entrypoint, **KEY)
    assert worker.status == {"state": "stopped"}
    await worker.stop()
    with pytest.raises(bv.ConfigError, match="not started"):
        worker.simulate_job("r")


@pytest.mark.parametrize(
    ("lag", "loop", "machine", "busy"),
    [
        (0.0, 0.0, 0.0, 0.0),
        (0.1, 0.2, 0.3, 0.5),
        (0.0, 0.9, 0.1, 0.9),
        (5.0, 0.0, 0.0, 1.0),
        (-0.1, 0.0, 0.0, 0.0),
    ],
)
def test_the_worst_of_lag_loop_and_machine_counts(
    lag: float, loop: float, machine: float, busy: float
) -> None:
    assert busyness(lag, loop, machine) == pytest.approx(busy)


def test_what_is_loaded_before_a_worker_is_registered_is_little() -> None:
    code = (
        "import sys, beluga_voice.cli.app, beluga_voice.cli.worker, beluga_voice.worker.local\n"
        "heavy = ('numpy', 'aiohttp', 'livekit.rtc', 'onnxruntime', 'beluga_voice.session.session')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
