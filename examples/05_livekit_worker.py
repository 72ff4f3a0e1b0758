"""A worker: takes the rooms a LiveKit server sends it. `python 05_livekit_worker.py`, or beluga-voice worker.

Start `beluga-voice livekit dev`, set what it prints, then send the worker to a room with a token:
`beluga-voice livekit token --identity ann --room lobby --agent desk`.
"""

import logging
import sys

import beluga_voice as bv

HOURS = {"saturday": "from ten to two", "sunday": "not at all"}


async def answer(transcript: str) -> str:
    for day, hours in HOURS.items():
        if day in transcript.lower():
            return f"On {day} we are open {hours}."
    return "From nine to five, Monday to Friday."


async def entrypoint(job: bv.JobContext) -> None:
    """Called for each job; the job goes on until its sessions have ended."""

    async def goodbye(reason: str) -> None:
        job.log.info("%d messages, ended by: %s", len(session.history), reason)

    job.add_shutdown_hook(goodbye)
    session = await job.create_session(
        agent_callback=answer,
        greeting=f"Hello, this is the desk. {job.metadata}".strip(),
        phrases=["what time do you open on saturday", "are you open on sunday"],
    )
    await session.start()


async def choose(request: bv.JobRequest) -> None:
    """Called for each offer; without a hook every job is taken while a slot is free."""
    if request.job.room.startswith("private-"):
        request.reject()
    else:
        request.accept(name="Desk", attributes={"language": "en"})


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    # The server and its key come from LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET.
    sys.exit(bv.Worker(entrypoint, agent_name="desk", on_request=choose, max_jobs=20).run())
