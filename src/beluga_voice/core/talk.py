"""Who talked how long: whose words a piece of a room's audio is, where one recogniser hears everybody."""

from __future__ import annotations

__all__ = ["Talk"]


class Talk:
    """Adds up voices since the last piece was taken. Identities are any text, empty where there is only one."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._length: dict[str, float] = {}
        self._last = ""

    def began(self, who: str, at: float) -> None:
        """``who`` began to speak at ``at`` (seconds on the session's timeline)."""
        self._since.setdefault(who, at)
        self._last = who

    def ended(self, who: str, at: float) -> None:
        """``who`` fell silent at ``at``."""
        since = self._since.pop(who, None)
        if since is not None:
            self._length[who] = self._length.get(who, 0.0) + max(0.0, at - since)

    def take(self, now: float) -> str:
        """Whoever talked longest since this was last asked; with no voice at all whoever spoke last."""
        length, self._length = self._length, {}
        for who, since in self._since.items():
            length[who] = length.get(who, 0.0) + max(0.0, now - since)
            self._since[who] = max(since, now)
        return max(length, key=lambda who: length[who], default=self._last)

    def forget(self, who: str) -> None:
        """``who`` is gone; what they said stays theirs."""
        if self._last == who and not self._length:
            self._last = ""
