"""An agent in a LiveKit room: start `beluga-voice livekit dev`, set what it prints, join the room with any client."""

import asyncio
import sys

import beluga_voice as bv

HOURS = {"saturday": "from ten to two", "sunday": "not at all"}


async def answer(transcript: str) -> str:
    for day, hours in HOURS.items():
        if day in transcript.lower():
            return f"On {day} we are open {hours}."
    return "From nine to five, Monday to Friday."


async def main(room: str) -> None:
    # The server and its key come from LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET.
    config = bv.Config(provider="livekit", stt_provider="pocketsphinx", tts_provider="hibari")
    async with bv.new_backend("livekit", config) as backend:
        session = await backend.create_session(
            bv.SessionConfig(
                user_id="visitor",
                agent_callback=answer,
                phrases=["what time do you open on saturday", "are you open on sunday"],
                metadata={"room": room},
            )
        )
        print("waiting for somebody in room", room, flush=True)
        await session.transport.wait_for_participant(timeout=600)
        await session.start()
        async for event in session.events():
            if event.type == "transcript" and event.final:
                print(f"{event.participant or 'visitor'}: {event.text}", flush=True)
            elif event.type == "agent_text" and event.final:
                print(f"agent: {event.text}", flush=True)


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "beluga"))
