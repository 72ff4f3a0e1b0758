"""A session's events, to any number of readers, none of which can slow the conversation down."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable

from beluga_voice.events import ClosedEvent, LevelEvent, SessionEvent, TranscriptEvent
from beluga_voice.pipeline.channel import Channel

__all__ = ["Broadcast"]

BACKLOG = 256


def _matters(event: SessionEvent) -> bool:
    """Events that are not dropped while a lesser one can be."""
    return not isinstance(event, LevelEvent) and not (isinstance(event, TranscriptEvent) and not event.final)


class Broadcast:
    """Sends every event to every subscription; a reader that is slow loses partials and levels first."""

    def __init__(self) -> None:
        self._backlog: deque[SessionEvent] = deque(maxlen=BACKLOG)
        self._subscriptions: list[tuple[Channel[SessionEvent], bool]] = []
        self._listeners: list[Callable[[SessionEvent], None]] = []
        self._closed = False

    def listen(self, listener: Callable[[SessionEvent], None]) -> None:
        """Calls ``listener`` for every event, at once."""
        self._listeners.append(listener)

    def subscribe(self, *, levels: bool = False) -> AsyncIterator[SessionEvent]:
        """A reader that gets what was sent so far (the latest 256) and what follows, until the end."""
        channel: Channel[SessionEvent] = Channel(BACKLOG, "drop_oldest", keep=_matters)
        for event in self._backlog:
            channel.put_nowait(event)
        if self._closed:
            channel.close()
        else:
            self._subscriptions.append((channel, levels))
        return self._read(channel)

    async def _read(self, channel: Channel[SessionEvent]) -> AsyncIterator[SessionEvent]:
        try:
            async for event in channel:
                yield event
        finally:
            self._subscriptions = [s for s in self._subscriptions if s[0] is not channel]

    def send(self, event: SessionEvent) -> None:
        """Tells everybody; after a `ClosedEvent` nothing more is sent."""
        if self._closed:
            return
        is_level = isinstance(event, LevelEvent)
        if not is_level:
            self._backlog.append(event)
        for listener in self._listeners:
            listener(event)
        for channel, levels in list(self._subscriptions):
            if levels or not is_level:
                channel.put_nowait(event)
        if isinstance(event, ClosedEvent):
            self._closed = True
            for channel, _ in self._subscriptions:
                channel.close()
