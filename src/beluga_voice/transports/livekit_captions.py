"""Tells a LiveKit room what is said and what the agent does, the way LiveKit's clients show it.

Captions are text streams on the topic ``lk.transcription``: for the user one short stream per partial, all of one
turn with the same ``lk.segment_id``, the last with ``lk.transcription_final``; for the agent one stream per reply
that grows as it is heard. The agent's state is the participant attribute ``lk.agent.state``
(https://docs.livekit.io/agents/build/text/ and https://docs.livekit.io/agents/build/#agent-state, checked 2026-11
with livekit 1.2.0 and livekit-client 2). All events also go out as JSON on the data topic ``beluga.events``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from livekit import rtc

from beluga_voice.transports.livekit_feature import Tell

__all__ = ["EVENTS_TOPIC", "STATE_ATTRIBUTE", "TRANSCRIPTION_TOPIC", "Captions", "client_state"]

log = logging.getLogger(__name__)

TRANSCRIPTION_TOPIC = "lk.transcription"
STATE_ATTRIBUTE = "lk.agent.state"
EVENTS_TOPIC = "beluga.events"
_SEGMENT, _FINAL, _TRACK = "lk.segment_id", "lk.transcription_final", "lk.transcribed_track_id"
# A data packet above this is fragmented by SCTP or refused.
_LARGEST_EVENT = 15_000

_STATES = {"starting": "initializing", "thinking": "thinking", "speaking": "speaking", "draining": "speaking"}


def client_state(state: str) -> str:
    """Our state in the words LiveKit's clients know: initializing, listening, thinking or speaking."""
    return _STATES.get(state, "listening")


class Captions:
    """A `RoomFeature`.

    Args:
        listens_to: whose words the user's are when the event names nobody; None for the first person in the room.
    """

    def __init__(self, listens_to: str | None = None) -> None:
        self._listens_to = listens_to
        self._room: rtc.Room | None = None
        self._state = ""
        self._reply: rtc.TextStreamWriter | None = None
        self._replies = 0

    def attach(self, room: rtc.Room, tell: Tell) -> None:
        """Speaks to ``room`` from now on."""
        del tell
        self._room, self._reply, self._state = room, None, ""

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Publishes a session event; failures are the caller's to log."""
        room = self._room
        if room is None or not room.isconnected():
            return
        payload = json.dumps(event, ensure_ascii=False)
        if len(payload) <= _LARGEST_EVENT:
            await room.local_participant.publish_data(payload, topic=EVENTS_TOPIC)
        match event["type"]:
            case "state":
                await self._tell_state(room, client_state(str(event["state"])))
            case "transcript":
                await self._user_said(room, event)
            case "agent_text":
                await self._agent_said(room, event)
            case _:
                pass

    async def close(self) -> None:
        """Ends the caption in progress."""
        reply, self._reply = self._reply, None
        if reply is not None and self._room is not None and self._room.isconnected():
            await reply.aclose(attributes={_FINAL: "true"})
        self._room = None

    async def _tell_state(self, room: rtc.Room, state: str) -> None:
        if state != self._state:
            self._state = state
            await room.local_participant.set_attributes({STATE_ATTRIBUTE: state})

    async def _user_said(self, room: rtc.Room, event: Mapping[str, Any]) -> None:
        speaker = str(event.get("participant") or "") or self._speaker(room)
        participant = room.remote_participants.get(speaker)
        attributes = {
            _SEGMENT: f"{speaker}-turn-{event['turn']}",
            _FINAL: "true" if event["final"] else "false",
            _TRACK: _audio_track(participant) if participant is not None else "",
        }
        writer = await room.local_participant.stream_text(
            topic=TRANSCRIPTION_TOPIC, attributes=attributes, sender_identity=speaker or None
        )
        try:
            await writer.write(str(event["text"]))
        finally:
            await writer.aclose()

    async def _agent_said(self, room: rtc.Room, event: Mapping[str, Any]) -> None:
        text = str(event["text"])
        if not event["final"]:
            if self._reply is None:
                self._replies += 1
                self._reply = await self._open(room)
                await self._reply.write(text)
            else:
                await self._reply.write(f" {text}")
            return
        if self._reply is None and text:
            self._replies += 1
            self._reply = await self._open(room)
            await self._reply.write(text)
        reply, self._reply = self._reply, None
        if reply is not None:
            await reply.aclose(attributes={_FINAL: "true"})

    async def _open(self, room: rtc.Room) -> rtc.TextStreamWriter:
        attributes = {
            _SEGMENT: f"{room.local_participant.sid}-reply-{self._replies}",
            _FINAL: "false",
            _TRACK: _audio_track(room.local_participant),
        }
        return await room.local_participant.stream_text(topic=TRANSCRIPTION_TOPIC, attributes=attributes)

    def _speaker(self, room: rtc.Room) -> str:
        if self._listens_to:
            return self._listens_to
        people = [
            p
            for p in room.remote_participants.values()
            if p.kind != rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        ]
        return people[0].identity if people else ""


def _audio_track(participant: rtc.Participant) -> str:
    for publication in participant.track_publications.values():
        if publication.kind == rtc.TrackKind.KIND_AUDIO:
            return publication.sid
    return ""
