"""Barge-in where it is not quiet: who stops for nothing, how soon for somebody: `scripts/bench noise`.

A person listens to a long greeting while something disturbs. After 7.5 s they say a sentence over it. In virtual time
and with real parts (Silero, pocketsphinx, hibari, WebRTC's echo canceller), so every run gives the same figures,
whatever else the machine does; computing takes no time in it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

import beluga_voice as bv
from beluga_voice.backends.base import Backend
from beluga_voice.events import InterruptionEvent
from beluga_voice.testing.echo_room import EchoRoom
from beluga_voice.testing.loop import run
from bench import canceller
from bench.barge_in import OVER, STORY
from bench.noise_report import Row, markdown, show
from bench.noises import NOISES, scaled
from bench.report import machine
from bench.speech import Utterance, rms, speak

__all__ = ["main"]

_RESULTS = Path(__file__).parent / "results"
BACKCHANNELS = ("Mm hmm.", "Uh huh.", "Yeah.", "Okay.", "Right.")
# Seconds of the agent's voice: before the disturbance, before the person speaks, and after that.
_BEFORE, _UNTIL, _AFTER = 0.5, 7.5, 4.0
_GAP = 0.25  # without a frame for so long the agent is silent


@dataclass(frozen=True, slots=True)
class Scene:
    """What disturbs.

    Attributes:
        name: for people.
        noise: of `bench.noises`, or empty.
        level: of the noise in dBFS (of clicks and coughs: while they sound).
        echo: level of the echo in dB, or None.
        canceller: the echo canceller is on, as it is where a transport says that it echoes.
        backchannels: a word of a listener every 1.5 s.
    """

    name: str
    noise: str = ""
    level: float = -40.0
    echo: float | None = None
    canceller: bool = True
    backchannels: bool = False


SCENES = (
    Scene("quiet"),
    Scene("white noise, -40 dBFS", "white", -40),
    Scene("pink noise, -35 dBFS", "pink", -35),
    Scene("typing", "typing", -30),
    Scene("coughs", "coughs", -25),
    Scene("echo -20 dB, canceller", echo=-20),
    Scene("echo -20 dB, none", echo=-20, canceller=False),
    Scene("echo -10 dB, canceller", echo=-10),
    Scene("echo -10 dB, none", echo=-10, canceller=False),
    Scene("back-channels", backchannels=True),
)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("scripts/bench noise", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=8, help="of each scene")
    parser.add_argument("--only", default="", help="scenes whose name contains this")
    parser.add_argument("--out", type=Path, default=_RESULTS, metavar="FOLDER")
    options = parser.parse_args(arguments)
    facts = machine()
    facts |= canceller.facts(asyncio.run(speak(STORY))[0])
    began = time.monotonic()
    chosen = [scene for scene in SCENES if options.only in scene.name]
    rows = run(_measure(chosen, options.runs))
    facts["measured"] = f"{time.strftime('%Y-%m-%d')}, in {time.monotonic() - began:.0f} s"
    console = Console() if Console().is_terminal else Console(width=130)
    show(console, rows, facts)
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / "barge-in-noise"
    data = {"machine": facts, "rows": [{**asdict(row), **row.summary()} for row in rows]}
    stem.with_suffix(".json").write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")
    stem.with_suffix(".md").write_text(markdown(rows, facts), "utf-8")
    console.print(f"written: {stem}.json, .md")
    return 0


async def _measure(scenes: Sequence[Scene], runs: int) -> list[Row]:
    over, murmurs = await speak(*OVER), await speak(*BACKCHANNELS)
    rows: list[Row] = []
    for provider in ("", "none"):
        config = bv.Config(provider="embedded", noise_cancellation_provider=provider)
        async with bv.new_backend("embedded", config) as backend:
            plain = await _plain(backend)
            for scene in scenes:
                if scene.canceller is (provider == "none"):
                    continue
                index = SCENES.index(scene)
                row = Row(index, scene.name)
                for number in range(runs):
                    said = over[(number + index) % len(over)]
                    await _play(backend, scene, said, murmurs, number, plain, row)
                rows.append(row)
    return sorted(rows, key=lambda row: row.order)


async def _plain(backend: Backend) -> list[float]:
    """The answer nobody disturbs: how loud each frame is."""
    room = EchoRoom(None, echoes=False)
    async with _session(backend, room):
        await asyncio.sleep(_UNTIL + _AFTER)
    return [rms(pcm) for _, pcm in room.voice]


async def _play(
    backend: Backend,
    scene: Scene,
    over: Utterance,
    murmurs: Sequence[Utterance],
    number: int,
    plain: Sequence[float],
    row: Row,
) -> None:
    """One person."""
    room = EchoRoom(scene.echo, 0.15, reverberation=0.3, seed=number, echoes=scene.echo is not None)
    random = np.random.default_rng(number)
    async with _session(backend, room) as events:
        await asyncio.sleep(_BEFORE)
        first = room.voice[0][0]
        disturbing = asyncio.create_task(_disturb(scene, room, murmurs, random))
        await asyncio.sleep(_UNTIL + 0.13 * number)
        false = [e for e in events if isinstance(e, InterruptionEvent)]
        row.runs += 1
        row.disturbed += room.now - first - _BEFORE
        row.add_voice([(at, rms(pcm)) for at, pcm in room.voice], plain, bool(false))
        if false:
            row.false += 1
        else:
            onset = room.say(over.pcm) + over.first
            await asyncio.sleep(over.last - over.first + 1.0)
            frames = [at for at, _ in room.voice]
            cut = [e for e in events if isinstance(e, InterruptionEvent)]
            if cut:
                row.silences.append(_silent_from(frames, onset) - onset)
            else:
                row.missed += 1
        disturbing.cancel()
        await asyncio.wait([disturbing])


async def _disturb(
    scene: Scene, room: EchoRoom, murmurs: Sequence[Utterance], random: np.random.Generator
) -> None:
    """Noise for as long as the session lasts, a second at a time, or a listener's words."""
    loop = asyncio.get_running_loop()
    due, count = loop.time(), 0
    while True:
        if scene.noise:
            room.say(scaled(NOISES[scene.noise](random), scene.level))
            due += 1.0
        elif scene.backchannels and count < 4:
            room.say(murmurs[(count + int(random.integers(5))) % len(murmurs)].pcm)
            count, due = count + 1, due + 1.5
        else:
            return
        await asyncio.sleep(max(0.0, due - loop.time()))


@contextlib.asynccontextmanager
async def _session(backend: Backend, room: EchoRoom) -> AsyncIterator[list[object]]:
    """A session in ``room`` that greets; yields its events so far."""
    config = bv.SessionConfig(user_id="bench", agent_callback=_answer, greeting=STORY, transport=room)
    session = await backend.create_session(config)
    events: list[object] = []

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


def _silent_from(starts: Sequence[float], onset: float) -> float:
    """End of the last frame before the first long gap after ``onset``."""
    for at, following in zip(starts, [*starts[1:], float("inf")], strict=True):
        if at > onset - 0.02 and following - at > _GAP:
            return at + 0.02
    return starts[-1] + 0.02


async def _answer(transcript: str) -> str:
    return "All right."
