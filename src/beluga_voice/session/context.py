"""What an agent or a tool sees of the conversation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from beluga_voice.interfaces import ChatMessage, Participant, UserTurn
from beluga_voice.session.room import Room

__all__ = ["TurnContext"]


class TurnContext:
    """The `beluga_voice.interfaces.Context` of one turn; nothing is said or ended through it before `commit`.

    Args:
        session_id: of the session.
        user_id: whose session it is.
        metadata: the session's.
        turn: to be answered.
        history: gives the conversation.
        ahead: what the history will end with if the words become a turn.
        room: who is there.
        say: adds words to a reply, by its number.
        end: ends the session once the reply has been heard.
    """

    def __init__(
        self,
        *,
        session_id: str,
        user_id: str,
        metadata: Mapping[str, Any],
        turn: UserTurn,
        history: Callable[[], Sequence[ChatMessage]],
        room: Room,
        ahead: Sequence[ChatMessage] = (),
        say: Callable[[int, str], None],
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
        self._ahead = tuple(ahead)
        self._reply = 0
        self._ending: str | None = None
        self._committed = asyncio.Event()

    def commit(self, reply: int) -> None:
        """The turn was taken; its answer is ``reply``."""
        self._reply = reply
        self._ahead = ()
        self._committed.set()
        if self._ending is not None:
            self._end(self._ending)

    async def committed(self) -> None:
        """Returns when the turn was taken: at once, but for words that may still become one."""
        await self._committed.wait()

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
        return (*self._history(), *self._ahead)

    async def say(self, text: str) -> None:
        """Speaks ``text`` before the rest of the reply."""
        await self._committed.wait()
        self._say(self._reply, text)

    def end_session(self, reason: str = "agent_ended") -> None:
        """Ends the session once the reply has been heard."""
        if self._committed.is_set():
            self._end(reason)
        else:
            self._ending = reason
