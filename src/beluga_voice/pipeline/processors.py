"""Custom steps on the audio path, in order, each on its own risk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from beluga_voice.errors import PipelineError
from beluga_voice.frames import AudioFrame
from beluga_voice.interfaces import Processor, Stage
from beluga_voice.pipeline.parts import ProcessorInfo

__all__ = ["ProcessorChain"]

# A processor on the audio path that needs longer than this per frame cannot keep up with speech.
_DEADLINE = 1.0


class ProcessorChain:
    """The processors of one stage.

    Args:
        processors: all of the session's processors; those of other stages are left out.
        stage: which to keep.
        session_id: told to them.
        metadata: told to them.
        on_error: told when one raised or took too long; the frame passes unchanged.
    """

    def __init__(
        self,
        processors: Sequence[Processor],
        stage: Stage,
        *,
        session_id: str,
        metadata: Mapping[str, Any],
        on_error: Callable[[PipelineError], None],
    ) -> None:
        mine = [p for p in processors if getattr(p, "stage", "pre_stt") == stage]
        self._processors = sorted(mine, key=lambda p: p.order)
        self._info = ProcessorInfo(session_id, stage, metadata)
        self._on_error = on_error
        self._reported: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._processors)

    async def run(self, frame: AudioFrame) -> AudioFrame | None:
        """Passes ``frame`` through; None if one of them dropped it."""
        for processor in self._processors:
            try:
                async with asyncio.timeout(_DEADLINE):
                    out = await processor.process(frame, self._info)
            except Exception as error:  # a user's code may fail in any way; the frame goes on
                self._report(processor, error)
                continue
            if out is None:
                return None
            frame = out
        return frame

    def _report(self, processor: Processor, error: Exception) -> None:
        if processor.name in self._reported:
            return  # fifty times a second would drown the log
        self._reported.add(processor.name)
        text = (
            f"took longer than {_DEADLINE:g} s"
            if isinstance(error, TimeoutError)
            else str(error) or repr(error)
        )
        wrapped = PipelineError(
            "process",
            "pipeline_error",
            f"processor {processor.name!r} was skipped: {text}",
            {"stage": "processor"},
        )
        wrapped.__cause__ = error
        self._on_error(wrapped)
