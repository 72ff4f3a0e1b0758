"""The front desk of a small dental clinic: an agent to try the library with, without any key or network.

Its language model is a set of rules (`ClinicRules`); its tools are real ones, and any other model can use them:
``clinic_agent(ClinicCalendar(), llm=my_model)``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from beluga_voice.agents.agent import Agent
from beluga_voice.agents.clinic.calendar import ADDRESS, PRICES, ClinicCalendar, clock, open_from, parse_clock
from beluga_voice.agents.clinic.dialogue import Call, next_step
from beluga_voice.agents.tools import Tool, tool
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import LLM, ChatDelta, ChatMessage, ToolSpec

__all__ = ["GREETING", "PHRASES", "ClinicCalendar", "ClinicRules", "clinic_agent", "clinic_desk"]

GREETING = "Hello, this is the Riverside Dental Clinic. How can I help you?"
PHRASES = (
    "hello", "good morning", "help", "what can you do", "who are you",
    "what are your opening hours", "when are you open", "when are you open on monday", "are you open on saturday",
    "are you open on sunday", "what time do you close on friday", "what are your opening hours on tuesday",
    "where are you", "where are you located", "what is your address", "how do i get there", "is there parking",
    "how much is a check up", "how much is a cleaning", "what does a filling cost", "how much does whitening cost",
    "how much is a root canal", "how much is a crown", "tell me your prices",
    "do you accept credit cards", "do you take insurance", "do you treat children", "what is your phone number",
    "i would like to book an appointment", "can i make an appointment", "i need to see a dentist",
    "can i come tomorrow morning", "do you have any free times on thursday", "on tuesday at ten thirty",
    "half past two", "the first one", "the last one please", "yes please", "no thank you",
    "cancel my appointment", "repeat that please", "can you say that again",
    "i want to speak to a person", "tell me about the clinic", "i have a toothache", "never mind",
    "thank you", "goodbye",
)  # fmt: skip
_INSTRUCTIONS = f"""You are the voice at the front desk of the Riverside Dental Clinic, {ADDRESS}.
Answer in one or two short sentences that can be spoken: no lists, no markdown, times in words.
Use the tools for opening hours, prices, free times, bookings and cancellations; never guess them.
Before booking, say the day and time and let the caller confirm. Read booking numbers digit by digit.
Before cancelling, read the number back and let the caller confirm."""

Day = Annotated[
    Literal[
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "today", "tomorrow"
    ],
    Field(description="a day of the coming week"),
]
Time = Annotated[str, Field(description="24-hour time, e.g. 14:30")]
Treatment = Literal[
    "check up",
    "cleaning",
    "filling",
    "x ray",
    "extraction",
    "whitening",
    "root canal",
    "crown",
    "emergency visit",
]
# One calendar for the process: what one caller books is taken for all.
_CALENDAR = ClinicCalendar()


def clinic_desk() -> Agent:
    """The front desk with rules for a model; all desks of a process share one calendar."""
    return clinic_agent(_CALENDAR)


def clinic_agent(calendar: ClinicCalendar, llm: LLM | None = None) -> Agent:
    """The front desk on a calendar of your own, and with a language model of your own if you have one."""
    return Agent(
        _INSTRUCTIONS,
        tools=_tools(calendar),
        name="clinic_desk",
        llm=llm or ClinicRules(),
        phrases=PHRASES,
        greeting=GREETING,
    )


class ClinicRules:
    """A `beluga_voice.interfaces.LLM` that answers by rules. It keeps no state: all follows from the messages."""

    async def chat(
        self, messages: Sequence[ChatMessage], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[ChatDelta]:
        """Streams the answer word by word, or asks for a tool."""
        step = next_step(messages)
        if isinstance(step, Call):
            calls = sum(len(m.tool_calls) for m in messages)
            yield ChatDelta(tool_calls=(ToolCall(f"desk_{calls + 1}", step.name, step.arguments),))
            return
        words = step.split(" ")
        for at, word in enumerate(words):
            yield ChatDelta(word if at == 0 else f" {word}")

    async def close(self) -> None:
        """Nothing to close."""


def _tools(calendar: ClinicCalendar) -> list[Tool]:
    @tool
    async def opening_hours(day: Day | None = None) -> dict[str, str]:
        """Opening hours of a day, or of the whole week if no day is given."""
        if day is None:
            week = ((d, open_from(d)) for d in ("monday", "friday", "saturday", "sunday"))
            return {d: f"{clock(h[0])} to {clock(h[1])}" if h else "closed" for d, h in week}
        hours = open_from(calendar.weekday(day))
        return (
            {"day": day} if hours is None else {"day": day, "open": clock(hours[0]), "close": clock(hours[1])}
        )

    @tool
    async def find_free_times(day: Day) -> dict[str, Any]:
        """Times at which an appointment can be had on a day."""
        closed = open_from(calendar.weekday(day)) is None
        return {"day": day, "closed": closed, "free": [clock(m) for m in calendar.free_times(day)]}

    @tool
    async def book_appointment(day: Day, time: Time, name: str = "") -> dict[str, str]:
        """Books a free time and gives the booking number. Only after the caller has confirmed day and time.

        Args:
            day: the day that was confirmed.
            time: the time that was confirmed.
            name: the caller's, if they gave it.
        """
        booking = calendar.book(day, parse_clock(time), name)
        return {"number": booking.number, "day": day, "time": clock(booking.minutes)}

    @tool
    async def cancel_appointment(number: Annotated[str, Field(pattern=r"^\d{4}$")]) -> dict[str, str]:
        """Cancels a booking by its number. Only after the number was read back and confirmed."""
        booking = calendar.cancel(number)
        return {"number": number, "day": booking.day.strftime("%A").lower(), "time": clock(booking.minutes)}

    @tool
    async def price_of(treatment: Treatment) -> dict[str, Any]:
        """Price of a treatment in dollars."""
        return {"treatment": treatment, "price": PRICES[treatment]}

    return [opening_hours, find_free_times, book_appointment, cancel_appointment, price_of]
