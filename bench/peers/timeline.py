"""What every system under test hears and is told, so that they differ in nothing but themselves.

A manifest (JSON) names WAV files and says when each word ends. A *take* is one utterance with lead-in and tail, played
once into a session of its own, a frame every 20 ms on the clock. The fake recogniser tells the words said so far: a
partial soon after each word, a final after each stretch of speech. Only the standard library: peers run
this file in environments without Beluga Voice.
"""

from __future__ import annotations

import asyncio
import json
import time
import wave
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["FRAME", "RATE", "REPLY", "Fakes", "Hearing", "Take", "load", "play_all", "report"]

RATE = 16_000
FRAME = 0.02
_SIZE = int(RATE * FRAME)
REPLY = "We are open from nine to five every day of the week."


@dataclass(frozen=True)
class Fakes:
    """Seconds that the fakes take.

    Attributes:
        partial: from the end of a word to the partial that holds it.
        final: from the end of a stretch of speech to its final.
        llm: to the first token.
        tts: to the first audio.
    """

    partial: float
    final: float
    llm: float
    tts: float


@dataclass
class Take:
    """One utterance in one session; times are seconds from the first sample of its WAV.

    Attributes:
        id: of the utterance and its pause.
        pcm: mono s16le at 16 kHz, lead-in and tail included.
        words: text and end of each.
        stretches: end of speech of each stretch, the pause between them left out.
        end: the last voiced sample.
        started: when the first sample sounded, by the monotonic clock.
        heard: when frames of the agent's voice came, by the same.
    """

    id: str
    pcm: bytes
    words: list[tuple[str, float]]
    stretches: list[float]
    end: float
    started: float = 0.0
    heard: list[float] = field(default_factory=list)

    @property
    def frames(self) -> int:
        return len(self.pcm) // (2 * _SIZE)

    def agent_frame(self) -> None:
        """A frame of the agent's voice came now."""
        self.heard.append(time.perf_counter() - self.started)


class Hearing:
    """The recogniser of one take, on the clock of the audio it is given.

    Args:
        take: what is said.
        fakes: delays.
    """

    def __init__(self, take: Take, fakes: Fakes) -> None:
        self._take = take
        self._fakes = fakes
        self._samples = 0
        self._told = 0  # words that a final has told
        self._shown = 0  # words that the last partial held
        self._stretch = 0

    @property
    def now(self) -> float:
        """Seconds of audio so far."""
        return self._samples / RATE

    def push(self, samples: int) -> list[tuple[str, bool]]:
        """Takes audio; returns (text, final) of partials and finals that are due, oldest first."""
        self._samples += samples
        out: list[tuple[str, bool]] = []
        said = sum(end + self._fakes.partial <= self.now for _, end in self._take.words)
        if said > max(self._shown, self._told):
            self._shown = said
            out.append((self.text(said), False))
        stretches = self._take.stretches
        if self._stretch < len(stretches) and self.now >= stretches[self._stretch] + self._fakes.final:
            until = self.until(stretches[self._stretch])
            self._stretch += 1
            if until > self._told:
                out.append((self.text(until), True))
                self._told = until
        return out

    def partial(self, samples: int) -> str | None:
        """Takes audio; returns the partial that is due. For recognisers that are asked for their finals."""
        self._samples += samples
        said = sum(end + self._fakes.partial <= self.now for _, end in self._take.words)
        if said <= max(self._shown, self._told):
            return None
        self._shown = said
        return self.text(said)

    def final(self, at: float) -> tuple[str, float]:
        """The words up to ``at`` that no final has told, and when the last of them was said."""
        until = max(self.until(at), self._told)
        text = self.text(until)
        ended = self._take.words[until - 1][1] if until else 0.0
        self._told = until
        return text, ended

    def until(self, at: float) -> int:
        """How many words were said at ``at``."""
        return sum(end <= at + 0.05 for _, end in self._take.words)

    def text(self, until: int) -> str:
        return " ".join(w for w, _ in self._take.words[self._told : until])


def load(manifest: Path) -> tuple[list[Take], Fakes]:
    """Reads a manifest and its WAV files."""
    data = json.loads(manifest.read_text(encoding="utf-8"))
    takes: list[Take] = []
    for item in data["takes"]:
        with wave.open(str(manifest.parent / item["wav"])) as file:
            pcm = file.readframes(file.getnframes())
        words = [(str(w), float(t)) for w, t in item["words"]]
        takes.append(Take(item["id"], pcm, words, item["stretches"], item["end"]))
    return takes, Fakes(**data["fakes"])


async def play(take: Take, push: Callable[[bytes], Awaitable[None] | None]) -> None:
    """Pushes the take's frames on the clock."""
    loop = asyncio.get_running_loop()
    # A sample's time is when the schedule says it sounded, so a late event loop counts as delay.
    zero = loop.time()
    take.started = time.perf_counter()
    for index in range(take.frames):
        await asyncio.sleep(zero + (index + 1) * FRAME - loop.time())
        waiting = push(take.pcm[2 * _SIZE * index : 2 * _SIZE * (index + 1)])
        if waiting is not None:
            await waiting


async def play_all(takes: list[Take], session: Callable[[Take], Awaitable[None]], at_once: int) -> None:
    """Runs a session for every take, ``at_once`` at a time, begun evenly spread."""
    queue = list(reversed(takes))
    longest = max(len(t.pcm) / (2 * RATE) for t in takes)

    async def worker(number: int) -> None:
        await asyncio.sleep(number * longest / at_once)
        while queue:
            await session(queue.pop())

    await asyncio.gather(*(worker(n) for n in range(at_once)))


def report(takes: list[Take], facts: dict[str, Any], path: Path) -> None:
    """Writes when each take heard the agent."""
    heard = {t.id: [round(at, 4) for at in t.heard] for t in takes}
    path.write_text(json.dumps({"facts": facts, "heard": heard}), encoding="utf-8")
