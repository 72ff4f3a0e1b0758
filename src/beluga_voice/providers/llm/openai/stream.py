"""A reply as it streams: bytes to events, events to deltas. Pure functions of the bytes, however they are cut.

Checked 2026-11 against the OpenAI API reference (chat/streaming), what Ollama and llama.cpp send, and
https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from beluga_voice.errors import ConnectError, PipelineError
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ChatDelta
from beluga_voice.providers.llm.openai.wire import reason_in, text_of

__all__ = ["ChatAssembler", "SseDecoder"]

_MAX_EVENT = 1 << 20  # bytes without the end of an event
_MAX_CALLS = 128


class SseDecoder:
    """Server-sent events: bytes in any pieces to the data of each event."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []
        self._size = 0
        self._begun = False

    def feed(self, chunk: bytes) -> list[str]:
        """The data of the events that are now complete.

        Raises:
            PipelineError: ``pipeline_error`` if an event is larger than 1 MiB.
        """
        self._rest += chunk
        if not self._begun and len(self._rest) < 3 and b"\xef\xbb\xbf".startswith(self._rest):
            return []  # this may become a byte order mark
        if not self._begun:
            self._begun = True
            self._rest = self._rest.removeprefix(b"\xef\xbb\xbf")
        out: list[str] = []
        while (line := self._line()) is not None:
            self._take(line, out)
        if len(self._rest) + self._size > _MAX_EVENT:
            raise _garbled("an event is larger than 1 MiB")
        return out

    def finish(self) -> list[str]:
        """The stream has ended: the data of a last event whose blank line is missing, if any."""
        out: list[str] = []
        if self._rest:
            self._take(self._rest.removesuffix(b"\r"), out)
            self._rest = b""
        self._take(b"", out)
        return out

    def _line(self) -> bytes | None:
        ends = [at for at in (self._rest.find(b"\n"), self._rest.find(b"\r")) if at >= 0]
        if not ends:
            return None
        at = min(ends)
        if self._rest[at : at + 1] == b"\r" and at + 1 == len(self._rest):
            return None  # a line feed may follow
        length = 2 if self._rest[at : at + 2] == b"\r\n" else 1
        line, self._rest = self._rest[:at], self._rest[at + length :]
        return line

    def _take(self, line: bytes, out: list[str]) -> None:
        if not line:
            if self._data:
                out.append("\n".join(self._data))
                self._data, self._size = [], 0
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
            self._size += len(line)


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""


class ChatAssembler:
    """Payloads of a stream to deltas: text at once, tool calls when all their pieces are there.

    Attributes:
        complete: the model said that it has finished.
    """

    def __init__(self) -> None:
        self.complete = False
        self._calls: dict[int, _Call] = {}
        self._spoke = False
        self._finish = ""

    def feed(self, payload: str) -> ChatDelta | None:
        """Takes the data of one event.

        Raises:
            BackendError: ``pipeline_error`` for what is not a chat completion chunk, or the server's own error.
        """
        if payload.strip() == "[DONE]":
            self.complete = True
            return None
        try:
            chunk: Any = json.loads(payload)
        except (ValueError, RecursionError) as error:
            raise _garbled("an event is not JSON") from error
        if not isinstance(chunk, dict):
            raise _garbled("an event is not an object")
        table = cast("dict[str, Any]", chunk)
        if table.get("error"):
            raise PipelineError(
                "chat", "pipeline_error", f"llm: the server failed: {reason_in(table['error'])}"
            )
        choices: Any = table.get("choices")
        if not isinstance(choices, list) or not choices:
            return None  # usage, or a keep-alive
        choice: Any = cast("list[Any]", choices)[0]
        if not isinstance(choice, dict):
            raise _garbled("a choice is not an object")
        return self._take(cast("dict[str, Any]", choice))

    def finish(self) -> ChatDelta | None:
        """The stream has ended: the tool calls, if any.

        Raises:
            ConnectError: ``connection_failed`` if it ended before the model did.
            PipelineError: ``pipeline_error`` if the server's content filter stopped a reply before its first word.
        """
        if not self.complete:
            raise ConnectError(
                "chat", "connection_failed", "llm: the server ended the reply in the middle; try again"
            )
        if self._finish == "content_filter" and not self._spoke:
            raise PipelineError(
                "chat", "pipeline_error", "llm: the server's content filter stopped the reply"
            )
        calls = tuple(
            ToolCall(call.id or f"call_{index}", call.name, _arguments(call.arguments))
            for index, call in sorted(self._calls.items())
            if call.name
        )
        return ChatDelta(tool_calls=calls) if calls else None

    def _take(self, choice: dict[str, Any]) -> ChatDelta | None:
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self.complete, self._finish = True, reason
        delta: Any = choice.get("delta")
        if not isinstance(delta, dict):
            return None
        table = cast("dict[str, Any]", delta)
        calls: Any = table.get("tool_calls")
        if isinstance(calls, list):
            for piece in cast("list[Any]", calls):
                self._take_call(piece)
        text = table.get("content") or table.get("refusal")
        if not isinstance(text, str) or not text:
            return None
        self._spoke = True
        return ChatDelta(text)

    def _take_call(self, piece: Any) -> None:
        if not isinstance(piece, dict):
            raise _garbled("a tool call is not an object")
        table = cast("dict[str, Any]", piece)
        function: Any = table.get("function")
        details = cast("dict[str, Any]", function) if isinstance(function, dict) else {}
        call = self._call(table.get("index"), text_of(table.get("id")))
        call.id = call.id or text_of(table.get("id"))
        name = text_of(details.get("name"))
        if name != call.name:
            call.name += name
        given: Any = details.get("arguments")
        # Some servers send the arguments as an object in one piece.
        call.arguments += json.dumps(given) if isinstance(given, dict) else text_of(given)

    def _call(self, index: Any, call_id: str) -> _Call:
        """The call a piece belongs to: by index, but a new id under an old index is a new call."""
        last = max(self._calls, default=-1)
        at = (
            index
            if isinstance(index, int) and not isinstance(index, bool)
            else (last + 1 if call_id else last)
        )
        known = self._calls.get(at)
        if known is not None and call_id and known.id and call_id != known.id:
            same = [i for i, call in self._calls.items() if call.id == call_id]
            at = same[0] if same else last + 1
        if at not in self._calls and len(self._calls) >= _MAX_CALLS:
            raise _garbled(f"more than {_MAX_CALLS} tool calls")
        return self._calls.setdefault(max(at, 0), _Call())


def _arguments(text: str) -> dict[str, Any]:
    """Decoded arguments. What is no JSON object becomes ``{"invalid_json": …}``, which no tool accepts, so that
    the model is told and can correct itself.
    """
    if not text.strip():
        return {}
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return {"invalid_json": text[:500]}
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    return {} if value is None else {"invalid_json": text[:500]}


def _garbled(what: str) -> PipelineError:
    return PipelineError(
        "chat", "pipeline_error", f"llm: the server's answer is not a chat completion: {what}"
    )
