"""Amazon Nova Sonic's side of a conversation from a script: events in, events out, no network.

`beluga_voice.testing.nova_sonic_server` puts it behind TLS and HTTP/2 for the vendor's SDK.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Sequence
from typing import Any

from beluga_voice import speech_to_speech as s2s
from beluga_voice.errors import BackendError
from beluga_voice.frames import ToolCall
from beluga_voice.pipeline.channel import Channel
from beluga_voice.testing.scripted_realtime import ScriptedModel, ScriptedReply, ScriptedStream, SettingsModel

__all__ = ["NovaScript"]


class NovaScript:
    """One stream of the service; also a connection for our client, without the vendor's SDK.

    Args:
        utterances: what the user says.
        replies: what is answered; a `ScriptedReply` may call tools.
        values: more settings of the scripted model.

    Attributes:
        received: every event of the client.
        problem: the first thing the client did that the service would refuse, or empty.
    """

    def __init__(
        self,
        utterances: Sequence[str] = (),
        replies: Sequence[str | ScriptedReply] = ("Yes.",),
        **values: Any,
    ) -> None:
        self._values: dict[str, Any] = {"utterances": utterances, "speed": 10.0, **values}
        self._replies = list(replies)
        self.received: list[dict[str, Any]] = []
        self.problem = ""
        self.stream: ScriptedStream | None = None

    def open(self) -> None:
        """Begins."""
        able = s2s.S2SCapabilities(input_sample_rate=16_000, output_sample_rate=24_000)
        settings = SettingsModel(**self._values)
        self.model = ScriptedModel(settings, answer=self._answer, capabilities=able)
        self.stream = ScriptedStream(self.model, s2s.S2SSetup())
        self._out: Channel[dict[str, Any]] = Channel(1 << 16)
        self._contents: dict[str, str] = {}
        self._count = 0
        self._speaking = ""
        self._told = ""
        self._state = "new"
        self._task = asyncio.create_task(self._speak(), name="nova-script")

    # --- as a connection of our client ------------------------------------------------------------------------

    async def send(self, data: bytes) -> None:
        """Takes an event of the client."""
        self.take(json.loads(data))

    async def receive(self) -> bytes | None:
        """The next event of the service."""
        try:
            return json.dumps(await self._out.get()).encode()
        except StopAsyncIteration:
            return None

    async def ready(self, patience: float) -> None:
        """It never refuses."""

    async def close(self) -> None:
        """Ends the stream."""
        self._task.cancel()
        await asyncio.wait([self._task])
        if self.stream is not None:
            await self.stream.close()
        self._out.close()

    def end(self) -> None:
        """The client has said all: nothing more is answered."""
        self._task.cancel()
        self._out.close()

    # --- from the client --------------------------------------------------------------------------------------

    def take(self, message: dict[str, Any]) -> None:
        """Carries out an event, and notes what the service would refuse."""
        assert self.stream is not None
        self.received.append(message)
        ((name, fields),) = message["event"].items()
        before = {"sessionStart": "new", "promptStart": "session"}.get(name, "prompt")
        if name != "sessionEnd" and self._state != before:
            self.problem = self.problem or f"{name} in state {self._state}"
        match name:
            case "sessionStart":
                self._state = "session"
            case "promptStart":
                self._state = "prompt"
                self._push(
                    "completionStart", sessionId="s", promptName=fields["promptName"], completionId="c"
                )
            case "contentStart":
                self._contents[fields["contentName"]] = fields["type"]
                self._interactive = bool(fields.get("interactive"))
                self._use_id = fields.get("toolResultInputConfiguration", {}).get("toolUseId", "")
            case "textInput" if self._interactive and self._contents.get(fields["contentName"]) == "TEXT":
                self.stream.send_text(fields["content"])
                self.stream.respond()
            case "audioInput":
                if self._contents.get(fields["contentName"]) != "AUDIO":
                    self.problem = self.problem or "audioInput outside of its content"
                self.stream.push(base64.b64decode(fields["content"]))
            case "toolResult":
                result = json.loads(fields["content"])["result"]
                self.stream.send_result(ToolCall(self._use_id, "", {}), result)
                self.stream.respond()
            case "contentEnd":
                if self._contents.pop(fields["contentName"], None) is None:
                    self.problem = self.problem or f"contentEnd of unknown {fields['contentName']}"
            case "promptEnd":
                self._state = "session"
            case _:
                pass

    # --- from the model ---------------------------------------------------------------------------------------

    async def _speak(self) -> None:
        assert self.stream is not None
        with contextlib.suppress(BackendError):
            async for event in self.stream.events():
                self._tell(event)
        self._out.close()

    def _tell(self, event: s2s.S2SEvent) -> None:
        match event:
            case s2s.UserWords(_, text) if text:
                content = self._begin("TEXT", "USER", "FINAL")
                self._push("textOutput", contentId=content, content=text, role="USER")
                self._end(content, "PARTIAL_TURN", "TEXT")
            case s2s.AgentWords(_, _, text):
                self._told += text
            case s2s.AgentAudio(_, _, data):
                if not self._speaking:
                    self._sentence()
                encoded = base64.b64encode(data).decode("ascii")
                self._push("audioOutput", contentId=self._speaking, content=encoded)
            case s2s.ToolCalled(_, call):
                self._finish("PARTIAL_TURN")
                content = self._begin("TOOL", "TOOL")
                use = {"toolUseId": call.id, "toolName": call.name, "content": json.dumps(call.arguments)}
                self._push("toolUse", contentId=content, **use)
                self._end(content, "TOOL_USE", "TOOL")
            case s2s.ResponseEnded(_, status):
                interrupted = status == "cancelled"
                self._finish("INTERRUPTED" if interrupted else "END_TURN")
            case s2s.Usage(_, input_tokens, output_tokens):
                delta = {"input": {"speechTokens": input_tokens}, "output": {"speechTokens": output_tokens}}
                self._push("usageEvent", details={"delta": delta})
            case _:
                pass

    def _answer(self, stream: ScriptedStream) -> ScriptedReply:
        made = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        reply = made if isinstance(made, ScriptedReply) else ScriptedReply(made)
        self._text = reply.text
        return reply

    def _sentence(self) -> None:
        """The words before the sound, as a guess at what will be said."""
        content = self._begin("TEXT", "ASSISTANT", "SPECULATIVE")
        self._push("textOutput", contentId=content, content=self._text, role="ASSISTANT")
        self._end(content, "PARTIAL_TURN", "TEXT")
        self._speaking = self._begin("AUDIO", "ASSISTANT")

    def _finish(self, reason: str) -> None:
        """The end of what is being said, and its words as they were."""
        content, self._speaking = self._speaking, ""
        if not content:
            return
        self._end(content, reason, "AUDIO")
        final = self._begin("TEXT", "ASSISTANT", "FINAL")
        said = '{ "interrupted" : true }' if reason == "INTERRUPTED" else self._told
        self._push("textOutput", contentId=final, content=said, role="ASSISTANT")
        self._end(final, reason, "TEXT")
        self._told = ""

    def _begin(self, kind: str, role: str, stage: str = "") -> str:
        self._count += 1
        content = f"content-{self._count}"
        more = {"additionalModelFields": json.dumps({"generationStage": stage})} if stage else {}
        self._push("contentStart", contentId=content, type=kind, role=role, **more)
        return content

    def _end(self, content: str, reason: str, kind: str) -> None:
        self._push("contentEnd", contentId=content, stopReason=reason, type=kind)

    def _push(self, name: str, **fields: Any) -> None:
        self._out.put_nowait({"event": {name: {"completionId": "c", **fields}}})
