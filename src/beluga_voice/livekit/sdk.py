"""The LiveKit SDK in one place, so that where it is missing the error names the install command.

It is loaded when first used: that takes a quarter of a second, which a starting worker has no time for.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from beluga_voice.errors import missing_extra

if TYPE_CHECKING:
    from livekit import api

__all__ = ["api"]

try:
    _found = find_spec("livekit.api") is not None
except (ImportError, ValueError):
    _found = False
if not _found:
    raise missing_extra("livekit", "the LiveKit SDK (livekit-api)", "livekit")


def __getattr__(name: str) -> Any:
    if name != "api":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()["api"] = loaded = import_module("livekit.api")
    return loaded
