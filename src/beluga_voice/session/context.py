"""What an agent or a tool sees of the conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from beluga_voice.interfaces import ChatMessage, Participant, UserTurn
from beluga_voice.session.room import Room

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
        room: Room,
        say: Callable[[str], None],
        end: Callable[[str], None],
    ) -> None:
        self.session_id = session_id
        self.user_id = user_id
        self.metadata = metadata
        self.turn = turn
        self._history = history
        self._room = room
        self._say = say
        self._end = end

    @property
    def participants(self) -> Sequence[Participant]:
        """Who is in the room, the agent itself left out."""
        return self._room.present

    def name_of(self, identity: str) -> str:
        """The name to show for somebody who is or was in the room."""
        return self._room.name_of(identity)

    @property
    def history(self) -> Sequence[ChatMessage]:
        """The conversation so far, oldest first, the present turn's user messages included."""
        return self._history()

    async def say(self, text: str) -> None:
        """Speaks ``text`` before the rest of the reply."""
        self._say(text)

    def end_session(self, reason: str = "agent_ended") -> None:
        """Ends the session once the reply has been heard."""
        self._end(reason)
