"""Everybody who is heard: an ear for each participant, opened with their first audio, merged by `core.crowd`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from beluga_voice.core import inputs as inp
from beluga_voice.core.crowd import Crowd, Finalize, Step
from beluga_voice.core.voice_activity import VoiceEvent
from beluga_voice.core.voices import utterances
from beluga_voice.errors import BackendError, CapacityError
from beluga_voice.events import LevelEvent, SessionEvent
from beluga_voice.frames import AudioFrame, SttEvent
from beluga_voice.pipeline.parts import Parts, PipelineOptions
from beluga_voice.pipeline.speaker import Speaker
from beluga_voice.pipeline.timeline import Timeline
from beluga_voice.pipeline.turn_judge import BEFORE, TurnJudge

__all__ = ["Ears", "Listener"]

# Deadlines of a turn follow the audio of everybody whose audio is this fresh; others are late or muted.
_FRESH = 0.12
# A voice whose audio stopped coming for this long has ended (the microphone was muted in the middle of a word).
_VOICE_LOST = 1.5
# An ear without audio for this long is closed; where places are short, one without audio for the second time.
_ABSENT = 60.0
_MAKES_ROOM = 5.0
# Audio that was on its way when somebody left comes within this time; then their last words are waited for.
_LATE_AUDIO = 0.3
_LAST_WORDS = 1.5
# A recogniser that was given up is tried again after this long.
_DEAF_FOR = 30.0
_LOOK_EVERY = 0.5
_MAX_REFUSED = 1000


class Listener(Protocol):
    """The pipeline that is told what is heard."""

    def heard(self, event: inp.Input, now: float) -> None:
        """An input for the turn core."""
        ...

    def on_audio_time(self, at: float) -> None:
        """All audio up to ``at`` has been judged: deadlines of the turn are due on this clock."""
        ...

    def emit(self, event: SessionEvent) -> None:
        """An event for the outside."""
        ...

    def error(self, error: BackendError, stage: str) -> None:
        """A failure that the session survives."""
        ...


class Ears:
    """All ears of one session.

    A first ear without a name is opened at the start, so that a lone user is heard at once; the first participant with
    a name takes it over if nobody used it.

    Args:
        parts: the backend's providers.
        options: the session's settings.
        timeline: the session's.
        timeout: seconds a recogniser may take to open.
        listener: told what is heard.
        spawn: starts a task that its owner awaits.
    """

    def __init__(
        self,
        parts: Parts,
        options: PipelineOptions,
        timeline: Timeline,
        timeout: float,
        listener: Listener,
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
    ) -> None:
        self._parts = parts
        self._options = options
        self._timeline = timeline
        self._timeout = timeout
        self._listener = listener
        self._spawn = spawn
        self._crowd = Crowd()
        self._speakers: dict[str, Speaker] = {}
        self._refused: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._levels = self._used = self._closed = False
        self._judge: TurnJudge | None = None
        if parts.turn is not None:
            self._judge = TurnJudge(
                parts.turn, spawn, lambda p: listener.heard(inp.TurnProbability(p), timeline.now())
            )

    async def start(self) -> None:
        """Opens the first ear.

        Raises:
            BackendError: if its recogniser cannot be opened in time.
        """
        first = self._make("", self._timeline)
        await first.recogniser.open()
        self._begin(first)

    async def close(self) -> None:
        """Closes all ears and recognisers, within their deadline; their tasks are their owner's."""
        self.stop()
        if self._speakers:
            await asyncio.gather(*(s.recogniser.close() for s in self._speakers.values()))

    def stop(self) -> None:
        """Hears nothing more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for speaker in self._speakers.values():
            speaker.close_ear()

    # --- in -----------------------------------------------------------------------------------------------

    def hear(self, frame: AudioFrame) -> None:
        """Takes a frame of somebody's audio."""
        if self._closed:
            return
        speaker = self._speakers.get(frame.participant) or self._admit(frame.participant)
        if speaker is None:
            return
        if speaker.deaf_since is not None:
            if self._timeline.now() < speaker.deaf_since + _DEAF_FOR:
                return
            self._forget(speaker)
            return self.hear(frame)
        if speaker.left_at is not None and self._timeline.now() > speaker.left_at + _LATE_AUDIO:
            speaker.left_at = None  # back again
        self._used = True
        speaker.hear(frame)

    def played(self, frame: AudioFrame, delay: float) -> None:
        """The agent's voice, for echo cancellers; see `beluga_voice.interfaces.NoiseStream.played`."""
        for speaker in self._speakers.values():
            speaker.played(frame, delay)

    def want_level(self) -> None:
        """Level events are wanted from now on."""
        self._levels = True
        for speaker in self._speakers.values():
            speaker.want_level()

    def left(self, who: str) -> None:
        """``who`` has left the room: their last words are waited for, then their ear is closed."""
        self._refused.discard(who)
        speaker = self._speakers.get(who)
        if speaker is not None and who:
            self._see_off(speaker)

    def muted(self, who: str) -> None:
        """``who`` has muted the microphone: what they said is over, once what was heard has been judged."""
        speaker = self._speakers.get(who)
        if speaker is not None:
            asyncio.get_running_loop().call_later(_FRESH, speaker.end_voice)

    def said(self, who: str, text: str) -> str:
        """``text`` with its speaker, for the turn core."""
        return self._crowd.said(who, text)

    def ask_final(self, at: float) -> None:
        """Makes the recognisers finish the words so far; what follows is a segment of its own."""
        self._perform(self._crowd.ask_final(at, self._timeline.now()), None)

    def ask_judge(self, text: str, onset: float) -> None:
        """Has a turn detector, if there is one, judge the last speaker in ``text``; ``onset`` is the turn's."""
        said = utterances(text)
        if self._judge is not None and said:
            who, words = said[-1]
            self._judge.ask(who, words, self._timeline.now() - onset + BEFORE)

    # --- speakers -----------------------------------------------------------------------------------------

    def _make(self, who: str, timeline: Timeline) -> Speaker:
        speaker = Speaker(who, timeline, self._parts, self._options, self._timeout, self)
        if self._levels:
            speaker.want_level()
        self._speakers[who] = speaker
        return speaker

    def _begin(self, speaker: Speaker) -> None:
        speaker.task = self._spawn(speaker.recogniser.run(), f"stt-{speaker.who}" if speaker.who else "stt")

    def _admit(self, who: str) -> Speaker | None:
        """An ear for somebody who is heard for the first time; None where there is no place."""
        if not self._used and "" in self._speakers:
            speaker = self._speakers.pop("")
            speaker.who = who
            self._speakers[who] = speaker
        else:
            if not self._room_for(who):
                return None
            speaker = self._make(who, self._timeline.branch())
            self._begin(speaker)
        self._refused.discard(who)
        self._watch()
        return speaker

    def _see_off(self, speaker: Speaker) -> None:
        if speaker.left_at is not None or self._closed:
            return
        speaker.left_at = self._timeline.now()
        self._spawn(speaker.see_off(_LATE_AUDIO, _LAST_WORDS, self._forget), f"see-off-{speaker.who}")

    def _room_for(self, who: str) -> bool:
        limit = self._options.max_speakers
        if len(self._speakers) < limit:
            return True
        idle = min(self._speakers.values(), key=lambda s: s.heard_at)
        if idle.heard_at < self._timeline.now() - _MAKES_ROOM:
            self._see_off(idle)
        if who not in self._refused and len(self._refused) < _MAX_REFUSED:
            self._refused.add(who)
            message = (
                f"{who!r} is not heard: {limit} participants are already; raise GroupConfig.max_speakers, "
                "or mix the room into one stream"
            )
            self._listener.error(CapacityError("hear", "participant_limit_exceeded", message), "stt")
        return False

    def _forget(self, speaker: Speaker) -> None:
        if self._speakers.get(speaker.who) is speaker:
            del self._speakers[speaker.who]
        if self._judge is not None:
            self._judge.forget(speaker.who)
        now = self._timeline.now()
        self._perform(self._crowd.left(speaker.who, speaker.timeline.audio_end, now), now)

    def _watch(self) -> None:
        if self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_EVERY, self._look)

    def _look(self) -> None:
        """Voices whose audio stopped, and people who are long gone."""
        self._timer = None
        now = self._timeline.now()
        for speaker in list(self._speakers.values()):
            silent = now - speaker.heard_at
            if silent > _VOICE_LOST and speaker.voiced:
                speaker.end_voice()
            if silent > _ABSENT and speaker.who:
                self._see_off(speaker)
        if any(s.who or s.voiced for s in self._speakers.values()):
            self._watch()

    # --- what is heard ------------------------------------------------------------------------------------

    def on_voice(self, speaker: Speaker, event: VoiceEvent) -> None:
        """A voice began, pauses, goes on or ended."""
        now = speaker.timeline.audio_end
        if isinstance(event, inp.SpeechStarted):
            self._watch()
            self._perform(self._crowd.voice_started(speaker.who, event.at), now)
        elif isinstance(event, inp.SpeechEnded):
            self._perform(self._crowd.voice_ended(speaker.who, event.at), now)
        elif not any(s.voiced for s in self._speakers.values() if s is not speaker):
            self._listener.heard(event, now)

    def on_audio(self, speaker: Speaker, pcm: bytes) -> None:
        """A turn detector wants to hear it."""
        if self._judge is not None:
            self._judge.hear(speaker.who, pcm)

    def on_audio_time(self, speaker: Speaker) -> None:
        """The time that everybody's audio has reached."""
        at = speaker.judged
        if len(self._speakers) > 1:
            fresh = self._timeline.now() - _FRESH
            at = min((s.judged for s in self._speakers.values() if s.judged >= fresh), default=at)
        self._listener.on_audio_time(at)

    def on_level(self, speaker: Speaker, dbfs: float, probability: float) -> None:
        """Somebody is so loud."""
        self._listener.emit(
            LevelEvent(
                at=self._timeline.now(),
                dbfs=round(dbfs, 1),
                speech=round(probability, 2),
                participant=speaker.who,
            )
        )

    def on_words(self, speaker: Speaker, event: SttEvent) -> None:
        """Words of somebody, merged with everybody's."""
        now = self._timeline.now()
        self._perform(self._crowd.words(speaker.who, event.segment, event.text, now, final=event.final), now)

    def on_error(self, speaker: Speaker, error: BackendError) -> None:
        """A recogniser failed and is opened again."""
        self._listener.error(error, "stt")

    def on_gone(self, speaker: Speaker) -> None:
        """A recogniser was given up: the only one ends the session, one of several only its own hearing for a while."""
        if not speaker.who:
            self._listener.heard(inp.Stop("error"), self._timeline.now())
            return
        speaker.deaf_since = self._timeline.now()
        speaker.close_ear()
        now = self._timeline.now()
        self._perform(self._crowd.left(speaker.who, speaker.timeline.audio_end, now), now)

    def _perform(self, steps: Sequence[Step], now: float | None) -> None:
        for step in steps:
            if not isinstance(step, Finalize):
                self._listener.heard(step, self._timeline.now() if now is None else now)
            elif step.who in self._speakers:
                self._speakers[step.who].recogniser.finalize(step.at, goes_on=step.goes_on)
