"""What an agent or a tool sees of the conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from beluga_voice.interfaces import ChatMessage, UserTurn

__all__ = ["TurnContext"]


class TurnContext:
    """The `beluga_voice.interfaces.Context` of one turn."""

    def __init__(
        self,
        *,
        session_id: str,
        user_id: str,
        metadata: Mapping[str, Any],
        turn: UserTurn,
        history: Callable[[], Sequence[ChatMessage]],
        say: Callable[[str], None],
        end: Callable[[str], None],
    ) -> None:
        self.session_id = session_id
        self.user_id = user_id
        self.metadata = metadata
        self.turn = turn
        self._history = history
        self._say = say
        self._end = end

    @property
    def history(self) -> Sequence[ChatMessage]:
        """The conversation so far, oldest first, the present turn's user message included."""
        return self._history()

    async def say(self, text: str) -> None:
        """Speaks ``text`` before the rest of the reply."""
        self._say(text)

    def end_session(self, reason: str = "agent_ended") -> None:
        """Ends the session once the reply has been heard."""
        self._end(reason)
