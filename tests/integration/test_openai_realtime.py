"""OpenAI Realtime: our client against the local server, and the vendor's own client against the same server.

Every event of both sides is parsed with the vendor's own types.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from typing import Any

import openai
import pytest
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import TypeAdapter
from realtime_config import talking, until

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.registry import registry_for
from beluga_voice.speech_to_speech import S2SSetup
from beluga_voice.testing.openai_realtime_server import OpenAIRealtimeServer
from beluga_voice.testing.scripted import silence, tone
from beluga_voice.testing.scripted_realtime import Answer, ScriptedReply, ScriptedStream

CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
LONG = "Well, let me tell you all about it from the very beginning, it is a long story my friend."
KEY = "sk-secret-of-mine-1234"


def all_are_the_vendors(server: OpenAIRealtimeServer) -> None:
    for event in server.received:
        parsed = CLIENT.validate_python(event)
        assert parsed.type == event["type"]
    for event in server.sent:
        parsed = SERVER.validate_python(event)
        assert parsed.type == event["type"], event


def config_of(server: OpenAIRealtimeServer, **more: Any) -> dict[str, Any]:
    return {"base_url": server.base_url, "api_key": KEY, "silence_duration_ms": 100, **more}


async def finals(session: Any, kind: type[Any], count: int) -> list[str]:
    found: list[str] = []
    async with asyncio.timeout(20):
        async for event in session.events():
            if isinstance(event, kind) and event.final:
                found.append(event.text)
                if len(found) == count:
                    break
    return found


@pytest.mark.parametrize("turns", ["server", "local"])
async def test_a_conversation(turns: str) -> None:
    script: dict[str, Any] = {"utterances": ["what time is it"], "replies": ["It is ten."]}
    async with OpenAIRealtimeServer(api_key=KEY, **script) as server:
        settings = config_of(server, turn_detection=turns)
        async with talking("openai_realtime", settings, agent=bv.Agent("Be brief.")) as session:
            heard = asyncio.create_task(finals(session, ev.AgentTextEvent, 1))
            await session.process_audio(tone(1.0) + silence(1.0))
            assert await heard == ["It is ten."]
            assert [m.content for m in session.history] == ["what time is it", "It is ten."]
    configured = server.session.session
    detection = configured["audio"]["input"]["turn_detection"]
    assert (detection is None) == (turns == "local")
    assert configured["instructions"] == "Be brief."
    assert configured["audio"]["input"]["transcription"] == {
        "model": "gpt-4o-mini-transcribe",
        "language": "en",
    }
    path, headers = server.requests[0]
    assert path == "/v1/realtime?model=gpt-realtime"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert "openai-beta" not in headers
    all_are_the_vendors(server)


async def test_an_interruption_truncates_on_the_server() -> None:
    script: dict[str, Any] = {
        "utterances": ["tell me", "no stop"],
        "replies": [LONG, "All right."],
        "speed": 20.0,
    }
    async with OpenAIRealtimeServer(**script) as server:
        async with talking("openai_realtime", config_of(server)) as session:
            await session.process_audio(tone(1.0) + silence(1.5) + tone(0.8))
            heard = asyncio.create_task(finals(session, ev.AgentTextEvent, 2))
            await session.process_audio(silence(1.5))
            first, second = await heard
        assert LONG.startswith(first) and len(first) < len(LONG)
        assert second == "All right."
        ((item, seconds),) = server.session.stream.truncated
        assert 0.5 < seconds < 3.0 and item in server.session.items
        kinds = [e["type"] for e in server.sent]
        assert "conversation.item.truncated" in kinds
        assert "error" not in kinds
    all_are_the_vendors(server)


async def test_tools_and_say_and_typed_words() -> None:
    @bv.tool
    async def lucky_number(day: str) -> int:
        """The lucky number of a day.

        Args:
            day: of the week.
        """
        return 7 if day == "monday" else 1

    def answer(stream: ScriptedStream) -> Answer:
        if not stream.results:
            return ScriptedReply("One moment.", calls=[("lucky_number", {"day": "monday"})])
        return f"It is {next(iter(stream.results.values()))}."

    async with OpenAIRealtimeServer(answer=answer) as server:
        agent = bv.Agent("x", tools=[lucky_number], greeting="Hello there.")
        async with talking("openai_realtime", config_of(server), agent=agent) as session:
            heard = asyncio.create_task(finals(session, ev.AgentTextEvent, 2))
            await asyncio.sleep(0.05)
            await session.process_audio(silence(2.0))
            await session.send_text("my lucky number please")
            await session.process_audio(silence(3.0))
            assert await heard == ["Hello there.", "One moment. It is 7."]
    assert server.session.stream.asked[0] == "Hello there."
    assert server.session.stream.said == ["my lucky number please"]
    (listed,) = server.session.session["tools"]
    assert listed["name"] == "lucky_number" and listed["parameters"]["required"] == ["day"]
    all_are_the_vendors(server)


async def test_our_agent_reasons() -> None:
    async def answer(transcript: str) -> str:
        return f"You said {transcript}."

    server = OpenAIRealtimeServer(utterances=["good morning"])
    async with server, talking("openai_realtime", config_of(server), agent_callback=answer) as session:
        heard = asyncio.create_task(finals(session, ev.AgentTextEvent, 1))
        await session.process_audio(tone(1.0) + silence(1.0))
        assert await heard == ["You said good morning."]
    assert server.session.session["audio"]["input"]["turn_detection"]["create_response"] is False
    all_are_the_vendors(server)


@pytest.mark.parametrize("how", ["abort", "expire", "freeze", "garbage"])
async def test_a_connection_that_fails_is_replaced(how: str) -> None:
    async with OpenAIRealtimeServer(utterances=["one", "two"], replies=["First.", "Second."]) as server:
        settings = config_of(server, ping_interval=0.3)
        async with talking("openai_realtime", settings, backend={"max_retries": 5}) as session:
            heard = asyncio.create_task(finals(session, ev.AgentTextEvent, 2))
            await session.process_audio(tone(0.8) + silence(1.2))
            await until(lambda: len(session.history) == 2)
            old = server.session
            match how:
                case "abort":
                    old.abort()
                case "expire":
                    await old.expire()
                case "freeze":
                    old.freeze()
                case _:
                    for text in ("{", "[]", "{}", b"\xff\xfe", '{"type": "response.done"}'):
                        await old.send_raw(text)
            await until(lambda: len(server.sessions) == 2)
            await session.process_audio(tone(0.8) + silence(1.2))
            assert await heard == ["First.", "Second."]
            history = [item for item in server.session.items.values() if item["type"] == "message"]
            assert [i["content"][0].get("text") for i in history[:2]] == ["one", "First."]
    all_are_the_vendors(server)


@pytest.mark.parametrize(
    ("status", "headers", "error", "code"),
    [
        (401, {}, bv.AuthError, "authentication_failed"),
        (403, {}, bv.AuthError, "authorization_failed"),
        (404, {}, bv.ConfigError, "invalid_config"),
        (429, {"Retry-After": "40"}, bv.CapacityError, "rate_limit_exceeded"),
        (503, {}, bv.ConnectError, "connection_failed"),
    ],
)
async def test_refusals_have_codes(
    status: int, headers: dict[str, str], error: type[bv.BackendError], code: str
) -> None:
    async with OpenAIRealtimeServer(refusals=[(status, headers)] * 20) as server:
        model = registry_for("s2s").create("openai_realtime", config_of(server))
        with pytest.raises(error) as caught:
            await model.open(S2SSetup())
    assert caught.value.code == code
    if status == 429:
        assert caught.value.details["retry_after"] == 40.0


async def test_a_busy_server_is_asked_again() -> None:
    refusals = [(429, {"Retry-After": "0.2"}), (500, {})]
    async with (
        OpenAIRealtimeServer(refusals=refusals) as server,
        talking("openai_realtime", config_of(server)),
    ):
        assert len(server.requests) == 3


async def test_a_wrong_key_is_never_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with OpenAIRealtimeServer(api_key="another") as server:
        model = registry_for("s2s").create("openai_realtime", config_of(server))
        with pytest.raises(bv.AuthError) as caught:
            await model.open(S2SSetup())
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY not in f"{error!r} {error} {vars(error)}"
        error = error.__cause__
    assert "***" in caught.value.message
    assert KEY not in repr(model) + repr(vars(model).get("_settings"))
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("beluga")]
    assert not any(KEY in text for text in ours)


async def test_nobody_there_and_nobody_answering() -> None:
    settings = {"base_url": "ws://127.0.0.1:9/v1", "api_key": KEY}
    model = registry_for("s2s").create("openai_realtime", settings)
    with pytest.raises(bv.ConnectError, match="cannot reach ws://127\\.0\\.0\\.1:9/v1/realtime"):
        await model.open(S2SSetup())

    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.6)
        writer.close()

    silent = await asyncio.start_server(never, "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        url = f"ws://127.0.0.1:{port}/v1"
        late = registry_for("s2s").create(
            "openai_realtime", {"base_url": url, "api_key": KEY, "timeout": 0.3}
        )
        with pytest.raises(bv.ConnectError) as caught:
            await late.open(S2SSetup())
        assert caught.value.code == "connection_timeout"
        await asyncio.sleep(0.4)


async def test_a_configuration_the_server_refuses() -> None:
    async with OpenAIRealtimeServer() as server:
        settings = config_of(server, session={"modalities": ["audio"]})
        model = registry_for("s2s").create("openai_realtime", settings)
        with pytest.raises(bv.ConfigError, match="Unknown parameter"):
            await model.open(S2SSetup())


async def test_the_vendor_s_own_client_talks_with_the_local_server() -> None:
    """So the server is known to be one: the vendor's client sends, receives and parses everything."""

    def answer(stream: ScriptedStream) -> Answer:
        if "weather" in stream.said[-1] and not stream.results:
            return ScriptedReply(calls=[("weather", {"city": "Oslo"})])
        return "Sunny." if stream.results else "Hello to you."

    async with OpenAIRealtimeServer(api_key=KEY, answer=answer, utterances=["hello"]) as server:
        client = openai.AsyncOpenAI(api_key=KEY, base_url=server.base_url)
        async with client, client.realtime.connect(model="gpt-realtime") as connection:
            created = await connection.recv()
            assert created.type == "session.created"
            tool = {
                "type": "function",
                "name": "weather",
                "description": "d",
                "parameters": {"type": "object"},
            }
            await connection.session.update(
                session={
                    "type": "realtime",
                    "instructions": "Be kind.",
                    "audio": {
                        "input": {
                            "transcription": {"model": "whisper-1"},
                            "turn_detection": {"type": "server_vad", "silence_duration_ms": 200},
                        }
                    },
                    "tools": [tool],  # type: ignore[list-item]
                }
            )
            seen: list[Any] = []

            async def read_until(kind: str) -> Any:
                async with asyncio.timeout(20):
                    while True:
                        event = await connection.recv()
                        seen.append(event)
                        if event.type == kind:
                            return event

            await read_until("session.updated")
            for pcm in (tone(0.6, 24_000), silence(0.6, 24_000)):
                for at in range(0, len(pcm), 960):
                    audio = base64.b64encode(pcm[at : at + 960]).decode()
                    await connection.input_audio_buffer.append(audio=audio)
            done = await read_until("response.done")
            assert done.response.status == "completed"
            kinds = [e.type for e in seen]
            order = [
                "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
                "input_audio_buffer.committed", "response.created", "response.output_item.added",
                "response.content_part.added", "response.output_audio.delta", "response.output_audio.done",
                "response.output_item.done", "response.done",
            ]  # fmt: skip
            assert [k for k in dict.fromkeys(kinds) if k in order] == order
            started = next(e for e in seen if e.type == "input_audio_buffer.speech_started")
            committed = next(e for e in seen if e.type == "input_audio_buffer.committed")
            assert started.item_id == committed.item_id
            said = "".join(e.delta for e in seen if e.type == "response.output_audio_transcript.delta")
            assert said == "Hello to you."
            pcm = b"".join(base64.b64decode(e.delta) for e in seen if e.type == "response.output_audio.delta")
            assert len(pcm) / 48_000 == pytest.approx(0.06 * len(said), abs=0.01)

            await connection.conversation.item.create(
                item={
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "weather?"}],
                }
            )
            await connection.response.create()
            called = await read_until("response.function_call_arguments.done")
            assert (called.name, called.arguments) == ("weather", '{"city": "Oslo"}')
            await read_until("response.done")
            await connection.conversation.item.create(
                item={"type": "function_call_output", "call_id": called.call_id, "output": "sun"}
            )
            await connection.response.create()
            item = await read_until("response.output_item.done")
            assert item.item.content[0].transcript == "Sunny."
            await read_until("response.done")
            await connection.conversation.item.truncate(
                item_id=item.item.id, content_index=0, audio_end_ms=100
            )
            await read_until("conversation.item.truncated")
            await connection.conversation.item.truncate(
                item_id=item.item.id, content_index=0, audio_end_ms=99_000
            )
            assert "already shorter" in (await read_until("error")).error.message
            await connection.response.cancel()
            assert (await read_until("error")).error.code == "response_cancel_not_active"
            await connection.input_audio_buffer.clear()
            await read_until("input_audio_buffer.cleared")
            await connection.input_audio_buffer.commit()
            assert (await read_until("error")).error.code == "input_audio_buffer_commit_empty"
    all_are_the_vendors(server)
