"""What a model is shown of the conversation: instructions, what was heard, and tool calls with their results.

The session's history holds only what was said and heard. What tools did is remembered here, turn by turn, and
put back behind the user's words that led to it, always as calls followed by all their results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from beluga_voice.interfaces import ChatMessage, UserTurn

__all__ = ["Exchange", "ToolMemory", "labelled", "paired"]


@dataclass(slots=True)
class Exchange:
    """The tool calls and results of one turn.

    Attributes:
        turn: its number.
        text: the last of what was said.
        place: how many user messages were before that in the history.
        messages: calls and results, in order, none without the other.
    """

    turn: int
    text: str
    place: int
    messages: list[ChatMessage] = field(default_factory=list[ChatMessage])


class ToolMemory:
    """Remembers the tool calls of a conversation.

    Args:
        limit: how many turns with tool calls to keep; the oldest go first.
    """

    def __init__(self, limit: int = 100) -> None:
        self._limit = limit
        self._exchanges: list[Exchange] = []

    def open(self, turn: UserTurn, history: Sequence[ChatMessage]) -> Exchange:
        """The exchange of ``turn``; one that is answered again (the user went on) keeps its calls."""
        said = _said(turn)
        users = sum(m.role == "user" for m in history)
        place = users - 1 if _is_last(said, history) else users + len(said) - 1
        text = said[-1][1]
        for exchange in self._exchanges:
            if exchange.turn == turn.number:
                exchange.text, exchange.place = text, place
                return exchange
        exchange = Exchange(turn.number, text, place)
        self._exchanges = [e for e in self._exchanges if e.messages][-self._limit + 1 :]
        self._exchanges.append(exchange)
        return exchange

    def build(self, instructions: str, turn: UserTurn, history: Sequence[ChatMessage]) -> list[ChatMessage]:
        """All a model is shown for ``turn``."""
        out = [ChatMessage("system", instructions)] if instructions else []
        shown = list(history)
        said = _said(turn)
        if not _is_last(said, history):
            shown += [ChatMessage("user", words, participant=who) for who, words in said]
        behind = self._behind(shown)
        users = 0
        for message in shown:
            out.append(message)
            if message.role == "user":
                out += behind.get(users, ())
                users += 1
        return paired(out)

    def _behind(self, shown: Sequence[ChatMessage]) -> dict[int, list[ChatMessage]]:
        """Which calls belong behind which user message, also when the history's beginning was cut off."""
        if not self._exchanges:
            return {}
        texts = [m.content for m in shown if m.role == "user"]
        newest = self._exchanges[-1]
        for cut in range(newest.place + 1):
            if newest.place - cut < len(texts) and texts[newest.place - cut] == newest.text:
                break
        else:
            return {}
        found: dict[int, list[ChatMessage]] = {}
        for exchange in self._exchanges:
            at = exchange.place - cut
            if 0 <= at < len(texts) and texts[at] == exchange.text:
                found[at] = exchange.messages
        return found


def paired(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The messages without calls that have no result and results that have no call, which servers refuse."""
    out: list[ChatMessage] = []
    at = 0
    while at < len(messages):
        message = messages[at]
        at += 1
        if message.role == "tool":
            continue
        if not message.tool_calls:
            out.append(message)
            continue
        results: dict[str, ChatMessage] = {}
        while at < len(messages) and messages[at].role == "tool":
            results[messages[at].tool_call_id] = messages[at]
            at += 1
        asked = [call.id for call in message.tool_calls]
        if all(call_id in results for call_id in asked):
            out += [message, *(results[call_id] for call_id in asked)]
        elif message.content:
            out.append(ChatMessage(message.role, message.content, message.at, message.interrupted))
    return out


def labelled(messages: Sequence[ChatMessage], name: Callable[[str], str]) -> list[ChatMessage]:
    """Users' words begin with who said them (``Ann: …``) where there are several of them.

    Args:
        messages: what a model is shown.
        name: gives the name for an identity.
    """
    if len({m.participant for m in messages if m.role == "user"}) < 2:
        return list(messages)
    return [
        replace(m, content=f"{name(m.participant) or m.participant}: {m.content}")
        if m.role == "user" and m.participant
        else m
        for m in messages
    ]


def _said(turn: UserTurn) -> tuple[tuple[str, str], ...]:
    return turn.utterances or ((turn.participant, turn.text),)


def _is_last(said: Sequence[tuple[str, str]], history: Sequence[ChatMessage]) -> bool:
    last = [m.content for m in history[-len(said) :] if m.role == "user"]
    return last == [words for _, words in said]
