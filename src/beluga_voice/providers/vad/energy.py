"""Voice activity by loudness above an adaptive noise floor: no model, next to no cost, fooled by any sound.

For quiet rooms, tests and machines too small for a model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from beluga_voice.audio.levels import rms_dbfs
from beluga_voice.config import Settings

__all__ = ["EnergyVAD", "SettingsModel", "create"]

# The floor follows quiet at once and noise slowly (per window of 32 ms).
_FALL, _RISE = 0.3, 0.005


class SettingsModel(Settings):
    """Settings.

    Attributes:
        margin: dB above the floor that are speech with probability one half.
        minimum: dBFS below which nothing is speech.
    """

    margin: float = Field(default=12.0, ge=1.0, le=60.0)
    minimum: float = Field(default=-55.0, ge=-90.0, le=0.0)


class EnergyVAD:
    """The detector.

    Args:
        settings: thresholds.
    """

    sample_rate = 16_000
    window = 512

    def __init__(self, settings: SettingsModel) -> None:
        self._settings = settings

    async def start(self) -> None:
        """Nothing to load."""

    def open(self, on_result: Callable[[float, float], None]) -> _Stream:
        """Begins a speaker."""
        return _Stream(self._settings, on_result)

    async def close(self) -> None:
        """Nothing to free."""


class _Stream:
    def __init__(self, settings: SettingsModel, on_result: Callable[[float, float], None]) -> None:
        self._settings = settings
        self._on_result: Callable[[float, float], None] | None = on_result
        self._floor: float | None = None

    def push(self, window: bytes, at: float) -> None:
        """Judges one window at once."""
        if self._on_result is None:
            return
        level = rms_dbfs(window)
        floor = level if self._floor is None else self._floor
        above = level - max(floor + self._settings.margin, self._settings.minimum)
        self._floor = floor + (level - floor) * (_FALL if level < floor else _RISE)
        self._on_result(1 / (1 + math.exp(-above / 2)), at)

    def close(self) -> None:
        """Forgets the speaker."""
        self._on_result = None


def create(settings: Mapping[str, Any]) -> EnergyVAD:
    """Makes the detector."""
    return EnergyVAD(SettingsModel(**settings))
