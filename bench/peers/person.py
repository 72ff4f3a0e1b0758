"""One person in front of a framework: a microphone with a script, what a recogniser would hear, and a loudspeaker.

Nothing here knows a framework, and nothing but numpy is needed, so the same file runs in every environment. All
times are the event loop's. A sample of speech is spoken when the schedule says so, however late the loop is; so
whatever comes late counts as delay.
"""

from __future__ import annotations

import asyncio
import wave
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["FRAME", "RATE", "Microphone", "Person", "Speaker", "Spoken", "Utterance", "load"]

RATE = 16_000
FRAME = 0.02
_SAMPLES = int(RATE * FRAME)
_LEAD_IN = 0.5  # seconds of a cycle before its utterance
# Audio after this much silence at the loudspeaker is a new reply.
_GAP = 0.25
# Words with a pause of this length between them are final one after the other, as with a recogniser of its own ears.
_PAUSE = 0.3


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech in frames of 20 ms, its words with their ends, and its first and last voiced sample, in seconds."""

    text: str
    frames: tuple[bytes, ...]
    words: tuple[tuple[str, float, float], ...]
    first: float
    last: float


@dataclass(slots=True)
class Spoken:
    """An utterance that was said: the times of its first and last voiced sample."""

    text: str
    first: float
    last: float


def load(entry: dict[str, Any]) -> Utterance:
    """Reads one utterance of a job."""
    with wave.open(entry["wav"]) as file:
        assert (file.getframerate(), file.getnchannels()) == (RATE, 1), entry["wav"]
        pcm = file.readframes(file.getnframes())
    size = 2 * _SAMPLES
    frames = tuple(pcm[i : i + size].ljust(size, b"\0") for i in range(0, len(pcm), size))
    words = tuple((str(w), float(a), float(b)) for w, a, b in entry["words"])
    return Utterance(entry["text"], frames, words, entry["first"], entry["last"])


class Microphone:
    """20 ms at a time: the noise of a quiet room, and what is said into it.

    Args:
        room: frames of noise, repeated.
        partial: seconds from the end of a word to the partial that has it.
        final: seconds from the end of speech to its final.
    """

    def __init__(self, room: tuple[bytes, ...], partial: float, final: float) -> None:
        self._room = room
        self._partial = partial
        self._final = final
        self._rest: deque[bytes] = deque()
        self._count = 0
        self._zero = 0.0
        self.spoken: list[Spoken] = []
        self.hears: deque[tuple[float, str, bool]] = deque()

    def start(self, at: float) -> None:
        """The first sample is taken at ``at``."""
        self._zero = at

    @property
    def index(self) -> int:
        """Frames so far."""
        return self._count

    @property
    def now(self) -> float:
        """When the next frame begins."""
        return self._zero + self._count * FRAME

    @property
    def talking(self) -> bool:
        """Whether something is being said."""
        return bool(self._rest)

    def say(self, utterance: Utterance) -> None:
        """Begins to speak with the next frame, and tells the recogniser when it will hear what."""
        began = self.now
        self._rest = deque(utterance.frames)
        self.spoken.append(Spoken(utterance.text, began + utterance.first, began + utterance.last))
        part: list[str] = []
        for at, (word, _, end) in enumerate(utterance.words):
            part.append(word)
            self.hears.append((began + end + self._partial, " ".join(part), False))
            following = utterance.words[at + 1][1] if at + 1 < len(utterance.words) else None
            if following is None:
                self.hears.append((began + utterance.last + self._final, " ".join(part), True))
            elif following - end >= max(_PAUSE, self._final):
                self.hears.append((began + end + self._final, " ".join(part), True))
                part = []

    def frame(self) -> bytes:
        """The next 20 ms."""
        number, self._count = self._count, self._count + 1
        return self._rest.popleft() if self._rest else self._room[number % len(self._room)]

    def heard(self, now: float) -> list[tuple[str, bool]]:
        """What a recogniser has to tell by ``now``, and did not yet: words so far, and whether they are final."""
        told: list[tuple[str, bool]] = []
        while self.hears and self.hears[0][0] <= now:
            _, text, final = self.hears.popleft()
            told.append((text, final))
        return told

    def segment(self, now: float) -> tuple[float, str]:
        """For a recogniser that is asked for its final: when it has it, and the words. They are told with it."""
        words = ""
        while self.hears:
            at, text, final = self.hears[0]
            if at - (self._final if final else self._partial) > now:
                break  # not said yet
            self.hears.popleft()
            words = text
            if final:
                return max(now, at), words
        return now, words


class Speaker:
    """The person's loudspeaker: plays what comes without a pause, and notes what comes too late for that."""

    def __init__(self, keep_sounds: bool) -> None:
        self._keep = keep_sounds
        self._plan = 0.0  # where the reply would have got to had nothing been late
        self.end = 0.0
        self.replies: list[float] = []
        self.late: list[float] = []
        self.sounds: list[tuple[float, float, float]] = []

    def frame(self, now: float, seconds: float, pcm: bytes) -> None:
        """Audio arrived."""
        if now > self.end + _GAP:
            self.replies.append(now)
            self.end = self._plan = now
        else:
            self.late.append(max(0.0, now - self._plan))
        start = max(now, self.end)
        if self._keep:
            samples = np.frombuffer(pcm, "<i2").astype(np.float32)
            self.sounds.append((start, seconds, float(np.sqrt((samples**2).mean()))))
        self.end = start + seconds
        self._plan += seconds

    def clear(self, now: float) -> None:
        """What was not played yet is thrown away."""
        self.end = self._plan = min(self.end, now)
        while self.sounds and self.sounds[-1][0] >= now:
            self.sounds.pop()


class Person:
    """Microphone and loudspeaker on one clock.

    Args:
        number: of this person; decides what is said first.
        job: the job.
        utterances: said in turn.
        interruptions: said over the agent, where the job is about that.
        room: frames of noise.
    """

    def __init__(
        self,
        number: int,
        job: dict[str, Any],
        utterances: list[Utterance],
        interruptions: list[Utterance],
        room: tuple[bytes, ...],
    ) -> None:
        self.number = number
        self.job = job
        self._utterances = utterances
        self._interruptions = interruptions
        self._loop = asyncio.get_running_loop()
        barge = job["mode"] == "barge_in"
        self.microphone = Microphone(room, job["stt_partial"], job["stt_final"])
        self.speaker = Speaker(barge)
        self._plan = self._interrupt if barge else self._take_turns
        self._cycle = round(job["cycle"] / FRAME)
        self._said = 0
        self._asked = -9.0
        self.lag: list[float] = []

    def start(self, at: float) -> None:
        """The first frame is due 20 ms after ``at``."""
        self.microphone.start(at)

    async def next_frame(self) -> bytes:
        """Waits until the next 20 ms are over and returns them."""
        due = self.microphone.now + FRAME
        ahead = due - self._loop.time()
        if ahead > 0:
            await asyncio.sleep(ahead)
        self.lag.append(self._loop.time() - due)
        self._plan()
        return self.microphone.frame()

    def _take_turns(self) -> None:
        """The next utterance in each cycle; where they are dealt out, each is said once, by one person."""
        cycle, at = divmod(self.microphone.index, self._cycle)
        if at != round(_LEAD_IN / FRAME):
            return
        dealt = cycle * self.job["sessions"] + self.number
        if not self.job.get("deal"):
            self.microphone.say(self._utterances[(cycle + self.number) % len(self._utterances)])
        elif dealt < len(self._utterances):
            self.microphone.say(self._utterances[dealt])

    def _interrupt(self) -> None:
        """Speaks over each reply once it has been heard for a while; asks again when there is none."""
        now = self.microphone.now
        if self.microphone.talking or now < self._asked + 1.0:
            return
        if self.speaker.end > now:
            after = 1.2 + 0.37 * (self._said % 5)
            if now >= self.speaker.replies[-1] + after:
                self._say(self._interruptions)
        elif now > max(self._asked, self.speaker.end) + 4.0:
            self._say(self._utterances)

    def _say(self, choice: list[Utterance]) -> None:
        utterance = choice[(self._said + self.number) % len(choice)]
        self._said += 1
        self._asked = self.microphone.now + len(utterance.frames) * FRAME
        self.microphone.say(utterance)
