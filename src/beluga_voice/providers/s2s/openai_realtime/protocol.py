"""One conversation over OpenAI's Realtime API without the wire: what to send, and what the server's events mean.

The API allows one response at a time, and answers that come late cannot be told from others; so every response we ask
for is tagged, waits until the one before it has ended, and is swallowed if it was cancelled before it began.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

from beluga_voice.errors import BackendError, ConnectError
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ToolSpec
from beluga_voice.providers.s2s.openai_realtime import wire
from beluga_voice.speech_to_speech import (
    AgentAudio,
    AgentWords,
    InputCommitted,
    InputSpeechEnded,
    InputSpeechStarted,
    ModelError,
    ResponseEnded,
    ResponseStarted,
    S2SEvent,
    ToolCalled,
    Usage,
    UserWords,
)

__all__ = ["RealtimeProtocol"]

_BYTES_PER_SECOND = 48_000
# Complaints that need no action: the response had just ended, or a pause was committed that held no sound.
_HARMLESS = frozenset({"response_cancel_not_active", "input_audio_buffer_commit_empty"})
_BAD_ARGUMENTS = "The arguments are not a JSON object. Call the tool again with correct ones."


class RealtimeProtocol:
    """State of one connection.

    Args:
        interruptible: the server stops its answer when it hears the user.

    Attributes:
        out: events to send, oldest first.
        configured: the server has taken the session's configuration.
    """

    def __init__(self, *, interruptible: bool) -> None:
        self._interruptible = interruptible
        self._active = ""
        self._creating = ""
        self._cancelling = False
        self._swallow: set[str] = set()
        self._dropped: set[str] = set()
        self._waiting: deque[dict[str, Any]] = deque()
        self._asked: dict[str, Any] = {}
        self._tags = 0
        self._made: dict[str, int] = {}
        self._words: dict[str, str] = {}
        self._calls: set[str] = set()
        self._ask_again = False
        self.out: deque[dict[str, Any]] = deque()
        self.configured = False

    # --- what it is told ------------------------------------------------------------------------------------

    def commit(self) -> None:
        """The user's turn is over."""
        self.out.append({"type": "input_audio_buffer.commit"})

    def discard(self) -> None:
        """The user's audio was no turn."""
        self.out.append({"type": "input_audio_buffer.clear"})

    def respond(self, text: str = "") -> None:
        """Asks for a response as soon as none is under way."""
        self._tags += 1
        self._waiting.append(wire.create_response(text, str(self._tags)))
        self._create()

    def cancel(self) -> None:
        """Ends the response under way and forgets those asked for."""
        self._forget()
        if self._active and not self._cancelling:
            self._cancelling = True
            self.out.append({"type": "response.cancel", "response_id": self._active})

    def truncate(self, item: str, heard: float) -> None:
        """The user heard so many seconds of ``item``; more than was made is an error to the server."""
        made = self._made.get(item, 0)
        if made:
            milliseconds = int(min(heard, made / _BYTES_PER_SECOND) * 1000)
            self.out.append(
                {
                    "type": "conversation.item.truncate",
                    "item_id": item,
                    "content_index": 0,
                    "audio_end_ms": max(0, milliseconds),
                }
            )

    def send_text(self, text: str) -> None:
        """Typed words of the user."""
        self.out.append(wire.create_item(wire.user_item(text)))

    def send_result(self, call: ToolCall, result: str) -> None:
        """What a tool gave; a call of an earlier connection is told first."""
        if call.id not in self._calls:
            self._calls.add(call.id)
            self.out.append(wire.create_item(wire.call_item(call)))
        self.out.append(wire.create_item(wire.output_item(call.id, result)))

    def update(self, instructions: str, tools: Sequence[ToolSpec]) -> None:
        """Other instructions and tools."""
        self.out.append(
            wire.session_update({"instructions": instructions, "tools": wire.tool_list(tools)}),
        )

    # --- what the server says -------------------------------------------------------------------------------

    def receive(self, event: dict[str, Any]) -> list[S2SEvent]:
        """What an event means; unknown ones mean nothing.

        Raises:
            BackendError: the session has ended; ``connection_failed`` if another may be opened.
            KeyError, TypeError, ValueError: the event is malformed.
        """
        kind = str(event["type"])
        match kind:
            case "response.output_audio.delta":
                return self._audio(event)
            case "response.output_audio_transcript.delta":
                if event["response_id"] in self._dropped:
                    return []
                return [AgentWords(event["response_id"], event["item_id"], str(event["delta"]))]
            case "input_audio_buffer.speech_started":
                if self._interruptible:
                    self._forget()
                return [InputSpeechStarted()]
            case "input_audio_buffer.speech_stopped":
                return [InputSpeechEnded()]
            case "input_audio_buffer.committed":
                return [InputCommitted(str(event["item_id"]))]
            case "session.updated":
                self.configured = True
                return []
            case "error":
                return self._error(dict(event["error"]))
            case _ if kind.startswith("conversation.item.input_audio_transcription."):
                return self._transcript(kind.rpartition(".")[2], event)
            case _ if kind.startswith("response."):
                return self._response(kind, event)
            case _:
                return []

    def _audio(self, event: dict[str, Any]) -> list[S2SEvent]:
        if event["response_id"] in self._dropped:
            return []
        try:
            pcm = base64.b64decode(event["delta"], validate=True)
        except binascii.Error as error:
            raise ValueError("audio that is not base64") from error
        if len(pcm) % 2:
            raise ValueError("audio that is not whole samples")
        item = str(event["item_id"])
        self._made[item] = self._made.get(item, 0) + len(pcm)
        return [AgentAudio(event["response_id"], item, pcm)]

    def _transcript(self, phase: str, event: dict[str, Any]) -> list[S2SEvent]:
        item = str(event["item_id"])
        match phase:
            case "delta":
                self._words[item] = self._words.get(item, "") + str(event.get("delta") or "")
                return [UserWords(item, self._words[item])]
            case "completed":
                self._words.pop(item, None)
                return [UserWords(item, str(event["transcript"]).strip(), final=True)]
            case "failed":
                return [UserWords(item, self._words.pop(item, ""), final=True)]
            case _:
                return []

    # --- responses ------------------------------------------------------------------------------------------

    def _create(self) -> None:
        if self._waiting and not self._active and not self._creating:
            self._asked = self._waiting.popleft()
            self._creating = str(self._asked["event_id"])
            self.out.append(self._asked)

    def _forget(self) -> None:
        """What was asked for and has not begun is not wanted any more."""
        self._waiting.clear()
        if self._creating:
            self._swallow.add(self._creating)

    def _response(self, kind: str, event: dict[str, Any]) -> list[S2SEvent]:
        match kind:
            case "response.created":
                return self._created(event["response"])
            case "response.done":
                return self._done(event["response"])
            case "response.function_call_arguments.done":
                return self._called(event)
            case _:
                return []

    def _created(self, response: dict[str, Any]) -> list[S2SEvent]:
        self._active, self._cancelling = str(response["id"]), False
        tag = f"create_{_part(response, 'metadata').get('beluga', '')}"
        if tag == self._creating:
            self._creating = ""
        if tag in self._swallow:
            self._swallow.discard(tag)
            self._dropped.add(self._active)
            self._cancelling = True
            self.out.append({"type": "response.cancel", "response_id": self._active})
            return []
        return [ResponseStarted(self._active)]

    def _called(self, event: dict[str, Any]) -> list[S2SEvent]:
        call_id = str(event["call_id"])
        self._calls.add(call_id)
        if event["response_id"] in self._dropped:
            return []
        try:
            arguments: Any = json.loads(event["arguments"] or "{}")
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            self.out.append(wire.create_item(wire.output_item(call_id, _BAD_ARGUMENTS)))
            self._ask_again = True
            return []
        call = ToolCall(call_id, str(event["name"]), arguments)  # pyright: ignore[reportUnknownArgumentType]
        return [ToolCalled(event["response_id"], call)]

    def _done(self, response: dict[str, Any]) -> list[S2SEvent]:
        name = str(response["id"])
        if name == self._active:
            self._active, self._cancelling = "", False
        dropped = name in self._dropped
        self._dropped.discard(name)
        out: list[S2SEvent] = []
        used = _part(response, "usage")
        if used:
            out.append(_usage(name, used))
        status = response.get("status") or "completed"
        if self._ask_again and status == "completed":
            self._ask_again = False
            self.respond()
        self._create()
        if not dropped:
            out.append(ResponseEnded(name, status, _reason(response)))
        return out

    def _error(self, error: dict[str, Any]) -> list[S2SEvent]:
        code = str(error.get("code") or error.get("type") or "error")
        message = str(error.get("message") or "no message")[:300]
        if code == "session_expired":
            raise ConnectError("s2s", "connection_failed", "openai_realtime: the session has expired")
        asked = str(error.get("event_id") or "")
        if asked and asked == self._creating:
            return self._refused(asked, code, message)
        if code in _HARMLESS:
            return []
        return [ModelError(code, f"openai_realtime: {message}")]

    def _refused(self, asked: str, code: str, message: str) -> list[S2SEvent]:
        """The server would not begin the response we asked for."""
        self._creating = ""
        if asked in self._swallow:
            self._swallow.discard(asked)
            self._create()
            return []
        if code == "conversation_already_has_active_response":
            # One that the server began by itself was faster; ours follows it.
            self._waiting.appendleft(self._asked)
            return []
        self._create()
        return [ResponseStarted(asked), ResponseEnded(asked, "failed", f"{code}: {message}")]


def _part(value: dict[str, Any], name: str) -> dict[str, Any]:
    """An object inside an object, or an empty one where there is none."""
    found = value.get(name)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _usage(response: str, used: dict[str, Any]) -> Usage:
    details: dict[str, int] = {}
    for side in ("input", "output"):
        for name, count in _part(used, f"{side}_token_details").items():
            if isinstance(count, int):
                details[f"{side}_{name}"] = count
    return Usage(response, int(used.get("input_tokens") or 0), int(used.get("output_tokens") or 0), details)


def _reason(response: dict[str, Any]) -> str:
    found = _part(response, "status_details")
    error = _part(found, "error")
    parts = [found.get("reason"), error.get("code") or error.get("type"), error.get("message")]
    return ": ".join(str(part)[:200] for part in parts if part)


def lost(reason: str) -> BackendError:
    """The connection is gone."""
    return ConnectError("s2s", "connection_failed", f"openai_realtime: {reason}")
