from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import functools
import threading
from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace
from typing import Annotated, Any, Literal, cast

import pytest
from pydantic import BaseModel, Field

from beluga_voice.agents import Agent, Tool, tool
from beluga_voice.agents.threads import ToolThreads
from beluga_voice.errors import ConfigError
from beluga_voice.interfaces import Context

CONTEXT = cast("Context", SimpleNamespace(session_id="s1"))
session = contextvars.ContextVar("session", default="none")


class Kind(Enum):
    CLEANING = "cleaning"
    FILLING = "filling"


class Patient(BaseModel):
    name: str
    age: int = Field(ge=0)


@dataclass
class Slot:
    day: str
    hour: int


@tool
async def book(
    day: Literal["monday", "tuesday"],
    hour: Annotated[int, Field(ge=8, le=18)],
    patient: Patient,
    kinds: list[Kind] | None = None,
    context: Context | None = None,
) -> str:
    """Books an appointment.

    Only for free times. Ask for the day first.

    Args:
        day: the day of the week,
            in words.
        hour (int): full hour.
        patient: who comes.

    Returns:
        day: a sentence.
    """
    assert context is not None
    return f"{day} {hour} {patient.name} {[k.value for k in kinds or []]} {context.session_id}"


def test_schema_comes_from_hints_and_docstring() -> None:
    assert book.spec.name == "book"
    assert book.spec.description == "Books an appointment."
    schema = dict(book.spec.parameters)
    assert schema["required"] == ["day", "hour", "patient"]
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert list(properties) == ["day", "hour", "patient", "kinds"]
    assert properties["day"] == {
        "description": "the day of the week, in words.",
        "enum": ["monday", "tuesday"],
        "type": "string",
    }
    assert properties["hour"] == {"description": "full hour.", "maximum": 18, "minimum": 8, "type": "integer"}
    assert schema["$defs"]["Patient"]["properties"]["age"] == {"minimum": 0, "type": "integer"}
    assert "title" not in str(schema)


async def test_runs_with_checked_arguments_and_the_context() -> None:
    given = {"day": "monday", "hour": "9", "patient": {"name": "Ann", "age": 3}, "kinds": ["filling"]}
    outcome = await book.run(given, CONTEXT)
    assert (outcome.text, outcome.failed) == ("monday 9 Ann ['filling'] s1", False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, ["day", "hour", "patient", "required"]),
        ({"day": "sunday", "hour": 9, "patient": {"name": "A", "age": 1}}, ["day", "'monday' or 'tuesday'"]),
        ({"day": "monday", "hour": 99, "patient": {"name": "A", "age": 1}}, ["hour", "18"]),
        ({"day": "monday", "hour": 9, "patient": {"name": "A", "age": -1}}, ["patient.age"]),
        ({"day": "monday", "hour": 9, "patient": {"name": "A", "age": 1}, "x": 1}, ["x", "not permitted"]),
        ({"invalid_json": "{"}, ["invalid_json"]),
        ({"day": "monday", "hour": 9, "patient": {"name": "A", "age": 1}, "context": {}}, ["context"]),
    ],
)
async def test_wrong_arguments_are_told_not_raised(arguments: dict[str, Any], words: list[str]) -> None:
    outcome = await book.run(arguments, CONTEXT)
    assert outcome.failed
    assert all(w in outcome.text for w in ("Wrong arguments for book", *words))
    assert "s1" not in outcome.text


def test_a_description_of_its_own_wins_over_the_docstring() -> None:
    @tool
    async def at(time: Annotated[str, Field(description="like 14:30")], day: str = "monday") -> None:
        """Books.

        Args:
            time: when.
            day: on which day.
        """

    properties = at.spec.parameters["properties"]
    assert properties["time"]["description"] == "like 14:30"
    assert properties["day"] == {"default": "monday", "description": "on which day.", "type": "string"}


async def test_it_is_called_as_before() -> None:
    @tool(name="add_up", description="Adds.")
    def add(a: int, b: int = 2) -> int:
        """Hidden."""
        return a + b

    assert add(1) == 3
    assert add(1, b=5) == 6
    assert (add.spec.name, add.spec.description, add.__name__, add.__doc__) == (
        "add_up",
        "Adds.",
        "add",
        "Hidden.",
    )
    assert (await add.run({"a": 1}, CONTEXT)).text == "3"
    assert (await add.run({"a": 1, "b": 4}, CONTEXT)).text == "5"
    patient = Patient(name="Ann", age=1)
    assert await book("monday", 9, patient, context=CONTEXT) == "monday 9 Ann [] s1"


async def test_methods_partials_and_callable_objects() -> None:
    class Desk:
        def __init__(self, name: str) -> None:
            self.name = name

        @tool
        async def hello(self, to: str) -> str:
            """Greets."""
            return f"{self.name} greets {to}"

        def __call__(self, to: str) -> str:
            return f"{self.name} calls {to}"

    left, right = Desk("left"), Desk("right")
    assert (await left.hello.run({"to": "Ann"}, CONTEXT)).text == "left greets Ann"
    assert (await right.hello.run({"to": "Ann"}, CONTEXT)).text == "right greets Ann"
    assert list(left.hello.spec.parameters["properties"]) == ["to"]
    assert await left.hello("Bob") == "left greets Bob"
    assert (await Tool(left, name="ring").run({"to": "Ann"}, CONTEXT)).text == "left calls Ann"

    async def pair(a: int, b: int) -> int:
        return a * b

    double = Tool(functools.partial(pair, b=2), name="double")
    assert (await double.run({"a": 4}, CONTEXT)).text == "8"
    assert (await Tool(left.hello.function).run({"to": "Ann"}, CONTEXT)).text == "left greets Ann"


async def test_context_by_annotation_under_any_name() -> None:
    @tool
    async def who(around: Context) -> str:
        return around.session_id

    assert who.spec.parameters["properties"] == {}
    assert (await who.run({}, CONTEXT)).text == "s1"


async def test_types_known_only_inside_a_function_are_found_through_its_closure() -> None:
    class Local(BaseModel):
        n: int

    @tool
    async def use(value: Local) -> int:
        return Local(n=value.n + 1).n

    assert (await use.run({"value": {"n": 1}}, CONTEXT)).text == "2"


async def test_blocking_functions_run_in_a_thread_of_their_own() -> None:
    @tool
    def where() -> str:
        return f"{threading.current_thread() is threading.main_thread()} {session.get()}"

    token = session.set("mine")
    try:
        assert (await where.run({}, CONTEXT)).text == "False mine"
    finally:
        session.reset(token)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (None, "done"),
        (3, "3"),
        (True, "true"),
        (["ä", 1], '["ä", 1]'),
        ({"at": dt.time(9, 30)}, '{"at": "09:30:00"}'),
        (Patient(name="Ann", age=3), '{"name": "Ann", "age": 3}'),
        ([Slot("monday", 9)], '[{"day": "monday", "hour": 9}]'),
        (Kind.FILLING, '"filling"'),
        ((), "[]"),
    ],
)
async def test_results_become_text(value: object, text: str) -> None:
    @tool
    async def give() -> object:
        return value

    outcome = await give.run({}, CONTEXT)
    assert (outcome.text, outcome.failed) == (text, False)


async def test_a_result_without_a_text_form_is_a_failure() -> None:
    @tool
    async def give() -> object:
        return object()

    outcome = await give.run({}, CONTEXT)
    assert outcome.failed
    assert "give failed" in outcome.text


async def test_a_long_result_is_cut() -> None:
    @tool
    async def much() -> str:
        return "x" * 20_000

    assert len((await much.run({}, CONTEXT)).text) < 16_100


async def test_errors_are_told_not_raised() -> None:
    @tool
    async def fail() -> str:
        raise ValueError("the calendar is closed")

    @tool
    def fail_blocking() -> str:
        raise TimeoutError

    outcome = await fail.run({}, CONTEXT)
    assert (outcome.failed, outcome.text) == (True, "fail failed: the calendar is closed")
    assert (await fail_blocking.run({}, CONTEXT)).text == "fail_blocking failed: TimeoutError"


async def test_a_tool_that_takes_too_long_is_given_up() -> None:
    cancelled = asyncio.Event()

    @tool(timeout=0.02)
    async def slow() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return "late"

    outcome = await slow.run({}, CONTEXT)
    assert outcome.failed
    assert "longer than 0.02 seconds" in outcome.text
    assert cancelled.is_set()


async def test_a_blocking_tool_that_hangs_holds_up_nothing() -> None:
    release = threading.Event()

    @tool(timeout=0.02)
    def hang() -> str:
        release.wait(30)
        return "late"

    outcome = await hang.run({}, CONTEXT)
    assert outcome.failed
    release.set()


async def test_returning_an_agent_hands_over() -> None:
    other = Agent("You are the doctor.", name="doctor")

    @tool
    async def to_doctor() -> Agent:
        return other

    outcome = await to_doctor.run({}, CONTEXT)
    assert outcome.agent is other
    assert "doctor" in outcome.text


def untyped(day): ...  # type: ignore[no-untyped-def]
def variadic(*days: str) -> None: ...
def by_position(day: str, /) -> None: ...
def unknown(day: NoSuchType) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def no_json(lock: threading.Event) -> None: ...


@pytest.mark.parametrize(
    ("function", "options", "words"),
    [
        (untyped, {}, "parameter 'day' needs a type hint"),
        (variadic, {}, "given by name"),
        (by_position, {}, "given by name"),
        (unknown, {}, "NoSuchType"),
        (no_json, {}, "no JSON form"),
        (lambda: 1, {}, "<lambda>"),
        (Kind, {"name": "a b"}, "'a b'"),
        (test_schema_comes_from_hints_and_docstring, {"timeout": 0}, "above 0"),
        (3, {}, "must be a function"),
    ],
)
def test_what_cannot_be_a_tool(function: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")) as caught:
        Tool(function, **options)
    assert caught.value.code == "invalid_config"


def test_threads_are_bounded() -> None:
    threads = ToolThreads(limit=2)
    gate = threading.Event()
    jobs = [threads.submit(gate.wait, 10) for _ in range(2)]
    with pytest.raises(RuntimeError, match="2 tools"):
        threads.submit(gate.wait, 10)
    gate.set()
    assert all(j.result(5) for j in jobs)
    failing = threads.submit(int, "x")
    with pytest.raises(ValueError, match="invalid literal"):
        failing.result(5)
    assert threads.submit(len, "abc").result(5) == 3


def test_agent_checks_its_arguments() -> None:
    assert repr(Agent("x", tools=[book], name="desk")) == "Agent('desk', tools=['book'])"
    plain = Agent("x", tools=[test_agent_checks_its_arguments])
    assert plain.tools[0].spec.name == "test_agent_checks_its_arguments"
    for arguments, field in (
        ({"instructions": 3}, "instructions"),
        ({"instructions": "x", "name": ""}, "name"),
        ({"instructions": "x", "phrases": "one phrase"}, "phrases"),
        ({"instructions": "x", "phrases": [1]}, "phrases"),
        ({"instructions": "x", "greeting": None}, "greeting"),
        ({"instructions": "x", "tools": [book, book]}, "tools: book is there twice"),
        ({"instructions": "x", "llm": "gpt"}, "llm"),
        ({"instructions": "x", "mcp_servers": ["x"]}, "mcp_servers"),
        ({"instructions": "x", "max_tool_rounds": 0}, "max_tool_rounds"),
    ):
        with pytest.raises(ConfigError, match=field) as caught:
            Agent(**cast("dict[str, Any]", arguments))
        assert caught.value.code == "invalid_config"
