"""Everything a session's turn core was told and decided, as lines that ``beluga-voice replay`` can rerun."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from beluga_voice.core.commands import command_to_dict
from beluga_voice.core.inputs import input_to_dict
from beluga_voice.core.settings import TurnSettings
from beluga_voice.errors import ConfigError
from beluga_voice.events import SessionEvent, to_dict

__all__ = ["LOG_VERSION", "EventLog"]

LOG_VERSION = 1


class EventLog:
    """A JSONL file: a header, then one line for each input, wake, command and public event.

    It holds what was said; keep it like a recording.

    Args:
        path: the file; replaced if it exists.
        session_id: written to the header.
        settings: written to the header, so that a replay decides by the same numbers.

    Raises:
        ConfigError: ``invalid_config`` if the file cannot be written.
    """

    def __init__(self, path: Path, session_id: str, settings: TurnSettings) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Line by line, so that a process that is killed has told all but the line it was writing.
            self._file: IO[str] | None = path.open("w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise ConfigError("event_log", "invalid_config", f"event_log={str(path)!r}: {error}") from error
        self._write(
            {
                "kind": "header",
                "version": LOG_VERSION,
                "session_id": session_id,
                "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "settings": settings.to_dict(),
            }
        )

    def record(self, kind: str, now: float, value: Any) -> None:
        """Writes an ``input``, ``wake`` or ``command``."""
        line: dict[str, Any] = {"kind": kind, "now": now}
        if kind == "input":
            line["value"] = input_to_dict(value)
        elif kind == "command":
            line["value"] = command_to_dict(value)
        self._write(line)

    def event(self, event: SessionEvent) -> None:
        """Writes a public event."""
        self._write({"kind": "event", **to_dict(event)})

    def close(self) -> None:
        """Ends the file; idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
