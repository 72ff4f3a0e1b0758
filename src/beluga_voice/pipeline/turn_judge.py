"""Asks a turn detector whether the user has finished, beside everything else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from beluga_voice.interfaces import TurnDetector
from beluga_voice.pipeline.ear import EAR_RATE

__all__ = ["BEFORE", "TurnJudge"]

log = logging.getLogger(__name__)

# What detectors look at: the last eight seconds, as smart-turn does.
_SECONDS = 8
# … and of what was before the voice so much, in seconds.
BEFORE = 0.5
# Later than this its judgement no longer matters: the words have decided.
_DEADLINE = 1.0


class TurnJudge:
    """Keeps the last seconds of each speaker's audio and one question under way.

    A detector that fails or is late is logged once and the core's own rules on the words decide.

    Args:
        detector: judges.
        spawn: starts a task that its owner awaits.
        on_probability: told each judgement, 0 to 1.
    """

    def __init__(
        self,
        detector: TurnDetector,
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        on_probability: Callable[[float], None],
    ) -> None:
        self._detector = detector
        self._spawn = spawn
        self._on_probability = on_probability
        self._audio: dict[str, bytearray] = {}
        self._question: asyncio.Task[None] | None = None
        self._complained = False

    def hear(self, who: str, pcm: bytes) -> None:
        """Takes mono s16le audio of ``who`` at 16 kHz."""
        audio = self._audio.setdefault(who, bytearray())
        audio += pcm
        over = len(audio) - _SECONDS * EAR_RATE * 2
        if over > EAR_RATE:  # cut now and then, not for every frame
            del audio[:over]

    def forget(self, who: str) -> None:
        """``who`` has left."""
        self._audio.pop(who, None)

    def ask(self, who: str, text: str, seconds: float = _SECONDS) -> None:
        """Judges ``text`` and the last ``seconds`` of ``who``'s audio; a question still under way is given up."""
        if self._question is not None:
            self._question.cancel()
        size = 2 * int(EAR_RATE * min(seconds, _SECONDS))
        audio = bytes(self._audio.get(who, b"")[-size:])
        self._question = self._spawn(self._judge(text, audio), "turn-judge")

    async def _judge(self, text: str, audio: bytes) -> None:
        try:
            async with asyncio.timeout(_DEADLINE):
                probability = await self._detector.complete(text, audio, EAR_RATE)
        except Exception as error:  # a detector is a plug-in; it may fail in any way
            if not self._complained:
                self._complained = True
                log.warning("the turn detector failed (%s); the words decide", type(error).__name__)
            return
        self._on_probability(min(1.0, max(0.0, float(probability))))
