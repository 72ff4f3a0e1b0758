"""The turn-taking machine as a table: the documentation of who may speak when.

====================  =======================================================================================
state                 what it means, and what ends it
====================  =======================================================================================
``listening``         silence on both sides. Speech → user_speaking; typed text → thinking; idle → closed
``user_speaking``     the user speaks. Silence → deciding; too long → deciding, as it stands
``deciding``          the user paused. Speech → user_speaking; delay over and words in hand → thinking;
                      no words → listening
``thinking``          the agent works on its answer. First audio → speaking; user goes on → user_speaking;
                      nothing to say, failed or too late → listening
``speaking``          the agent's voice is heard. End → listening; user interrupts → interrupted
``interrupted``       the voice was stopped; what was heard is being settled → user_speaking or deciding
``draining``          a graceful stop lets the reply finish → closed
``closed``            the end; nothing leaves it
====================  =======================================================================================

`TABLE` is the whole machine: for each state, each input and timer it takes, which handler of
`beluga_voice.core.turn.TurnMachine` runs and which states may follow, no more and no fewer: the model check finds a way
into each. What is not in the table is late news (a final for a cancelled turn) and is counted.
"""

from __future__ import annotations

from collections.abc import Mapping

from beluga_voice.core.conversation import State

__all__ = ["TABLE", "TIMERS", "Rule"]

_L, _U, _D, _T, _S, _I, _R, _C = (
    State.LISTENING, State.USER_SPEAKING, State.DECIDING, State.THINKING,
    State.SPEAKING, State.INTERRUPTED, State.DRAINING, State.CLOSED,
)  # fmt: skip

# Timers by name: which deadline of the conversation fires them.
TIMERS = ("endpoint", "turn", "reply", "candidate", "idle", "away", "drain", "settle")

Rule = tuple[str, frozenset[State]]


def _to(handler: str, *states: State) -> Rule:
    return handler, frozenset(states)


TABLE: Mapping[State, Mapping[str, Rule]] = {
    _L: {
        "SpeechStarted": _to("_user_starts", _U),
        "SpeechEnded": _to("_close_segment", _L),
        "FinalText": _to("_unexpected_words", _L, _D, _T),
        "TypedText": _to("_typed", _L, _T),
        "SayRequested": _to("_say_now", _T),
        "Stop": _to("_stop", _C),
        "timer:idle": _to("_idle", _C),
        "timer:away": _to("_away", _L),
    },
    _U: {
        "SpeechPaused": _to("_voice_pauses", _U),
        "SpeechResumed": _to("_voice_resumes", _U),
        "SpeechEnded": _to("_user_pauses", _D),
        "PartialText": _to("_words", _U),
        "FinalText": _to("_words", _U),
        "TypedText": _to("_typed", _U, _T),
        "SayRequested": _to("_say_later", _U),
        "Stop": _to("_stop", _R, _C),
        "timer:turn": _to("_turn_too_long", _D),
    },
    _D: {
        "SpeechStarted": _to("_user_goes_on", _D, _U),
        "SpeechEnded": _to("_forced_voice_ends", _D),
        "PartialText": _to("_words", _D, _T, _L, _U),
        "FinalText": _to("_words", _D, _T, _L, _U),
        "TurnProbability": _to("_probability", _D, _T, _L, _U),
        "TypedText": _to("_typed", _D, _T),
        "SayRequested": _to("_say_later", _D),
        "Stop": _to("_stop", _R, _C),
        "timer:endpoint": _to("_endpoint", _T, _L, _U),
    },
    _T: {
        "SpeechStarted": _to("_candidate_starts", _T, _U),
        "SpeechEnded": _to("_candidate_ends", _T),
        "PartialText": _to("_candidate_words", _T, _U, _D),
        "FinalText": _to("_candidate_words", _T, _U, _D),
        "TypedText": _to("_typed_over", _T),
        "SayRequested": _to("_say_later", _T),
        "ToolStarted": _to("_tool_started", _T),
        "PlayoutStarted": _to("_heard", _S),
        "ReplyEnded": _to("_reply_ended", _T, _L, _U, _D),
        "ReplyFailed": _to("_reply_over", _T, _L, _U, _D),
        "PlayoutFinished": _to("_reply_over", _T, _L, _U, _D),
        "Stop": _to("_stop", _R, _C),
        "timer:reply": _to("_reply_too_late", _T, _L, _U, _D),
        "timer:candidate": _to("_candidate_timer", _T, _U),
    },
    _S: {
        "SpeechStarted": _to("_candidate_starts", _S, _I),
        "SpeechEnded": _to("_candidate_ends", _S),
        "PartialText": _to("_candidate_words", _S, _I),
        "FinalText": _to("_candidate_words", _S, _I),
        "TypedText": _to("_typed_over", _S, _T),
        "SayRequested": _to("_say_later", _S),
        "SpeechSuspected": _to("_voice_suspected", _S),
        "SpeechDismissed": _to("_voice_dismissed", _S),
        "ToolStarted": _to("_tool_started", _S),
        "WordsHeard": _to("_words_heard", _S),
        "PlayoutProgress": _to("_progress", _S),
        "ReplyEnded": _to("_reply_ended", _S, _L, _U, _D, _T),
        "ReplyFailed": _to("_reply_over", _L, _U, _D, _T),
        "PlayoutFinished": _to("_reply_over", _L, _U, _D, _T),
        "Stop": _to("_stop", _R, _C),
        "timer:reply": _to("_reply_too_late", _L, _U, _D, _T),
        "timer:candidate": _to("_candidate_timer", _S, _I),
    },
    _I: {
        "SpeechStarted": _to("_voice_while_settling", _I),
        "SpeechEnded": _to("_voice_while_settling", _I),
        "PartialText": _to("_words", _I),
        "FinalText": _to("_words", _I),
        "TypedText": _to("_typed_over", _I, _T),
        "SayRequested": _to("_say_later", _I),
        "PlayoutStopped": _to("_settled", _U, _D, _T, _L),
        "Stop": _to("_stop", _R, _C),
        "timer:settle": _to("_settled_late", _U, _D, _T, _L),
    },
    _R: {
        "PlayoutStarted": _to("_drain_on", _R),
        "PlayoutProgress": _to("_drain_on", _R),
        "ReplyEnded": _to("_drain_reply_ended", _R, _C),
        "ReplyFailed": _to("_drained", _R, _C),
        "PlayoutFinished": _to("_drained", _R, _C),
        "Stop": _to("_stop_draining", _R, _C),
        "timer:drain": _to("_drain_timeout", _C),
    },
    _C: {},
}
