"""Between a session and its transport: the user's audio in, events out, and what is neither."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from beluga_voice import events as ev
from beluga_voice.core import inputs as inp
from beluga_voice.errors import BackendError, ConnectError
from beluga_voice.interfaces import Transport
from beluga_voice.session.realtime import Pipeline
from beluga_voice.session.room import Room

__all__ = ["TransportLink"]

log = logging.getLogger(__name__)

_EVENT_DEADLINE = 5.0


class TransportLink:
    """Two tasks, one for each direction.

    Args:
        name: of the session, for logs and tasks.
        transport: the connection to the user.
        cascade: hears the audio.
        room: is told who comes and goes.
        events: what happens.
        shown: which of it the client is told.
        emit: sends an event to all subscribers.
        now: session time in seconds.
    """

    def __init__(
        self,
        name: str,
        transport: Transport,
        cascade: Pipeline,
        room: Room,
        events: AsyncIterator[ev.SessionEvent],
        shown: Callable[[ev.SessionEvent], bool],
        emit: Callable[[ev.SessionEvent], None],
        now: Callable[[], float],
    ) -> None:
        self._name = name
        self._transport = transport
        self._cascade = cascade
        self._room = room
        self._shown = shown
        self._emit = emit
        self._now = now
        self._open = True
        transport.on_control(self._on_control)
        self._receiver = asyncio.create_task(self._receive(), name=f"{name}:recv")
        self._sender = asyncio.create_task(self._send(events), name=f"{name}:events")

    @property
    def task_count(self) -> int:
        """Tasks that have not ended."""
        return (not self._receiver.done()) + (not self._sender.done())

    def stop_receiving(self) -> None:
        """Hears nothing more."""
        self._open = False
        self._receiver.cancel()

    async def close(self) -> None:
        """Lets the last events out, then closes the transport."""
        await asyncio.wait([self._sender], timeout=0.3)
        self._sender.cancel()
        await self._transport.close()
        await asyncio.wait([self._receiver, self._sender], timeout=0.5)

    async def _receive(self) -> None:
        try:
            async for frame in self._transport.recv():
                if frame.participant:
                    self._room.heard(frame.participant)
                await self._cascade.hear(frame)
        except BackendError as error:
            self._cascade.error(error, "transport")
        except Exception as error:  # a transport may fail in any way
            log.exception("session %s: transport failed", self._name)
            message = f"the transport failed: {type(error).__name__}"
            self._cascade.error(ConnectError("recv", "connection_failed", message), "transport")
        if self._open:
            self._cascade.tell(inp.Stop("transport_lost"))

    async def _send(self, events: AsyncIterator[ev.SessionEvent]) -> None:
        async for event in events:
            if not self._shown(event):
                continue
            try:
                async with asyncio.timeout(_EVENT_DEADLINE):
                    await self._transport.send_event(ev.to_dict(event))
            except Exception as error:  # the audio task tells when the peer is gone
                log.debug("session %s: event not sent: %s", self._name, type(error).__name__)

    def _on_control(self, message: Mapping[str, Any]) -> None:
        if not self._open:
            return
        text = str(message.get("text", "")).strip()
        match message.get("type"):
            case "text" if text:
                self._room.heard(str(message.get("participant", "")))
                self._cascade.typed(text, str(message.get("participant", "")))
            case "dtmf":
                digit, who = str(message.get("digit", ""))[:1], str(message.get("participant", ""))
                self._emit(ev.DtmfEvent(at=self._now(), digit=digit, participant=who))
            case "stop":
                self._cascade.tell(inp.Stop("stopped"))
            case "transport":
                reason = str(message.get("reason", ""))
                self._emit(ev.TransportEvent(at=self._now(), state=message["state"], reason=reason))
            case "participant":
                self._on_participant(message)
            case _:
                log.debug("session %s: unknown control message %s", self._name, message.get("type"))

    def _on_participant(self, message: Mapping[str, Any]) -> None:
        identity, phase = str(message.get("identity", "")), str(message.get("phase", ""))
        data = dict(message.get("data") or {})
        self._room.on_participant(message)
        audio = data.get("kind", "audio") == "audio"  # of the track, where the message is about one
        if phase == "left" or (phase == "track_unpublished" and audio):
            self._cascade.ears.left(identity)
        elif phase == "muted" and audio:
            self._cascade.ears.muted(identity)
        self._emit(
            ev.ParticipantEvent(
                at=self._now(), identity=identity, phase=phase, data=dict(message.get("data") or {})
            )
        )
