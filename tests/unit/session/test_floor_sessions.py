"""Several agents in one room, in virtual time: never two at once, each turn answered by one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

import beluga_voice as bv
from agents_room import AgentsRoom, play_agents
from beluga_voice import events as ev
from stage import Stage

FIVE = {name: None for name in ("Ada", "Ben", "Cora", "Dan", "Elli")}


def test_one_person_and_five_agents(stage: Stage) -> None:
    async def script(room: AgentsRoom) -> None:
        await room.people.talk(24.0, {"ann": [(0.5, 2.0), (7.0, 8.5), (14.0, 15.5)]})

    voices = {"ann": ["Cora what time is it", "and how is the weather", "Ben what do you say"]}
    room = play_agents(stage, script, FIVE, voices=voices)
    assert room.overlaps() == []
    assert room.spoken() == ["Cora", "Ben"], (
        "who was addressed, then the same for what follows, then the next addressed"
    )
    for name in FIVE:
        said = room.history(name)
        mine = "assistant" if name == "Cora" else "user"
        assert [(role, words) for role, _, words in said] == [
            ("user", "Cora what time is it"),
            (mine, "You said Cora what time is it."),
            ("user", "and how is the weather"),
            (mine, "You said and how is the weather."),
            ("user", "Ben what do you say"),
            ("assistant" if name == "Ben" else "user", "You said Ben what do you say."),
        ]
        speakers = {who for role, who, _ in said if role == "user"}
        assert speakers == {"ann", "Cora", "Ben"} - {name}
    shown = {
        name: sum(e["type"] == "transcript" and e["final"] for e in transport.events)
        for name, transport in room.transports.items()
    }
    assert shown == {"Ada": 3, "Ben": 0, "Cora": 0, "Dan": 0, "Elli": 0}, "clients see what people say once"


def test_greetings_are_said_one_after_another(stage: Stage) -> None:
    async def script(room: AgentsRoom) -> None:
        await room.people.talk(20.0, {"ann": []})

    room = play_agents(stage, script, FIVE, greeting="Hello, I am here.")
    assert room.overlaps() == []
    assert room.spoken() == list(FIVE)
    assert len(room.history("Ada")) == 5


def test_a_person_interrupts_whoever_speaks_and_another_answers(stage: Stage) -> None:
    story = "Once upon a time there was a whale that sang all day and all night long in the cold sea."

    async def tell(text: str) -> str:
        return story if "story" in text else "Of course."

    async def script(room: AgentsRoom) -> None:
        await room.people.talk(12.0, {"ann": [(0.5, 2.0), (5.0, 6.5)]})

    room = play_agents(
        stage,
        script,
        {"Ada": tell, "Ben": tell},
        voices={"ann": ["Ada tell me a story", "Ben please make her stop"]},
    )
    assert room.overlaps() == []
    assert room.spoken() == ["Ada", "Ben"]
    heard = room.history("Ada")[1]
    assert heard[0] == "assistant" and story.startswith(heard[2]) and heard[2] != story
    assert room.history("Ben")[1] == ("user", "Ada", heard[2]), "the others know what was heard"
    assert room.history("Ada")[-1] == ("user", "Ben", "Of course.")


def test_a_murmur_while_one_agent_speaks_is_answered_by_none(stage: Stage) -> None:
    story = "Once upon a time there was a whale that sang all day and all night long in the cold sea."

    async def tell(_: str) -> str:
        return story

    async def script(room: AgentsRoom) -> None:
        await room.people.talk(14.0, {"ann": [(0.5, 2.0), (5.0, 5.3)]})

    room = play_agents(
        stage, script, {"Ada": tell, "Ben": tell}, voices={"ann": ["Ada tell me a story", "yeah"]}
    )
    assert room.spoken() == ["Ada"]
    assert room.history("Ada")[-1] == ("assistant", "", story)


def test_who_fails_to_answer_makes_way_for_another(stage: Stage) -> None:
    async def broken(_: str) -> str:
        raise RuntimeError("no")

    async def fine(_: str) -> str:
        return "I can help."

    async def script(room: AgentsRoom) -> None:
        await room.people.talk(8.0, {"ann": [(0.5, 2.0)]})

    room = play_agents(
        stage, script, {"Ada": broken, "Ben": fine}, voices={"ann": ["Ada help me please"]}, error_reply=""
    )
    assert room.spoken() == ["Ben"]
    assert room.history("Ben") == [("user", "ann", "Ada help me please"), ("assistant", "", "I can help.")]


def test_who_has_nothing_to_say_leaves_the_turn_unanswered(stage: Stage) -> None:
    async def silent(_: str) -> str:
        return ""

    async def fine(_: str) -> str:
        return "I can help."

    async def script(room: AgentsRoom) -> None:
        await room.people.talk(14.0, {"ann": [(0.5, 2.0), (7.0, 8.5)]})

    voices = {"ann": ["Ada never mind please", "Ben are you there"]}
    room = play_agents(stage, script, {"Ada": silent, "Ben": fine}, voices=voices)
    assert room.spoken() == ["Ben"]
    assert [words for _, _, words in room.history("Ada")] == [
        "Ada never mind please",
        "Ben are you there",
        "I can help.",
    ]


def test_who_hangs_loses_the_floor_to_another(stage: Stage) -> None:
    async def hang(_: str) -> str:
        await asyncio.sleep(1000)
        return ""

    async def fine(_: str) -> str:
        return "I can help."

    async def script(room: AgentsRoom) -> None:
        await room.people.talk(12.0, {"ann": [(0.5, 2.0)]})

    room = play_agents(
        stage,
        script,
        {"Ada": hang, "Ben": fine},
        voices={"ann": ["Ada help me please"]},
        floor=lambda: bv.Floor(deadline=5.0),
    )
    assert room.spoken() == ["Ben"]


def test_an_agent_that_leaves_in_the_middle_of_its_answer(stage: Stage) -> None:
    async def script(room: AgentsRoom) -> None:
        await room.people.talk(3.0, {"ann": [(0.5, 2.0)]})
        await room.sessions["Ada"].stop()
        room.people.transports = (room.transports["Ben"],)
        await room.people.talk(8.0, {"ann": [(0.5, 2.0)]})

    voices = {"ann": ["Ada tell me a long story", "is anybody still there"]}
    room = play_agents(stage, script, {"Ada": None, "Ben": None}, voices=voices)
    assert room.overlaps() == []
    assert room.spoken() == ["Ada", "Ben"]
    cut = room.history("Ben")[1]
    assert cut[:2] == ("user", "Ada")
    assert "You said Ada tell me a long story.".startswith(cut[2])


def test_two_agents_talk_without_a_person_until_they_have_said_enough(stage: Stage) -> None:
    said: list[str] = []

    def speaker(name: str) -> Any:
        async def answer(context: bv.Context, text: str) -> str:
            said.append(f"{name} to {context.turn.participant}: {text}")
            return f"Sentence {len(said)} of {name}."

        return answer

    async def script(room: AgentsRoom) -> None:
        await room.sessions["Ada"].say("Hello Ben.")
        await asyncio.sleep(60.0)

    room = play_agents(
        stage,
        script,
        {"Ada": speaker("Ada"), "Ben": speaker("Ben")},
        floor=lambda: bv.Floor(agents_converse=True, max_turns=4),
    )
    assert said == [
        "Ben to Ada: Hello Ben.",
        "Ada to Ben: Sentence 1 of Ben.",
        "Ben to Ada: Sentence 2 of Ada.",
        "Ada to Ben: Sentence 3 of Ben.",
    ]
    assert room.overlaps() == []
    assert room.spoken() == ["Ada", "Ben"] * 2 + ["Ada"]
    assert room.history("Ben") == [
        ("user", "Ada", "Hello Ben."),
        ("assistant", "", "Sentence 1 of Ben."),
        ("user", "Ada", "Sentence 2 of Ada."),
        ("assistant", "", "Sentence 3 of Ben."),
        ("user", "Ada", "Sentence 4 of Ada."),
    ]


def test_a_person_takes_the_word_from_agents_that_converse(stage: Stage) -> None:
    async def talk(context: bv.Context, text: str) -> str:
        return (
            "All right then." if context.turn.participant == "ann" else "And so we go on talking about this."
        )

    async def script(room: AgentsRoom) -> None:
        await room.sessions["Ada"].say("Hello Ben.")
        await room.people.talk(30.0, {"ann": [(9.0, 11.0)]})

    room = play_agents(
        stage,
        script,
        {"Ada": talk, "Ben": talk},
        voices={"ann": ["Ben please be quiet now"]},
        floor=lambda: bv.Floor(agents_converse=True, max_turns=50),
    )
    assert room.overlaps() == []
    interruptions = [
        e for events in room.events.values() for e in events if isinstance(e, ev.InterruptionEvent)
    ]
    assert len(interruptions) == 1
    words = [w for _, _, w in room.history("Ada")]
    after = words[words.index("Ben please be quiet now") + 1 :]
    assert after[0] == "All right then."


class Chairman:
    """Gives the floor to who is next in the list; fails or hangs when told to."""

    def __init__(self, *choices: str) -> None:
        self.choices = list(choices)
        self.seen: list[tuple[str, list[str], int]] = []

    async def choose(
        self, turn: bv.FloorTurn, candidates: Sequence[bv.Candidate], history: Sequence[bv.FloorLine]
    ) -> bv.Candidate | None:
        self.seen.append((turn.text, [c.name for c in candidates], len(history)))
        choice = self.choices.pop(0)
        if choice == "fail":
            raise RuntimeError("no idea")
        if choice == "hang":
            await asyncio.sleep(1000)
        return next((c for c in candidates if c.name == choice), None)


def test_a_moderator_of_ones_own(stage: Stage) -> None:
    chairman = Chairman("Ben", "nobody", "fail", "hang")

    async def script(room: AgentsRoom) -> None:
        speech = [(0.5 + 7 * i, 2.0 + 7 * i) for i in range(4)]
        await room.people.talk(32.0, {"ann": speech})

    voices = {"ann": ["what time is it", "we talk among ourselves", "Ada what is that", "Ada are you sure"]}
    room = play_agents(
        stage, script, {"Ada": None, "Ben": None}, voices=voices, floor=lambda: bv.Floor(moderator=chairman)
    )
    assert room.overlaps() == []
    assert room.spoken() == ["Ben", "Ada"]
    assert [text for text, _, _ in chairman.seen] == voices["ann"]
    assert chairman.seen[1] == ("we talk among ourselves", ["Ada", "Ben"], 2)
    for name in ("Ada", "Ben"):
        assert [w for _, _, w in room.history(name)] == [
            "what time is it",
            "You said what time is it.",
            "we talk among ourselves",
            "Ada what is that",
            "You said Ada what is that.",
            "Ada are you sure",
            "You said Ada are you sure.",
        ]


def test_an_agent_that_did_not_hear_the_turn_is_invited_to_answer_it(stage: Stage) -> None:
    async def script(room: AgentsRoom) -> None:
        room.people.transports = (room.transports["Ada"],)
        await room.people.talk(8.0, {"ann": [(0.5, 2.0)]})

    room = play_agents(stage, script, {"Ada": None, "Ben": None}, voices={"ann": ["Ben can you hear me"]})
    assert room.spoken() == ["Ben"]
    assert room.history("Ben") == [
        ("user", "ann", "Ben can you hear me"),
        ("assistant", "", "You said Ben can you hear me."),
    ]
    assert room.history("Ada") == [
        ("user", "ann", "Ben can you hear me"),
        ("user", "Ben", "You said Ben can you hear me."),
    ]


def test_agents_that_answer_when_addressed_only(stage: Stage) -> None:
    async def script(room: AgentsRoom) -> None:
        room.people.join("ann")
        room.people.join("bob")
        await room.people.talk(14.0, {"ann": [(0.5, 2.0), (7.0, 8.5)], "bob": []})

    voices = {"ann": ["nice weather we have", "what do you say Ben"]}
    room = play_agents(
        stage,
        script,
        {"Ada": None, "Ben": None},
        voices=voices,
        group=bv.GroupConfig(answer="when_addressed"),
    )
    assert room.spoken() == ["Ben"]
    assert room.history("Ada") == [
        ("user", "ann", "nice weather we have"),
        ("user", "ann", "what do you say Ben"),
        ("user", "Ben", "You said what do you say Ben."),
    ]


def test_a_sentence_that_goes_on_is_answered_once(stage: Stage) -> None:
    async def slow(text: str) -> str:
        await asyncio.sleep(1.0)
        return f"You said {text}."

    async def script(room: AgentsRoom) -> None:
        await room.people.talk(12.0, {"ann": [(0.5, 2.0), (2.7, 4.0)]})

    voices = {"ann": ["what time is it", "in London please"]}
    room = play_agents(stage, script, {"Ada": slow, "Ben": slow}, voices=voices)
    assert room.overlaps() == []
    assert len(room.spoken()) == 1
    answers = [w for role, _, w in room.history(room.spoken()[0]) if role == "assistant"]
    assert answers == ["You said what time is it in London please."]


def test_numbers_of_a_floor_are_checked(stage: Stage) -> None:
    with pytest.raises(bv.ConfigError, match="max_turns=0"):
        bv.Floor(max_turns=0)
    with pytest.raises(bv.ConfigError, match="must be a beluga_voice"):
        play_agents(stage, lambda room: asyncio.sleep(0), {"Ada": None}, floor=lambda: "floor")  # type: ignore[arg-type,return-value]
