"""Who is in the room with the agent, what they are called, and whether a turn is for the agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from beluga_voice.config import GroupConfig
from beluga_voice.core.group import GroupPolicy
from beluga_voice.interfaces import Participant, UserTurn

__all__ = ["Room"]

# Identities kept of those who have left, so that the history can still be shown with names.
_MAX_KNOWN = 1000


class Room:
    """The participants of one session.

    Args:
        config: when to answer in a group.
        agent_name: what the agent is called if ``config`` does not say.
    """

    def __init__(self, config: GroupConfig, agent_name: str = "") -> None:
        self._policy = GroupPolicy(config.to_core(agent_name))
        self._present: dict[str, Participant] = {}
        self._names: dict[str, str] = {}
        self._told = False

    @property
    def present(self) -> tuple[Participant, ...]:
        """Who is there, in the order in which they came or were first heard; not the agent itself."""
        return tuple(self._present.values())

    def name_of(self, identity: str) -> str:
        """The name to show; the identity where none is known."""
        return self._names.get(identity) or identity

    def on_participant(self, message: Mapping[str, Any]) -> None:
        """The transport tells that somebody joined, left or changed."""
        identity, phase = str(message.get("identity", "")), message.get("phase")
        raw: Any = message.get("data")
        data: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]
        if not identity:
            return
        self._told |= phase in ("joined", "left")
        if phase == "left":
            self._present.pop(identity, None)
            return
        name = str(data.get("name") or "")
        if name:
            self._name(identity, name)
        if phase == "joined":
            self._add(identity, agent=data.get("kind") == "agent")

    def heard(self, identity: str) -> None:
        """Somebody is heard, so they are there, unless the transport tells who is: then this may be late."""
        if identity and not self._told and identity not in self._present:
            self._add(identity)

    def answers(self, turn: UserTurn, onset: float) -> bool:
        """Whether the agent answers ``turn``, which began at ``onset``."""
        people = sum(not p.agent for p in self._present.values())
        return self._policy.answers(turn.utterances, people=people, onset=onset)

    def replied(self, at: float) -> None:
        """The agent's reply has ended."""
        self._policy.replied(at)

    def _add(self, identity: str, *, agent: bool = False) -> None:
        self._present[identity] = Participant(identity, self._names.get(identity, ""), agent)

    def _name(self, identity: str, name: str) -> None:
        self._names.pop(identity, None)
        self._names[identity] = name
        while len(self._names) > _MAX_KNOWN:
            del self._names[next(iter(self._names))]
        if identity in self._present:
            self._add(identity, agent=self._present[identity].agent)
