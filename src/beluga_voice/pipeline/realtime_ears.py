"""The users' audio in a speech-to-speech conversation: to our voice activity detection, and to the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from beluga_voice import events as ev
from beluga_voice.core.inputs import SpeechEnded, SpeechStarted
from beluga_voice.core.realtime_words import SpeechPaused, SpeechResumed
from beluga_voice.core.talk import Talk
from beluga_voice.errors import BackendError, CapacityError
from beluga_voice.frames import AudioFrame
from beluga_voice.pipeline.ear import EAR_RATE
from beluga_voice.pipeline.realtime_input import RealtimeInput
from beluga_voice.pipeline.realtime_parts import RealtimeParts
from beluga_voice.pipeline.realtime_person import Person, Voiced
from beluga_voice.pipeline.room_mix import RoomMix
from beluga_voice.pipeline.timeline import Timeline
from beluga_voice.pipeline.turn_judge import TurnJudge

__all__ = ["RealtimeEars"]

# Audio this fresh is waited for by that of the others; whose is older is late or muted.
_FRESH = 0.12
# A voice whose audio stopped coming for this long has ended (the microphone was muted in the middle of a word).
_VOICE_LOST = 1.5
# Whoever was silent for this long makes room for somebody else.
_MAKES_ROOM = 5.0
_MAX_REFUSED = 1000


class Listener(Protocol):
    """Who is told what is heard."""

    def tell(self, event: Any, now: float | None = None) -> None:
        """A voice began, paused, went on or ended."""
        ...

    def on_audio_time(self, at: float) -> None:
        """The audio up to ``at`` is judged."""
        ...

    def emit(self, event: ev.SessionEvent) -> None:
        """What only the outside is told."""
        ...

    def error(self, error: BackendError, stage: str) -> None:
        """A failure that the session survives."""
        ...


class RealtimeEars:
    """An ear for each participant whose audio the transport labels; the model hears the sum of all.

    The room has a voice while anybody speaks, and pauses when all do. A first ear without a name is there from the
    start; the first participant takes it over.

    Args:
        parts: voice activity detector and noise filter.
        timeline: stamps the audio of the first one; others have branches of it.
        listener: is told what was heard.
        to_model: takes the audio.
        judge: asked at pauses, or None.
        words: what the users have said so far, as far as the model has told.
        max_speakers: how many people are heard at the same time.
    """

    def __init__(
        self,
        parts: RealtimeParts,
        timeline: Timeline,
        listener: Listener,
        to_model: RealtimeInput,
        judge: TurnJudge | None,
        words: Callable[[], str],
        max_speakers: int = 8,
    ) -> None:
        self._parts = parts
        self._timeline = timeline
        self._listener = listener
        self._to_model = to_model
        self._judge = judge
        self._words = words
        self._max = max_speakers
        self._people: dict[str, Person] = {}
        self._talk = Talk()
        self._mix = RoomMix(to_model.rate, to_model.take)
        self._mixing = self._levels = False
        self._refused: set[str] = set()
        self._open = False

    def start(self) -> None:
        """Begins to listen."""
        self._open = True
        self._add("", self._timeline)

    def stop(self) -> None:
        """Hears nothing more."""
        self._open = False
        for person in self._people.values():
            person.close()
        self._people.clear()

    def want_level(self) -> None:
        """Level events are wanted from now on."""
        self._levels = True
        for person in self._people.values():
            person.want_level()

    def spoken_by(self) -> str:
        """Whose words the audio since the last time is: whoever talked longest; empty where nobody has a name."""
        return self._talk.take(self._timeline.now())

    def hear(self, frame: AudioFrame) -> None:
        """Takes a frame of somebody's audio."""
        if not self._open:
            return
        person = self._people.get(frame.participant) or self._admit(frame.participant)
        if person is None:
            return
        person.hear(frame)
        if self._parts.noise is None:  # else the model hears what was cleaned
            self._tell_model(person, frame, person.timeline.audio_end)
        if not self._mixing:
            return
        now = self._timeline.now()
        self._mix.release(min(p.timeline.audio_end for p in self._fresh(now) or [person]))
        self._end_lost_voices(now)

    def _tell_model(self, person: Person, frame: AudioFrame, end: float) -> None:
        if self._mixing:
            self._mix.push(person.who, frame, end)
        else:
            self._to_model.hear(frame, end)

    def played(self, frame: AudioFrame, delay: float) -> None:
        """The agent's voice, for echo cancellers; see `beluga_voice.interfaces.NoiseStream.played`."""
        for person in self._people.values():
            person.played(frame, delay)

    def left(self, who: str) -> None:
        """``who`` is gone."""
        self._refused.discard(who)
        if who and who in self._people:
            self._remove(self._people[who])

    def muted(self, who: str) -> None:
        """No more audio comes from ``who``."""
        if who in self._people:
            self._people[who].end_voice()

    # --- people -----------------------------------------------------------------------------------------------

    def _add(self, who: str, timeline: Timeline) -> Person:
        person = self._people[who] = Person(who, timeline, self._parts.vad, self, self._parts.noise)
        if self._levels:
            person.want_level()
        return person

    def _admit(self, who: str) -> Person | None:
        """An ear for somebody who is heard for the first time; None where there is no place."""
        first = self._people.get("")
        if first is not None and not first.used:
            del self._people[""]
            first.who = who
            self._people[who] = first
            return first
        if not self._room_for(who):
            return None
        if not self._mixing:
            self._mixing = True
            self._mix.begin(
                max((p.timeline.audio_end for p in self._people.values()), default=self._timeline.now())
            )
        return self._add(who, self._timeline.branch())

    def _room_for(self, who: str) -> bool:
        if len(self._people) < self._max:
            return True
        idle = min(self._people.values(), key=lambda p: p.timeline.heard_at)
        if idle.timeline.heard_at < self._timeline.now() - _MAKES_ROOM:
            self._remove(idle)
            return True
        if who not in self._refused and len(self._refused) < _MAX_REFUSED:
            self._refused.add(who)
            message = (
                f"{who!r} is not heard: {self._max} participants are already; raise GroupConfig.max_speakers, "
                "or mix the room into one stream"
            )
            self._listener.error(CapacityError("hear", "participant_limit_exceeded", message), "s2s")
        return False

    def _remove(self, person: Person) -> None:
        person.end_voice()
        person.close()
        del self._people[person.who]
        self._mix.forget(person.who)
        if self._judge is not None:
            self._judge.forget(person.who)

    def _fresh(self, now: float) -> list[Person]:
        return [p for p in self._people.values() if now - p.timeline.heard_at <= _FRESH]

    def _end_lost_voices(self, now: float) -> None:
        for person in self._people.values():
            if person.voiced and now - person.timeline.heard_at > _VOICE_LOST:
                person.end_voice()

    # --- what the ears tell -----------------------------------------------------------------------------------

    def on_voice(self, person: Person, event: Voiced) -> None:
        """Somebody's voice, as a voice of the room."""
        others = [p for p in self._people.values() if p is not person]
        if isinstance(event, SpeechStarted):
            self._talk.began(person.who, event.at)
        elif isinstance(event, SpeechEnded):
            self._talk.ended(person.who, event.at)
        if any(p.talking for p in others):
            return
        if any(p.voiced for p in others):  # they pause, and so does the room
            if isinstance(event, SpeechStarted):
                event = SpeechResumed(event.at)
            elif isinstance(event, SpeechEnded):
                if person.paused:
                    return
                event = SpeechPaused(event.at)
        now = person.timeline.audio_end
        if self._mixing and isinstance(event, SpeechPaused | SpeechEnded):
            self._mix.release(now)
        self._listener.tell(event, now=now)
        if self._judge is not None and isinstance(event, SpeechPaused | SpeechResumed):
            self._judge.ask(person.who, self._words())

    def on_audio(self, person: Person, pcm: bytes, at: float) -> None:
        """The model wants to hear it where it was cleaned, and a turn detector."""
        if self._parts.noise is not None:
            self._tell_model(person, AudioFrame(pcm, EAR_RATE), at)
        if self._judge is not None:
            self._judge.hear(person.who, pcm)

    def on_audio_time(self, person: Person) -> None:
        """The time that everybody's audio has reached."""
        at = person.judged
        if self._mixing:
            fresh = self._timeline.now() - _FRESH
            at = min((p.judged for p in self._people.values() if p.judged >= fresh), default=at)
        self._listener.on_audio_time(at)

    def on_level(self, person: Person, dbfs: float, probability: float) -> None:
        """Somebody is so loud."""
        self._listener.emit(
            ev.LevelEvent(
                at=self._timeline.now(),
                dbfs=round(dbfs, 1),
                speech=round(probability, 2),
                participant=person.who,
            )
        )
