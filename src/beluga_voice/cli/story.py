"""What a conversation's event log tells a reader: who spoke when, what was decided, and how long answers took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Row", "Story", "Turn", "read_story"]

Line = Mapping[str, Any]


@dataclass(slots=True)
class Row:
    """One moment.

    Attributes:
        at: session time in seconds.
        state: the conversation's new state, or empty.
        voice: the user's voice was on.
        user: what the user said or did.
        agent: what the agent said or did.
        note: why.
        tone: ``plain``, ``dim``, ``good`` or ``bad``.
    """

    at: float
    state: str = ""
    voice: bool = False
    user: str = ""
    agent: str = ""
    note: str = ""
    tone: str = "plain"


@dataclass(slots=True)
class Turn:
    """A turn of the user and how long its answer took. Seconds; None where it did not happen.

    Attributes:
        turn: its number.
        text: the words.
        reason: what decided it.
        speech_end: when the last voice was, on the session's timeline.
        decided: from there to the decision.
        answered: from there to the agent's first audio.
        interrupted: the answer was cut.
        taken_back: the user went on, and said it again in a later entry with the same number.
    """

    turn: int
    text: str
    reason: str
    speech_end: float
    decided: float
    answered: float | None = None
    interrupted: bool = False
    taken_back: bool = False


@dataclass(slots=True)
class Story:
    """The rows and the turns of a log, and the public metrics events in it."""

    rows: list[Row] = field(default_factory=list[Row])
    turns: list[Turn] = field(default_factory=list[Turn])
    metrics: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    seconds: float = 0.0
    _voice: bool = False
    _replies: dict[int, Turn] = field(default_factory=dict[int, Turn])

    def _add(self, at: float, **cells: Any) -> None:
        """Fills free cells of the last row if it is of the same moment, else begins another."""
        last = self.rows[-1] if self.rows else None
        if last is None or last.at != at or any(getattr(last, name) for name in cells if name != "tone"):
            last = Row(at, voice=self._voice)
            self.rows.append(last)
        for name, value in cells.items():
            setattr(last, name, value)

    def take(self, line: Line) -> None:
        """Adds a line of the log."""
        at = float(line.get("now", line.get("at", 0.0)))
        self.seconds = max(self.seconds, at)
        kind = line.get("kind")
        if kind == "input":
            self._input(at, line["value"])
        elif kind == "command":
            tell = getattr(self, f"_on_{line['value']['type']}", None)
            if tell is not None:
                tell(at, line["value"])
        elif kind == "event":
            self._event(at, line)

    # --- inputs ---------------------------------------------------------------------------------------------

    def _input(self, at: float, value: Line) -> None:
        match value["type"]:
            case "SpeechStarted" | "SpeechEnded":
                self._voice = value["type"] == "SpeechStarted"
            case "PlayoutStarted":
                self._heard(at, self._replies.get(value["reply"]))
            case "Stop":
                self._add(at, note=f"stop{' gracefully' if value.get('graceful') else ''}: {value['reason']}")
            case _:
                pass

    def _heard(self, at: float, turn: Turn | None) -> None:
        if turn is not None and turn.answered is None:
            turn.answered = max(0.0, at - turn.speech_end)
            self._add(at, note=f"first audio after {turn.answered * 1000:.0f} ms", tone="good")

    # --- commands -------------------------------------------------------------------------------------------

    def _on_MoveTo(self, at: float, c: Line) -> None:
        self._add(at, state=c["state"])

    def _on_CommitTurn(self, at: float, c: Line) -> None:
        decided = max(0.0, at - c["speech_end"])
        self.turns.append(Turn(c["turn"], c["text"], c["reason"], c["speech_end"], decided))
        self._add(at, user=c["text"], note=f"turn {c['turn']}: {c['reason']}, after {decided * 1000:.0f} ms")

    def _on_StartReply(self, _: float, c: Line) -> None:
        if self.turns:
            self._replies[c["reply"]] = self.turns[-1]

    def _on_StartSay(self, at: float, c: Line) -> None:
        self._add(at, note="says what was waiting" if c["text"] else "", tone="dim")

    def _on_RetractTurn(self, at: float, c: Line) -> None:
        if self.turns:
            self.turns[-1].taken_back = True
        self._add(at, note=f"turn {c['turn']} taken back: the user goes on")

    def _on_Duck(self, at: float, _: Line) -> None:
        self._add(at, agent="lowered", tone="dim")

    def _on_Hold(self, at: float, _: Line) -> None:
        self._add(at, agent="held", tone="dim")

    def _on_Resume(self, at: float, _: Line) -> None:
        self._add(at, agent="goes on", tone="dim")

    def _on_Interrupted(self, at: float, c: Line) -> None:
        if c["reply"] in self._replies:
            self._replies[c["reply"]].interrupted = True
        self._add(at, note=f"interrupted by speech since {c['onset']:.2f}")

    def _on_DiscardSpeech(self, at: float, c: Line) -> None:
        self._add(at, user=c["text"], note=c["reason"].replace("_", " "), tone="dim")

    def _on_UserAway(self, at: float, c: Line) -> None:
        self._add(at, note=f"nobody has spoken for {c['silent_for']:g} s")

    def _on_Fault(self, at: float, c: Line) -> None:
        self._add(at, note=f"{c['stage']}: {c['message']}", tone="bad")

    def _on_Close(self, at: float, c: Line) -> None:
        self._add(at, note=f"closed: {c['reason']}")

    # --- events ---------------------------------------------------------------------------------------------

    def _event(self, at: float, event: Line) -> None:
        match event.get("type"):
            case "agent_text" if event.get("final"):
                self._add(at, agent=event["text"])
            case "tool" if event.get("phase") != "started":
                self._add(at, agent=f"{event['name']} → {event['result']}", tone="dim")
            case "error":
                self._add(at, note=f"{event['stage']}: {event['message']} [{event['code']}]", tone="bad")
            case "metrics":
                self.metrics.append({k: v for k, v in event.items() if k not in ("kind", "type")})
            case _:
                pass


def read_story(lines: Iterable[Line]) -> Story:
    """Makes rows and turns of a log that `beluga_voice.core.replay.replay` has understood.

    Raises:
        ValueError: naming the line that is not as it should be.
    """
    story = Story()
    for number, line in enumerate(lines, 1):
        try:
            story.take(line)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"line {number} is not understood: {type(error).__name__}: {error}") from error
    return story
