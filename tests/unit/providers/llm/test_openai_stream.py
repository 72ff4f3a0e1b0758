from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.errors import BackendError, ConnectError, PipelineError
from beluga_voice.frames import ToolCall
from beluga_voice.providers.llm.openai.stream import ChatAssembler, SseDecoder


def decode(*chunks: bytes) -> list[str]:
    decoder = SseDecoder()
    out = [event for chunk in chunks for event in decoder.feed(chunk)]
    return out + decoder.finish()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", ["a", "b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
        (b"data: a\r\rdata: b\r\r", ["a", "b"]),
        (b"data:a\n\n", ["a"]),
        (b"data:  a\n\n", [" a"]),
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b": comment\n\nevent: x\nid: 1\nretry: 5\ndata: a\n\n", ["a"]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data: a", ["a"]),
        (b"data: a\n", ["a"]),
        (b"data\n\n", [""]),
        (b"database: a\n\n", []),
        ("data: é\n\n".encode(), ["é"]),
        (b"", []),
    ],
)
def test_events(stream: bytes, events: list[str]) -> None:
    assert decode(stream) == events
    assert decode(*(stream[i : i + 1] for i in range(len(stream)))) == events


lines = st.sampled_from(
    [b"data: ", b"data:", b"\n", b"\r", b"\r\n", b":", b"x", "é🙂".encode(), b"\xef\xbb\xbf", b"event: a"]
)


@given(
    st.lists(lines, max_size=40).map(b"".join), st.lists(st.integers(min_value=0, max_value=400), max_size=20)
)
def test_the_cut_into_chunks_does_not_matter(stream: bytes, places: list[int]) -> None:
    at = sorted({p % (len(stream) + 1) for p in places})
    chunks = [stream[a:b] for a, b in zip([0, *at], [*at, len(stream)], strict=True)]
    assert decode(*chunks) == decode(stream)


def test_an_endless_event_is_refused() -> None:
    decoder = SseDecoder()
    with pytest.raises(PipelineError, match="1 MiB"):
        for _ in range(300):
            decoder.feed(b"x" * 4096)
    decoder = SseDecoder()
    with pytest.raises(PipelineError, match="1 MiB"):
        for _ in range(300):
            decoder.feed(b"data: " + b"x" * 4090 + b"\n")


def assemble(*payloads: Any) -> tuple[str, tuple[ToolCall, ...]]:
    assembler = ChatAssembler()
    text, calls = "", ()
    for payload in payloads:
        delta = assembler.feed(payload if isinstance(payload, str) else json.dumps(payload))
        if delta is not None:
            text += delta.text
    last = assembler.finish()
    if last is not None:
        calls = last.tool_calls
    return text, calls


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(index: int | None, call_id: str = "", name: str = "", arguments: Any = "") -> dict[str, Any]:
    piece: dict[str, Any] = {"function": {"name": name, "arguments": arguments}}
    if index is not None:
        piece["index"] = index
    if call_id:
        piece["id"] = call_id
    return chunk(tool_calls=[piece])


def test_text() -> None:
    assert assemble(
        chunk(role="assistant", content=""), chunk(content="Hel"), chunk(content="lo"), "[DONE]"
    ) == ("Hello", ())
    assert assemble(chunk(content="Hi"), chunk("stop"))[0] == "Hi"
    assert assemble(chunk(content="Hi"), chunk("length"))[0] == "Hi"
    assert assemble(chunk(refusal="I cannot"), chunk("stop"))[0] == "I cannot"


def test_usage_and_keep_alives_are_ignored() -> None:
    assert assemble(
        {"choices": [], "usage": {}}, {"x": 1}, chunk(content="a"), chunk("stop"), {"choices": []}
    ) == ("a", ())


def test_tool_calls_are_put_together() -> None:
    _, calls = assemble(
        call(0, "a", "book", ""), call(0, arguments='{"day":'), call(1, "b", "hours", "{}"),
        call(0, arguments=' "monday"}'), chunk("tool_calls"), "[DONE]",
    )  # fmt: skip
    assert calls == (ToolCall("a", "book", {"day": "monday"}), ToolCall("b", "hours", {}))


def test_tool_calls_as_other_servers_send_them() -> None:
    # one piece without index, arguments as an object, the same index for two calls, the name repeated, no id
    _, calls = assemble(call(None, "a", "x", '{"n":1}'), call(None, "b", "y", {"n": 2}), chunk("stop"))
    assert calls == (ToolCall("a", "x", {"n": 1}), ToolCall("b", "y", {"n": 2}))
    _, calls = assemble(call(0, "a", "x", "{}"), call(0, "b", "y", "{}"), chunk("tool_calls"))
    assert [c.id for c in calls] == ["a", "b"]
    _, calls = assemble(call(0, "a", "x", '{"n"'), call(0, "a", "x", ":1}"), chunk("tool_calls"))
    assert calls == (ToolCall("a", "x", {"n": 1}),)
    _, calls = assemble(call(0, "", "x", ""), chunk("tool_calls"))
    assert calls == (ToolCall("call_0", "x", {}),)


@pytest.mark.parametrize("text", ['{"n": ', "[1]", "seven", "3"])
def test_arguments_that_are_no_object_are_told_to_the_model(text: str) -> None:
    _, calls = assemble(call(0, "a", "x", text), chunk("tool_calls"))
    assert calls == (ToolCall("a", "x", {"invalid_json": text}),)


def test_a_stream_cut_short() -> None:
    with pytest.raises(ConnectError, match="in the middle") as caught:
        assemble(chunk(content="Hel"))
    assert caught.value.code == "connection_failed"


def test_content_filter() -> None:
    with pytest.raises(PipelineError, match="content filter"):
        assemble(chunk("content_filter"))
    assert assemble(chunk(content="Well"), chunk("content_filter"))[0] == "Well"


def test_an_error_in_the_stream() -> None:
    with pytest.raises(PipelineError, match="out of memory"):
        assemble(chunk(content="Hel"), {"error": {"message": "out of memory"}})


@pytest.mark.parametrize(
    "payload",
    [
        "nonsense",
        "[]",
        "3",
        '{"choices": [3]}',
        '{"choices": [{"delta": {"tool_calls": [3]}}]}',
        "[" * 100_000,
    ],
)
def test_junk_is_a_pipeline_error(payload: str) -> None:
    with pytest.raises(PipelineError) as caught:
        ChatAssembler().feed(payload)
    assert caught.value.code == "pipeline_error"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "choices delta content tool_calls index id function name arguments error finish_reason".split()
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
payloads = json_values.map(lambda v: json.dumps(v)) | st.text(max_size=50)
shaped = st.fixed_dictionaries(
    {"choices": st.lists(st.fixed_dictionaries({"delta": json_values}) | json_values, min_size=1, max_size=2)}
)


@given(st.lists(payloads | shaped.map(json.dumps), max_size=6))
def test_junk_raises_only_our_errors(events: list[str]) -> None:
    assembler = ChatAssembler()
    try:
        for event in events:
            delta = assembler.feed(event)
            assert delta is None or isinstance(delta.text, str)
        last = assembler.finish()
        assert last is None or all(isinstance(c.arguments, dict) for c in last.tool_calls)
    except BackendError:
        pass


@given(st.binary(max_size=300))
def test_any_bytes_raise_only_our_errors(data: bytes) -> None:
    decoder, assembler = SseDecoder(), ChatAssembler()
    try:
        for event in decoder.feed(data) + decoder.finish():
            assembler.feed(event)
        assembler.finish()
    except BackendError:
        pass
