"""An agent is one async function. Its caller here is a sentence spoken by the built-in voice; no microphone needed."""

import asyncio

import beluga_voice as bv


async def answer(transcript: str) -> str:
    return f"You asked: {transcript}. We are open from ten to two."


async def spoken(text: str) -> bytes:
    """The question as a recording: mono s16le at 24 kHz."""
    voice = bv.registry_for("tts").create("hibari")
    await voice.start()
    pcm = b"".join([chunk.data async for chunk in voice.synthesize(text)])
    await voice.close()
    return bytes(24_000) + pcm + bytes(48_000)


async def main() -> None:
    question = await spoken("What time do you open on Saturday?")
    async with bv.new_backend("embedded", bv.Config(provider="embedded")) as backend:
        session = await backend.create_session(
            bv.SessionConfig(user_id="user-123", agent_callback=answer, input_sample_rate=24_000)
        )
        async with session:
            await session.process_audio(question)
            async for event in session.events():
                if isinstance(event, bv.events.TranscriptEvent | bv.events.AgentTextEvent) and event.final:
                    print(f"{event.type}: {event.text}")
                if isinstance(event, bv.events.TurnEvent) and event.phase == "agent_ended":
                    break
        print(f"answered after {session.metrics.latency_p50 * 1000:.0f} ms")


asyncio.run(main())
