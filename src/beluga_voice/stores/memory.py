"""A store that lives as long as the process: for tests, and for sharing sessions between backends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from beluga_voice.config import Settings
from beluga_voice.errors import PipelineError
from beluga_voice.interfaces import SessionRecord

__all__ = ["MemoryStore", "SettingsModel", "create"]


class SettingsModel(Settings):
    """It has no settings."""


class MemoryStore:
    """Records in a dict."""

    def __init__(self) -> None:
        self._records: dict[str, SessionRecord] = {}

    async def save(self, record: SessionRecord) -> None:
        """Writes the record.

        Raises:
            PipelineError: ``pipeline_error`` if its revision is not above the stored one.
        """
        old = self._records.get(record.id)
        if old is not None and record.revision <= old.revision:
            raise PipelineError(
                "save_session",
                "pipeline_error",
                f"session '{record.id}' was written by somebody else (revision {old.revision})",
            )
        self._records[record.id] = record

    async def load(self, session_id: str) -> SessionRecord | None:
        """Reads a record, or None."""
        return self._records.get(session_id)

    async def list_active(self) -> Sequence[SessionRecord]:
        """All records with status ``active``, oldest first."""
        active = [r for r in self._records.values() if r.status == "active"]
        return sorted(active, key=lambda r: r.created_at)

    async def delete(self, session_id: str) -> None:
        """Forgets a record; unknown ids are fine."""
        self._records.pop(session_id, None)

    async def close(self) -> None:
        """Nothing to close; the records stay."""


def create(settings: Mapping[str, Any]) -> MemoryStore:
    """Makes a store of its own."""
    SettingsModel(**settings)
    return MemoryStore()
