"""The realtime machine as a table: who may speak when, and what the connection may do meanwhile.

====================  =======================================================================================
state                 what it means, and what ends it
====================  =======================================================================================
``listening``         silence on both sides. Speech, ours or the model's ears → user_speaking; the model answers by
                      itself → thinking; typed text → thinking; idle → closed
``user_speaking``     the user speaks. A pause → deciding; where the model takes turns, its answer → thinking
``deciding``          the user paused. Speech → user_speaking; delay over, or the model answers → thinking; a noise,
                      or no answer → listening
``thinking``          the model was asked. First audio → speaking; user goes on → user_speaking;
                      nothing to say, failed or too late → listening
``speaking``          the model's voice is heard. End → listening; the user interrupts → user_speaking or deciding
``draining``          a graceful stop lets the reply finish → closed
``closed``            the end; nothing leaves it
====================  =======================================================================================

Each rule names the handler of `beluga_voice.core.realtime.RealtimeMachine` and the states that may follow. What is not
in the table is late news and is counted. The connection's rules are the same in every state but ``closed``.
"""

from __future__ import annotations

from collections.abc import Mapping

from beluga_voice.core.conversation import State

__all__ = ["TABLE", "TIMERS", "Rule"]

_L, _U, _D, _T, _S, _R, _C = (
    State.LISTENING, State.USER_SPEAKING, State.DECIDING, State.THINKING, State.SPEAKING, State.DRAINING, State.CLOSED,
)  # fmt: skip

# Timers by name: which deadline of the conversation fires them.
TIMERS = ("endpoint", "turn", "answer", "reply", "candidate", "idle", "away", "drain", "renew", "expire")

Rule = tuple[str, frozenset[State]]


def _to(handler: str, *states: State) -> Rule:
    return handler, frozenset(states)


def _link(state: State) -> dict[str, Rule]:
    return {
        "Linked": _to("_linked", state),
        "LinkLost": _to("_lost", state),
        "Renewed": _to("_renewed", state),
        "RenewFailed": _to("_renew_failed", state),
        "Expiring": _to("_expiring", state),
        "timer:renew": _to("_renew_soon", state),
        "timer:expire": _to("_renew_now", state),
    }


def _responses(state: State) -> dict[str, Rule]:
    """What a reply in progress is told."""
    return {
        "ResponseProgress": _to("_produced", state),
        "ToolAsked": _to("_tool_asked", state),
        "ResponseOver": _to("_response_over", state),
        "ToolsDone": _to("_tools_done", state),
        "PieceAsked": _to("_piece_asked", state),
        "SourceEnded": _to("_source_ended", state),
        "ToolStarted": _to("_tool_started", state),
    }


TABLE: Mapping[State, Mapping[str, Rule]] = {
    _L: {
        **_link(_L),
        "SpeechStarted": _to("_voice", _U),
        "SpeechResumed": _to("_voice", _U),
        "SpeechEnded": _to("_voice_unheard", _L),
        "ModelHeard": _to("_model_hears", _U),
        "ModelPaused": _to("_model_pauses_late", _L),
        "ResponseBegan": _to("_answered", _L, _T),
        "TypedText": _to("_typed", _L, _T),
        "SayRequested": _to("_say_now", _T),
        "Stop": _to("_stop", _C),
        "timer:idle": _to("_idle", _C),
        "timer:away": _to("_away", _L),
    },
    _U: {
        **_link(_U),
        "SpeechStarted": _to("_voice", _U),
        "SpeechPaused": _to("_pause", _U, _D, _T, _L),
        "SpeechEnded": _to("_pause", _U, _D, _T, _L),
        "ModelHeard": _to("_model_hears", _U),
        "ModelPaused": _to("_model_pauses", _D),
        "ResponseBegan": _to("_answered", _U, _T),
        "Words": _to("_words", _U),
        "TypedText": _to("_typed", _U, _T),
        "SayRequested": _to("_say_later", _U),
        "Stop": _to("_stop", _R, _C),
        "timer:turn": _to("_turn_too_long", _D, _T),
    },
    _D: {
        **_link(_D),
        **_responses(_D),
        "SpeechStarted": _to("_voice", _U),
        "SpeechResumed": _to("_voice", _U),
        "SpeechEnded": _to("_voice_gone", _D),
        "ModelHeard": _to("_model_hears", _U),
        "ModelPaused": _to("_model_pauses", _D),
        "ResponseBegan": _to("_answered", _D, _T),
        "Words": _to("_words", _D, _T, _L),
        "TurnProbability": _to("_probability", _D, _T, _L),
        "TypedText": _to("_typed", _D, _T),
        "SayRequested": _to("_say_later", _D),
        "Stop": _to("_stop", _R, _C),
        "timer:endpoint": _to("_endpoint", _T, _L),
        "timer:answer": _to("_no_answer", _D, _L, _T),
    },
    _T: {
        **_link(_T),
        "LinkLost": _to("_lost", _T, _D),
        "Renewed": _to("_renewed", _T, _D),
        **_responses(_T),
        "SpeechStarted": _to("_candidate_starts", _T, _U),
        "SpeechResumed": _to("_candidate_starts", _T, _U),
        "SpeechEnded": _to("_candidate_ends", _T),
        "ModelHeard": _to("_model_cut", _T, _U, _D),
        "ModelPaused": _to("_model_pauses_late", _T),
        "ResponseBegan": _to("_next_response", _T),
        "Words": _to("_candidate_words", _T, _U, _D),
        "TypedText": _to("_typed_over", _T),
        "SayRequested": _to("_say_later", _T),
        "PlayoutStarted": _to("_heard", _S),
        "ReplyEnded": _to("_reply_ended", _T, _L, _U, _D),
        "ReplyFailed": _to("_reply_over", _T, _L, _U, _D),
        "PlayoutFinished": _to("_reply_over", _T, _L, _U, _D),
        "Stop": _to("_stop", _R, _C),
        "timer:reply": _to("_reply_too_late", _T, _L, _U, _D),
        "timer:candidate": _to("_candidate_timer", _T, _U),
    },
    _S: {
        **_link(_S),
        **_responses(_S),
        "SpeechStarted": _to("_candidate_starts", _S, _U),
        "SpeechResumed": _to("_candidate_starts", _S, _U),
        "SpeechEnded": _to("_candidate_ends", _S),
        "ModelHeard": _to("_model_cut", _S, _U, _D),
        "ModelPaused": _to("_model_pauses_late", _S),
        "ResponseBegan": _to("_next_response", _S, _T),
        "Words": _to("_candidate_words", _S, _U, _D),
        "TypedText": _to("_typed_over", _S, _T),
        "SayRequested": _to("_say_later", _S),
        "PlayoutProgress": _to("_progress", _S),
        "ReplyEnded": _to("_reply_ended", _S, _L, _U, _D, _T),
        "ReplyFailed": _to("_reply_over", _L, _U, _D, _T),
        "PlayoutFinished": _to("_reply_over", _L, _U, _D, _T),
        "Stop": _to("_stop", _R, _C),
        "timer:reply": _to("_reply_too_late", _L, _U, _D, _T),
        "timer:candidate": _to("_candidate_timer", _S, _U),
    },
    _R: {
        **_link(_R),
        **_responses(_R),
        "ResponseBegan": _to("_began", _R),
        "Words": _to("_words_of_turn", _R),
        "PlayoutStarted": _to("_drain_heard", _R),
        "ReplyEnded": _to("_drain_reply_ended", _R, _C),
        "ReplyFailed": _to("_drained", _R, _C),
        "PlayoutFinished": _to("_drained", _R, _C),
        "Stop": _to("_stop_draining", _R, _C),
        "timer:drain": _to("_drain_timeout", _C),
    },
    _C: {},
}
