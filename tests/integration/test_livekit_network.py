"""The LiveKit transport over a bad network: cut for a while, lossy, late."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from livekit_people import Listener, loud, say, transport, until

import beluga_voice as bv
from beluga_voice.livekit.tokens import ApiKey, room_token
from beluga_voice.testing.impairment import Impairment, Network
from beluga_voice.testing.livekit_relay import LiveKitRelay
from beluga_voice.testing.livekit_server import LiveKitServer
from beluga_voice.testing.scripted import tone
from beluga_voice.transports.livekit import LiveKitTransport


@contextlib.asynccontextmanager
async def talking(
    server: LiveKitServer, relay: LiveKitRelay, seconds: float
) -> AsyncIterator[tuple[Listener, Listener]]:
    """An agent behind the relay that speaks for ``seconds`` and hears a person who is not, and who speaks as well."""
    agent = transport(server, "agent", url=relay.url)
    person = transport(server, "person")
    at_agent, at_person = Listener(agent), Listener(person)
    await until(lambda: agent.connected and person.connected and "joined" in at_agent.phases("person"))
    speaking = [asyncio.create_task(say(one, tone(seconds))) for one in (agent, person)]
    try:
        await until(lambda: loud(at_agent.frames) > 1.0 and loud(at_person.frames) > 1.0)
        yield at_agent, at_person
    finally:
        for task in speaking:
            task.cancel()
        await asyncio.wait(speaking, timeout=5)
        await agent.close()
        await person.close()


async def test_a_cut_of_five_seconds(livekit_server: LiveKitServer) -> None:
    async with (
        LiveKitRelay(livekit_server.url, Network()) as relay,
        talking(livekit_server, relay, 60) as (at_agent, at_person),
    ):
        relay.network.cut()
        await asyncio.sleep(1.0)  # what was in the jitter buffers
        before = loud(at_agent.frames), loud(at_person.frames)
        await asyncio.sleep(4.0)
        assert before == pytest.approx((loud(at_agent.frames), loud(at_person.frames)), abs=0.3)
        relay.network.restore()
        await until(
            lambda: loud(at_agent.frames) > before[0] + 1.0 and loud(at_person.frames) > before[1] + 1.0
        )
        assert at_agent.states[-1] != "lost" and at_person.states == ["connected"]


@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_a_cut_of_thirty_five_seconds(livekit_server: LiveKitServer) -> None:
    async with (
        LiveKitRelay(livekit_server.url, Network()) as relay,
        talking(livekit_server, relay, 120) as (at_agent, at_person),
    ):
        relay.network.cut()
        await asyncio.sleep(35.0)
        assert at_agent.states == ["connected", "reconnecting"]
        before = loud(at_agent.frames), loud(at_person.frames)
        relay.network.restore()
        await until(lambda: at_agent.states[-1] == "reconnected", 40)
        await until(
            lambda: loud(at_agent.frames) > before[0] + 1.0 and loud(at_person.frames) > before[1] + 1.0
        )
        assert at_agent.states == ["connected", "reconnecting", "reconnected"]


async def test_loss_jitter_and_disorder(livekit_server: LiveKitServer) -> None:
    bad = Impairment(delay=0.04, jitter=0.03, loss=0.05, reorder=0.05)
    async with (
        LiveKitRelay(livekit_server.url, Network(bad, seed=7)) as relay,
        talking(livekit_server, relay, 60) as (at_agent, at_person),
    ):
        at_agent.frames.clear()
        at_person.frames.clear()
        await until(lambda: len(at_agent.frames) > 150 and len(at_person.frames) > 150)
        for frames in (at_agent.frames, at_person.frames):
            heard = sum(f.duration for f in frames)
            assert loud(frames) > 0.9 * heard
        assert relay.network.lost > 10


async def test_a_refusal_passes_the_relay(livekit_server: LiveKitServer) -> None:
    async with LiveKitRelay(livekit_server.url, Network()) as relay:
        wrong = room_token(ApiKey(livekit_server.api_key, "x" * 40), "me", "room")
        one = LiveKitTransport(bv.TransportConfig(url=relay.url, token=wrong))
        with pytest.raises(bv.AuthError, match="signature"):
            await one.connect()
        relay.network.cut()
        late = transport(livekit_server, url=relay.url, connect_timeout=1.0)
        with pytest.raises(bv.ConnectError, match="connection_timeout"):
            await late.connect()
        await one.close()
        await late.close()
        relay.network.restore()
        await asyncio.sleep(1.0)
