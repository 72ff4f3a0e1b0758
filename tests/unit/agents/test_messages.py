from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from beluga_voice.agents.messages import ToolMemory, labelled, paired
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ChatMessage, UserTurn


def user(text: str) -> ChatMessage:
    return ChatMessage("user", text)


def agent(text: str) -> ChatMessage:
    return ChatMessage("assistant", text)


def calls(*ids: str, text: str = "") -> ChatMessage:
    return ChatMessage("assistant", text, tool_calls=tuple(ToolCall(i, "t", {}) for i in ids))


def result(call_id: str) -> ChatMessage:
    return ChatMessage("tool", f"result {call_id}", tool_call_id=call_id)


def shape(messages: list[ChatMessage]) -> str:
    return " ".join(
        m.role[0] + (":" + "+".join(c.id for c in m.tool_calls) if m.tool_calls else "") + m.tool_call_id
        for m in messages
    )


def test_the_present_turn_is_shown_once() -> None:
    memory = ToolMemory()
    turn = UserTurn(1, "hi")
    memory.open(turn, [agent("hello")])
    assert shape(memory.build("be kind", turn, [agent("hello")])) == "s a u"
    assert shape(memory.build("", turn, [agent("hello"), user("hi")])) == "a u"


def test_calls_stand_behind_the_words_that_led_to_them() -> None:
    memory = ToolMemory()
    history: list[ChatMessage] = [agent("hello")]
    for number, text in enumerate(("yes", "other", "yes", "yes"), start=1):
        turn = UserTurn(number, text)
        exchange = memory.open(turn, [*history, user(text)])
        if number in (1, 3):
            exchange.messages += [calls(f"c{number}"), result(f"c{number}")]
        history += [user(text), agent("answer")]
    turn = UserTurn(5, "now")
    history.append(user("now"))
    memory.open(turn, history)
    assert shape(memory.build("", turn, history)) == "a u a:c1 tc1 a u a u a:c3 tc3 a u a u"


def test_calls_are_found_again_when_the_history_was_cut() -> None:
    memory = ToolMemory()
    history: list[ChatMessage] = []
    for number in range(1, 7):
        turn = UserTurn(number, f"words {number}")
        history.append(user(turn.text))
        memory.open(turn, history).messages += [calls(f"c{number}"), result(f"c{number}")]
        history.append(agent("answer"))
    turn = UserTurn(7, "words 7")
    history.append(user("words 7"))
    memory.open(turn, history)
    cut = history[5:]  # begins with an answer
    assert shape(memory.build("", turn, cut)) == "a u a:c4 tc4 a u a:c5 tc5 a u a:c6 tc6 a u"
    assert shape(memory.build("", turn, [user("other"), user("words 7")])) == "u u"


def test_a_turn_that_went_on_keeps_its_calls() -> None:
    memory = ToolMemory()
    first = UserTurn(1, "on monday")
    memory.open(first, [user("on monday")]).messages += [calls("c1"), result("c1")]
    longer = UserTurn(1, "on monday or tuesday")
    history = [user("on monday or tuesday")]
    memory.open(longer, history)
    assert shape(memory.build("", longer, history)) == "u a:c1 tc1"


def test_only_the_newest_turns_with_calls_are_kept() -> None:
    memory = ToolMemory(limit=2)
    history: list[ChatMessage] = []
    for number in range(1, 6):
        turn = UserTurn(number, f"w{number}")
        history.append(user(turn.text))
        memory.open(turn, history).messages += [calls(f"c{number}"), result(f"c{number}")]
    assert shape(memory.build("", turn, history)) == "u u u u a:c4 tc4 u a:c5 tc5"


def test_paired() -> None:
    assert shape(paired([user("a"), calls("1"), agent("b")])) == "u a"
    assert shape(paired([user("a"), calls("1", text="words"), agent("b")])) == "u a a"
    assert shape(paired([user("a"), result("1"), agent("b")])) == "u a"
    assert shape(paired([calls("1", "2"), result("2"), result("1"), result("3")])) == "a:1+2 t1 t2"
    assert shape(paired([calls("1", "2"), result("1"), user("x"), result("2")])) == "u"


kinds = st.sampled_from(
    [user("u"), agent("a"), calls("1"), calls("1", "2"), calls("3", text="x"), *(result(i) for i in "123")]
)


@given(st.lists(kinds, max_size=20))
def test_what_is_sent_is_always_valid(messages: list[ChatMessage]) -> None:
    sent = paired(messages)
    waiting: list[str] = []
    for message in sent:
        if message.role == "tool":
            assert message.tool_call_id == waiting.pop(0)
        else:
            assert not waiting
            waiting = [c.id for c in message.tool_calls]
    assert not waiting
    assert [m for m in sent if m.role == "user"] == [m for m in messages if m.role == "user"]
    assert paired(sent) == sent


ANN, BOB = ("ann", "on monday"), ("bob", "or tuesday")


def said(who: str, text: str) -> ChatMessage:
    return ChatMessage("user", text, participant=who)


def test_a_turn_of_several_speakers_is_shown_once_and_calls_stand_behind_all_of_it() -> None:
    memory = ToolMemory()
    turn = UserTurn(1, "ann: on monday\nbob: or tuesday", "bob", (ANN, BOB))
    history = [agent("when?"), said(*ANN), said(*BOB)]
    exchange = memory.open(turn, history)
    exchange.messages += [calls("a"), result("a")]
    assert shape(memory.build("", turn, history)) == "a u u a:a ta"
    assert shape(memory.build("", turn, history[:1])) == "a u u a:a ta"
    assert (
        shape(memory.build("", UserTurn(2, "yes"), [*history, agent("done"), user("yes")]))
        == "a u u a:a ta a u"
    )


def test_words_are_labelled_where_there_are_several_speakers() -> None:
    names = {"ann": "Ann Alder"}
    several = [agent("when?"), said(*ANN), said(*BOB), user("both")]
    shown = labelled(several, lambda who: names.get(who, ""))
    assert [m.content for m in shown] == ["when?", "Ann Alder: on monday", "bob: or tuesday", "both"]
    assert labelled(several[:2], str) == several[:2]
    assert [m.content for m in labelled([user("hello"), said("Ada", "hi")], str)] == ["hello", "Ada: hi"], (
        "another agent, and a person without a name"
    )
