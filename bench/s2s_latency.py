"""Speech to speech: from the user's last voiced sample to the first frame of the model's voice, by the clock.

The model is scripted and takes 150 ms to begin; everything else is real: spoken questions in a quiet room, the VAD, the
sockets. Turns are taken by us (with speculation) or by the model, whose own patience is then part of the time. Run by
itself (``python -m bench.s2s_latency``) in ``.cache/nova``, it measures Amazon Nova Sonic's SDK too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Any

import beluga_voice as bv
from beluga_voice.events import MetricsEvent
from beluga_voice.testing.nova_sonic_server import NovaSonicServer
from beluga_voice.testing.openai_realtime_server import OpenAIRealtimeServer
from bench.conversation import conversation
from bench.figures import Result, median
from bench.speech import Utterance, speak

__all__ = ["measure"]

QUESTIONS = (
    "What time do you open on Saturday?",
    "How much does a cleaning cost?",
    "Where can I find the clinic?",
    "Are you open on Sunday morning?",
    "Do you have any free times on Friday?",
    "What is the price of a crown?",
)
GOAL_MS = 300
LATENCY = 0.15
# How long the model waits in silence, where it takes turns; shorter cuts the stops inside words.
PATIENCE = 0.1


def measure(quick: bool) -> Result:
    return asyncio.run(_measure(3 if quick else len(QUESTIONS)))


async def _measure(count: int) -> Result:
    result = Result()
    questions = await speak(*QUESTIONS[:count])
    ways = [
        ("scripted", "local"),
        ("scripted", "server"),
        ("openai_realtime", "local"),
        ("openai_realtime", "server"),
    ]
    if find_spec("aws_sdk_bedrock_runtime") is not None:
        ways.append(("nova_sonic", "server"))
    for provider, turns in ways:
        async with _model(provider, turns) as settings:
            config = bv.Config(
                provider="embedded",
                pipeline_type="s2s",
                s2s_provider=provider,
                s2s_config={"turn_detection": turns, **settings},
            )
            async with bv.new_backend("embedded", config) as backend:
                await _ask(backend, questions[0])  # warms up
                asked = [await _ask(backend, q) for q in questions]
        who = "we" if turns == "local" else "the model"
        name = f"{provider}, {who} take{'s' if turns == 'server' else ''} turns"
        result.add_times(f"end of speech → {name}", [wall for wall, _, _ in asked], GOAL_MS)
        told = [m.total or 0.0 for _, m, _ in asked]
        result.data[name] = {
            "wall_s": [round(wall, 4) for wall, _, _ in asked],
            "metrics_s": median(told),
            "early": sum(early for _, _, early in asked),
        }
    return result


@asynccontextmanager
async def _model(provider: str, turns: str) -> AsyncIterator[dict[str, Any]]:
    """Its settings, while it is there."""
    script: dict[str, Any] = {"replies": ["It is a good question."], "latency": LATENCY}
    match provider:
        case "openai_realtime":
            async with OpenAIRealtimeServer(**script) as server:
                patience = {"silence_duration_ms": int(PATIENCE * 1000)}
                yield {"base_url": server.base_url, "api_key": "any", **patience}
        case "nova_sonic":
            async with NovaSonicServer(**script, silence=PATIENCE) as nova:
                keys = {"access_key_id": "any", "secret_access_key": "any"}
                yield {"endpoint": nova.url, "ca_file": nova.ca_file, **keys}
        case _:
            yield {**script, "silence": PATIENCE}


async def _ask(backend: Any, question: Utterance) -> tuple[float, MetricsEvent, int]:
    config = bv.SessionConfig(user_id="bench", greeting="")
    async with conversation(backend, config) as talk:
        await asyncio.sleep(0.3)
        talk.microphone.say(question)
        end = talk.microphone.began + question.last
        async with asyncio.timeout(question.last + 8):
            first = await talk.ears.first_after(end)
        await asyncio.sleep(0.1)
    metrics = [e for e in talk.events if isinstance(e, MetricsEvent)]
    early = sum(at <= end for at, _ in talk.ears.frames)
    return first - end, metrics[-1], early


if __name__ == "__main__":
    for figure in measure(quick=False).figures:
        print(f"{figure.name}: {figure.value:.0f} {figure.unit} (goal {figure.goal}), {figure.note}")
