from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

import beluga_voice
from beluga_voice.errors import CODES, BackendError, ConnectError, error_for_code, first_error, missing_extra

SOURCE = Path(beluga_voice.__file__).parent


def test_text_code_and_retryable() -> None:
    error = ConnectError("start", "connection_failed", "no answer", {"peer": "x"})
    assert str(error) == "voice/backend start: no answer (code: connection_failed)"
    assert error.retryable
    assert error.details["peer"] == "x"
    assert not BackendError("x", "timeout").retryable
    assert str(BackendError("x", "timeout")) == "voice/backend x: unknown error (code: timeout)"


def test_errors_can_be_pickled() -> None:
    error = missing_extra("x", "aiortc", "webrtc")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), type(copy), dict(copy.details)) == (str(error), type(error), dict(error.details))


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_its_class(code: str) -> None:
    assert type(error_for_code("op", code, "m")) is CODES[code]


def test_first_error_of_a_group() -> None:
    inner = ConnectError("a", "connection_failed")
    assert first_error(BaseExceptionGroup("x", [BaseExceptionGroup("y", [inner])])) is inner


def test_every_code_in_the_source_is_a_known_one() -> None:
    raised: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        raised |= set(re.findall(r'Error\(\s*"[a-z_]+",\s*"([a-z_]+)"', path.read_text()))
    assert raised <= set(CODES)
    assert len(raised) > 10
