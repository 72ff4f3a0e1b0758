"""The conversation as it really was: what the user said, and what they heard."""

from __future__ import annotations

from collections.abc import Iterable

from beluga_voice.interfaces import ChatMessage

__all__ = ["History"]

# Among so many messages a turn that others have told is looked for.
_LATELY = 8


class History:
    """Messages, oldest first.

    Args:
        messages: of an earlier part of the conversation, when it is resumed.
        limit: how many to keep; the oldest go first.
    """

    def __init__(self, messages: Iterable[ChatMessage] = (), limit: int = 1000) -> None:
        self._messages: list[tuple[int, ChatMessage]] = [(0, m) for m in messages]
        self._limit = limit

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        """All messages."""
        return tuple(m for _, m in self._messages)

    def user(self, turn: int, text: str, at: float, participant: str = "") -> None:
        """Somebody said something in a turn that is over; ``turn`` is 0 for what others tell of it."""
        message = ChatMessage("user", text, at=at, participant=participant)
        if turn:
            self._adopt(message)
        self._add(turn, message)

    def take_back(self, turn: int) -> None:
        """The turn was not over after all: it leaves the history, and will come back longer."""
        self._messages = [(t, m) for t, m in self._messages if not (t == turn and m.role == "user")]

    def agent(self, turn: int, text: str, at: float, *, interrupted: bool) -> None:
        """The user heard ``text``."""
        self._add(turn, ChatMessage("assistant", text, at=at, interrupted=interrupted))

    def _adopt(self, message: ChatMessage) -> None:
        """A turn that others had told already is told once."""
        for index in reversed(range(max(0, len(self._messages) - _LATELY), len(self._messages))):
            turn, told = self._messages[index]
            same = (told.role, told.participant, told.content) == (
                "user",
                message.participant,
                message.content,
            )
            if turn == 0 and same and message.participant:
                del self._messages[index]
                return

    def _add(self, turn: int, message: ChatMessage) -> None:
        self._messages.append((turn, message))
        if len(self._messages) > self._limit:
            del self._messages[0]
