"""The user's audio on its way to the model, kept for a while: another connection may have to hear it again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from beluga_voice.audio.pcm import downmix
from beluga_voice.audio.resample import Resampler
from beluga_voice.frames import AudioFrame
from beluga_voice.speech_to_speech import S2SStream

__all__ = ["RealtimeInput"]

# Speech begins before the VAD is sure of it.
PREROLL = 0.3
_KEEP = 1.0
# A turn longer than this is not said again from its very beginning: 3 MB at 24 kHz.
_MOST = 65.0
# What was kept is sent in pieces of a second, so that a stream's bound on pieces does not cut it.
_AT_ONCE = 50


class RealtimeInput:
    """Keeps the latest audio and sends it as the core decides.

    Args:
        rate: what the model takes, in Hz.
        needed_from: when the turn began that the model may have to hear again.

    Attributes:
        rate: likewise.
    """

    def __init__(self, rate: int, needed_from: Callable[[], float]) -> None:
        self.rate = rate
        self._needed_from = needed_from
        self._kept: deque[tuple[bytes, float]] = deque()
        self._sent_to = 0.0
        self._stream: S2SStream | None = None
        self._sending = False
        self._resampler: Resampler | None = None
        self._resampled_from = rate

    def attach(self, stream: S2SStream | None) -> None:
        """A connection that has heard nothing yet, or none."""
        self._stream = stream
        self._sending = False
        self._sent_to = 0.0

    def hear(self, frame: AudioFrame, end: float) -> None:
        """Takes a frame that ends at ``end``."""
        pcm = downmix(frame.data, frame.channels)
        if frame.sample_rate != self.rate:
            if self._resampler is None or self._resampled_from != frame.sample_rate:
                self._resampler = Resampler(frame.sample_rate, self.rate)
                self._resampled_from = frame.sample_rate
            pcm = self._resampler.process(pcm)
        if pcm:
            self.take(pcm, end)

    def take(self, pcm: bytes, end: float) -> None:
        """Takes mono s16le audio at ``rate`` that ends at ``end``."""
        self._kept.append((pcm, end))
        oldest = max(end - _MOST, min(end - _KEEP, self._needed_from() - PREROLL))
        while self._kept and self._kept[0][1] < oldest:
            self._kept.popleft()
        if self._sending:
            self._send(pcm, end)

    def send_from(self, at: float) -> None:
        """Sends what was kept since a little before ``at`` and not sent yet, and then all that comes."""
        if self._stream is None:
            return
        self._sending = True
        start = max(at - PREROLL, self._sent_to)
        due = [(pcm, end) for pcm, end in self._kept if end > start + 1e-6]
        for index in range(0, len(due), _AT_ONCE):
            part = due[index : index + _AT_ONCE]
            self._send(b"".join(pcm for pcm, _ in part), part[-1][1])

    def stop(self) -> None:
        """Sends nothing more for now."""
        self._sending = False

    def _send(self, pcm: bytes, end: float) -> None:
        assert self._stream is not None
        self._stream.push(pcm)
        self._sent_to = end
