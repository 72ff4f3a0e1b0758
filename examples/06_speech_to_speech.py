"""Speech to speech: one model hears, thinks and speaks. Here it is a local server that speaks OpenAI's Realtime API.

With a key of your own, leave ``base_url`` out and set OPENAI_API_KEY; the rest stays as it is.
"""

from __future__ import annotations

import asyncio

import beluga_voice as bv
from beluga_voice import events
from beluga_voice.providers.tts.hibari import create as voice
from beluga_voice.testing.openai_realtime_server import OpenAIRealtimeServer

QUESTION = "Do you have a table for two tonight?"


@bv.tool
async def free_tables(people: int) -> str:
    """Which tables are free for so many people."""
    return f"table {people + 2}"


def script(stream):
    """What the local model says; a real one makes it up."""
    from beluga_voice.testing.scripted_realtime import ScriptedReply

    if not stream.results:
        return ScriptedReply("Let me look.", calls=[("free_tables", {"people": 2})])
    return f"Yes, {next(iter(stream.results.values()))} is free."


async def main() -> None:
    spoken = b"".join([chunk.data async for chunk in voice({}).synthesize(QUESTION)])
    async with OpenAIRealtimeServer(utterances=[QUESTION], answer=script) as server:
        config = bv.Config(
            provider="embedded",
            pipeline_type="s2s",
            s2s_provider="openai_realtime",
            s2s_config={"base_url": server.base_url, "api_key": "any", "turn_detection": "local"},
        )
        agent = bv.Agent("You take bookings for a small restaurant. Be brief.", tools=[free_tables])
        async with bv.new_backend("embedded", config) as backend:
            talk = bv.SessionConfig(user_id="somebody", agent=agent, input_sample_rate=24_000)
            async with await backend.create_session(talk) as session:
                await session.process_audio(bytes(24_000) + spoken + bytes(2 * 24_000 * 4))
            async for event in session.events():
                if isinstance(event, events.TranscriptEvent) and event.final:
                    print("user: ", event.text)
                elif isinstance(event, events.AgentTextEvent) and event.final:
                    print("agent:", event.text)
                elif isinstance(event, events.MetricsEvent):
                    print(f"answered after {event.total * 1000:.0f} ms")


asyncio.run(main())
