"""smart-turn: features against the reference computation, and the model where its wheel is installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import beluga_voice as bv
from beluga_voice.providers.turn import smart_turn
from beluga_voice.providers.turn.smart_turn.features import log_mel
from beluga_voice.registry import registry_for

# Numbers of the makers' own computation (pipecat-ai 1.14.0) on `signal`, and the model's judgement of it.
REFERENCE: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "data" / "smart_turn_features.json").read_text()
)


def signal(seconds: float) -> bytes:
    t = np.arange(int(seconds * 16_000)) / 16_000
    x = 8000 * np.sin(2 * np.pi * (120 + 40 * np.sin(2 * np.pi * 0.7 * t)) * t)
    x = x * (0.5 + 0.5 * np.sin(2 * np.pi * 1.3 * t)) + 2000 * np.sin(2 * np.pi * 1900 * t) * (t % 0.5 < 0.2)
    return x.astype("<i2").tobytes()


@pytest.mark.parametrize("seconds", ["1.7", "8.0", "9.3"])
def test_features_are_those_of_the_reference(seconds: str) -> None:
    found, expected = log_mel(signal(float(seconds))), REFERENCE[seconds]
    assert found.shape == (80, 800)
    assert found.dtype == np.float32
    assert found.mean() == pytest.approx(expected["mean"], abs=1e-4)
    assert found.std() == pytest.approx(expected["std"], abs=1e-4)
    assert found.mean(axis=1)[::8] == pytest.approx(expected["bands"], abs=2e-4)
    assert found.mean(axis=0)[::80] == pytest.approx(expected["frames"], abs=2e-4)


def test_silence_and_nothing_have_features() -> None:
    for pcm in (b"", bytes(32_000), bytes(2 * 16_000 * 20)):
        assert np.isfinite(log_mel(pcm)).all()


def test_a_missing_model_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smart_turn, "find_spec", lambda name: None)
    with pytest.raises(bv.ConfigError, match="pip install --no-deps pipecat-ai") as raised:
        registry_for("turn").create("smart_turn", {})
    assert raised.value.code == "missing_extra"


def test_a_wrong_path_names_the_field() -> None:
    with pytest.raises(bv.ConfigError, match=r"turn_detection_config.model='/no/such.onnx' is no file"):
        registry_for("turn").create("smart_turn", {"model": "/no/such.onnx"})


def test_the_model_is_found_in_a_wheel_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "pipecat" / "audio" / "turn" / "smart_turn" / "data"
    folder.mkdir(parents=True)
    (tmp_path / "pipecat" / "__init__.py").write_text("raise ImportError('this must not be imported')")
    (folder / "smart-turn-v3.2-cpu.onnx").write_bytes(b"no model")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pipecat", raising=False)
    assert smart_turn.find_model() == folder / "smart-turn-v3.2-cpu.onnx"


async def test_a_file_that_is_no_model_and_a_wrong_rate_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    detector = registry_for("turn").create("smart_turn", {"model": str(path)})
    with pytest.raises(bv.PipelineError, match="smart-turn cannot judge"):
        await detector.complete("", bytes(3200), 16_000)
    with pytest.raises(bv.PipelineError, match="must be at 16000 Hz"):
        await detector.complete("", bytes(3200), 8_000)
