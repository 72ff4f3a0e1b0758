"""What the realtime core remembers of a conversation, and the numbers it decides by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from beluga_voice.core.conversation import Candidate, State
from beluga_voice.core.settings import TurnSettings

__all__ = ["RealtimeSettings", "RealtimeState"]


@dataclass(frozen=True, slots=True)
class RealtimeSettings(TurnSettings):
    """`TurnSettings`, of which ``words_timeout``, ``final_timeout`` and the like keep their sense, and more.

    Attributes:
        server_turns: the model takes turns; else the pauses of the voice decide.
        voice_events: the model tells when it hears the user.
        transcripts: the model tells what the user said.
        agent_reasons: an agent of ours decides what is said; the model is its ears and its voice.
        speculate: ask for the answer at a pause, before it is long enough, and hold it back until then.
        min_voice: a shorter sound is no turn, in seconds.
        answer_timeout: from the end of speech until a model that takes turns must answer.
        unheard_timeout: from the end of a voice that the model did not hear until it counts for nothing.
        renew_early: how long before the vendor's limit a quiet moment is looked for, at most half the limit.
        renew_latest: how long before the limit the connection is renewed in any case.
        renew_retry: seconds between tries.
    """

    max_guesses: int = 4
    server_turns: bool = True
    voice_events: bool = True
    transcripts: bool = True
    agent_reasons: bool = False
    speculate: bool = True
    min_voice: float = 0.15
    answer_timeout: float = 10.0
    unheard_timeout: float = 1.5
    renew_early: float = 300.0
    renew_latest: float = 8.0
    renew_retry: float = 5.0


@dataclass(slots=True)
class RealtimeState:
    """All state of the realtime machine. Times are seconds on the session's timeline.

    Attributes:
        now: the latest time told.
        state: who has the word.
        timers: deadlines by name.
        active_at: when either side last said something.
        away_told: `UserAway` was told since then.
        turn: number of the present or last user turn.
        turn_open: it has begun and is not committed.
        onset: when it began.
        speech_end: when its last voice was heard.
        voiced: we hear the user now.
        model_voiced: the model hears the user now.
        model_heard: the model heard the user in this turn.
        model_at: when the model last said anything.
        words: what the user said in the turn, as far as the model has told.
        words_final: … and nothing is missing.
        words_due: the agent waits for them.
        uncommitted: the model has audio that is not committed.
        probability: a turn detector's judgement, or None.
        committed_at: when the last turn was committed.
        reply: the reply in progress, 0 for none.
        last_reply: the highest number given.
        reply_turn: the turn it answers, 0 for none.
        interruptible: the user may cut it.
        held: it is speculative: its turn is not decided.
        guesses: speculative replies of this turn so far.
        acted: it has run a tool.
        audible: some of it was heard.
        ended: nothing more of it is being made.
        produced: audio of it came.
        retried: the model failed and was asked once more.
        asked: responses asked for and not begun.
        responses: responses under way.
        calls: tools are to be run or running.
        source: the agent is still giving text.
        candidate: speech over it.
        typed: words typed while it could not be interrupted.
        says: texts that wait for silence, each with whether it may be interrupted.
        linked: a connection stands.
        redo: the model must be asked again on the next connection.
        resend: … and hear the turn again.
        unsent: typed words that the model was not given yet.
        limit_at: when the vendor ends the connection; 0 for never.
        renew_due: it is time to look for a quiet moment.
        renewing: another connection is being opened.
        stalled: connections given up in a row for silence.
        close_reason: why it is draining.
    """

    now: float = 0.0
    state: State = State.LISTENING
    timers: dict[str, float] = field(default_factory=dict[str, float])
    active_at: float = 0.0
    away_told: bool = False
    turn: int = 0
    turn_open: bool = False
    onset: float = 0.0
    speech_end: float = 0.0
    voiced: bool = False
    model_voiced: bool = False
    model_heard: bool = False
    model_at: float = 0.0
    words: str = ""
    words_final: bool = False
    words_due: bool = False
    uncommitted: bool = False
    probability: float | None = None
    committed_at: float = -1e9
    reply: int = 0
    last_reply: int = 0
    reply_turn: int = 0
    interruptible: bool = True
    held: bool = False
    guesses: int = 0
    acted: bool = False
    audible: bool = False
    ended: bool = False
    produced: bool = False
    retried: bool = False
    asked: int = 0
    responses: list[str] = field(default_factory=list[str])
    calls: bool = False
    source: bool = False
    candidate: Candidate | None = None
    typed: str = ""
    says: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    linked: bool = False
    redo: bool = False
    resend: bool = False
    unsent: list[str] = field(default_factory=list[str])
    limit_at: float = 0.0
    renew_due: bool = False
    renewing: bool = False
    stalled: int = 0
    close_reason: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RealtimeState:
        """The reverse of ``dataclasses.asdict``, also after a round trip through JSON."""
        data = dict(values)
        data["state"] = State(data["state"])
        data["says"] = [(str(text), bool(interruptible)) for text, interruptible in data["says"]]
        if data["candidate"] is not None:
            data["candidate"] = Candidate(**data["candidate"])
        return cls(**data)
