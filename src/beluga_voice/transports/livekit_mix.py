"""Several voices of a room as one stream."""

from __future__ import annotations

from collections import deque

from beluga_voice.audio.mix import mix

__all__ = ["Mixer"]

# So many frames of another voice without one of the leading voice: it has stalled, and the other leads.
_STALLED = 3
# Frames of a voice waiting for the leading one; more means that its clock is faster, and the oldest goes.
_WAITING = 2


class Mixer:
    """Adds up frames of equal length, at the pace of one of the voices.

    The leading voice is never delayed; another waits for its next frame, thus for less than a frame's length. A voice
    that is alone, or the only one that is not silent, comes out as it went in.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[bytes]] = {}
        self._since: dict[str, int] = {}
        self._leader = ""

    def add(self, voice: str) -> None:
        """A voice joins."""
        self._waiting[voice] = deque(maxlen=_WAITING + 1)
        self._since[voice] = 0
        self._leader = self._leader or voice

    def remove(self, voice: str) -> list[bytes]:
        """A voice leaves; returns frames that waited for it."""
        self._waiting.pop(voice, None)
        self._since.pop(voice, None)
        if voice != self._leader:
            return []
        self._leader = next(iter(self._waiting), "")
        return self._take_over(self._leader) if self._leader else []

    def push(self, voice: str, pcm: bytes) -> list[bytes]:
        """A frame of ``voice``; returns the mixed frames that are ready, oldest first."""
        if voice == self._leader:
            return [self._mixed(pcm)]
        queue = self._waiting[voice]
        queue.append(pcm)
        self._since[voice] += 1
        if self._since[voice] >= _STALLED:
            self._leader = voice
            return self._take_over(voice)
        while len(queue) > _WAITING:
            queue.popleft()
        return []

    def _take_over(self, voice: str) -> list[bytes]:
        queue = self._waiting[voice]
        out: list[bytes] = []
        while queue:
            out.append(self._mixed(queue.popleft()))
        return out

    def _mixed(self, pcm: bytes) -> bytes:
        parts = [pcm] if any(pcm) else []
        for voice, queue in self._waiting.items():
            self._since[voice] = 0
            if voice != self._leader and queue:
                other = queue.popleft()
                if any(other):
                    parts.append(other)
        return mix(parts) if parts else pcm
