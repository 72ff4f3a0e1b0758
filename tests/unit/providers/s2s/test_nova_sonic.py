"""Amazon Nova Sonic without the wire: the order of events in, the sense of events out, errors."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice import speech_to_speech as s2s
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ChatMessage, ToolSpec
from beluga_voice.providers.s2s.nova_sonic import NovaSonic, SettingsModel, create, wire
from beluga_voice.providers.s2s.nova_sonic.protocol import NovaProtocol
from beluga_voice.testing.nova_sonic_model import NovaScript

SETUP = s2s.S2SSetup(
    instructions="Be brief.",
    tools=[ToolSpec("pay", "pays", {"type": "object"})],
    history=[
        ChatMessage("assistant", "welcome"),
        ChatMessage("user", "hi"),
        ChatMessage("assistant", "hello"),
    ],
)


def begun(takes_text: bool = True) -> NovaProtocol:
    protocol = NovaProtocol(takes_text=takes_text)
    protocol.begin(
        SETUP,
        voice="tiffany",
        input_rate=16_000,
        output_rate=24_000,
        inference={"topP": 0.9},
        sensitivity="HIGH",
    )
    return protocol


def names(protocol: NovaProtocol) -> list[str]:
    out = [next(iter(e["event"])) for e in protocol.out]
    protocol.out.clear()
    return out


def block(protocol: NovaProtocol, content: str, kind: str, role: str, stage: str = "") -> list[s2s.S2SEvent]:
    more = {"additionalModelFields": json.dumps({"generationStage": stage})} if stage else {}
    fields = {"contentId": content, "type": kind, "role": role, **more}
    return protocol.receive({"event": {"contentStart": fields}})


def end(protocol: NovaProtocol, content: str, reason: str) -> list[s2s.S2SEvent]:
    return protocol.receive({"event": {"contentEnd": {"contentId": content, "stopReason": reason}}})


def text(protocol: NovaProtocol, content: str, words: str) -> list[s2s.S2SEvent]:
    return protocol.receive({"event": {"textOutput": {"contentId": content, "content": words}}})


def sound(protocol: NovaProtocol, content: str, pcm: bytes) -> list[s2s.S2SEvent]:
    data = base64.b64encode(pcm).decode()
    return protocol.receive({"event": {"audioOutput": {"contentId": content, "content": data}}})


def test_the_opening_is_in_the_order_the_service_wants() -> None:
    protocol = begun()
    events = [e["event"] for e in protocol.out]
    assert names(protocol) == [
        "sessionStart", "promptStart",
        "contentStart", "textInput", "contentEnd",
        "contentStart", "textInput", "contentEnd", "contentStart", "textInput", "contentEnd",
        "contentStart",
    ]  # fmt: skip
    assert events[0]["sessionStart"]["turnDetectionConfiguration"] == {"endpointingSensitivity": "HIGH"}
    tool = events[1]["promptStart"]["toolConfiguration"]["tools"][0]["toolSpec"]
    assert json.loads(tool["inputSchema"]["json"]) == {"type": "object"}
    roles = [e["contentStart"]["role"] for e in events if "contentStart" in e]
    assert roles == ["SYSTEM", "USER", "ASSISTANT", "USER"], "history begins with the user"
    protocol.end()
    assert names(protocol) == ["contentEnd", "promptEnd", "sessionEnd"]


def test_history_is_cut_to_what_the_service_takes() -> None:
    many = [ChatMessage("user" if i % 2 == 0 else "assistant", f"é{i}" * 600) for i in range(101)]
    events = [e["event"] for e in wire.history("p", many)]
    texts = [e["textInput"]["content"] for e in events if "textInput" in e]
    assert len(texts) <= 40
    assert all(len(t.encode()) <= 1000 for t in texts)
    first = next(e for e in events if "contentStart" in e)
    assert first["contentStart"]["role"] == "USER"


def test_a_turn() -> None:
    protocol = begun()
    assert block(protocol, "u1", "TEXT", "USER", "FINAL") == [s2s.InputCommitted("u1")]
    assert text(protocol, "u1", "what time") == [s2s.UserWords("u1", "what time")]
    assert text(protocol, "u1", " is it") == [s2s.UserWords("u1", "what time is it")]
    assert end(protocol, "u1", "PARTIAL_TURN") == [s2s.UserWords("u1", "what time is it", final=True)]
    (started,) = block(protocol, "a1", "TEXT", "ASSISTANT", "SPECULATIVE")
    assert isinstance(started, s2s.ResponseStarted)
    name = started.response
    (words,) = text(protocol, "a1", "It is ten.")
    assert isinstance(words, s2s.AgentWords)
    assert end(protocol, "a1", "PARTIAL_TURN") == []
    assert block(protocol, "a2", "AUDIO", "ASSISTANT") == []
    (audio,) = sound(protocol, "a2", b"\1\0")
    assert audio == s2s.AgentAudio(name, words.item, b"\1\0"), "words and sound of a sentence are one item"
    assert end(protocol, "a2", "END_TURN") == [s2s.ResponseEnded(name)]
    assert block(protocol, "a3", "TEXT", "ASSISTANT", "FINAL") == []
    assert text(protocol, "a3", "It is ten.") == []
    assert end(protocol, "a3", "END_TURN") == []


@pytest.mark.parametrize("how", ["note", "reason"])
def test_an_interruption(how: str) -> None:
    protocol = begun()
    block(protocol, "a1", "AUDIO", "ASSISTANT")
    sound(protocol, "a1", b"\1\0")
    if how == "note":
        block(protocol, "a2", "TEXT", "ASSISTANT", "FINAL")
        told = text(protocol, "a2", '{ "interrupted" : true }')
    else:
        told = end(protocol, "a1", "INTERRUPTED")
    assert told == [s2s.InputSpeechStarted(), s2s.ResponseEnded("answer-1", "cancelled")]
    assert end(protocol, "a2", "INTERRUPTED") == []
    assert sound(protocol, "a1", b"\1\0") == [], "late sound of it is nothing"


def test_a_tool_and_its_result() -> None:
    protocol = begun()
    protocol.out.clear()
    block(protocol, "t1", "TOOL", "TOOL")
    use = {"contentId": "t1", "toolUseId": "x", "toolName": "pay", "content": '{"amount": 3}'}
    assert protocol.receive({"event": {"toolUse": use}}) == [
        s2s.ToolCalled("answer-1", ToolCall("x", "pay", {"amount": 3}))
    ]
    assert end(protocol, "t1", "TOOL_USE") == [s2s.ResponseEnded("answer-1")]
    protocol.send_result(ToolCall("x", "pay", {}), "paid")
    events = [e["event"] for e in protocol.out]
    assert names(protocol) == ["contentStart", "toolResult", "contentEnd"]
    assert json.loads(events[1]["toolResult"]["content"]) == {"result": "paid"}
    assert events[0]["contentStart"]["toolResultInputConfiguration"]["toolUseId"] == "x"
    block(protocol, "t2", "TOOL", "TOOL")
    bad = {"contentId": "t2", "toolUseId": "y", "toolName": "pay", "content": "{"}
    assert protocol.receive({"event": {"toolUse": bad}}) == []
    assert "not a JSON object" in protocol.out[1]["event"]["toolResult"]["content"]


def test_written_words() -> None:
    second, first = begun(), begun(takes_text=False)
    second.out.clear()
    first.out.clear()
    second.send_text("hello")
    assert second.out[0]["event"]["contentStart"]["interactive"] is True
    second.respond("Good day.")
    assert "Good day." in second.out[4]["event"]["textInput"]["content"]
    first.send_text("hello")
    assert list(first.out) == []
    assert [type(e) for e in first.pending] == [s2s.ModelError, s2s.ResponseStarted, s2s.ResponseEnded]


def test_usage() -> None:
    counted = {"input": {"speechTokens": 8, "textTokens": 2}, "output": {"speechTokens": 5}}
    told = begun().receive({"event": {"usageEvent": {"details": {"delta": counted}}}})
    details = {"input_speechTokens": 8, "input_textTokens": 2, "output_speechTokens": 5}
    assert told == [s2s.Usage("answer-0", 10, 5, details)]


@pytest.mark.parametrize(
    ("name", "started", "code"),
    [
        ("ThrottlingException", False, "rate_limit_exceeded"),
        ("AccessDeniedException", False, "authentication_failed"),
        ("UnrecognizedClientException", False, "authentication_failed"),
        ("ValidationException", False, "invalid_config"),
        ("ValidationException", True, "connection_failed"),
        ("ModelTimeoutException", True, "connection_timeout"),
        ("ModelStreamErrorException", True, "connection_failed"),
        ("InternalServerException", False, "connection_failed"),
        ("ServiceUnavailableException", False, "connection_failed"),
        ("AwsCrtError", False, "connection_failed"),
    ],
)
def test_errors_of_the_vendor(name: str, started: bool, code: str) -> None:
    error = wire.error_for(name, "said so", started=started)
    assert error.code == code
    assert name in error.message


@pytest.mark.parametrize(
    "message", [{}, {"event": {}}, {"event": {"contentStart": {}}}, {"event": {"textOutput": {}}}]
)
def test_malformed_events(message: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        begun().receive(message)


def test_python_or_the_sdk_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beluga_voice.providers.s2s.nova_sonic.sys.version_info", (3, 11, 7))
    with pytest.raises(bv.ConfigError, match=r"Python 3\.12.*pip install \"beluga-voice\[nova\]\"") as caught:
        create({})
    assert caught.value.code == "missing_extra"
    monkeypatch.setattr("beluga_voice.providers.s2s.nova_sonic.sys.version_info", (3, 12, 1))
    monkeypatch.setattr("beluga_voice.providers.s2s.nova_sonic.find_spec", lambda _: None)
    with pytest.raises(bv.ConfigError, match=r'run: pip install "beluga-voice\[nova\]"'):
        create({})


class Pipe:
    """The scripted service without a network, in place of the SDK."""

    def __init__(self, script: NovaScript) -> None:
        self.script = script

    async def connect(self, model: str, timeout: float) -> NovaScript:
        self.script.open()
        return self.script


def test_a_conversation_through_the_pipeline() -> None:
    from beluga_voice.session.session import Session
    from realtime_stage import RealtimeStage, voice

    script = NovaScript(utterances=["what time is it", "no stop"], replies=["It is ten and a half.", "Fine."])
    stage = RealtimeStage()
    stage.model = NovaSonic(SettingsModel(), Pipe(script))  # type: ignore[assignment]

    async def scene(session: Session) -> Any:
        await session.start()
        await voice(session, 1.0, 3.0, 1.0, 2.0)
        return session.history

    history = stage.play(scene, agent=bv.Agent("Be brief."))
    assert [m.content for m in history] == ["what time is it", "It is ten and a half.", "no stop", "Fine."]
    kinds = [next(iter(e["event"])) for e in script.received]
    assert kinds[:2] == ["sessionStart", "promptStart"]
    assert kinds[-3:] == ["contentEnd", "promptEnd", "sessionEnd"]
    assert stage.of(bv.events.ErrorEvent) == []


def test_an_interruption_through_the_pipeline() -> None:
    from beluga_voice.session.session import Session
    from realtime_stage import RealtimeStage, voice

    long = "Well, let me tell you all about it from the very beginning. It is a long story my friend."
    script = NovaScript(utterances=["tell me", "no stop"], replies=[long, "Fine."])
    stage = RealtimeStage()
    stage.model = NovaSonic(SettingsModel(), Pipe(script))  # type: ignore[assignment]

    async def scene(session: Session) -> Any:
        await session.start()
        await voice(session, 1.0, 2.0, 1.0, 2.0)
        return session.history

    history = stage.play(scene, agent=bv.Agent("Be brief."))
    (cut,) = stage.of(bv.events.InterruptionEvent)
    assert cut.silenced - cut.onset <= 0.3
    assert [m.content for m in history] == ["tell me", cut.heard, "no stop", "Fine."]


def test_a_muted_microphone_is_filled_with_silence() -> None:
    from beluga_voice.session.session import Session
    from realtime_stage import RealtimeStage

    script = NovaScript()
    stage = RealtimeStage()
    stage.model = NovaSonic(SettingsModel(), Pipe(script))  # type: ignore[assignment]

    async def scene(session: Session) -> None:
        await session.start()
        await asyncio.sleep(5.0)

    stage.play(scene)
    audio = [e for e in script.received if "audioInput" in e["event"]]
    assert 40 <= len(audio) <= 50


def test_our_agent_cannot_reason_and_local_turns_are_refused() -> None:
    from realtime_stage import RealtimeStage

    stage = RealtimeStage()
    stage.model = NovaSonic(SettingsModel(), Pipe(NovaScript()))  # type: ignore[assignment]

    async def answer(transcript: str) -> str:
        return transcript

    async def scene(session: Any) -> None: ...

    with pytest.raises(bv.ConfigError, match="cannot speak the words of an agent"):
        stage.play(scene, agent_callback=answer)
    with pytest.raises(bv.ConfigError, match="takes turns by itself"):
        stage.play(scene, "local")
