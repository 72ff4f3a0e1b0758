"""Asks the brain: for the reply to a turn, or for one to words that may become a turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from beluga_voice.interfaces import Brain, ChatMessage, UserTurn
from beluga_voice.session.context import TurnContext
from beluga_voice.session.history import History
from beluga_voice.session.room import Room

__all__ = ["Answering"]


class Answering:
    """Gives each turn its context.

    Args:
        session_id: of the session.
        user_id: whose session it is.
        metadata: the session's.
        history: of the conversation.
        room: who is there.
        say: adds words to a reply, by its number.
        end: ends the session once the reply has been heard.

    Attributes:
        turn: number of the turn in hand.
    """

    def __init__(
        self,
        *,
        session_id: str,
        user_id: str,
        metadata: Mapping[str, Any],
        history: History,
        room: Room,
        say: Callable[[int, str], None],
        end: Callable[[str], None],
    ) -> None:
        self._session_id = session_id
        self._user_id = user_id
        self._metadata = metadata
        self._history = history
        self._room = room
        self._say = say
        self._end = end
        self._prepared: TurnContext | None = None
        self.turn = 0

    def context(self, turn: UserTurn, reply: int) -> TurnContext:
        """The context of a turn that was taken and is answered by ``reply``."""
        self.turn = turn.number
        context = self._context(turn, prepared=False)
        context.commit(reply)
        return context

    def prepare(self, brain: Brain, turn: UserTurn) -> AsyncIterator[Any] | None:
        """The brain's words on what may become ``turn``; None where it must not work ahead, or others are there."""
        if not getattr(brain, "speculable", False) or len(self._room.present) > 1:
            return None
        self._prepared = self._context(turn, prepared=True)
        return brain.reply(turn, self._prepared)

    def take_prepared(self, reply: int) -> None:
        """The words became a turn, and what was prepared is ``reply``."""
        context, self._prepared = self._prepared, None
        if context is not None:
            self.turn = context.turn.number
            context.commit(reply)

    def _context(self, turn: UserTurn, *, prepared: bool) -> TurnContext:
        said = [ChatMessage("user", words, participant=who) for who, words in turn.utterances]
        return TurnContext(
            session_id=self._session_id,
            user_id=self._user_id,
            metadata=self._metadata,
            turn=turn,
            history=lambda: self._history.messages,
            ahead=said if prepared else (),
            room=self._room,
            say=self._say,
            end=self._end,
        )
