"""What makes an answer come sooner: finals that are asked for, first clauses, and the next sentence ahead."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.session.session import Session
from stage import Stage, collect, speak

QUESTION = "what time do you open on saturday"


def answered(
    stage: Stage, callback: Any, after: float = 5.0, **options: Any
) -> tuple[list[Any], list[bv.AudioFrame]]:
    """Events and agent audio of one question, 1.5 s long."""
    stage.utterances(QUESTION)

    async def play(session: Session) -> tuple[list[Any], list[bv.AudioFrame]]:
        await session.start()
        events = asyncio.create_task(collect(session))
        frames: list[bv.AudioFrame] = []

        async def listen() -> None:
            async for frame in session.receive_audio():
                frames.append(frame)

        listening = asyncio.create_task(listen())
        await speak(session, 1.5, after=after)
        await session.stop()
        await listening
        return await events, frames

    return stage.run(play, callback=callback, greeting="", **options)


def metrics(events: list[Any]) -> ev.MetricsEvent:
    (found,) = [e for e in events if isinstance(e, ev.MetricsEvent)]
    return found


@pytest.mark.parametrize("delay", [0.03, 0.3])
def test_the_final_is_asked_for_at_the_end_of_speech(stage: Stage, delay: float) -> None:
    """The scripted recogniser says its final only when asked: what it takes is its own time and the VAD's."""
    stage.stt.final_delay = delay
    told = metrics(answered(stage, one)[0])
    assert told.transcription is not None
    assert delay < told.transcription < delay + 0.25


def test_a_final_that_does_not_come_is_not_waited_for_longer_than_its_deadline(stage: Stage) -> None:
    stage.stt.final_delay, stage.stt.seconds_per_word = 60.0, 0.2
    events, _ = answered(stage, one)
    told = metrics(events)
    assert told.endpointing == pytest.approx(1.7, abs=0.15)
    assert told.slowest == "transcription"
    assert [e.text for e in events if isinstance(e, ev.TranscriptEvent) and e.final] == [QUESTION]


def test_the_first_clause_is_spoken_before_the_second_is_there(stage: Stage) -> None:
    async def slow(transcript: str) -> AsyncIterator[str]:
        yield "On Saturday, "
        await asyncio.sleep(0.6)
        yield "we open at ten. Is there anything else?"

    events, frames = answered(stage, slow)
    told = metrics(events)
    assert told.tts is not None and told.tts < 0.1
    assert stage.tts.spoken[0] == "On Saturday,"
    assert frames[0].pts < (told.decided or 0.0) + 0.2


def test_a_model_that_stalls_within_a_clause_is_not_waited_for_long(stage: Stage) -> None:
    async def stalls(transcript: str) -> AsyncIterator[str]:
        for word in "Well we are open on Saturday from ten in the morning ".split(" "):
            yield f"{word} "
        await asyncio.sleep(3.0)
        yield "until two."

    told = metrics(answered(stage, stalls, after=8.0)[0])
    assert told.tts is not None and told.tts < 1.0
    assert len(stage.tts.spoken) >= 2


def test_the_next_sentence_is_synthesised_while_one_plays(stage: Stage) -> None:
    """A voice that takes 0.7 s to begin is waited for once, not at each sentence."""
    stage.tts.first_audio = 0.7

    async def three(transcript: str) -> str:
        return (
            "On Saturday we are open from ten to two o'clock. On Sunday we are closed all day long, I fear. "
            "Would you like to book an appointment for this Saturday?"
        )

    _, frames = answered(stage, three, after=14.0)
    assert len(stage.tts.spoken) == 3
    assert sum(f.duration for f in frames) > 8.0
    gaps = [b.pts - a.pts - a.duration for a, b in itertools.pairwise(frames)]
    assert max(gaps) < 0.01, "the voice never waits for its next sentence"


async def one(transcript: str) -> str:
    return "We open at ten."
