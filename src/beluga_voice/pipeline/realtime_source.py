"""What an agent of ours, or the application, wants said: the model is asked to speak it, piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from beluga_voice.audio.pcm import downmix
from beluga_voice.core.clauses import ClauseSplitter
from beluga_voice.errors import AgentError, BackendError
from beluga_voice.frames import AudioFrame
from beluga_voice.pipeline.channel import Channel

__all__ = ["TextSource"]

_PIECES_AHEAD = 8


class TextSource:
    """Text of one reply, gathered while the model speaks what came before it.

    Args:
        pieces: text, or audio to be played as it is.
        speak: asks the model to speak a text, and returns when it has.
        play: plays audio of the application.
        timeout: seconds the agent may take for a piece.
        error_reply: spoken when it failed.
        on_error: told so.
    """

    def __init__(
        self,
        pieces: AsyncIterator[Any],
        *,
        speak: Callable[[str], Any],
        play: Callable[[bytes, int], None],
        timeout: float,
        error_reply: str,
        on_text: Callable[[], None],
        on_error: Callable[[BackendError, str], None],
    ) -> None:
        self._pieces = pieces
        self._speak = speak
        self._play = play
        self._timeout = timeout
        self._error_reply = error_reply
        self._on_text = on_text
        self._on_error = on_error
        self._splitter = ClauseSplitter()
        self._waiting: Channel[str | AudioFrame] = Channel(_PIECES_AHEAD)

    async def run(self) -> None:
        """Until all is spoken; cancelling it stops the agent."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._gather())
            group.create_task(self._deliver())

    def say(self, text: str) -> None:
        """Adds ``text`` before what the agent says next."""
        for clause in [*self._splitter.flush(), text]:
            self._waiting.put_nowait(clause)

    async def _gather(self) -> None:
        try:
            await self._take_pieces()
        except BackendError as error:
            await self._apologise(error)
        except Exception as error:  # the agent is the user's code; it may fail in any way
            wrapped = AgentError("reply", "agent_error", f"the agent failed: {type(error).__name__}: {error}")
            wrapped.__cause__ = error
            await self._apologise(wrapped)
        for clause in self._splitter.flush():
            await self._waiting.put(clause)
        self._waiting.close()

    async def _take_pieces(self) -> None:
        iterator = aiter(self._pieces)
        try:
            while True:
                try:
                    async with asyncio.timeout(self._timeout):
                        piece = await anext(iterator)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    message = f"the agent gave no text for {self._timeout:g} s; answer sooner or raise Config.timeout"
                    raise AgentError("reply", "timeout", message) from error
                if isinstance(piece, AudioFrame):
                    for clause in self._splitter.flush():
                        await self._waiting.put(clause)
                    await self._waiting.put(piece)
                elif isinstance(piece, str):
                    if piece:
                        self._on_text()
                    for clause in self._splitter.feed(piece):
                        await self._waiting.put(clause)
                else:
                    message = (
                        f"the agent yielded {type(piece).__name__}; yield pieces of text (str) or AudioFrame"
                    )
                    raise AgentError("reply", "agent_error", message)
        finally:
            aclose = getattr(iterator, "aclose", None)
            if aclose is not None:
                with suppress(Exception):
                    async with asyncio.timeout(1.0):
                        await aclose()

    async def _apologise(self, error: BackendError) -> None:
        self._on_error(error, "agent")
        if self._error_reply:
            for clause in [*self._splitter.flush(), self._error_reply]:
                await self._waiting.put(clause)

    async def _deliver(self) -> None:
        async for first in self._waiting:
            if isinstance(first, AudioFrame):
                self._play(downmix(first.data, first.channels), first.sample_rate)
                continue
            text = first
            # What is there already is spoken in one breath: a model's voice falls at the end of each piece.
            while len(self._waiting) and isinstance(self._waiting.peek(), str):
                text = f"{text} {await self._waiting.get()}"
            if text.strip():
                await self._speak(text.strip())
