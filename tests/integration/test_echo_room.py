"""A conversation in a room whose microphone hears the loudspeaker: real models, virtual time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hibari import Hibari

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.audio.resample import resample
from beluga_voice.backends.base import Backend
from beluga_voice.testing.echo_room import EchoRoom
from beluga_voice.testing.loop import run

STORY = (
    "Let me tell you all about our clinic and the people who work here every day of the week. "
    "We began many years ago in a small house beside the river, with one chair and one very patient dentist. "
    "Since then we have grown, and now there are six rooms, nine people and a garden."
)


def voice(text: str) -> bytes:
    samples = Hibari()(text, seed=1)
    return resample((samples * 32767).astype("<i2").tobytes(), 24_000, 16_000)


async def answer(transcript: str) -> str:
    return "All right."


@contextlib.asynccontextmanager
async def listening(backend: Backend, room: EchoRoom) -> AsyncIterator[list[Any]]:
    """A session that tells its story in ``room``; yields its events so far."""
    session = await backend.create_session(
        bv.SessionConfig(user_id="somebody", agent_callback=answer, greeting=STORY, transport=room)
    )
    events: list[Any] = []

    async def collect() -> None:
        async for event in session.events():
            events.append(event)

    collecting = asyncio.create_task(collect())
    await session.start()
    try:
        yield events
    finally:
        await session.stop()
        await collecting


def of(events: list[Any], kind: type[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def test_with_the_canceller_it_is_not_interrupted_by_itself_and_still_by_somebody() -> None:
    async def main() -> None:
        over = voice("Wait, I have another question.")
        async with bv.new_backend("embedded", bv.Config(provider="embedded")) as backend:
            for level in (-20.0, -10.0):
                room = EchoRoom(level, 0.15, reverberation=0.3)
                async with listening(backend, room) as events:
                    await asyncio.sleep(8.0)
                    assert of(events, ev.InterruptionEvent) == [], level
                    assert room.voice[-1][0] == pytest.approx(8.0, abs=0.1), "it was not held"
                    onset = room.say(over)
                    await asyncio.sleep(4.0)
                (cut,) = of(events, ev.InterruptionEvent)
                assert STORY.startswith(cut.heard)
                silent = max(at for at, _ in room.voice if at < onset + 2.0) + 0.02
                assert 0.1 < silent - onset < 1.0, level
                finals = [e.text for e in of(events, ev.TranscriptEvent) if e.final]
                assert "question" in finals[-1]
                assert all("clinic" not in text and "river" not in text for text in finals)

    run(main())


def test_without_it_the_microphone_hears_the_agent() -> None:
    """Otherwise the test above would prove nothing."""

    async def main() -> None:
        config = bv.Config(provider="embedded", noise_cancellation_provider="none")
        async with bv.new_backend("embedded", config) as backend:
            async with listening(backend, EchoRoom(-10.0, 0.15, reverberation=0.3)) as events:
                await asyncio.sleep(4.0)
            assert of(events, ev.InterruptionEvent) or of(events, ev.BackchannelEvent)

    run(main())
