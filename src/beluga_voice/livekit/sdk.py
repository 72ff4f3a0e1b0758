"""The LiveKit SDK in one place, so that where it is missing the error names the install command."""

from __future__ import annotations

from beluga_voice.errors import missing_extra

try:
    from livekit import api
except ImportError as _error:
    raise missing_extra("livekit", "the LiveKit SDK (livekit-api)", "livekit") from _error

__all__ = ["api"]
