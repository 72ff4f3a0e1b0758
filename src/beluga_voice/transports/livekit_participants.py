"""Who is in a LiveKit room, as control messages, and whose tracks to hear."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import Any

from livekit import rtc

from beluga_voice.transports.livekit_audio import RoomAudio
from beluga_voice.transports.livekit_feature import Tell
from beluga_voice.transports.livekit_preconnect import announced
from beluga_voice.transports.livekit_router import router
from beluga_voice.transports.livekit_settings import SettingsModel

__all__ = ["Participants", "participant_facts"]

# Data packets told in a second; a flood must not drown the session.
_DATA_PER_SECOND = 200
_SILENT_TOPICS = ("lk.",)
_ASK_AGAIN = 2.0


class Participants:
    """Follows a room: tells who comes, goes and changes, and listens to those who are wanted.

    Args:
        room: the room, before it is connected.
        settings: whom to hear.
        audio: takes the tracks.
        tell: is told everything.
    """

    def __init__(
        self,
        room: rtc.Room,
        settings: SettingsModel,
        audio: RoomAudio,
        tell: Tell,
    ) -> None:
        self._room = room
        self._settings = settings
        self._audio = audio
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._second = 0.0
        self._data = self._dropped = 0
        self._speaking: set[str] = set()
        self._told: set[str] = set()
        self.identities: set[str] = set()
        self._pending: dict[str, rtc.RemoteTrackPublication] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        handlers: Mapping[str, Callable[..., None]] = {
            "participant_connected": self._on_joined,
            "participant_disconnected": self._on_left,
            "participant_attributes_changed": self._on_attributes,
            "participant_metadata_changed": self._on_metadata,
            "participant_name_changed": self._on_name,
            "track_published": self._on_published,
            "track_unpublished": self._on_unpublished,
            "track_subscribed": self._on_subscribed,
            "track_unsubscribed": self._on_unsubscribed,
            "track_muted": self._on_muted,
            "track_unmuted": self._on_unmuted,
            "active_speakers_changed": self._on_speakers,
            "data_received": self._on_data,
            "sip_dtmf_received": self._on_dtmf,
        }
        for event, handler in handlers.items():
            room.on(event, handler)  # pyright: ignore[reportArgumentType, reportUnknownMemberType]

    def begin(self) -> None:
        """Tells who is there already and listens to them; call when connected."""
        for participant in list(self._room.remote_participants.values()):
            self._on_joined(participant)
            for publication in list(participant.track_publications.values()):
                self._on_published(publication, participant)

    def resubscribe(self) -> None:
        """Asks again for all tracks that have not come; call when the SDK has reconnected."""
        for sid in list(self._pending):
            self._subscribe(sid)

    def stop(self) -> None:
        """Asks for nothing more."""
        self._pending.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def hears(self, participant: rtc.RemoteParticipant) -> bool:
        """Whether this participant is listened to."""
        if self._settings.participant:
            return participant.identity == self._settings.participant
        return (
            self._settings.hear == "everyone"
            or participant.kind != rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        )

    # --- participants ---------------------------------------------------------------------------------------

    def _on_joined(self, participant: rtc.RemoteParticipant) -> None:
        # Somebody may join between the answer of `connect` and `begin`, and is then seen twice.
        if participant.sid in self._told:
            return
        self._told.add(participant.sid)
        self.identities.add(participant.identity)
        self._say(participant, "joined", participant_facts(participant))

    def _on_left(self, participant: rtc.RemoteParticipant) -> None:
        self.identities.discard(participant.identity)
        self._speaking.discard(participant.identity)
        self._told.discard(participant.sid)
        for publication in participant.track_publications.values():
            self._forget(publication.sid)
        reason = participant.disconnect_reason
        name = "" if reason is None else rtc.DisconnectReason.Name(reason).lower()
        self._say(participant, "left", {"reason": name})

    def _on_attributes(self, changed: dict[str, str], participant: rtc.Participant) -> None:
        self._say(
            participant, "attributes", {"changed": dict(changed), "attributes": dict(participant.attributes)}
        )

    def _on_metadata(self, participant: rtc.Participant, old: str, new: str) -> None:
        self._say(participant, "attributes", {"metadata": new})

    def _on_name(self, participant: rtc.Participant, old: str, new: str) -> None:
        self._say(participant, "attributes", {"name": new})

    def _on_speakers(self, speakers: list[rtc.Participant]) -> None:
        now = {one.identity for one in speakers if isinstance(one, rtc.RemoteParticipant)}
        for identity in sorted(now ^ self._speaking):
            phase = "speaking" if identity in now else "silent"
            self._tell({"type": "participant", "identity": identity, "phase": phase, "data": {}})
        self._speaking = now

    # --- tracks ---------------------------------------------------------------------------------------------

    def _on_published(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if publication.sid in self._told:
            return
        self._told.add(publication.sid)
        self._say(participant, "track_published", _track_facts(publication))
        if publication.kind == rtc.TrackKind.KIND_AUDIO and self.hears(participant):
            self._pending[publication.sid] = publication
            self._subscribe(publication.sid, again=False)

    def _subscribe(self, sid: str, again: bool = True) -> None:
        """Asks for a track until it comes: the SDK loses a request that falls into its own reconnecting."""
        self._timer(sid, None)
        publication = self._pending.get(sid)
        if publication is None:
            return
        if publication.track is not None:
            del self._pending[sid]
            return
        if again:
            publication.set_subscribed(False)
        publication.set_subscribed(True)
        self._timer(sid, self._loop.call_later(_ASK_AGAIN, self._subscribe, sid))

    def _timer(self, sid: str, timer: asyncio.TimerHandle | None) -> None:
        old = self._timers.pop(sid, None)
        if old is not None:
            old.cancel()
        if timer is not None:
            self._timers[sid] = timer

    def _on_unpublished(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        self._forget(publication.sid)
        self._say(participant, "track_unpublished", _track_facts(publication))

    def _on_subscribed(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        self._pending.pop(publication.sid, None)
        self._timer(publication.sid, None)
        if publication.kind == rtc.TrackKind.KIND_AUDIO and self.hears(participant):
            self._audio.add(publication.sid, track, participant.identity, recorded=announced(publication))

    def _on_unsubscribed(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        self._audio.remove(publication.sid)
        router().release(track)

    def _on_muted(self, participant: rtc.Participant, publication: rtc.TrackPublication) -> None:
        self._say(participant, "muted", _track_facts(publication))

    def _on_unmuted(self, participant: rtc.Participant, publication: rtc.TrackPublication) -> None:
        self._say(participant, "unmuted", _track_facts(publication))

    def _forget(self, sid: str) -> None:
        self._told.discard(sid)
        self._pending.pop(sid, None)
        self._timer(sid, None)
        self._audio.remove(sid)

    # --- data -----------------------------------------------------------------------------------------------

    def _on_data(self, packet: rtc.DataPacket) -> None:
        topic = packet.topic or ""
        if topic.startswith(_SILENT_TOPICS):
            return
        now = self._loop.time()
        if now - self._second >= 1.0:
            self._second, self._data = now, 0
        self._data += 1
        if self._data > _DATA_PER_SECOND:
            self._dropped += 1
            return
        facts: dict[str, Any] = {"topic": topic}
        try:
            facts["text"] = packet.data.decode()
        except UnicodeDecodeError:
            facts["base64"] = base64.b64encode(packet.data).decode()
        if self._dropped:
            facts["dropped"], self._dropped = self._dropped, 0
        identity = packet.participant.identity if packet.participant is not None else ""
        self._tell({"type": "participant", "identity": identity, "phase": "data", "data": facts})

    def _on_dtmf(self, dtmf: rtc.SipDTMF) -> None:
        identity = dtmf.participant.identity if dtmf.participant is not None else ""
        self._tell({"type": "dtmf", "digit": dtmf.digit, "participant": identity})

    def _say(self, participant: rtc.Participant, phase: str, data: Mapping[str, Any]) -> None:
        if isinstance(participant, rtc.RemoteParticipant):
            self._tell(
                {"type": "participant", "identity": participant.identity, "phase": phase, "data": dict(data)}
            )


def participant_facts(participant: rtc.Participant) -> dict[str, Any]:
    """Name, kind (``standard``, ``agent``, ``sip``, ``ingress``, ``egress``), attributes and metadata."""
    kind = rtc.ParticipantKind.Name(participant.kind).removeprefix("PARTICIPANT_KIND_").lower()
    return {
        "name": participant.name,
        "kind": kind,
        "attributes": dict(participant.attributes),
        "metadata": participant.metadata,
    }


def _track_facts(publication: rtc.TrackPublication) -> dict[str, Any]:
    kind = rtc.TrackKind.Name(publication.kind).removeprefix("KIND_").lower()
    source = rtc.TrackSource.Name(publication.source).removeprefix("SOURCE_").lower()
    return {"sid": publication.sid, "kind": kind, "source": source, "muted": publication.muted}
