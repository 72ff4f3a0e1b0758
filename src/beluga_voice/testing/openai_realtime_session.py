"""One connection of the local OpenAI Realtime server: the scripted model behind the vendor's events."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, cast

import websockets.asyncio.server

from beluga_voice import speech_to_speech as s2s
from beluga_voice.errors import BackendError
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ToolSpec
from beluga_voice.testing.scripted_realtime import ScriptedModel, ScriptedStream

__all__ = ["ServerSession"]

_BYTES_PER_MS = 48
_FLAT = ("input_audio_format", "output_audio_format", "modalities", "voice", "turn_detection", "temperature")
_ROLES = {"user": "input_text", "system": "input_text", "assistant": "output_text"}


class ServerSession:
    """Takes client events and sends server events.

    Args:
        socket: accepted.
        model: answers.
        name: of the model, as the client asked for it.
        sent: notes every event sent.

    Attributes:
        stream: the scripted model's own record of the conversation.
        items: the conversation's items by id.
    """

    def __init__(
        self,
        socket: websockets.asyncio.server.ServerConnection,
        model: ScriptedModel,
        name: str,
        *,
        sent: list[dict[str, Any]],
    ) -> None:
        self.socket = socket
        self.stream = ScriptedStream(model, s2s.S2SSetup())
        model.streams.append(self.stream)
        self.stream.silence = 0.5
        self._log = sent
        self._count = 0
        self._buffer = self._heard = 0
        self._active = ""
        self._metadata: dict[str, Any] | None = None
        self._made: dict[str, int] = {}
        self._words: dict[str, str] = {}
        self._output: list[dict[str, Any]] = []
        self._open_item = self._hearing = ""
        self._users: dict[str, str] = {}
        self.items: dict[str, dict[str, Any]] = {}
        self.session: dict[str, Any] = {
            "type": "realtime",
            "object": "realtime.session",
            "id": f"sess_{id(self)}",
            "model": name,
            "output_modalities": ["audio"],
            "instructions": "",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "turn_detection": {
                        "type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500,
                        "create_response": True, "interrupt_response": True,
                    },
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0},
            },
        }  # fmt: skip

    async def run(self) -> None:
        """Greets the client and tells it what the model says, until cancelled."""
        await self._send("session.created", session=self.session)
        try:
            async for event in self.stream.events():
                await self._tell(event)
        except BackendError:
            self.socket.transport.abort()

    async def close(self) -> None:
        """The client has left."""
        await self.stream.close()

    # --- what can go wrong ------------------------------------------------------------------------------------

    def abort(self) -> None:
        """Breaks the connection off."""
        self.socket.transport.abort()

    def freeze(self) -> None:
        """Stops reading, so that not even a ping is answered."""
        cast("Any", self.socket.transport).pause_reading()
        self.stream.freeze()

    async def expire(self) -> None:
        """Ends the session as the vendor does after an hour."""
        await self.complain("session_expired", "Your session hit the maximum duration of 60 minutes.")
        await self.socket.close(1001)

    async def send_raw(self, text: str | bytes) -> None:
        """Sends what is no event."""
        await self.socket.send(text)

    # --- from the client --------------------------------------------------------------------------------------

    async def take(self, event: dict[str, Any]) -> None:
        """Carries out a client event, or complains as the vendor does."""
        event_id = event.get("event_id")
        match event.get("type"):
            case "session.update":
                await self._configure(event.get("session"), event_id)
            case "input_audio_buffer.append":
                await self._append(event.get("audio"), event_id)
            case "input_audio_buffer.commit":
                await self._commit(event_id)
            case "input_audio_buffer.clear":
                self._buffer = 0
                self.stream.discard()
                await self._send("input_audio_buffer.cleared")
            case "conversation.item.create":
                await self._create_item(event.get("item"), event_id)
            case "conversation.item.truncate":
                await self._truncate(event, event_id)
            case "conversation.item.delete":
                self.items.pop(str(event.get("item_id")), None)
                await self._send("conversation.item.deleted", item_id=str(event.get("item_id")))
            case "conversation.item.retrieve":
                await self._send("conversation.item.retrieved", item=self.items[str(event["item_id"])])
            case "response.create":
                await self._create_response(event.get("response") or {}, event_id)
            case "response.cancel":
                if not self._active:
                    await self.complain("response_cancel_not_active", "no active response found", event_id)
                self.stream.cancel()
            case kind:
                await self.complain("invalid_value", f"Invalid value: {kind!r}", event_id)

    async def _configure(self, session: Any, event_id: Any) -> None:
        given = cast("dict[str, Any]", session) if isinstance(session, dict) else {}
        if given.get("type") != "realtime":
            await self.complain("missing_required_parameter", "session.type is required", event_id)
            return
        for name in _FLAT:
            if name in given:
                await self.complain("unknown_parameter", f"Unknown parameter: 'session.{name}'.", event_id)
                return
        _merge(self.session, given)
        heard: dict[str, Any] = self.session["audio"]["input"]
        detection: dict[str, Any] | None = heard.get("turn_detection")
        tools = [ToolSpec(t["name"], t["description"], t["parameters"]) for t in self.session["tools"]]
        self.stream.setup = s2s.S2SSetup(
            instructions=self.session["instructions"],
            tools=tools,
            turns="local" if detection is None else "server",
            answers=detection is None or detection.get("create_response", True),
            interruptible=detection is None or detection.get("interrupt_response", True),
        )
        self.stream.silence = (detection or {}).get("silence_duration_ms", 500) / 1000
        self.stream.update(self.session["instructions"], tools)
        await self._send("session.updated", session=self.session)

    async def _append(self, audio: Any, event_id: Any) -> None:
        try:
            pcm = base64.b64decode(audio, validate=True)
        except (binascii.Error, TypeError, ValueError):
            await self.complain("invalid_value", "audio is not base64", event_id)
            return
        self._buffer += len(pcm)
        self._heard += len(pcm)
        self.stream.push(pcm[: len(pcm) // 2 * 2])

    async def _commit(self, event_id: Any) -> None:
        if self._buffer < 100 * _BYTES_PER_MS:
            message = f"buffer too small: {self._buffer / _BYTES_PER_MS:.2f} ms, at least 100 ms are expected"
            await self.complain("input_audio_buffer_commit_empty", message, event_id)
            return
        self._buffer = 0
        self.stream.commit()

    async def _create_item(self, item: Any, event_id: Any) -> None:
        if not isinstance(item, dict):
            await self.complain("missing_required_parameter", "item is required", event_id)
            return
        given: dict[str, Any] = {
            "id": self._name("item"),
            "object": "realtime.item",
            "status": "completed",
            **item,
        }
        match given.get("type"):
            case "message":
                role = given.get("role")
                content: Any = given.get("content") or [{}]
                if role not in _ROLES or content[0].get("type") != _ROLES[role]:
                    await self.complain(
                        "invalid_value", f"content of role {role!r} has a wrong type", event_id
                    )
                    return
                if role == "user":
                    self.stream.send_text(str(content[0]["text"]))
            case "function_call":
                pass
            case "function_call_output":
                calls = {i.get("call_id"): i for i in self.items.values() if i["type"] == "function_call"}
                if given.get("call_id") not in calls:
                    await self.complain("invalid_tool_call_id", "no such call", event_id)
                    return
                call = calls[given["call_id"]]
                made = ToolCall(call["call_id"], call["name"], json.loads(call["arguments"]))
                self.stream.send_result(made, str(given["output"]))
            case kind:
                await self.complain("invalid_value", f"item type {kind!r}", event_id)
                return
        self.items[given["id"]] = given
        await self._send("conversation.item.added", item=given, previous_item_id=None)
        await self._send("conversation.item.done", item=given, previous_item_id=None)

    async def _truncate(self, event: dict[str, Any], event_id: Any) -> None:
        item, end = str(event.get("item_id")), event.get("audio_end_ms")
        if item not in self._made:
            await self.complain("item_truncate_invalid_item_id", f"no assistant item {item!r}", event_id)
        elif not isinstance(end, int) or end * _BYTES_PER_MS > self._made[item]:
            made = self._made[item] / _BYTES_PER_MS
            message = f"Audio content of {made:.0f} ms is already shorter than {end} ms"
            await self.complain("invalid_value", message, event_id)
        else:
            self.stream.truncate(item, end / 1000)
            where = {"item_id": item, "content_index": 0, "audio_end_ms": end}
            await self._send("conversation.item.truncated", **where)

    async def _create_response(self, response: dict[str, Any], event_id: Any) -> None:
        if self._active:
            message = "Conversation already has an active response in progress"
            await self.complain("conversation_already_has_active_response", message, event_id)
            return
        self._metadata = response.get("metadata")
        words = str(response.get("instructions") or "")
        self.stream.respond(words.partition("\n")[2] if response.get("input") == [] else "")

    async def complain(self, code: str, message: str, event_id: Any = None) -> None:
        """Sends an error; the session goes on."""
        kind = "server_error" if code.startswith("server") else "invalid_request_error"
        error = {"type": kind, "code": code, "message": message, "param": None, "event_id": event_id}
        await self._send("error", error=error)

    # --- from the model ---------------------------------------------------------------------------------------

    async def _tell(self, event: s2s.S2SEvent) -> None:
        match event:
            case s2s.InputSpeechStarted():
                at = max(0, self._heard // _BYTES_PER_MS - 300)
                self._hearing = self._name("item")
                where = {"audio_start_ms": at, "item_id": self._hearing}
                await self._send("input_audio_buffer.speech_started", **where)
            case s2s.InputSpeechEnded():
                where = {"audio_end_ms": self._heard // _BYTES_PER_MS, "item_id": self._hearing}
                await self._send("input_audio_buffer.speech_stopped", **where)
            case s2s.InputCommitted(scripted):
                self._buffer = 0
                item = self._users[scripted] = self._hearing or self._name("item")
                self._hearing = ""
                await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=None)
                made = {"id": item, "object": "realtime.item", "type": "message", "role": "user", "status": "completed",
                        "content": [{"type": "input_audio", "transcript": None}]}  # fmt: skip
                self.items[item] = made
                await self._send("conversation.item.added", item=made, previous_item_id=None)
                await self._send("conversation.item.done", item=made, previous_item_id=None)
            case s2s.UserWords(item, text):
                await self._transcribe(self._users[item], text)
            case _:
                await self._tell_response(event)

    async def _transcribe(self, item: str, text: str) -> None:
        if self.session["audio"]["input"].get("transcription") is None:
            return
        kind = "conversation.item.input_audio_transcription"
        for word in text.split():
            await self._send(f"{kind}.delta", item_id=item, content_index=0, delta=f"{word} ")
        usage = {"type": "duration", "seconds": 1.0}
        await self._send(f"{kind}.completed", item_id=item, content_index=0, transcript=text, usage=usage)

    async def _tell_response(self, event: s2s.S2SEvent) -> None:
        match event:
            case s2s.ResponseStarted(response):
                self._active, self._output = response, []
                await self._send("response.created", response=self._response("in_progress"))
            case s2s.AgentWords(_, item, text):
                await self._begin_item(item)
                self._words[item] = self._words.get(item, "") + text
                await self._part("response.output_audio_transcript.delta", item, delta=text)
            case s2s.AgentAudio(_, item, data):
                await self._begin_item(item)
                self._made[item] = self._made.get(item, 0) + len(data)
                await self._part(
                    "response.output_audio.delta", item, delta=base64.b64encode(data).decode("ascii")
                )
            case s2s.ToolCalled(_, call):
                await self._end_item("completed")
                await self._call(call)
            case s2s.Usage(_, input_tokens, output_tokens):
                self._usage = (input_tokens, output_tokens)
            case s2s.ResponseEnded(response, status):
                await self._end_item("completed" if status == "completed" else "incomplete")
                if response == self._active:
                    done = self._response(status)
                    self._active, self._metadata = "", None
                    await self._send("response.done", response=done)
                    await self._send("rate_limits.updated", rate_limits=[
                        {"name": "tokens", "limit": 40000, "remaining": 39000, "reset_seconds": 1.5}])  # fmt: skip
            case _:
                pass

    def _response(self, status: str) -> dict[str, Any]:
        details: dict[str, Any] | None = None
        usage: dict[str, Any] | None = None
        if status != "in_progress":
            reason = {"cancelled": "turn_detected", "incomplete": "max_output_tokens"}.get(status)
            error = {"type": "server_error", "code": "server_error", "message": "scripted"}
            details = {"type": status, "reason": reason, "error": error if status == "failed" else None}
            usage = {
                "total_tokens": 30, "input_tokens": 10, "output_tokens": 20,
                "input_token_details": {"text_tokens": 4, "audio_tokens": 6, "cached_tokens": 0},
                "output_token_details": {"text_tokens": 5, "audio_tokens": 15},
            }  # fmt: skip
        return {
            "object": "realtime.response", "id": self._active, "status": status, "status_details": details,
            "output": list(self._output), "conversation_id": "conv_1", "output_modalities": ["audio"],
            "max_output_tokens": "inf", "usage": usage, "metadata": self._metadata,
        }  # fmt: skip

    async def _begin_item(self, item: str) -> None:
        if item == self._open_item:
            return
        self._open_item = item
        made: dict[str, Any] = {"id": item, "object": "realtime.item", "type": "message", "role": "assistant",
                                "status": "in_progress", "content": []}  # fmt: skip
        await self._send("response.output_item.added", response_id=self._active, output_index=0, item=made)
        await self._send("conversation.item.added", item=made, previous_item_id=None)
        await self._part("response.content_part.added", item, part={"type": "audio", "transcript": ""})

    async def _end_item(self, status: str) -> None:
        item, self._open_item = self._open_item, ""
        if not item:
            return
        words = self._words.get(item, "")
        await self._part("response.output_audio.done", item)
        await self._part("response.output_audio_transcript.done", item, transcript=words)
        await self._part("response.content_part.done", item, part={"type": "audio", "transcript": words})
        made = {"id": item, "object": "realtime.item", "type": "message", "role": "assistant", "status": status,
                "content": [{"type": "output_audio", "transcript": words}]}  # fmt: skip
        self.items[item] = made
        self._output.append(made)
        await self._send("response.output_item.done", response_id=self._active, output_index=0, item=made)
        await self._send("conversation.item.done", item=made, previous_item_id=None)

    async def _call(self, call: ToolCall) -> None:
        item = self._name("item")
        index = len(self._output)
        made = {"id": item, "object": "realtime.item", "type": "function_call", "status": "in_progress",
                "call_id": call.id, "name": call.name, "arguments": ""}  # fmt: skip
        where = {"response_id": self._active, "item_id": item, "output_index": index, "call_id": call.id}
        await self._send(
            "response.output_item.added", response_id=self._active, output_index=index, item=made
        )
        await self._send("conversation.item.added", item=made, previous_item_id=None)
        arguments = json.dumps(call.arguments)
        for at in range(0, len(arguments), 7):
            delta = arguments[at : at + 7]
            await self._send("response.function_call_arguments.delta", **where, delta=delta)
        whole = {**where, "name": call.name, "arguments": arguments}
        await self._send("response.function_call_arguments.done", **whole)
        done = {**made, "status": "completed", "arguments": arguments}
        self.items[item] = done
        self._output.append(done)
        await self._send("response.output_item.done", response_id=self._active, output_index=index, item=done)
        await self._send("conversation.item.done", item=done, previous_item_id=None)

    async def _part(self, kind: str, item: str, **fields: Any) -> None:
        where = {"response_id": self._active, "item_id": item, "output_index": 0, "content_index": 0}
        await self._send(kind, **where, **fields)

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"

    async def _send(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "event_id": self._name("event"), **fields}
        self._log.append(json.loads(json.dumps(event)))
        await self.socket.send(json.dumps(event))


def _merge(below: dict[str, Any], above: dict[str, Any]) -> None:
    """Updates nested settings; a turn_detection is replaced as a whole."""
    for name, value in above.items():
        old = below.get(name)
        if isinstance(old, dict) and isinstance(value, dict) and name != "turn_detection":
            _merge(cast("dict[str, Any]", old), cast("dict[str, Any]", value))
        else:
            below[name] = value
