"""Where nobody cancels the echo, the agent's own words are known for what they are, if the recogniser gets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

import beluga_voice as bv
from beluga_voice import events as ev
from beluga_voice.frames import SttEvent
from beluga_voice.registry import registry_for
from beluga_voice.testing.echo_room import EchoRoom
from beluga_voice.testing.loop import run
from beluga_voice.testing.scripted import tone
from stage import Stage, echo

STORY = (
    "We began many years ago in a small house beside the river with one chair and a patient dentist, "
    "and since then we have grown to six rooms and a garden with a view of the boats."
)
DELAY = 0.15  # of the echo
SLOW = 0.1  # of the recogniser
PACE = 0.06  # seconds a letter of the scripted voice takes


class EchoSTT:
    """Understands the agent's voice in the room word by word, and what somebody says when it is silent.

    Attributes:
        others: what somebody says, and from when.
    """

    def __init__(self) -> None:
        self.room = EchoRoom(None)
        self.others: list[tuple[float, str]] = []

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def open(
        self, *, sample_rate: int, language: str = "en", phrases: Sequence[str] = ()
    ) -> EchoStream:
        return EchoStream(self)

    def heard(self, since: float, until: float) -> str:
        """The words that have come back whole between two times of the room."""
        spoken = [at + DELAY for at, _ in self.room.voice]
        words: list[str] = []
        place = 0
        for word in STORY.split():
            first, place = place, place + len(word) + 1
            frames = spoken[int(first * PACE * 50) : int((place - 1) * PACE * 50)]
            whole = len(frames) >= max(1, int(len(word) * PACE * 50) - 1)
            if whole and since <= frames[0] and frames[-1] <= until:
                words.append(word)
        return " ".join(
            [*words, *(text for at, text in self.others if since <= at + 0.2 and at < until - 0.3)]
        )


class EchoStream:
    def __init__(self, stt: EchoSTT) -> None:
        self._stt = stt
        self._events: asyncio.Queue[SttEvent | None] = asyncio.Queue()
        self._since: float | None = None
        self._segment = 0
        self._told = ""

    def push(self, pcm: bytes, at: float) -> None:
        if self._since is None:
            return
        text = self._stt.heard(self._since, self._stt.room.now - SLOW)
        if text != self._told:
            self._told = text
            self._events.put_nowait(SttEvent(text, segment=self._segment))

    def speech_started(self, at: float) -> None:
        if self._since is None:
            self._since, self._told = self._stt.room.now - 0.3, ""

    def finalize(self, at: float) -> None:
        since = self._since if self._since is not None else self._stt.room.now
        event = SttEvent(self._stt.heard(since, self._stt.room.now), final=True, segment=self._segment)
        self._segment, self._since = self._segment + 1, None
        asyncio.get_running_loop().call_later(SLOW, self._events.put_nowait, event)

    async def events(self) -> AsyncIterator[SttEvent]:
        while (event := await self._events.get()) is not None:
            yield event

    async def close(self) -> None:
        self._events.put_nowait(None)


def listen(stage: Stage, level: float, interrupt: bool) -> tuple[list[Any], EchoRoom]:
    stt = EchoSTT()
    registry_for("stt").register("scripted", lambda settings: stt, override=True)
    stt.room = room = EchoRoom(level, DELAY)
    values = {**stage.config(noise_cancellation_provider="none").model_dump(), "vad_provider": "energy"}
    events: list[Any] = []

    async def main() -> None:
        async with bv.new_backend("embedded", bv.Config(**values)) as backend:
            session = await backend.create_session(
                bv.SessionConfig(user_id="somebody", transport=room, agent_callback=echo, greeting=STORY)
            )
            await session.start()
            await asyncio.sleep(8.0)
            if interrupt:
                stt.others.append((room.say(tone(1.0, hertz=300.0)), "what does it cost"))
            await asyncio.sleep(6.0)
            await session.stop()
            events.extend([event async for event in session.events()])

    run(main())
    return events, room


@pytest.mark.parametrize("level", [-20.0, -10.0])
def test_its_own_words_do_not_stop_it(stage: Stage, level: float) -> None:
    events, room = listen(stage, level, interrupt=False)
    assert [e for e in events if isinstance(e, ev.InterruptionEvent)] == []
    assert [e for e in events if isinstance(e, ev.TranscriptEvent)] == []
    spoken = "".join(e.text + " " for e in events if isinstance(e, ev.AgentTextEvent) and not e.final)
    assert "garden" in spoken or len(room.voice) > 0.9 * PACE * len(STORY) * 50


@pytest.mark.parametrize("level", [-20.0, -10.0])
def test_somebody_elses_do(stage: Stage, level: float) -> None:
    events, _ = listen(stage, level, interrupt=True)
    (cut,) = [e for e in events if isinstance(e, ev.InterruptionEvent)][:1]
    assert 8.0 < cut.silenced < 9.5, "the onset is that of the echo it is part of"
    finals = [e.text for e in events if isinstance(e, ev.TranscriptEvent) and e.final]
    assert finals[:1] == ["what does it cost"]
