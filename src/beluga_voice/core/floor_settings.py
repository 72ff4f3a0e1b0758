"""The numbers the floor decides by. All times in seconds."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FloorSettings"]


@dataclass(frozen=True, slots=True)
class FloorSettings:
    """Deadlines, and what agents do among themselves.

    Attributes:
        deadline: how long the holder may be silent (thinking, or stalled) before the floor is taken from it.
        revoke_within: how long it then has to say what was heard of it, before others may speak anyway.
        decide_within: how long the moderator may think before the default choice is made.
        claim_within: how long the chosen agent's own claim may come after the first; then it is invited.
        invited_within: … and is given this long more, before somebody else is chosen.
        unwanted_for: how long a turn that nobody wants to answer is remembered for one who does.
        slack: by how much the times differ at which two agents hear the same speech (networks, detectors).
        converse: what one agent says is a turn for the others.
        max_turns: agents' turns in a row after which a person must speak again.
        pause: between the end of one agent's words and what another answers to them, or says by itself.
        history: lines a moderator is shown.
    """

    deadline: float = 15.0
    revoke_within: float = 0.5
    decide_within: float = 2.0
    claim_within: float = 1.0
    invited_within: float = 3.0
    unwanted_for: float = 3.0
    slack: float = 0.15
    converse: bool = False
    max_turns: int = 20
    pause: float = 0.4
    history: int = 50
