"""From what the user configured to what the pipeline of one session takes."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Context
from typing import Any

from beluga_voice.config import Config, SessionConfig
from beluga_voice.interfaces import Brain
from beluga_voice.pipeline.parts import Parts, PipelineOptions
from beluga_voice.pipeline.realtime_parts import RealtimeParts

__all__ = ["pipeline_options"]


def pipeline_options(
    config: SessionConfig,
    backend: Config,
    parts: Parts | RealtimeParts,
    *,
    brain: Brain,
    session_id: str,
    metadata: Mapping[str, Any],
    output_sample_rate: int,
    task_context: Context | None,
) -> PipelineOptions:
    """The session's own settings, or the backend's where it has none."""
    return PipelineOptions(
        brain=brain,
        turn=(config.turn or backend.turn).to_core(
            thinking_timeout=backend.timeout + 1.0, language=config.language
        ),
        latency_target=_latency_target(parts, backend),
        language=config.language,
        phrases=config.phrases,
        error_reply=config.error_reply,
        max_retries=backend.max_retries,
        retry_delay=backend.retry_delay,
        processors=backend.custom_processors,
        session_id=session_id,
        metadata=metadata,
        output_sample_rate=output_sample_rate,
        max_speakers=(config.group or backend.group).max_speakers,
        task_context=task_context,
    )


def _latency_target(parts: Parts | RealtimeParts, config: Config) -> float:
    """Seconds; the default is another one for speech to speech, also where only the session asks for that."""
    given = "latency_target" in config.model_fields_set or config.pipeline_type == "s2s"
    return config.latency_target if given or not isinstance(parts, RealtimeParts) else 0.3
