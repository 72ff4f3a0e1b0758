"""Tells a LiveKit room what is said and what the agent does, the way LiveKit's clients show it.

Captions are text streams on the topic ``lk.transcription``: for the user one short stream per partial, all of one
turn with the same ``lk.segment_id``, the last with ``lk.transcription_final``; for the agent one stream per reply
that grows as it is heard. The agent's state is the participant attribute ``lk.agent.state``
(https://docs.livekit.io/agents/build/text/ and https://docs.livekit.io/agents/build/#agent-state, checked 2026-11
with livekit 1.2.0 and livekit-client 2). Words are told at most three times a second. Events also go out as JSON on
the data topic ``beluga.events``, except those that LiveKit's clients have themselves. Nothing is sent to an empty room.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from livekit import rtc

from beluga_voice.transports.livekit_feature import Tell
from beluga_voice.transports.livekit_messages import Packets, send_text

__all__ = ["EVENTS_TOPIC", "STATE_ATTRIBUTE", "TRANSCRIPTION_TOPIC", "Captions", "client_state"]

log = logging.getLogger(__name__)

TRANSCRIPTION_TOPIC = "lk.transcription"
STATE_ATTRIBUTE = "lk.agent.state"
EVENTS_TOPIC = "beluga.events"
_SEGMENT, _FINAL, _TRACK = "lk.segment_id", "lk.transcription_final", "lk.transcribed_track_id"
# A data packet above this is fragmented by SCTP or refused.
_LARGEST_EVENT = 15_000
# LiveKit tells its clients of participants and connections.
_KNOWN = frozenset({"participant", "transport"})
# Seconds from one caption of a growing text to the next; each is a packet, or several, to everybody.
_PACE = 0.3

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
        self._packets: Packets | None = None
        self._partials: dict[str, Mapping[str, Any]] = {}  # by speaker: waits for its time
        self._told_at: dict[str, float] = {}  # by speaker: the last partial of a turn
        self._words = ""  # of the agent, heard and not told yet
        self._words_at = -_PACE

    def attach(self, room: rtc.Room, tell: Tell) -> None:
        """Speaks to ``room`` from now on."""
        del tell
        self._room, self._reply, self._state = room, None, ""
        self._packets = Packets(room, EVENTS_TOPIC)
        self._partials.clear()
        self._told_at.clear()
        self._words, self._words_at = "", -_PACE

    async def send_event(self, event: Mapping[str, Any]) -> None:
        """Publishes a session event; failures are the caller's to log."""
        room = self._room
        if room is None or not room.isconnected():
            return
        kind, at = event["type"], float(event.get("at", 0.0))
        if kind == "state":
            await self._tell_state(room, client_state(str(event["state"])))
        if not room.remote_participants:
            return
        if kind not in _KNOWN and self._packets is not None:
            payload = json.dumps(event, ensure_ascii=False).encode()
            if len(payload) <= _LARGEST_EVENT:
                await self._packets.send(payload)
        if kind == "agent_text":
            await self._agent_said(room, event, at)
        elif kind == "transcript":
            self._partials[str(event.get("participant") or "")] = event
        for who, said in list(self._partials.items()):
            if said["final"] or at >= self._told_at.get(who, -_PACE) + _PACE:
                del self._partials[who]
                await self._user_said(room, who, said)

    async def close(self) -> None:
        """Ends the caption in progress."""
        reply, self._reply = self._reply, None
        if reply is not None and self._room is not None and self._room.isconnected():
            if self._words:
                await reply.write(self._words)
            await reply.aclose(attributes={_FINAL: "true"})
        self._room = None

    async def _tell_state(self, room: rtc.Room, state: str) -> None:
        if state != self._state:
            self._state = state
            await room.local_participant.set_attributes({STATE_ATTRIBUTE: state})

    async def _user_said(self, room: rtc.Room, who: str, event: Mapping[str, Any]) -> None:
        if event["final"]:
            self._told_at.pop(who, None)
        else:
            self._told_at[who] = float(event.get("at", 0.0))
        speaker = who or self._speaker(room)
        participant = room.remote_participants.get(speaker)
        attributes = {
            _SEGMENT: f"{speaker}-turn-{event['turn']}",
            _FINAL: "true" if event["final"] else "false",
            _TRACK: _audio_track(participant) if participant is not None else "",
        }
        await send_text(room, str(event["text"]), TRANSCRIPTION_TOPIC, attributes, speaker)

    async def _agent_said(self, room: rtc.Room, event: Mapping[str, Any], at: float) -> None:
        text = str(event["text"])
        if not event["final"]:
            self._words = f"{self._words} {text}" if self._words or self._reply is not None else text
            if at < self._words_at + _PACE:
                return
        elif self._reply is None and not self._words:
            self._words = text
        if self._words:
            if self._reply is None:
                self._replies += 1
                self._reply = await self._open(room)
            words, self._words, self._words_at = self._words, "", at
            await self._reply.write(words)
        if event["final"]:
            reply, self._reply, self._words_at = self._reply, None, -_PACE
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
