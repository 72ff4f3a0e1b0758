"""One conversation with Amazon Nova Sonic without the wire: what to send, and what the service's events mean.

The service takes turns by itself and does not tell when it hears the user, so answers have no names: one begins with
the first words or sound of the assistant and ends with the turn, with a tool call, or with the user's interruption.
The words of a sentence come before its sound (``SPECULATIVE``) and again behind it (``FINAL``); the former are used.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ToolSpec
from beluga_voice.providers.s2s.nova_sonic import wire
from beluga_voice.speech_to_speech import (
    AgentAudio,
    AgentWords,
    InputCommitted,
    InputSpeechStarted,
    ModelError,
    ResponseEnded,
    ResponseStarted,
    S2SEvent,
    S2SSetup,
    SessionExpiring,
    ToolCalled,
    Usage,
    UserWords,
)

__all__ = ["NovaProtocol"]

_PROMPT = "conversation"
_AUDIO = "microphone"
_SAY = "Please say exactly the following words and nothing else: "
# A change of instructions needs another connection; the pipeline looks for a quiet moment within this time.
_RENEW_WITHIN = 60.0


@dataclass(slots=True)
class _Block:
    kind: str
    role: str
    stage: str
    text: str = ""


class NovaProtocol:
    """State of one connection.

    Args:
        takes_text: the model answers written words of the user.

    Attributes:
        out: events to send, oldest first.
        pending: what the model did not say but has to be told to the pipeline.
    """

    def __init__(self, *, takes_text: bool) -> None:
        self._takes_text = takes_text
        self._contents = self._responses = self._pieces = 0
        self._blocks: dict[str, _Block] = {}
        self._active = ""
        self._sounded = False
        self._dropped = False
        self._calls: set[str] = set()
        self.out: deque[dict[str, Any]] = deque()
        self.pending: deque[S2SEvent] = deque()

    # --- what it is told ------------------------------------------------------------------------------------

    def begin(
        self,
        setup: S2SSetup,
        *,
        voice: str,
        input_rate: int,
        output_rate: int,
        inference: dict[str, Any],
        sensitivity: str,
    ) -> None:
        """Opens the session, up to the user's audio."""
        self.out += wire.opening(
            _PROMPT,
            voice=voice,
            sample_rate=output_rate,
            tools=setup.tools,
            inference=inference,
            sensitivity=sensitivity,
        )
        instructions = setup.instructions or "You talk with somebody. Answer in one or two short sentences."
        self.out += wire.text_block(_PROMPT, "instructions", "SYSTEM", instructions)
        self.out += wire.history(_PROMPT, setup.history)
        self.out.append(wire.audio_start(_PROMPT, _AUDIO, input_rate))

    def audio(self, pcm: bytes) -> dict[str, Any]:
        """A piece of the user's audio as it is sent."""
        return wire.audio(_PROMPT, _AUDIO, pcm)

    def respond(self, text: str = "") -> None:
        """Speaks ``text``; answers of its own come by themselves."""
        if text:
            self.send_text(_SAY + text)

    def cancel(self) -> None:
        """There is no such event: what still comes of the answer is not told."""
        self._dropped = bool(self._active)

    def send_text(self, text: str) -> None:
        """Written words of the user, which are answered at once."""
        if self._takes_text:
            self.out += wire.text_block(_PROMPT, self._content("text"), "USER", text, interactive=True)
            return
        name = self._name()
        message = "nova_sonic: this model answers spoken words only; use amazon.nova-2-sonic-v1:0"
        self.pending += [
            ModelError("text_not_supported", message),
            ResponseStarted(name),
            ResponseEnded(name, "incomplete", "text_not_supported"),
        ]

    def send_result(self, call: ToolCall, result: str) -> None:
        """What a tool gave; the model goes on by itself."""
        if call.id in self._calls:
            self.out += wire.tool_result(_PROMPT, self._content("result"), call.id, result)
        elif self._takes_text:  # of an earlier connection
            text = f"(The tool {call.name} has answered: {result})"
            self.out += wire.text_block(_PROMPT, self._content("result"), "USER", text, interactive=True)

    def update(self, instructions: str, tools: Sequence[ToolSpec]) -> None:
        """Other instructions and tools, which only another connection can take."""
        self.pending.append(SessionExpiring(_RENEW_WITHIN))

    def end(self) -> None:
        """Closes the session."""
        self.out += wire.closing(_PROMPT, _AUDIO)

    # --- what the service says ------------------------------------------------------------------------------

    def receive(self, message: dict[str, Any]) -> list[S2SEvent]:
        """What an event means; unknown ones mean nothing.

        Raises:
            KeyError, TypeError, ValueError: the event is malformed.
        """
        ((name, fields),) = cast("dict[str, dict[str, Any]]", message["event"]).items()
        match name:
            case "contentStart":
                return self._start(fields)
            case "textOutput":
                return self._text(fields)
            case "audioOutput":
                return self._audio(fields)
            case "toolUse":
                return self._tool(fields)
            case "contentEnd":
                return self._end(fields)
            case "usageEvent":
                return self._usage(fields)
            case "completionEnd":
                return self._over("completed")
            case _:
                return []

    def _start(self, fields: dict[str, Any]) -> list[S2SEvent]:
        # JSON inside a string, where it is given at all.
        more: Any = json.loads(fields.get("additionalModelFields") or "{}")
        block = _Block(str(fields["type"]), str(fields["role"]), str(more.get("generationStage", "")))
        content = str(fields["contentId"])
        self._blocks[content] = block
        if block.role == "USER":
            return [*self._over("completed"), InputCommitted(content)]
        if block.kind == "TEXT" and block.stage == "FINAL":
            return []
        out = self._begin()
        if block.kind == "TEXT":
            self._pieces += 1
        return out

    def _begin(self) -> list[S2SEvent]:
        if self._active:
            return []
        self._active, self._sounded, self._dropped = self._name(), False, False
        self._pieces = 0
        return [ResponseStarted(self._active)]

    def _text(self, fields: dict[str, Any]) -> list[S2SEvent]:
        block = self._blocks[str(fields["contentId"])]
        text = str(fields["content"])
        if block.role == "USER":
            block.text += text
            return [UserWords(str(fields["contentId"]), block.text.strip())]
        if _interrupted(text):
            return self._interrupted()
        if block.stage == "FINAL" or not self._active or self._dropped:
            return []
        return [AgentWords(self._active, self._item(), f"{text.strip()} ")]

    def _audio(self, fields: dict[str, Any]) -> list[S2SEvent]:
        try:
            pcm = base64.b64decode(fields["content"], validate=True)
        except binascii.Error as error:
            raise ValueError("audio that is not base64") from error
        if len(pcm) % 2:
            raise ValueError("audio that is not whole samples")
        self._sounded = True
        if not self._active or self._dropped:
            return []
        return [AgentAudio(self._active, self._item(), pcm)]

    def _tool(self, fields: dict[str, Any]) -> list[S2SEvent]:
        use_id = str(fields["toolUseId"])
        self._calls.add(use_id)
        try:
            arguments: Any = json.loads(fields.get("content") or "{}")
        except ValueError:
            arguments = None
        call = ToolCall(use_id, str(fields["toolName"]), {})
        if not isinstance(arguments, dict):
            self.send_result(
                call, "The arguments are not a JSON object. Call the tool again with correct ones."
            )
            return []
        if not self._active or self._dropped:
            return []
        call = ToolCall(use_id, call.name, cast("dict[str, Any]", arguments))
        return [ToolCalled(self._active, call)]

    def _end(self, fields: dict[str, Any]) -> list[S2SEvent]:
        block = self._blocks.pop(str(fields["contentId"]), None)
        if block is None:
            return []
        if block.role == "USER":
            return [UserWords(str(fields["contentId"]), block.text.strip(), final=True)]
        match fields.get("stopReason"):
            case "INTERRUPTED":
                return self._interrupted()
            case "TOOL_USE":
                return self._over("completed")
            case "END_TURN":
                # Words and sound of a turn each end it: the sound counts, where there is any.
                spoken = block.kind == "AUDIO" or not self._sounded
                return self._over("completed") if spoken else []
            case _:
                return []

    def _interrupted(self) -> list[S2SEvent]:
        """The service has heard the user and stopped."""
        if not self._active:
            return []
        return [InputSpeechStarted(), *self._over("cancelled")]

    def _over(self, status: Any) -> list[S2SEvent]:
        name, self._active = self._active, ""
        return [ResponseEnded(name, status)] if name else []

    def _usage(self, fields: dict[str, Any]) -> list[S2SEvent]:
        counted: dict[str, Any] = fields.get("details") or {}
        delta: dict[str, Any] = counted.get("delta") or {}
        details: dict[str, int] = {}
        totals = {"input": 0, "output": 0}
        for side in totals:
            for name, count in dict(delta.get(side) or {}).items():
                details[f"{side}_{name}"] = int(count)
                totals[side] += int(count)
        if not any(totals.values()):
            return []
        name = self._active or f"answer-{self._responses}"
        return [Usage(name, totals["input"], totals["output"], details)]

    # --- names ------------------------------------------------------------------------------------------------

    def _name(self) -> str:
        self._responses += 1
        return f"answer-{self._responses}"

    def _item(self) -> str:
        return f"{self._active}:{self._pieces}"

    def _content(self, kind: str) -> str:
        self._contents += 1
        return f"{kind}-{self._contents}"


def _interrupted(text: str) -> bool:
    """Whether a text is the service's note that the user has interrupted it."""
    if "interrupted" not in text:
        return False
    try:
        loaded: Any = json.loads(text)
    except ValueError:
        return False
    return isinstance(loaded, dict) and cast("dict[str, Any]", loaded).get("interrupted") is True
