"""Fixtures for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from beluga_voice.registry import registry_for
from stage import Stage

# How long an example takes says more of the machine than of the code; pytest's own timeout ends what hangs.
settings.register_profile("beluga", deadline=None)
settings.load_profile("beluga")

# Amazon's SDK exists for Python 3.12 and later; scripts/nova runs these, and scripts/test runs that.
collect_ignore = ["nova"] if sys.version_info < (3, 12) else []


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    for kind, part in (("stt", made.stt), ("tts", made.tts), ("vad", made.vad)):
        registry_for(kind).register("scripted", lambda settings, part=part: part)
    yield made
    for kind in ("stt", "tts", "vad"):
        registry_for(kind).unregister("scripted")
