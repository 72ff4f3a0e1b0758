"""Which of the model's items belong to which turn, and the conversation in its right order.

A model tells what the user said some time after it has begun to answer. History is written in the order in which things
were said all the same: what the agent said waits for the words it answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from beluga_voice.core.voices import rendered
from beluga_voice.events import TranscriptEvent
from beluga_voice.interfaces import UserTurn
from beluga_voice.pipeline.owner import Owner
from beluga_voice.pipeline.transcript import by_person

__all__ = ["Transcripts", "Utterance"]

_REMEMBERED = 64


@dataclass(slots=True)
class Utterance:
    """What the user said in a turn, or over the agent (``turn`` 0 until it is one).

    Attributes:
        turn: its number.
        items: the model's items, with their words and whether these are final.
        speakers: who said them.
        committed: the turn is over.
        given: words that are known otherwise (typed).
        given_by: who gave them.
        shown: what was last told of everybody's words.
        told: the final transcript was told.
    """

    turn: int = 0
    items: dict[str, tuple[str, bool]] = field(default_factory=dict[str, tuple[str, bool]])
    speakers: dict[str, str] = field(default_factory=dict[str, str])
    committed: bool = False
    given: str | None = None
    given_by: str = ""
    shown: dict[str, str] = field(default_factory=dict[str, str])
    told: bool = False

    @property
    def text(self) -> str:
        """All words so far."""
        if self.given is not None:
            return self.given
        return " ".join(text.strip() for text, _ in self.items.values() if text.strip())

    @property
    def said(self) -> tuple[tuple[str, str], ...]:
        """Who said what so far, in order; what one person says in a row is one utterance."""
        if self.given is not None:
            return ((self.given_by, self.given),) if self.given else ()
        out: list[tuple[str, str]] = []
        for item, (text, _) in self.items.items():
            who, words = self.speakers.get(item, ""), text.strip()
            if words and out and out[-1][0] == who:
                out[-1] = (who, f"{out[-1][1]} {words}")
            elif words:
                out.append((who, words))
        return tuple(out)

    @property
    def final(self) -> bool:
        """Nothing is missing."""
        return self.given is not None or (bool(self.items) and all(done for _, done in self.items.values()))


class Transcripts:
    """The latest utterances of one session.

    Args:
        owner: is told transcripts and history.
        now: session time in seconds.
        who: whose words the audio is that was heard since this was last asked; empty where nobody has a name.
        expected: the model tells what the user said; else nothing waits for it.
    """

    def __init__(
        self, owner: Owner, now: Callable[[], float], who: Callable[[], str], *, expected: bool
    ) -> None:
        self._owner = owner
        self._now = now
        self._who = who
        self._expected = expected
        self._recent: deque[Utterance] = deque(maxlen=_REMEMBERED)
        self._due: deque[tuple[Utterance, str]] = deque()
        self.typed_by = ""
        self._spoken: list[tuple[int, str, float, bool]] = []
        self.over_agent: Utterance | None = None

    # --- items ----------------------------------------------------------------------------------------------

    def of_turn(self, turn: int) -> Utterance:
        """The utterance of ``turn``."""
        for utterance in reversed(self._recent):
            if utterance.turn == turn:
                return utterance
        made = Utterance(turn)
        self._recent.append(made)
        return made

    def expect(self, turn: int) -> None:
        """We asked for a commit; ``turn`` 0 is something said over the agent."""
        if turn:
            self._due.append((self.of_turn(turn), self._who()))
            return
        if self.over_agent is None:
            self.over_agent = Utterance()
            self._recent.append(self.over_agent)
        self._due.append((self.over_agent, self._who()))

    def committed(self, item: str, turn: int) -> None:
        """The model made the item ``item`` of the user's audio; ``turn`` if we did not ask for it."""
        utterance, who = self._due.popleft() if self._due else (self.of_turn(turn), self._who())
        utterance.items.setdefault(item, ("", False))
        utterance.speakers.setdefault(item, who)

    def forget_due(self) -> None:
        """The connection is gone, and with it what was to come of it."""
        self._due.clear()
        for utterance in self._recent:
            if not utterance.final:
                utterance.items = {
                    name: (text, done) for name, (text, done) in utterance.items.items() if done
                }

    def became_turn(self, turn: int) -> None:
        """What was said over the agent is the beginning of ``turn``."""
        if self.over_agent is not None:
            self.over_agent.turn = turn
            self.over_agent = None

    def take(self, item: str, text: str, *, final: bool) -> Utterance | None:
        """The model's transcript of ``item``; returns the utterance it belongs to."""
        for utterance in reversed(self._recent):
            if item in utterance.items:
                utterance.items[item] = (text, final)
                return utterance
        return None

    # --- what is told ---------------------------------------------------------------------------------------

    def tell(self, utterance: Utterance) -> None:
        """A transcript event and, once it is final, history."""
        if utterance.turn == 0 or utterance.told:
            return
        final = utterance.committed and utterance.final
        said, now = utterance.said, self._now()
        if final:
            utterance.told = True
            if said:
                self._owner.user_said(self.user_turn(utterance.turn, utterance.text), now)
        for who, words in by_person(said):
            if final or utterance.shown.get(who) != words:
                utterance.shown[who] = words
                self._owner.emit(
                    TranscriptEvent(at=now, turn=utterance.turn, text=words, final=final, participant=who)
                )
        if final:
            self._flush(utterance.turn)

    def user_turn(self, turn: int, text: str) -> UserTurn:
        """``turn`` for whoever answers it; ``text`` is all that is known of it where the model tells no words."""
        utterance = self.of_turn(turn)
        said = utterance.said
        if not said:
            who = next(reversed(utterance.speakers.values()), "")
            return UserTurn(turn, text, who, ((who, text),))
        return UserTurn(turn, rendered(said, self._owner.name_of), said[-1][0], said)

    def commit(self, turn: int, typed: str | None = None) -> None:
        """The turn is over; ``typed`` words were said otherwise."""
        self.flush()
        utterance = self.of_turn(turn)
        utterance.committed = True
        if typed is not None:
            utterance.given = f"{utterance.text} {typed}".strip() if utterance.items else typed
            utterance.given_by = self.typed_by
        self.tell(utterance)

    def retract(self, turn: int) -> None:
        """It was not over after all."""
        utterance = self.of_turn(turn)
        utterance.committed = utterance.told = False
        self._owner.user_took_back(turn)

    def agent_said(self, turn: int, text: str, at: float, interrupted: bool) -> None:
        """What was heard of a reply; it waits for the words it answers."""
        if turn and self._expected and not self.of_turn(turn).told:
            self._spoken.append((turn, text, at, interrupted))
        else:
            self._owner.agent_said(turn, text, at, interrupted)

    def flush(self) -> None:
        """Waits no longer."""
        self._flush(None)

    def _flush(self, turn: int | None) -> None:
        waiting, self._spoken = self._spoken, []
        for entry in waiting:
            if turn is None or entry[0] == turn:
                self._owner.agent_said(*entry)
            else:
                self._spoken.append(entry)
