"""Nova Sonic through the vendor's own SDK against the local server: TLS, HTTP/2, signed events.

The SDK needs Python 3.12; scripts/nova runs this in an environment of its own.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from realtime_config import talking, until

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.registry import registry_for
from beluga_voice.speech_to_speech import S2SSetup
from beluga_voice.testing.nova_sonic_server import NovaSonicServer
from beluga_voice.testing.scripted import silence, tone
from beluga_voice.testing.scripted_realtime import ScriptedReply

LONG = "Well, let me tell you all about it from the very beginning. It is a long story my friend."
SECRET = "a-very-secret-key"


def config_of(server: NovaSonicServer) -> dict[str, Any]:
    return {
        "endpoint": server.url,
        "ca_file": server.ca_file,
        "access_key_id": "AKIDEXAMPLE",
        "secret_access_key": SECRET,
        "timeout": 5.0,
    }


async def finals(session: Any, count: int) -> list[str]:
    found: list[str] = []
    async with asyncio.timeout(25):
        async for event in session.events():
            if isinstance(event, ev.AgentTextEvent) and event.final:
                found.append(event.text)
                if len(found) == count:
                    break
    return found


async def test_a_conversation() -> None:
    async with NovaSonicServer(["what time is it"], ["It is ten."]) as server:
        async with talking("nova_sonic", config_of(server), agent=bv.Agent("Be brief.")) as session:
            heard = asyncio.create_task(finals(session, 1))
            await session.process_audio(tone(1.0) + silence(1.0))
            assert await heard == ["It is ten."]
            assert [m.content for m in session.history] == ["what time is it", "It is ten."]
        assert server.problems == []
        kinds = [next(iter(e["event"])) for e in server.scripts[0].received]
        assert kinds[:2] == ["sessionStart", "promptStart"]
        assert kinds[-3:] == ["contentEnd", "promptEnd", "sessionEnd"]
        assert server.requests[0][":path"].startswith("/model/amazon.nova-2-sonic-v1%3A0/")


async def test_an_interruption_and_a_tool() -> None:
    async def pay(amount: int) -> str:
        return f"paid {amount}"

    replies = [LONG, ScriptedReply(calls=[("pay", {"amount": 3})]), "It is paid."]
    async with NovaSonicServer(["tell me", "no just pay"], replies) as server:
        agent = bv.Agent("x", tools=[pay])
        async with talking("nova_sonic", config_of(server), agent=agent) as session:
            heard = asyncio.create_task(finals(session, 2))
            await session.process_audio(tone(1.0) + silence(2.0) + tone(1.0) + silence(2.0))
            first, second = await heard
        assert LONG.startswith(first) and len(first) < len(LONG)
        assert second == "It is paid."
        assert server.problems == []
        stream = server.scripts[0].stream
        assert stream is not None and list(stream.results.values()) == ["paid 3"]


@pytest.mark.parametrize("how", ["abort", "exception"])
async def test_a_stream_that_fails_is_replaced(how: str) -> None:
    async with NovaSonicServer(["one", "two"], ["First.", "Second."]) as server:
        async with talking("nova_sonic", config_of(server)) as session:
            heard = asyncio.create_task(finals(session, 2))
            await session.process_audio(tone(0.8) + silence(1.2))
            await until(lambda: len(session.history) == 2)
            if how == "abort":
                server.abort()
            else:
                await server.throw("modelTimeoutException", "The session has lasted eight minutes")
            await until(lambda: len(server.scripts) == 2)
            await session.process_audio(tone(0.8) + silence(1.5))
            assert await heard == ["First.", "Second."]
            texts = [
                e["event"]["textInput"]["content"]
                for e in server.scripts[1].received
                if "textInput" in e["event"]
            ]
            assert texts[1:] == ["one", "First."], "the conversation is carried over"
        assert server.problems == []


@pytest.mark.parametrize(
    ("status", "name", "error", "code"),
    [
        (403, "AccessDeniedException", bv.AuthError, "authentication_failed"),
        (429, "ThrottlingException", bv.CapacityError, "rate_limit_exceeded"),
        (400, "ValidationException", bv.ConfigError, "invalid_config"),
        (503, "ServiceUnavailableException", bv.ConnectError, "connection_failed"),
    ],
)
async def test_refusals_have_codes(status: int, name: str, error: type[bv.BackendError], code: str) -> None:
    async with NovaSonicServer(refusals=[(status, name, "said so")] * 10) as server:
        model = registry_for("s2s").create("nova_sonic", config_of(server))
        with pytest.raises(error) as caught:
            stream = await model.open(S2SSetup())
            try:
                async with asyncio.timeout(10):
                    async for _ in stream.events():
                        pass
            finally:
                await stream.close()
        assert caught.value.code == code
        assert SECRET not in f"{caught.value!r} {caught.value.__cause__!r}"


async def test_nobody_there() -> None:
    settings = {
        "endpoint": "https://127.0.0.1:9",
        "access_key_id": "AKIDEXAMPLE",
        "secret_access_key": SECRET,
        "timeout": 3.0,
    }
    model = registry_for("s2s").create("nova_sonic", settings)
    with pytest.raises(bv.ConnectError):
        await model.open(S2SSetup())


async def test_a_stop_is_quick() -> None:
    async with (
        NovaSonicServer(["tell me"], [LONG]) as server,
        talking("nova_sonic", config_of(server)) as session,
    ):
        await session.process_audio(tone(0.8) + silence(0.8))
        began = asyncio.get_running_loop().time()
        await session.stop()
        assert asyncio.get_running_loop().time() - began < 2.0
