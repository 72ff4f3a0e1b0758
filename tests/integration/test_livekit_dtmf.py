"""Telephone keys from the agent into a real room, received by the plain SDK."""

from __future__ import annotations

import asyncio

import pytest
from livekit import rtc
from livekit_people import Person, transport, until

import beluga_voice as bv
from beluga_voice.testing.livekit_server import LiveKitServer


def follow(person: Person) -> list[tuple[str, int, str]]:
    """Who pressed which key, with its code, in the order of arrival."""
    pressed: list[tuple[str, int, str]] = []

    def on_key(dtmf: rtc.SipDTMF) -> None:
        assert dtmf.participant is not None
        pressed.append((dtmf.participant.identity, dtmf.code, dtmf.digit))

    person.room.on("sip_dtmf_received", on_key)
    return pressed


async def test_keys_arrive_in_order_with_their_codes(livekit_server: LiveKitServer) -> None:
    agent = transport(livekit_server)
    async with Person(livekit_server, "line") as line:
        pressed = follow(line)
        await agent.connect()
        await agent.send_dtmf("0123456789*#ABCDabcd", pause=0.0)
        await until(lambda: len(pressed) == 20)
    await agent.close()
    assert pressed == [
        ("agent", code, key)
        for key, code in zip("0123456789*#ABCDABCD", [*range(16), *range(12, 16)], strict=True)
    ]


async def test_pauses_are_kept_and_two_calls_do_not_mix(livekit_server: LiveKitServer) -> None:
    agent = transport(livekit_server)
    loop = asyncio.get_running_loop()
    async with Person(livekit_server, "line") as line:
        pressed = follow(line)
        await agent.connect()
        began = loop.time()
        await asyncio.gather(agent.send_dtmf("1w2", pause=0.1), agent.send_dtmf("33", pause=0.1))
        assert loop.time() - began >= 0.7
        await agent.send_dtmf("44")
        assert loop.time() - began >= 1.0
        await until(lambda: len(pressed) == 6)
    await agent.close()
    assert "".join(key for _, _, key in pressed) == "123344"


async def test_keys_for_one_participant(livekit_server: LiveKitServer) -> None:
    agent = transport(livekit_server)
    async with Person(livekit_server, "line") as line, Person(livekit_server, "other") as other:
        to_line, to_other = follow(line), follow(other)
        await agent.connect()
        await agent.send_dtmf("7", to=["line"])
        await agent.send_dtmf("8", to=["other"])
        await until(lambda: to_line and to_other)
        await asyncio.sleep(0.3)
    await agent.close()
    assert [key for _, _, key in to_line] == ["7"] and [key for _, _, key in to_other] == ["8"]


@pytest.mark.parametrize(
    ("keys", "pause", "said"),
    [
        ("12x4", 0.1, "'x' is not a key"),
        ("１２", 0.1, "is not a key"),
        ("1ß", 0.1, "'ß' is not a key"),
        ("", 0.1, "no keys"),
        ("ww", 0.1, "no keys"),
        ("12", -1.0, "pause=-1"),
        ("12", float("nan"), "pause=nan"),
    ],
)
async def test_what_is_no_key_is_refused_before_one_is_pressed(
    livekit_server: LiveKitServer, keys: str, pause: float, said: str
) -> None:
    agent = transport(livekit_server)
    async with Person(livekit_server, "line") as line:
        pressed = follow(line)
        await agent.connect()
        with pytest.raises(bv.FormatError, match=said) as caught:
            await agent.send_dtmf(keys, pause=pause)
        assert caught.value.code == "invalid_format"
        await agent.send_dtmf("9")
        await until(lambda: pressed)
    await agent.close()
    assert [key for _, _, key in pressed] == ["9"]


async def test_keys_need_a_room(livekit_server: LiveKitServer) -> None:
    agent = transport(livekit_server)
    with pytest.raises(bv.ConnectError, match="not connected") as caught:
        await agent.send_dtmf("4321")
    assert caught.value.details["sent"] == 0 and "4321" not in str(caught.value)
    async with Person(livekit_server, "line") as line:
        pressed = follow(line)
        await agent.connect()
        pressing = asyncio.create_task(agent.send_dtmf("4321", pause=1.0))
        await until(lambda: len(pressed) == 1)
        await agent.close()
        with pytest.raises(bv.ConnectError, match="closed") as caught:
            await pressing
    assert caught.value.details["sent"] == 1


async def test_a_session_hears_what_another_agent_presses(livekit_server: LiveKitServer) -> None:
    """Out of one session and into another, as an event."""
    keys = {
        "url": livekit_server.url,
        "api_key": livekit_server.api_key,
        "api_secret": livekit_server.api_secret,
        "hear": "everyone",
    }
    config = bv.Config(
        provider="livekit", stt_provider="pocketsphinx", tts_provider="hibari", provider_config=keys
    )

    async def answer(transcript: str) -> str:
        return ""

    heard: list[tuple[str, str]] = []
    async with bv.new_backend("livekit", config) as backend:
        caller, menu = [
            await backend.create_session(
                bv.SessionConfig(user_id="u", agent_callback=answer, metadata={"room": "phone"})
            )
            for _ in range(2)
        ]
        await caller.start()
        await menu.start()

        async def follow_events() -> None:
            async for event in menu.events():
                if event.type == "dtmf":
                    heard.append((event.digit, event.participant))  # type: ignore[attr-defined]

        following = asyncio.create_task(follow_events())
        who = caller.transport.identity  # type: ignore[union-attr]
        await until(lambda: who in menu.transport.room.remote_participants)  # type: ignore[union-attr]
        await caller.transport.send_dtmf("5#")  # type: ignore[union-attr]
        await until(lambda: len(heard) == 2)
        await caller.stop()
        await menu.stop()
        await following
    assert heard == [("5", who), ("#", who)]
