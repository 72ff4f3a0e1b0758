"""A room with several people, whose agent answers when it is called: `beluga-voice livekit dev`, then join twice."""

import asyncio
import sys

import beluga_voice as bv


async def answer(context: bv.Context, transcript: str) -> str:
    names = [person.name or person.identity for person in context.participants]
    if "who is here" in transcript.lower():
        return f"{' and '.join(names)}. You are {len(names)}."
    said = [message for message in context.history if message.role == "user" and message.content]
    return (
        f"So far {len(said)} things were said, the last one by {context.name_of(context.turn.participant)}."
    )


async def main(room: str) -> None:
    # The server and its key come from LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET.
    config = bv.Config(
        provider="livekit",
        stt_provider="pocketsphinx",
        tts_provider="hibari",
        # Among two or more it keeps quiet until it is called by its name; then ten seconds without it.
        group=bv.GroupConfig(answer="when_addressed", names=["Bella", "Bela"], follow_up=10.0),
    )
    async with bv.new_backend("livekit", config) as backend:
        session = await backend.create_session(
            bv.SessionConfig(
                user_id="team", agent_name="Bella", agent_callback=answer, metadata={"room": room}
            )
        )
        await session.start()
        print("Bella is in room", room, flush=True)
        async for event in session.events():
            if event.type == "participant" and event.phase in ("joined", "left"):
                print(f"{event.identity} {event.phase}", flush=True)
            elif event.type == "transcript" and event.final:
                print(f"{event.participant}: {event.text}", flush=True)
            elif event.type == "agent_text" and event.final:
                print(f"Bella: {event.text}", flush=True)


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "team"))
