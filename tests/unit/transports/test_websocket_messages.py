from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.errors import FormatError
from beluga_voice.transports.websocket_messages import parse_control, parse_in_call, parse_start

LIMIT = 65_536

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "text", "text": "hello \U0001f600"},
        {"type": "dtmf", "digit": "#"},
        {"type": "stop"},
        {"type": "playback", "buffered": 0.12},
        {"type": "playback", "buffered": 0, "unknown": [1]},
    ],
)
def test_good_messages(message: dict[str, object]) -> None:
    assert parse_in_call(json.dumps(message), LIMIT) == message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must be JSON"),
        ("{", "must be JSON"),
        ("3", "JSON object"),
        ("null", "JSON object"),
        ('{"type": null}', "JSON object"),
        ('{"type": "start"}', "sent once"),
        ('{"type": "transport", "state": "lost"}', "unknown message type 'transport'"),
        ('{"type": "participant"}', "unknown message type"),
        ('{"type": "text"}', '"text" must be a string'),
        ('{"type": "text", "text": 5}', '"text" must be a string'),
        ('{"type": "text", "text": "\\ud800"}', "valid Unicode"),
        ('{"type": "dtmf"}', '"digit" must be'),
        ('{"type": "dtmf", "digit": "12"}', '"digit" must be'),
        ('{"type": "dtmf", "digit": ["1"]}', '"digit" must be'),
        ('{"type": "dtmf", "digit": ""}', '"digit" must be'),
        ('{"type": "playback"}', '"buffered" must be'),
        ('{"type": "playback", "buffered": "1"}', '"buffered" must be'),
        ('{"type": "playback", "buffered": NaN}', '"buffered" must be'),
        ('{"type": "playback", "buffered": Infinity}', '"buffered" must be'),
        ('{"type": "playback", "buffered": -1}', '"buffered" must be'),
        ('{"type": "playback", "buffered": ' + "9" * 400 + "}", '"buffered" must be'),
        ('{"type": "text", "text": "' + "x" * LIMIT + '"}', "at most 65536 bytes"),
        ('{"type": "text", "text": "' + "\u20ac" * 30_000 + '"}', "at most 65536 bytes"),
        ('{"type": "text", "text": ' + "[" * 33 + "]" * 33 + "}", "at most 32 levels"),
        ("[" * 60_000, "must be JSON"),
    ],
    ids=range(25),
)
def test_bad_messages_say_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_in_call(text, LIMIT)
    assert says in caught.value.message
    assert caught.value.code == "invalid_format"


@given(st.text() | values.map(json.dumps) | st.dictionaries(st.text(), values).map(json.dumps))
def test_nothing_a_client_sends_raises_anything_else(text: str) -> None:
    for parse in (parse_control, parse_in_call):
        try:
            assert isinstance(parse(text, LIMIT)["type"], str)
        except FormatError as error:
            assert len(error.message) < 200


@given(
    st.sampled_from(["text", "dtmf", "playback", "stop"]),
    st.dictionaries(st.sampled_from(["text", "digit", "buffered"]), values),
)
def test_no_field_of_any_shape_raises_anything_else(kind: str, fields: dict[str, object]) -> None:
    with contextlib.suppress(FormatError):
        parse_in_call(json.dumps({**fields, "type": kind}), LIMIT)


def test_start_has_defaults() -> None:
    assert parse_start({"type": "start"}) == (16_000, 1)
    assert parse_start({"type": "start", "sample_rate": 96_000, "channels": 2}) == (96_000, 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"sample_rate": 7_999},
        {"sample_rate": 96_001},
        {"sample_rate": "16000"},
        {"sample_rate": True},
        {"sample_rate": 16_000.5},
        {"channels": 0},
        {"channels": 3},
        {"channels": "1"},
        {"channels": [1]},
        {"type": "text"},
    ],
)
def test_a_wrong_start(fields: dict[str, object]) -> None:
    with pytest.raises(FormatError):
        parse_start({"type": "start", **fields})
