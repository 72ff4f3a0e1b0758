"""Typed words in a LiveKit room: text streams on the topic ``lk.chat``, as LiveKit's clients send them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from livekit import rtc

from beluga_voice.transports.livekit_feature import Tell

__all__ = ["CHAT_TOPIC", "Chat"]

log = logging.getLogger(__name__)

CHAT_TOPIC = "lk.chat"
_LONGEST = 4_000
_READ_DEADLINE = 10.0
_MOST_AT_ONCE = 16


class Chat:
    """A `RoomFeature`: a message of a participant becomes a ``text`` control message.

    A message longer than 4,000 characters is cut, one that takes over 10 s is dropped, and so is what comes while 16
    are being read.
    """

    def __init__(self) -> None:
        self._tell: Tell | None = None
        self._reading: set[asyncio.Task[None]] = set()

    def attach(self, room: rtc.Room, tell: Tell) -> None:
        """Reads the chat of ``room`` from now on."""
        self._tell = tell
        room.register_text_stream_handler(CHAT_TOPIC, self._opened)

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Nothing; answers are captions."""

    async def close(self) -> None:
        """Stops reading."""
        self._tell = None
        for task in self._reading:
            task.cancel()
        if self._reading:
            await asyncio.wait(self._reading, timeout=1.0)

    def _opened(self, reader: rtc.TextStreamReader, identity: str) -> None:
        if len(self._reading) >= _MOST_AT_ONCE:
            log.warning(
                "livekit: chat message of %s dropped, %d are being read", identity, len(self._reading)
            )
            reader.close()
            return
        task = asyncio.create_task(self._read(reader, identity), name=f"livekit-chat:{identity}")
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)

    async def _read(self, reader: rtc.TextStreamReader, identity: str) -> None:
        text = ""
        try:
            async with asyncio.timeout(_READ_DEADLINE):
                async for piece in reader:
                    text += piece
                    if len(text) > _LONGEST:
                        break
        except (TimeoutError, ConnectionError) as error:
            log.warning("livekit: chat message of %s dropped: %s", identity, type(error).__name__)
            return
        finally:
            reader.close()
        if self._tell is not None and text.strip():
            self._tell({"type": "text", "text": text[:_LONGEST].strip(), "participant": identity})
