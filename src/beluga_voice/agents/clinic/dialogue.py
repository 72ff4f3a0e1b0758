"""What the front desk says next. Pure: the state of a talk follows from its messages alone.

So a session needs no memory of its own: two callers never mix, an interrupted answer does no harm, and a
conversation that is resumed from a store goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from beluga_voice.agents.clinic.calendar import ADDRESS, PRICES, parse_clock, spoken_time
from beluga_voice.agents.clinic.words import Heard, understand
from beluga_voice.interfaces import ChatMessage

__all__ = ["Call", "next_step"]

_TURNS = 40  # older ones no longer matter to what is being said

ABOUT = (
    "Riverside Dental Clinic is a small practice with three dentists and two hygienists. "
    "We opened in nineteen ninety eight, and we look after about four thousand people from all over the city. "
    "Our rooms are bright and quiet, and every chair has a view of the river. "
    "We offer check ups, cleanings, fillings, crowns, root canals and whitening, and we keep a free hour every day for "
    "emergencies. "
    "Children are very welcome; there is a corner with books and toys in the waiting room. "
    "You can book on the phone at any time, day or night, and you can interrupt me whenever you like."
)
_FIXED = {
    "address": f"We are at {ADDRESS}.",
    "parking": "You can park behind the house for free, and bus number 8 stops at the door.",
    "pay": "Yes, we accept all credit cards, and cash.",
    "insurance": "Yes, we work with all major insurance plans. Please bring your card.",
    "children": "Yes, we treat children of all ages.",
    "phone": "Our phone number is 5 5 5, 1 2 3 4.",
    "person": "I am sorry, nobody else is at the desk now. You can leave a message at 5 5 5, 1 2 3 4, and we will call "
    "you back.",
    "emergency": "I am sorry to hear that. For an emergency, please come in right away, or call 5 5 5, 1 2 3 4. "
    "I can also book the next free time for you.",
    "about": ABOUT,
    "help": "You can ask about opening hours, prices, and where we are. And you can book or cancel an appointment.",
    "who": "I am the voice of the Riverside Dental Clinic, a computer at the front desk.",
    "thanks": "You are welcome. Is there anything else?",
    "bye": "Goodbye, and have a nice day.",
    "hello": "Hello. How can I help you?",
}
_UNKNOWN = (
    "Sorry, I did not understand that. You can ask about opening hours or prices, or book an appointment.",
    "I am still not sure what you mean. Please say, for example, when are you open on Monday.",
)
_ASK_DAY = "Which day would you like? We are open from Monday to Saturday."
_ASK_NUMBER = "What is your booking number? It has four digits."


@dataclass(frozen=True, slots=True)
class Call:
    """A tool to run before the answer is known."""

    name: str
    arguments: dict[str, Any]


@dataclass(slots=True)
class _State:
    """Where a talk stands; ``waits_for`` is ``day``, ``time``, ``confirm``, ``number``, ``cancel`` or empty."""

    waits_for: str = ""
    day: str = ""
    part: str = ""
    minutes: int | None = None
    offered: list[int] = field(default_factory=list[int])
    number: str = ""
    name: str = ""
    last: str = ""
    confused: int = 0


_Answer = Generator[Call, str, str]


def next_step(messages: Sequence[ChatMessage]) -> str | Call:
    """The answer to the last user message, or the tool that must run first."""
    state = _State()
    turns = _turns(messages)[-_TURNS:]
    for text, results in turns[:-1]:
        before = replace(state, offered=list(state.offered))
        step = _play(state, text, results)
        if isinstance(step, Call):
            state = before  # it was cut short before its tool had run
    if not turns:
        return _FIXED["hello"]
    return _play(state, *turns[-1])


def _turns(messages: Sequence[ChatMessage]) -> list[tuple[str, dict[str, list[str]]]]:
    """Each user message with the results of the tools that ran for it, by call, the newest last."""
    turns: list[tuple[str, dict[str, list[str]]]] = []
    calls: dict[str, str] = {}
    for message in messages:
        if message.role == "user":
            turns.append((message.content, {}))
            calls = {}
        for call in message.tool_calls:
            calls[call.id] = _key(call.name, call.arguments)
        if message.role == "tool" and turns and message.tool_call_id in calls:
            turns[-1][1].setdefault(calls[message.tool_call_id], []).append(message.content)
    return turns


def _play(state: _State, text: str, results: Mapping[str, list[str]]) -> str | Call:
    answer = _answer(state, understand(text))
    used: dict[str, int] = {}
    try:
        call = next(answer)
        while True:
            key = _key(call.name, call.arguments)
            found = results.get(key, [])
            if used.get(key, 0) >= len(found):
                return call
            result = found[used.get(key, 0)]
            used[key] = used.get(key, 0) + 1
            call = answer.send(result)
    except StopIteration as stop:
        state.last = str(stop.value)
        return state.last


def _key(name: str, arguments: Mapping[str, Any]) -> str:
    return f"{name} {json.dumps(dict(arguments), sort_keys=True)}"


def _answer(state: _State, heard: Heard) -> _Answer:
    if heard.name:
        state.name = heard.name
        if not (heard.topic or heard.day or heard.time is not None or heard.digits):
            return f"Thank you, {state.name}. {_pending(state) or 'How can I help you?'}"
    if heard.topic == "repeat":
        return state.last or _FIXED["help"]
    if heard.topic == "never_mind":
        _forget(state)
        return "All right. Is there anything else I can do for you?"
    if state.waits_for == "number" or (heard.topic == "cancel" and state.waits_for != "cancel"):
        return (yield from _cancelling(state, heard))
    if state.waits_for == "cancel":
        return (yield from _cancel_confirmed(state, heard))
    if state.waits_for == "confirm" and heard.yes and heard.time is None and not heard.day:
        return (yield from _book(state))
    if _about_booking(state, heard):
        return (yield from _booking(state, heard))
    return (yield from _information(state, heard))


# --- booking ------------------------------------------------------------------------------------------------


def _about_booking(state: _State, heard: Heard) -> bool:
    if heard.topic == "book":
        return True
    if heard.topic not in ("", "thanks", "hello"):
        # "are you open on tuesday" while booking is a question, "the first one" is not
        return False
    given = bool(heard.day or heard.part) or heard.time is not None
    if not state.waits_for:
        return given and (heard.time is not None or bool(heard.part) or bool(heard.day))
    return given or heard.number_time is not None or heard.choice is not None or heard.no or bool(heard.name)


def _booking(state: _State, heard: Heard) -> _Answer:
    was = state.waits_for
    if heard.topic == "book" and not was:
        _forget(state)
    state.part = heard.part or state.part
    if heard.no and was and not heard.day and heard.time is None:
        state.minutes = None
        if heard.number_time is None:
            state.waits_for, state.day, state.part = "day", "", ""
            return "All right. Which other day or time would you like?"
    if heard.day and heard.day != state.day:
        state.day, state.minutes = heard.day, None if state.day else state.minutes
    expected = heard.number_time if was in ("time", "confirm") else heard.time
    if expected is not None:
        state.minutes = expected
    elif heard.choice is not None and state.offered and not heard.day:
        state.minutes = state.offered[heard.choice if abs(heard.choice) < len(state.offered) else -1]
    if not state.day:
        state.waits_for = "day"
        at = f"At {spoken_time(state.minutes)}. " if state.minutes is not None else ""
        return at + _ASK_DAY
    return (yield from _offer(state))


def _offer(state: _State) -> _Answer:
    """Looks up the day, and offers times or asks to confirm the one that was named."""
    on, part = _on(state.day), state.part
    found = _table((yield Call("find_free_times", {"day": state.day})))
    free = [parse_clock(t) for t in cast("list[str]", found.get("free", []))]
    if not free:
        day, state.day, state.minutes, state.waits_for = state.day, "", None, "day"
        why = "We are closed" if found.get("closed") else "Nothing is free"
        return f"{why} {_on(day)}. Which other day would you like?"
    if state.minutes in free:
        state.waits_for, state.offered = "confirm", []
        return f"{_upper(state.day)} at {spoken_time(state.minutes)}. Shall I book that for you?"
    wanted = [m for m in free if not part or (m < 12 * 60) == (part == "morning")]
    sorry = ""
    if state.minutes is not None:
        sorry = f"{_upper(spoken_time(state.minutes))} is not free {on}. "
        asked = state.minutes
        wanted = sorted(sorted(free, key=lambda m: abs(m - asked))[:3])
    elif part and not wanted:
        sorry, wanted = f"Nothing is free in the {part}. ", free
    state.minutes, state.waits_for = None, "time"
    state.offered = wanted if len(wanted) <= 3 else [wanted[0], wanted[len(wanted) // 2], wanted[-1]]
    times = _listed([spoken_time(m) for m in state.offered], "and")
    which = "Which one would you like?" if len(state.offered) > 1 else "Would that suit you?"
    return f"{sorry}I have {times} free {on}. {which}" if not sorry else f"{sorry}I have {times}. {which}"


def _book(state: _State) -> _Answer:
    arguments: dict[str, Any] = {"day": state.day, "time": f"{cast('int', state.minutes) // 60}:"
                                 f"{cast('int', state.minutes) % 60:02d}"}  # fmt: skip
    if state.name:
        arguments["name"] = state.name
    booked = _table((yield Call("book_appointment", arguments)))
    if "number" not in booked:
        state.minutes = None
        again = yield from _offer(state)
        return f"Sorry, that time has just been taken. {again}"
    when = f"{_on(state.day)} at {spoken_time(cast('int', state.minutes))}"
    thanks = f"Thank you, {state.name}. " if state.name else ""
    _forget(state)
    return f"{thanks}You are booked {when}. Your booking number is {_by_digit(str(booked['number']))}."


def _forget(state: _State) -> None:
    state.waits_for = state.day = state.part = state.number = ""
    state.minutes, state.offered = None, []


# --- cancelling ---------------------------------------------------------------------------------------------


def _cancelling(state: _State, heard: Heard) -> _Answer:
    if state.waits_for in ("day", "time", "confirm") and not heard.digits:
        _forget(state)
        return "All right, I have not booked anything. Is there anything else?"
    if (
        state.waits_for == "number"
        and not heard.digits
        and heard.topic not in ("", "cancel", "book", "phone")
    ):
        answer = yield from _information(state, heard)
        return answer
    if state.waits_for == "number" and not heard.digits and heard.no:
        _forget(state)
        return "All right. Is there anything else?"
    state.waits_for = "number"
    if len(heard.digits) != 4:
        if not heard.digits:
            return _ASK_NUMBER
        return f"I heard {_by_digit(heard.digits)}. Please say all four digits of your booking number."
    state.number, state.waits_for = heard.digits, "cancel"
    return f"That is {_by_digit(state.number)}. Shall I cancel this appointment?"


def _cancel_confirmed(state: _State, heard: Heard) -> _Answer:
    if len(heard.digits) == 4:
        state.number = heard.digits
        return f"That is {_by_digit(state.number)}. Shall I cancel this appointment?"
    if heard.no:
        state.waits_for = "number"
        return "All right. Please say the booking number again, or say never mind."
    if not heard.yes and heard.topic != "cancel":
        return (yield from _information(state, heard))
    gone = _table((yield Call("cancel_appointment", {"number": state.number})))
    number = _by_digit(state.number)
    _forget(state)
    if "day" not in gone:
        return f"I cannot find a booking with the number {number}. Is there anything else?"
    when = f"{_on(str(gone['day']))} at {spoken_time(parse_clock(str(gone['time'])))}"
    return f"Your appointment {when} is cancelled. Is there anything else?"


# --- information --------------------------------------------------------------------------------------------


def _information(state: _State, heard: Heard) -> _Answer:
    """Answers a question, and then comes back to what was being talked about."""
    pending = _pending(state)
    loose = not pending and heard.topic in ("", "thanks")
    if loose and (heard.no or heard.yes):
        answer = "All right. Have a nice day." if heard.no else "What can I do for you?"
    elif loose and len(heard.digits) == 4:
        state.number, state.waits_for = heard.digits, "cancel"
        answer = f"Is {_by_digit(heard.digits)} your booking number? Shall I cancel this appointment?"
    elif heard.topic == "hours":
        answer = _hours(_table((yield Call("opening_hours", {"day": heard.day} if heard.day else {}))))
    elif heard.topic == "price":
        answer = yield from _price(heard.treatment)
    elif heard.topic == "thanks" and pending:
        answer = "You are welcome."
    elif heard.topic in _FIXED:
        answer = _FIXED[heard.topic]
    else:
        state.confused += 1
        return f"Sorry, I did not get that. {pending}" if pending else _UNKNOWN[(state.confused - 1) % 2]
    state.confused = 0
    return f"{answer} {pending}" if pending and heard.topic not in ("bye", "about") else answer


def _pending(state: _State) -> str:
    match state.waits_for:
        case "day":
            return _ASK_DAY
        case "time":
            return f"For your appointment I have {_listed([spoken_time(m) for m in state.offered], 'or')}. Which one?"
        case "confirm":
            time = spoken_time(cast("int", state.minutes))
            return f"Shall I book {_upper(state.day)} at {time} for you?"
        case "number":
            return _ASK_NUMBER
        case "cancel":
            return f"Shall I cancel the appointment with the number {_by_digit(state.number)}?"
        case _:
            return ""


def _hours(found: Mapping[str, Any]) -> str:
    if "open" in found:
        open_, close = parse_clock(str(found["open"])), parse_clock(str(found["close"]))
        return (
            f"{_upper(_on(str(found['day'])))} we are open from {spoken_time(open_)} to {spoken_time(close)}."
        )
    if "day" in found:
        return f"We are closed {_on(str(found['day']))}."
    return (
        "We are open from Monday to Thursday from nine to six, on Friday from nine to four, "
        "and on Saturday from ten to two. On Sunday we are closed."
    )


def _price(treatment: str) -> _Answer:
    if not treatment:
        some = _listed(
            [f"a {name} costs {PRICES[name]} dollars" for name in ("check up", "cleaning", "filling")], "and"
        )
        return f"{_upper(some)}. Which treatment would you like to know about?"
    found = _table((yield Call("price_of", {"treatment": treatment})))
    article = "An" if treatment[0] in "aeiox" else "A"
    return f"{article} {treatment} costs {found.get('price', PRICES[treatment])} dollars."


# --- words --------------------------------------------------------------------------------------------------


def _table(result: str) -> dict[str, Any]:
    """A tool's result; what is no JSON object is a failure, told in words."""
    try:
        value: Any = json.loads(result)
    except ValueError:
        return {}
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _on(day: str) -> str:
    return day if day in ("today", "tomorrow") else f"on {day.capitalize()}"


def _by_digit(number: str) -> str:
    return " ".join(number)


def _listed(items: Sequence[str], word: str) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"
