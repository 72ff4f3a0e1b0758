from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.agents import AgentBrain
from beluga_voice.agents.clinic import (
    GREETING,
    PHRASES,
    ClinicCalendar,
    ClinicRules,
    clinic_agent,
    clinic_desk,
)
from beluga_voice.agents.clinic.dialogue import Call, next_step
from beluga_voice.core.clauses import split_text
from beluga_voice.interfaces import ChatMessage, Context, UserTurn

FRIDAY_NOON = datetime(2026, 11, 20, 12, 0)


def calendar(now: datetime = FRIDAY_NOON) -> ClinicCalendar:
    return ClinicCalendar(lambda: now)


async def _at_once() -> None:
    """The turn was taken before."""


class Caller:
    """Talks to a desk as a session does."""

    def __init__(self, shared: ClinicCalendar | None = None) -> None:
        self.tools: list[tuple[str, str, dict[str, Any]]] = []
        self.brain = AgentBrain(clinic_agent(shared or calendar()), on_tool=self._on_tool)
        self.history: list[ChatMessage] = [ChatMessage("assistant", GREETING)]
        self.turn = 0

    def _on_tool(self, call_id: str, name: str, phase: Any, arguments: dict[str, Any], result: str) -> None:
        self.tools.append((name, phase, arguments))

    async def say(self, text: str, heard: str | None = None) -> str:
        self.turn += 1
        turn = UserTurn(self.turn, text)
        self.history.append(ChatMessage("user", text))
        context = cast(
            "Context",
            SimpleNamespace(session_id="s", history=self.history, turn=turn, committed=_at_once),
        )
        answer = "".join([piece async for piece in self.brain.reply(turn, context)])
        self.history.append(
            ChatMessage("assistant", answer if heard is None else heard, interrupted=heard is not None)
        )
        return answer

    async def all(self, *texts: str) -> str:
        answer = ""
        for text in texts:
            answer = await self.say(text)
        return answer


@pytest.mark.parametrize(
    ("said", "facts"),
    [
        # as pocketsphinx hears them, right and wrong
        ("what are your opening hours", ["Monday to Thursday from nine to six", "Sunday we are closed"]),
        ("what is your opening hours on monday", ["On Monday", "from nine to six"]),
        ("when you open on monday", ["On Monday", "from nine to six"]),
        ("are you open on sunday", ["closed on Sunday"]),
        ("are you open on saturday's", ["On Saturday", "from ten to two"]),
        ("what time do you close on friday", ["On Friday", "nine to four"]),
        ("are you open tomorrow", ["Tomorrow", "from ten to two"]),
        ("your opening ours on wensday", ["On Wednesday"]),
        ("what about saturday", ["free on Saturday"]),
        ("where are you located", ["12 River Street"]),
        ("where you located", ["12 River Street"]),
        ("what is your address", ["12 River Street"]),
        ("how do i get there", ["12 River Street"]),
        ("is there parking", ["park behind the house"]),
        ("is parking free", ["park behind the house"]),
        ("you accept credit cards", ["credit cards"]),
        ("do you accept credit card", ["credit cards"]),
        ("can i pay by card", ["credit cards"]),
        ("do you take insurance", ["insurance"]),
        ("do you treat children", ["children"]),
        ("what is your phone number", ["5 5 5, 1 2 3 4"]),
        ("how much is a cleaning", ["cleaning costs 60 dollars"]),
        ("how much is it check up", ["check up costs 45 dollars"]),
        ("which is a failing cost", ["filling costs 95 dollars"]),
        ("how much does a lightning cost", ["whitening costs 180 dollars"]),
        ("what does an x-ray cost", ["An x ray costs 30 dollars"]),
        ("the price of a root canal", ["root canal costs 480 dollars"]),
        ("how much are crowns", ["crown costs 650 dollars"]),
        ("how much is an emergency", ["emergency visit costs 80 dollars"]),
        ("whitening", ["whitening costs 180 dollars"]),
        ("tell me your prices", ["check up costs 45", "cleaning costs 60", "Which treatment"]),
        ("i have a tooth ache", ["come in right away"]),
        ("this is an emergency", ["come in right away"]),
        ("i wanna speak to a person", ["nobody else is at the desk", "5 5 5, 1 2 3 4"]),
        ("can i talk to human", ["nobody else is at the desk"]),
        ("what can you do", ["opening hours", "prices", "appointment"]),
        ("help", ["opening hours", "prices", "appointment"]),
        ("who are you", ["Riverside Dental Clinic", "computer"]),
        ("tell me about the clinic", ["three dentists", "interrupt me"]),
        ("hello", ["How can I help"]),
        ("Good morning!", ["How can I help"]),
        ("thanks very much", ["You are welcome"]),
        ("goodbye", ["Goodbye"]),
        ("no thank you", ["nice day"]),
        ("i would like to book an appointment", ["Which day"]),
        ("i need to see a dentist", ["Which day"]),
        ("i want to make an apartment", ["Which day"]),
        ("can you help me book an appointment", ["Which day"]),
        ("can i make an appointment on tuesday at ten thirty", ["Tuesday at ten thirty", "Shall I book"]),
        ("I'd like to come on Tuesday at 10:30, please.", ["Tuesday at ten thirty", "Shall I book"]),
        ("on wednesday at three o'clock", ["Wednesday at three", "Shall I book"]),
        ("monday at have passed to you", ["Monday at two thirty", "Shall I book"]),
        ("monday at 3 p.m.", ["Monday at three", "Shall I book"]),
        ("book thursday at quarter past nine", ["Nine fifteen is not free on Thursday", "nine thirty"]),
        ("can i come tomorrow morning", ["ten thirty", "eleven", "tomorrow"]),
        ("do you have any free time is on thursday", ["free on Thursday", "nine"]),
        ("is there anything free on friday afternoon", ["two", "free on Friday"]),
        ("an appointment on sunday", ["closed on Sunday", "Which other day"]),
        ("cancel my appointment", ["booking number", "four digits"]),
        ("four seven one two", ["4 7 1 2", "booking number"]),
        ("the blue house sings", ["did not understand", "opening hours"]),
        ("", ["did not understand"]),
    ],
)
async def test_single_utterances(said: str, facts: list[str]) -> None:
    answer = await Caller().say(said)
    assert all(fact in answer for fact in facts), answer


async def test_booking_in_several_turns() -> None:
    caller = Caller()
    assert "Which day" in await caller.say("i would like to book an appointment")
    assert "free on Tuesday" in await caller.say("tuesday")
    assert await caller.say("ten thirty") == "Tuesday at ten thirty. Shall I book that for you?"
    answer = await caller.say("yes please")
    assert answer.startswith("You are booked on Tuesday at ten thirty. Your booking number is ")
    number = answer.rstrip(".").rsplit("is ", 1)[1]
    assert len(number) == 7
    assert all(d.isdigit() for d in number.split(" "))
    assert [t[0] for t in caller.tools if t[1] == "ended"] == [
        "find_free_times", "find_free_times", "book_appointment",
    ]  # fmt: skip
    assert await caller.say("repeat that please") == answer
    # it is taken now
    assert "Ten thirty is not free on Tuesday" in await caller.say("book tuesday at ten thirty")


@pytest.mark.parametrize(
    ("turns", "answer"),
    [
        (["book", "thursday morning", "the first one"], "Thursday at nine."),
        (["book", "thursday morning", "the last one please"], "Thursday at eleven thirty."),
        (["book", "thursday", "the second one"], "Thursday at two."),
        (["book", "tuesday", "two"], "Two is not free on Tuesday."),
        (["book", "monday", "half past two"], "Monday at two thirty."),
        (["book", "monday", "at tent thirty"], "Monday at ten thirty."),
        (["book", "monday", "2:30 pm"], "Monday at two thirty."),
        (["book", "ten thirty", "monday"], "Monday at ten thirty."),
        (["book", "in the afternoon", "saturday"], "I have one thirty free on Saturday."),
        (["book", "monday", "ten thirty", "no", "wednesday at eleven"], "Wednesday at eleven."),
        (["book", "monday", "ten thirty", "no make it three"], "Monday at three."),
        (["book", "monday", "ten thirty", "no on tuesday"], "I have"),
        (["book", "sunday", "monday at noon"], "Monday at twelve."),
        (["book", "blah"], "Sorry, I did not get that. Which day"),
        (["book", "monday", "blah"], "Sorry, I did not get that. For your appointment I have"),
        (["book", "never mind"], "All right."),
        (["book", "monday", "cancel"], "All right, I have not booked anything."),
        (
            ["book monday at ten thirty", "my name is john smith", "yes"],
            "Thank you, John Smith. You are booked",
        ),
        (["book monday at ten thirty", "perfect"], "You are booked on Monday at ten thirty."),
        (["book monday at ten thirty", "that's right"], "You are booked"),
        (
            ["book monday at ten thirty", "how much is a cleaning"],
            "A cleaning costs 60 dollars. Shall I book Monday",
        ),
        (["book monday at ten thirty", "where are you", "go ahead"], "You are booked"),
        (["book", "are you open on saturday"], "On Saturday we are open from ten to two. Which day"),
        (["hello", "what are your opening hours", "pardon"], "We are open from Monday"),
        (["blah", "blah"], "I am still not sure"),
        (["thank you", "yes"], "What can I do for you?"),
    ],
)
async def test_booking_talks(turns: list[str], answer: str) -> None:
    said = await Caller().all(*turns)
    assert said.startswith(answer), said


async def test_cancelling_by_number_that_is_read_back() -> None:
    caller = Caller()
    booked = await caller.all("book monday at ten thirty", "yes")
    number = booked.rstrip(".").rsplit("is ", 1)[1].split(" ")
    words = dict(zip("123456789", "one two three four five six seven eight nine".split(), strict=True))
    assert "What is your booking number" in await caller.say("cancel my appointment")
    assert await caller.say("it is " + words[number[0]] + " " + words[number[1]]) == (
        f"I heard {number[0]} {number[1]}. Please say all four digits of your booking number."
    )
    assert (
        await caller.say(" ".join(words[d] for d in number))
        == f"That is {' '.join(number)}. Shall I cancel this appointment?"
    )
    assert (
        await caller.say("yes")
        == "Your appointment on Monday at ten thirty is cancelled. Is there anything else?"
    )
    assert (await caller.say("book monday at ten thirty")).startswith("Monday at ten thirty.")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("four seven one two", "4 7 1 2"),
        ("for seven won to", "I heard 7 1 2"),
        ("four seven won to", "4 7 1 2"),
        ("forty seven twelve", "4 7 1 2"),
        ("forty seven one two", "4 7 1 2"),
        ("4712", "4 7 1 2"),
        ("4 7 1 2", "4 7 1 2"),
        ("number five double four nine please", "5 4 4 9"),
        ("five oh one two", "5 0 1 2"),
        ("twenty twenty one", "2 0 2 1"),
    ],
)
async def test_booking_numbers_as_they_are_said(said: str, shown: str) -> None:
    assert shown in await Caller().all("cancel my appointment", said)


async def test_cancelling_what_is_not_there() -> None:
    assert "cannot find a booking with the number 1 2 3 4" in await Caller().all(
        "cancel", "one two three four", "yes"
    )
    assert "say the booking number again" in await Caller().all("cancel", "one two three four", "no")
    assert "4 7 1 2" in await Caller().all("cancel one two three four", "no four seven one two")
    assert (await Caller().all("cancel", "never mind")).startswith("All right.")
    assert "60 dollars" in await Caller().all("cancel", "how much is a cleaning")


async def test_two_callers_share_the_calendar_and_nothing_else() -> None:
    shared = calendar()
    first, second = Caller(shared), Caller(shared)
    await first.all("book an appointment", "tuesday")
    assert "did not understand" in await second.say("the first one")
    assert "Shall I book" in await first.say("ten thirty")
    assert "Shall I book" in await second.say("tuesday at ten thirty")
    mine = await first.say("yes")
    theirs = await second.say("yes")
    assert mine.startswith("You are booked on Tuesday at ten thirty.")
    assert theirs.startswith("Sorry, that time has just been taken. I have")
    assert ("book_appointment", "failed") in [t[:2] for t in second.tools]
    other = await second.all("eleven", "yes")
    assert mine.rsplit("is ", 1)[1] != other.rsplit("is ", 1)[1]


async def test_an_interrupted_answer_does_no_harm() -> None:
    caller = Caller()
    await caller.say("tell me about the clinic", heard="Riverside Dental Clinic is a small")
    await caller.say("book an appointment", heard="Which")
    await caller.say("tuesday", heard="")
    assert (await caller.say("ten thirty")).startswith("Tuesday at ten thirty.")


def test_a_talk_goes_on_after_its_tool_calls_were_forgotten() -> None:
    # A history from a store has no tool results: what depended on them is asked again.
    messages = [
        ChatMessage("user", "book"),
        ChatMessage("user", "tuesday"),
        ChatMessage("user", "wednesday at three"),
    ]
    assert next_step(messages) == Call("find_free_times", {"day": "wednesday"})


async def test_answers_can_be_spoken() -> None:
    for said in PHRASES:
        answer = await Caller().say(said)
        assert answer
        assert not set(answer) & set("*#_[]|`\n")
        assert said == "tell me about the clinic" or len(answer) < 180
    about = await Caller().say("tell me about the clinic")
    assert len(about) > 400
    assert len(split_text(about)) >= 5


def test_expected_phrases() -> None:
    assert 40 <= len(PHRASES) <= 60
    assert len(set(PHRASES)) == len(PHRASES)
    assert all(p == p.lower() and p.replace(" ", "").isalpha() for p in PHRASES)
    agent = clinic_desk()
    assert (agent.greeting, agent.phrases, isinstance(agent.llm, ClinicRules)) == (GREETING, PHRASES, True)
    assert [t.spec.name for t in agent.tools] == [
        "opening_hours", "find_free_times", "book_appointment", "cancel_appointment", "price_of",
    ]  # fmt: skip


def test_days_and_past_times() -> None:
    book = calendar()
    assert book.weekday("today") == "friday"
    assert book.weekday("tomorrow") == "saturday"
    # On a Friday, "Friday" is the next one, whatever the time is.
    assert (book.date_of("friday") - FRIDAY_NOON.date()).days == 7
    assert (book.date_of("saturday") - FRIDAY_NOON.date()).days == 1
    assert min(book.free_times("today")) > 12 * 60
    assert min(book.free_times("friday")) < 12 * 60
    assert calendar(datetime(2026, 11, 20, 23, 0)).free_times("today") == []
    with pytest.raises(ValueError, match="is not a day"):
        book.date_of("someday")
    with pytest.raises(ValueError, match="not free"):
        book.book("sunday", 600)


def test_numbers_are_easy_to_say_and_never_twice() -> None:
    book = calendar()
    numbers = [
        book.book(d, m).number
        for d in ("monday", "tuesday", "wednesday", "saturday")
        for m in book.free_times(d)
    ]
    assert len(set(numbers)) == len(numbers) > 25
    assert all(len(set(n)) == 4 and "0" not in n for n in numbers)


def test_old_bookings_are_forgotten() -> None:
    now = [datetime(2026, 11, 20, 8, 0)]
    book = ClinicCalendar(lambda: now[0])
    number = book.book("today", 600).number
    now[0] = datetime(2026, 11, 24, 8, 0)
    book.book("friday", 600)
    with pytest.raises(ValueError, match="no booking"):
        book.cancel(number)


words = st.sampled_from(
    "book an appointment tuesday monday sunday at ten thirty two half past to the first last one no yes cancel four "
    "seven morning my name is how much cleaning where repeat never mind am pm double oh thanks 10:30 4712 tomorrow "
    "today".split()
)


@given(st.lists(st.lists(words, max_size=8).map(" ".join) | st.text(max_size=30), min_size=1, max_size=8))
def test_no_talk_breaks_the_rules(talk: list[str]) -> None:
    # Tool results are missing or nonsense here; an answer or a call comes all the same.
    step = next_step([ChatMessage("user", text) for text in talk])
    assert isinstance(step, Call) or step.strip()


@given(st.lists(st.lists(words, max_size=6).map(" ".join), min_size=1, max_size=6))
async def test_any_talk_gets_answers(talk: list[str]) -> None:
    caller = Caller()
    for text in talk:
        answer = await caller.say(text)
        assert answer.strip()
        assert not answer.startswith("Sorry, I could not work that out")
