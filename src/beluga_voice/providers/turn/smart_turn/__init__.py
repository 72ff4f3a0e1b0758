"""smart-turn v3.2: a small audio model that judges whether a turn sounds finished.

Checked 2026-11 with ``smart-turn-v3.2-cpu.onnx`` (BSD-2; 8.7 MB): input ``input_features`` float32 [B, 80, 800],
output a probability [B, 1]. The model is not part of this package. It is read from ``model``, or found where the
``pipecat-ai`` wheel is installed (the wheel is used as a box: nothing of it is imported, and its dependencies are not
needed). About 28 ms of one core for each question, off the event loop; one model for all sessions of the process.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from beluga_voice.config import Settings
from beluga_voice.errors import ConfigError, PipelineError
from beluga_voice.providers.turn.smart_turn.features import RATE, log_mel

__all__ = ["SmartTurn", "SmartTurnSettings", "create", "find_model"]

_IN_WHEEL = "audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"
# The model is surer than it is right.
_LEAST, _MOST = 0.05, 0.95

_sessions: dict[Path, Any] = {}
_loading = threading.Lock()


class SmartTurnSettings(Settings):
    """Settings of the detector.

    Attributes:
        model: path of the ONNX file; empty to look for an installed ``pipecat-ai`` wheel.
    """

    model: str = ""


class SmartTurn:
    """A `beluga_voice.interfaces.TurnDetector` that listens and does not read.

    Args:
        model: path of the ONNX file.
    """

    def __init__(self, model: Path) -> None:
        self._model = model

    async def complete(self, text: str, audio: bytes, sample_rate: int) -> float:
        """Probability (0.05 to 0.95) that the turn whose last seconds are ``audio`` (mono s16le, 16 kHz) is complete.

        Raises:
            PipelineError: ``invalid_format`` at another rate, ``pipeline_error`` if the model cannot be run.
        """
        if sample_rate != RATE:
            raise PipelineError(
                "judge_turn", "invalid_format", f"audio must be at {RATE} Hz, got {sample_rate}"
            )
        return await asyncio.get_running_loop().run_in_executor(None, self._judge, audio)

    def _judge(self, audio: bytes) -> float:
        try:
            (found,) = _session(self._model).run(None, {"input_features": log_mel(audio)[None]})
        except Exception as error:  # onnxruntime raises classes of its own
            message = f"smart-turn cannot judge: {type(error).__name__}: {error}"
            raise PipelineError("judge_turn", "pipeline_error", message) from error
        return min(_MOST, max(_LEAST, float(found.reshape(-1)[0])))


def _session(model: Path) -> Any:
    """The loaded model, shared by the process."""
    with _loading:
        if model not in _sessions:
            onnxruntime: Any = import_module("onnxruntime")
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            _sessions[model] = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
        return _sessions[model]


def find_model(given: str = "") -> Path:
    """The model's file.

    Raises:
        ConfigError: ``invalid_config`` if ``given`` is no file; ``missing_extra`` if there is none to be found.
    """
    if given:
        path = Path(given).expanduser()
        if not path.is_file():
            raise ConfigError(
                "smart_turn", "invalid_config", f"turn_detection_config.model={given!r} is no file"
            )
        return path
    wheel = find_spec("pipecat")
    for folder in (wheel.submodule_search_locations or ()) if wheel is not None else ():
        path = Path(folder) / _IN_WHEEL
        if path.is_file():
            return path
    raise ConfigError(
        "smart_turn",
        "missing_extra",
        "the model smart-turn-v3.2-cpu.onnx is not here: run `pip install --no-deps pipecat-ai` (its wheel holds the "
        "file), or set turn_detection_config={'model': '/path/to/smart-turn-v3.2-cpu.onnx'}",
    )


def create(settings: Mapping[str, Any]) -> SmartTurn:
    """The detector; the model is loaded with its first question."""
    return SmartTurn(find_model(SmartTurnSettings(**settings).model))
