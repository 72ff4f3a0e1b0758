"""Any number of speakers in any order: the turn machine behind the crowd loses no word and mixes up no speaker."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State
from beluga_voice.core.crowd import Crowd, Finalize, Step
from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.turn import TurnMachine
from beluga_voice.core.voices import utterances

PEOPLE = ("ann", "bob", "cem")


class Recogniser:
    """Keeps the contract of `SttStream`."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.segment = 0
        self.due: list[tuple[int, str]] = []


class Room(RuleBasedStateMachine):
    """People speak, recognisers answer in time, nobody leaves: every word is committed once, by who said it."""

    def __init__(self) -> None:
        super().__init__()
        self.crowd = Crowd()
        self.machine = TurnMachine(TurnSettings(max_turn=4.0))
        self.now = 0.0
        self.recognisers: dict[str, Recogniser] = defaultdict(Recogniser)
        self.voiced: set[str] = set()
        self.words = 0
        self.said: Counter[tuple[str, str]] = Counter()
        self.committed: list[cmd.CommitTurn] = []
        self.reply = 0
        self.asked: list[float] = []

    # --- shell ------------------------------------------------------------------------------------------------

    def perform(self, steps: list[Step]) -> None:
        for step in steps:
            if isinstance(step, Finalize):
                recogniser = self.recognisers[step.who]
                assert step.goes_on == (step.who in self.voiced)
                recogniser.due.append((recogniser.segment, " ".join(recogniser.words)))
                recogniser.segment += 1
                recogniser.words = []
            else:
                self.machine.feed(step, self.now)
                self.obey()

    def obey(self) -> None:
        while (command := self.machine.poll()) is not None:
            match command:
                case cmd.AskFinal(at):
                    self.perform(self.crowd.ask_final(at, self.now))
                case cmd.CommitTurn():
                    self.committed.append(command)
                case cmd.RetractTurn():
                    self.committed.pop()
                case cmd.StartReply(reply):
                    self.reply = reply
                case cmd.CancelReply():
                    self.reply = 0
                case cmd.DiscardSpeech(_, text, _):
                    assert not utterances(text), "words were dropped"
                case _:
                    pass

    def wake(self) -> None:
        self.machine.wake(self.now)
        self.obey()

    def answer(self) -> None:
        """All finals that are due come."""
        for who, recogniser in self.recognisers.items():
            while recogniser.due:
                segment, text = recogniser.due.pop(0)
                self.perform(self.crowd.words(who, segment, text, self.now, final=True))

    def end_reply(self) -> None:
        if self.reply:
            reply, self.reply = self.reply, 0
            self.machine.feed(inp.ReplyEnded(reply, audio=False), self.now)
            self.obey()

    # --- what may happen --------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.1, 0.4, 1.2, 4.5)))
    def time_passes(self, seconds: float) -> None:
        # A recogniser's final comes within what the core waits for it; a later one finds the turn gone.
        while seconds > 0:
            step = min(0.4, seconds)
            seconds -= step
            self.now += step
            self.wake()
            self.answer()

    @rule(who=st.sampled_from(PEOPLE))
    def voice_begins(self, who: str) -> None:
        if who not in self.voiced:
            self.voiced.add(who)
            self.perform(self.crowd.voice_started(who, self.now - 0.05))

    @rule(who=st.sampled_from(PEOPLE))
    def voice_ends(self, who: str) -> None:
        if who in self.voiced:
            self.voiced.discard(who)
            self.perform(self.crowd.voice_ended(who, self.now - 0.1))

    @precondition(lambda self: self.voiced)
    @rule(data=st.data(), told=st.booleans())
    def word(self, data: st.DataObject, told: bool) -> None:
        who = data.draw(st.sampled_from(sorted(self.voiced)))
        self.words += 1
        word = f"word{self.words}"
        self.said[who, word] += 1
        recogniser = self.recognisers[who]
        recogniser.words.append(word)
        if told:
            self.perform(
                self.crowd.words(who, recogniser.segment, " ".join(recogniser.words), self.now, final=False)
            )

    @rule(data=st.data())
    def a_recogniser_ends_a_segment_itself(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(PEOPLE))
        recogniser = self.recognisers[who]
        if recogniser.words and not recogniser.due:
            text, recogniser.words = " ".join(recogniser.words), []
            recogniser.segment += 1
            self.perform(self.crowd.words(who, recogniser.segment - 1, text, self.now, final=True))

    @precondition(lambda self: not self.voiced)
    @rule(who=st.sampled_from(PEOPLE))
    def typed(self, who: str) -> None:
        self.answer()  # typing takes the turn with the words so far
        self.words += 1
        self.said[who, f"word{self.words}"] += 1
        self.machine.feed(inp.TypedText(self.crowd.said(who, f"word{self.words}")), self.now)
        self.obey()

    @rule()
    def the_agent_is_silent(self) -> None:
        self.end_reply()

    @invariant()
    def nobody_is_given_words_of_another(self) -> None:
        for commit in self.committed:
            for who, text in utterances(commit.text):
                for word in text.split():
                    assert self.said[who, word], f"{who} never said {word}"

    def teardown(self) -> None:
        for who in PEOPLE:
            self.voice_ends(who)
        for _ in range(40):
            self.answer()
            self.now += 0.5
            self.wake()
            self.end_reply()
        assert self.machine.state is State.LISTENING
        heard: Counter[tuple[str, str]] = Counter()
        for commit in self.committed:
            for who, text in utterances(commit.text):
                heard.update((who, word) for word in text.split())
        assert heard == self.said


Room.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestRoom = Room.TestCase
