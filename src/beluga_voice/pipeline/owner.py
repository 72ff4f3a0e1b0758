"""What a pipeline asks of the session around it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from beluga_voice import events as ev
from beluga_voice.interfaces import UserTurn

__all__ = ["Owner"]


class Owner(Protocol):
    """The session around a pipeline."""

    def emit(self, event: ev.SessionEvent) -> None:
        """Tells the outside."""
        ...

    def record(self, kind: str, now: float, value: Any) -> None:
        """Writes a line of the event log."""
        ...

    def name_of(self, participant: str) -> str:
        """The name to show for an identity."""
        ...

    def user_said(self, turn: UserTurn, at: float) -> None:
        """A turn becomes history."""
        ...

    def user_took_back(self, turn: int) -> None:
        """… and no longer is, because the user went on."""
        ...

    def agent_said(self, turn: int, text: str, at: float, interrupted: bool) -> None:
        """What was heard of a reply becomes history."""
        ...

    def reply_alive(self) -> None:
        """The present reply is heard; told about once a second."""
        ...

    def reply_over(self) -> None:
        """The present reply is over, heard or not."""
        ...

    def answers(self, turn: UserTurn, onset: float) -> bool:
        """Whether a turn that began at ``onset`` is for the agent at all."""
        ...

    def answer(self, turn: UserTurn, reply: int) -> AsyncIterator[Any]:
        """The agent's words."""
        ...

    def prepare(self, turn: UserTurn) -> AsyncIterator[Any] | None:
        """The agent's words on a turn that may not come to be, or None if it does not work ahead."""
        ...

    def take_prepared(self, reply: int) -> None:
        """The turn that was prepared last came to be, and its answer is ``reply``."""
        ...

    def say_pieces(self, text: str) -> AsyncIterator[Any]:
        """What `SayRequested` with ``text`` speaks."""
        ...

    def closed(self, reason: str) -> None:
        """The conversation is over."""
        ...
