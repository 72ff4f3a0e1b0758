"""A user who speaks over the agent: how soon the voice is lowered, and how soon it is silent.

The voice has a fixed seed, so the same words are the same samples: a frame is lowered when it is softer than the
same frame of an answer nobody interrupted. A frame sounds at its ``pts``, up to 40 ms after it came; the first frame
of an answer sounds when it comes, which ties ``pts`` to the clock.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass

import beluga_voice as bv
from beluga_voice.backends.base import Backend
from beluga_voice.events import InterruptionEvent
from beluga_voice.frames import AudioFrame
from bench.conversation import conversation
from bench.figures import Result
from bench.speech import Utterance, rms, speak

__all__ = ["measure"]

STORY = (
    "Let me tell you all about our clinic and the people who work here every day of the week. "
    "We began many years ago in a small house beside the river, with one chair and one very patient dentist. "
    "Since then we have grown, and now there are six rooms, nine people and a garden with a view of the boats."
)
OVER = (
    "Wait, I have another question.",
    "Excuse me, what does a crown cost?",
    "Stop please, I have to go.",
    "Hold on, that is enough.",
    "No, I meant something else.",
    "Can I ask you something?",
)
_HALF = 0.5
_AUDIBLE = 300.0  # frames softer than this say nothing about their gain
_SILENCE = 0.25  # a gap in the frames as long as this is silence


@dataclass(frozen=True, slots=True)
class _Cut:
    """Seconds from the first voiced sample; None where it cannot be told.

    Attributes:
        noticed: the onset as the session found it.
        duck: the first lowered frame sounds; None if the agent paused just then.
        silence: the last frame has sounded.
    """

    noticed: float | None
    duck: float | None
    silence: float


def measure(quick: bool) -> Result:
    cuts = asyncio.run(_measure(3 if quick else 6))
    result = Result()
    ducks = [c.duck for c in cuts if c.duck is not None]
    if ducks:
        result.add_times("barge-in: onset → voice lowered", ducks, 150)
    result.add_times("barge-in: onset → silence", [c.silence for c in cuts], 300)
    noticed = [c.noticed for c in cuts if c.noticed is not None]
    if noticed:
        result.add_times("   of it, the VAD's onset comes late by", noticed)
    result.add("   taken for interruptions", len(noticed), "", note=f"of {len(cuts)}")
    result.data["cuts"] = [asdict(c) for c in cuts]
    return result


async def _measure(count: int) -> list[_Cut]:
    over = await speak(*OVER)
    async with bv.new_backend("embedded", bv.Config(provider="embedded")) as backend:
        plain = [rms(f.data) for _, f in await _listen(backend)]
        return [await _cut(backend, over[i % len(over)], 1.2 + 0.37 * i, plain) for i in range(count)]


async def _listen(backend: Backend) -> list[tuple[float, AudioFrame]]:
    """The beginning of the answer, with nobody speaking over it."""
    async with conversation(backend, _config()) as talk:
        await asyncio.sleep(5.5)
        return list(talk.ears.frames)


async def _cut(backend: Backend, over: Utterance, after: float, plain: list[float]) -> _Cut:
    async with conversation(backend, _config()) as talk:
        async with asyncio.timeout(10):
            await talk.ears.first_after(0.0)
        await asyncio.sleep(after)
        talk.microphone.say(over)
        onset = talk.microphone.began + over.first
        await asyncio.sleep(over.last + 0.2)
        frames = list(talk.ears.frames)
    shift = frames[0][0] - frames[0][1].pts
    sounds = [(f.pts + shift, f) for _, f in frames]
    lowered = (
        at
        for (at, frame), loud in zip(sounds, plain, strict=False)
        if at > onset and loud > _AUDIBLE and rms(frame.data) < loud * _HALF
    )
    noticed = next((e.onset + shift - onset for e in talk.events if isinstance(e, InterruptionEvent)), None)
    silent = _silent_from([at for at, _ in sounds], onset)
    duck = next(lowered, None)
    return _Cut(noticed, None if duck is None else duck - onset, silent - onset)


def _silent_from(starts: list[float], onset: float) -> float:
    """End of the last frame before the first long gap after ``onset``."""
    for at, following in zip(starts, [*starts[1:], float("inf")], strict=True):
        if at > onset and following - at > _SILENCE:
            return at + 0.02
    raise RuntimeError("the agent was silent before the user spoke")


def _config() -> bv.SessionConfig:
    return bv.SessionConfig(user_id="bench", agent_callback=_answer, greeting=STORY)


async def _answer(transcript: str) -> str:
    return "All right."
