"""The model's audio on its way to the mouth, and how much of each of its items was heard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from beluga_voice.audio.pcm import downmix
from beluga_voice.audio.resample import Resampler
from beluga_voice.errors import PipelineError
from beluga_voice.frames import AudioFrame
from beluga_voice.pipeline.channel import Channel
from beluga_voice.pipeline.mouth import Mouth
from beluga_voice.pipeline.processors import ProcessorChain
from beluga_voice.pipeline.turn_times import ReplyTimes

__all__ = ["RealtimeOutput", "RealtimeReply"]

# A model speaks faster than it is heard; what it is ahead is bounded: 14 MB at 24 kHz.
MAX_AHEAD_SECONDS = 300.0


@dataclass(slots=True)
class _Item:
    """One of the model's items: ``seconds`` of it were made, ``given`` of them to the mouth."""

    seconds: float = 0.0
    given: float = 0.0


@dataclass(slots=True)
class RealtimeReply:
    """One reply, made of the model's items.

    Attributes:
        number: as the core counts.
        turn: the turn it answers, 0 for none.
        times: when the model was first asked, or began by itself, an agent's first words for it, its first audio.
        audible: some of it was heard.
    """

    number: int
    turn: int
    times: ReplyTimes
    audible: bool = False
    items: dict[str, _Item] = field(default_factory=dict[str, _Item])

    def heard(self, played: float) -> list[tuple[str, float]]:
        """The items the user did not hear to their end, each with the seconds heard."""
        out: list[tuple[str, float]] = []
        start = 0.0
        for name, item in self.items.items():
            inside = min(max(0.0, played - start), item.seconds)
            if name and inside < item.seconds - 0.005:
                out.append((name, inside))
            start += item.given
        return out


@dataclass(frozen=True, slots=True)
class _Piece:
    reply: int
    item: str = ""
    pcm: bytes = b""
    rate: int = 0
    words: str = ""
    end: bool = False


class RealtimeOutput:
    """Carries audio and words of one reply at a time to the mouth.

    Args:
        mouth: plays it.
        post_s2s: processors behind the model.
        now: session time in seconds.
        on_ended: told when all of a reply is on its way, and whether it has any audio.
        on_error: told when the model is too far ahead.
    """

    def __init__(
        self,
        mouth: Mouth,
        post_s2s: ProcessorChain,
        sample_rate: int,
        now: Callable[[], float],
        on_ended: Callable[[int, bool], None],
        on_error: Callable[[PipelineError, str], None],
    ) -> None:
        self._mouth = mouth
        self._post = post_s2s
        self._rate = sample_rate
        self._now = now
        self._on_ended = on_ended
        self._on_error = on_error
        self._pieces: Channel[_Piece] = Channel(1 << 20)  # bounded by `MAX_AHEAD_SECONDS`
        self._ahead = 0.0
        self._piece_of: tuple[int, str] = (0, "")
        self._resampler: Resampler | None = None
        self._resampled_from = 0
        self.reply: RealtimeReply | None = None

    def open(self, number: int, turn: int, *, held: bool) -> None:
        """Begins a reply; ``held`` until `release`."""
        self._pieces.clear()
        self._ahead = 0.0
        self._resampler = None
        self.reply = RealtimeReply(number, turn, ReplyTimes(self._now()))
        self._mouth.begin(number)
        if held:
            self._mouth.hold()

    def release(self) -> None:
        """It may be heard."""
        self._mouth.resume()

    def audio(self, item: str, pcm: bytes, rate: int) -> None:
        """The model's next audio, mono s16le at ``rate`` Hz; without an item, audio of the application."""
        reply = self.reply
        if reply is None or not pcm:
            return
        seconds = len(pcm) / (2 * rate)
        if self._ahead + seconds > MAX_AHEAD_SECONDS:
            message = f"the model's answer is more than {MAX_AHEAD_SECONDS:g} s ahead; the rest is dropped"
            self._on_error(PipelineError("s2s", "pipeline_error", message), "s2s")
            return
        if reply.times.first_speech is None:
            reply.times.first_speech = self._now()
        reply.items.setdefault(item, _Item()).seconds += seconds
        self._ahead += seconds
        self._pieces.put_nowait(_Piece(reply.number, item, pcm, rate))

    def words(self, item: str, text: str) -> None:
        """What the item says, beside its audio."""
        if self.reply is not None and text:
            self._pieces.put_nowait(_Piece(self.reply.number, item, words=text))

    def end(self, number: int) -> None:
        """No more will come of it."""
        self._pieces.put_nowait(_Piece(number, end=True))

    def drop(self) -> RealtimeReply | None:
        """Throws away what the mouth was not given yet, and returns the reply."""
        self._pieces.clear()
        self._ahead = 0.0
        reply, self.reply = self.reply, None
        return reply

    async def run(self) -> None:
        """Feeds the mouth until cancelled."""
        async for piece in self._pieces:
            self._ahead = max(0.0, self._ahead - (len(piece.pcm) / (2 * piece.rate) if piece.rate else 0.0))
            if self.reply is None or piece.reply != self.reply.number:
                continue
            if piece.end:
                self._on_ended(piece.reply, self._mouth.end(piece.reply))
                continue
            self._turn_to(piece)
            if piece.words:
                self._mouth.add_words(piece.reply, piece.words)
            else:
                await self._give(piece, self.reply)

    def _turn_to(self, piece: _Piece) -> None:
        if self._piece_of != (piece.reply, piece.item):
            self._piece_of = (piece.reply, piece.item)
            self._mouth.begin_piece(piece.reply, "")

    async def _give(self, piece: _Piece, reply: RealtimeReply) -> None:
        pcm, rate = piece.pcm, piece.rate
        if self._post:
            frame = await self._post.run(AudioFrame(pcm, rate))
            if frame is None:
                return
            pcm, rate = downmix(frame.data, frame.channels), frame.sample_rate
        if rate != self._rate:
            if self._resampler is None or self._resampled_from != rate:
                self._resampler, self._resampled_from = Resampler(rate, self._rate), rate
            pcm = self._resampler.process(pcm)
        if pcm and self.reply is reply:
            item = reply.items.get(piece.item)
            if item is not None:
                item.given += len(pcm) / (2 * self._rate)
            await self._mouth.queue(piece.reply, pcm)
