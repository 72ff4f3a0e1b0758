"""The agent's voice on its way out: paced in real time, lowered, held or cut at a moment's notice."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from beluga_voice.audio.pcm import Gain
from beluga_voice.core.playout import Playout
from beluga_voice.frames import AudioFrame
from beluga_voice.pipeline.deadline import within
from beluga_voice.pipeline.parts import Sink
from beluga_voice.pipeline.timeline import Timeline

__all__ = ["Mouth", "MouthEvents"]

log = logging.getLogger(__name__)

FRAME_SECONDS = 0.02
# Frames are sent this far ahead of real time: enough for a busy loop, little enough to cut within it. A sink may say
# that it takes less; when the loop is found busy, it is this for a while all the same.
LEAD_SECONDS = 0.04
_BUSY_FOR = 5.0
# Speech waiting to be sent; synthesis of the next sentence waits while there is more.
MAX_QUEUED_SECONDS = 4.0
# Frames go out this much earlier or later than their time where the user's audio wakes the loop anyway.
_SLACK = 0.01
DUCKED = 0.15
_PROGRESS_EVERY = 1.0
_WORDS_EVERY = 0.1
_SEND_DEADLINE = 5.0


@dataclass(slots=True)
class MouthEvents:
    """Who is told what happens to a reply; all are called on the event loop.

    Attributes:
        started: the first frame of a reply was sent.
        progress: about once a second while it is sent.
        words: words newly heard.
        finished: all of it was sent and heard.
        failed: the sink did not take it.
    """

    started: Callable[[int], None]
    progress: Callable[[int], None]
    words: Callable[[int, str], None]
    finished: Callable[[int], None]
    failed: Callable[[Exception], None]


class Mouth:
    """Sends one reply at a time to a sink, in frames of 20 ms.

    Args:
        sink: where frames go.
        timeline: paces and stamps them.
        sample_rate: of the frames, in Hz.
        events: told what happens.
    """

    def __init__(self, sink: Sink, timeline: Timeline, sample_rate: int, events: MouthEvents) -> None:
        self._sink = sink
        self._timeline = timeline
        self._rate = sample_rate
        self._events = events
        self._frame_bytes = int(sample_rate * FRAME_SECONDS) * 2
        self._gain = Gain(ramp_samples=max(1, sample_rate // 200))
        self._frames: deque[bytes] = deque()
        self._tail = bytearray()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._clears: set[asyncio.Task[None]] = set()
        self._turn: asyncio.Future[None] | None = None  # what `run` waits for until it may send
        self._turn_from = 0.0
        self._ticked = False
        self._next_at = 0.0
        self._lead = self._least_lead = min(sink.output_lead, LEAD_SECONDS)
        self._busy_until = 0.0
        self._progress_at = self._words_at = 0.0
        self._held = False
        self.reply = 0
        self._playout = Playout()
        self._ending = False
        self._sent = 0.0
        self.silent_since = 0.0

    # --- filling ------------------------------------------------------------------------------------------

    def begin(self, reply: int) -> None:
        """Starts an empty reply; whatever was left of another one is gone."""
        self._drop()
        self.reply, self._playout = reply, Playout()
        self._ending = self._held = False
        self._sent = 0.0
        self._gain.set(1.0, at_once=True)

    def begin_piece(self, reply: int, text: str) -> None:
        """The next audio speaks ``text``."""
        if reply == self.reply:
            self._playout.begin_piece(text)

    def add_words(self, reply: int, text: str) -> None:
        """The present piece says ``text`` too."""
        if reply == self.reply:
            self._playout.add_text(text)

    async def queue(self, reply: int, pcm: bytes, word_ends: tuple[float, ...] = ()) -> None:
        """Adds mono s16le audio at the mouth's rate; waits while enough is queued; late audio is dropped."""
        while reply == self.reply and len(self._frames) * FRAME_SECONDS >= MAX_QUEUED_SECONDS:
            self._room.clear()
            await self._room.wait()
        if reply != self.reply:
            return
        self._playout.queue(len(pcm) / (2 * self._rate), word_ends)
        self._tail += pcm
        size = self._frame_bytes
        while len(self._tail) >= size:
            self._frames.append(bytes(self._tail[:size]))
            del self._tail[:size]
        self._wake.set()

    def end_piece(self, reply: int) -> None:
        """The present piece has all its audio."""
        if reply == self.reply:
            self._playout.end_piece()

    def end(self, reply: int) -> bool:
        """No more audio will come. Returns whether the reply has any; if so ``finished`` follows."""
        if reply != self.reply:
            return False
        if self._tail:
            self._frames.append(bytes(self._tail).ljust(self._frame_bytes, b"\0"))
            self._tail.clear()
        self._playout.end_piece()
        self._ending = True
        self._wake.set()
        return bool(self._frames) or self._sent > 0

    # --- control: takes effect with the next frame, which sounds after those sent ahead ---------------------

    def duck(self) -> None:
        """Lowers the voice within 5 ms."""
        self._gain.set(DUCKED)

    def hold(self) -> None:
        """Stops sending; nothing is lost."""
        if not self._held:
            self._held = True
            self.silent_since = max(self._timeline.now(), self._next_at) + self._sink.output_delay

    def resume(self) -> None:
        """Goes on where it was held, at full voice."""
        self._held = False
        self._gain.set(1.0)
        self._wake.set()

    def stop(self) -> str:
        """Cuts the reply now and returns what was heard of it."""
        if not self._held:
            self.silent_since = self._timeline.now() + self._sink.output_delay
        unheard = max(0.0, self._next_at - self._timeline.now()) if not self._held else 0.0
        self._playout.play(-min(unheard + self._sink.output_delay, self._playout.played))
        heard = self._playout.heard()
        if self._sent:
            task = asyncio.get_running_loop().create_task(self._clear())
            self._clears.add(task)
            task.add_done_callback(self._clears.discard)
        self._drop()
        self.reply = 0
        return heard

    def heard(self) -> str:
        """What was heard of the present reply."""
        return self._playout.heard()

    @property
    def output_delay(self) -> float:
        """Seconds from sending a frame to the user's ear, as far as the sink knows."""
        return self._sink.output_delay

    @property
    def played(self) -> float:
        """Seconds heard of the present reply, or of the last one that was stopped."""
        return self._playout.played

    # --- sending --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            if self._held or not self._frames:
                if self._ending and not self._held and self.reply:
                    await self._finish()
                    continue
                self._wake.clear()
                await self._wake.wait()
                continue
            now = self._timeline.now()
            if self._next_at - self._lead - _SLACK > now:
                await self._pause(self._next_at - self._lead, now)
                continue
            self._next_at = max(self._next_at, now)
            await self._send(self._frames.popleft())

    def _pace(self, now: float, due: float) -> None:
        """Sends further ahead while the loop wakes late."""
        if now - due > self._least_lead / 2:
            self._lead, self._busy_until = LEAD_SECONDS, now + _BUSY_FOR
        elif now > self._busy_until:
            self._lead = self._least_lead

    def tick(self) -> None:
        """Something else woke the event loop: a frame that is about due goes now, which saves a timer's wake-up."""
        self._ticked = True
        turn = self._turn
        if turn is not None and self._timeline.now() >= self._turn_from and not turn.done():
            turn.set_result(None)

    async def _pause(self, until: float, now: float) -> None:
        """Waits for a tick near ``until``, or for the clock where there was none lately."""
        loop = asyncio.get_running_loop()
        slack = _SLACK if self._ticked else 0.0
        self._ticked = False
        self._turn, self._turn_from = loop.create_future(), until - _SLACK
        timer = loop.call_later(until + slack - now, _come, self._turn)
        try:
            await self._turn
        finally:
            self._turn = None
            timer.cancel()
        self._pace(self._timeline.now(), until + slack / 2)

    async def _send(self, pcm: bytes) -> None:
        reply = self.reply
        self._room.set()
        frame = AudioFrame(self._gain.apply(pcm), self._rate, 1, pts=self._next_at)
        self._next_at += FRAME_SECONDS
        first = self._sent == 0.0
        self._sent += FRAME_SECONDS
        try:
            await within(_SEND_DEADLINE, self._sink.send(frame))
        except Exception as error:  # a transport may fail in any way; the session must hear of it
            self._drop()
            self._events.failed(error)
            return
        if reply != self.reply:
            return
        if first:
            self._events.started(reply)
        self._playout.play(FRAME_SECONDS)
        self._tell(reply)

    def _tell(self, reply: int) -> None:
        now = self._next_at
        if now - self._words_at >= _WORDS_EVERY:
            self._words_at = now
            words = self._playout.newly_heard()
            if words:
                self._events.words(reply, words)
        if now - self._progress_at >= _PROGRESS_EVERY:
            self._progress_at = now
            self._events.progress(reply)

    async def _finish(self) -> None:
        """Waits until the last frame has sounded, unless something happens first."""
        reply = self.reply
        left = self._next_at + self._sink.output_delay - self._timeline.now()
        if self._sent and left > 0.001:
            self._wake.clear()
            try:
                async with asyncio.timeout(left):
                    await self._wake.wait()
            except TimeoutError:
                pass
            else:
                return
        if reply != self.reply or self._held:
            return
        words = self._playout.newly_heard()
        if words:
            self._events.words(reply, words)
        sent, self._ending = self._sent, False
        if sent:
            self._events.finished(reply)

    async def _clear(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._sink.clear()
        except Exception as error:
            log.debug("transport did not clear: %s", type(error).__name__)

    def _drop(self) -> None:
        self._frames.clear()
        self._tail.clear()
        self._ending = False
        self._next_at = min(self._next_at, self._timeline.now())
        self._room.set()
        self._wake.set()

    async def close(self) -> None:
        """Awaits what is still being cleared."""
        self._drop()
        if self._clears:
            await asyncio.wait(self._clears, timeout=1.0)


def _come(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
