"""From the end of a question to the first audio of the answer, in the real pipeline, in real time.

Measured twice: by the session (`MetricsEvent`), and from outside, by the clock, from the last voiced sample of the
recording to the first frame of the answer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import beluga_voice as bv
from beluga_voice.agents.clinic import clinic_desk
from beluga_voice.backends.base import Backend
from beluga_voice.events import MetricsEvent, TranscriptEvent
from bench.conversation import conversation
from bench.figures import Result, median
from bench.speech import Utterance, speak

__all__ = ["STAGES", "measure"]

# None of them is, word for word, among the phrases the agent declares.
QUESTIONS = (
    "What time do you open on Saturday?",
    "How much does a cleaning cost?",
    "I would like to book an appointment for Tuesday.",
    "Where can I find the clinic?",
    "Can I pay with a credit card?",
    "Is there any parking near the clinic?",
    "Are you open on Sunday morning?",
    "What is the price of a crown?",
    "Do you have any free times on Friday?",
    "I need to cancel my appointment.",
)
STAGES = ("endpointing", "llm", "tts", "playout")


@dataclass(frozen=True, slots=True)
class _Answer:
    wall: float
    early: int
    metrics: MetricsEvent
    heard: str


def measure(quick: bool) -> Result:
    answers, questions = asyncio.run(_measure(QUESTIONS[:4] if quick else QUESTIONS))
    result = Result()
    result.add_times("end of speech → agent audio, by the clock", [a.wall for a in answers], 500)
    result.add_times("end of speech → agent audio, by its metrics", [a.metrics.total or 0.0 for a in answers])
    for stage in (*STAGES, "transcription"):
        values = [v for a in answers if (v := getattr(a.metrics, stage)) is not None]
        beside = " (beside endpointing)" if stage == "transcription" else ""
        result.data[stage] = median(values)
        result.add_times(f"   {stage}{beside}", values)
    wrong = sum(_errors(_words(q.text), _words(a.heard)) for q, a in zip(questions, answers, strict=True))
    words = sum(len(_words(q.text)) for q in questions)
    result.add("words recognised wrong", 100 * wrong / words, "%", 10, f"{wrong} of {words}")
    result.data["questions"] = [
        {"asked": q.text, "heard": a.heard, "wall_s": a.wall, "metrics_s": a.metrics.total, "early": a.early}
        for q, a in zip(questions, answers, strict=True)
    ]
    return result


async def _measure(texts: tuple[str, ...]) -> tuple[list[_Answer], list[Utterance]]:
    questions = await speak(*texts)
    async with bv.new_backend("embedded", bv.Config(provider="embedded")) as backend:
        await _ask(backend, questions[0])  # warms up
        return [await _ask(backend, q) for q in questions], questions


async def _ask(backend: Backend, question: Utterance) -> _Answer:
    config = bv.SessionConfig(user_id="bench", agent=clinic_desk(), greeting="")
    async with conversation(backend, config) as talk:
        await asyncio.sleep(0.3)
        talk.microphone.say(question)
        end = talk.microphone.began + question.last
        async with asyncio.timeout(question.last + 8):
            first = await talk.ears.first_after(end)
        await asyncio.sleep(0.1)
    metrics = [e for e in talk.events if isinstance(e, MetricsEvent)]
    heard = [e.text for e in talk.events if isinstance(e, TranscriptEvent) and e.final]
    early = sum(at <= end for at, _ in talk.ears.frames)
    return _Answer(first - end, early, metrics[-1], heard[-1])


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() or c in "' " else " " for c in text.lower()).split()


def _errors(said: list[str], heard: list[str]) -> int:
    """Words to change, add or leave out (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, a in enumerate(said, 1):
        left, row = row, [i]
        for j, b in enumerate(heard, 1):
            row.append(min(left[j] + 1, row[-1] + 1, left[j - 1] + (a != b)))
    return row[-1]
