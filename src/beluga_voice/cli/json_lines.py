"""Logs for programs: one JSON object for each record."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

__all__ = ["FIELDS", "JsonLines"]

# What records of jobs, and of turns that missed their latency target, carry beside their message.
FIELDS = (
    *("job_id", "room", "agent_name", "status", "error", "process_number"),
    *("session_id", "turn", "total", "target", "stage", "stage_seconds"),
)


class JsonLines(logging.Formatter):
    """Time (UTC), level, logger, message, the fields of jobs and turns, and the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        """Called by logging."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in FIELDS:
            value = getattr(record, name, "")
            if value not in ("", None):
                line[name] = value
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)
