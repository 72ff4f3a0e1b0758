"""A shell that obeys every command, told anything in any order: what the turn machine promises its shell."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from beluga_voice.core import commands as cmd
from beluga_voice.core import inputs as inp
from beluga_voice.core.conversation import State
from beluga_voice.core.settings import TurnSettings
from beluga_voice.core.turn import TurnMachine

SETTINGS = TurnSettings(user_away_timeout=5.0, idle_timeout=100.0, max_turn=8.0)
MURMURS = ("yeah", "mm-hmm", "um")


class Shell(RuleBasedStateMachine):
    """Speaks to the machine as recogniser, detector, agent and application, and checks what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = TurnMachine(SETTINGS)
        self.now = 0.0
        self.words = 0
        self.open_segment: list[str] = []
        self.due: list[list[str]] = []
        self.segment = 0
        self.told: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.state = "listening"
        self.turn = 0
        self.committed: list[cmd.CommitTurn] = []
        self.pending: cmd.CommitTurn | None = None
        self.alive: set[int] = set()
        self.cancelled: set[int] = set()
        self.stopped: set[int] = set()
        self.quiet: set[int] = set()
        self.replies = 0
        self.closed = False

    # --- the shell ------------------------------------------------------------------------------------------

    def tell(self, event: inp.Input | None) -> None:
        if event is None:
            self.machine.wake(self.now)
        else:
            self.machine.feed(event, self.now)
        while (command := self.machine.poll()) is not None:
            assert not self.closed, "Close is the last command"
            if self.pending is not None:
                assert isinstance(command, cmd.MoveTo | cmd.StartReply), (
                    "a committed turn is answered at once"
                )
            self.obey(command)
        assert self.pending is None

    def obey(self, command: cmd.Command) -> None:
        match command:
            case cmd.MoveTo(state, previous):
                assert previous == self.state != state
                self.state = state
            case cmd.AskFinal():
                self.due.append(self.open_segment)
                self.open_segment = []
            case cmd.CommitTurn():
                self.commit(command)
            case cmd.RetractTurn(turn):
                assert turn == self.turn == self.committed[-1].turn
                assert not self.alive, "its reply is cancelled first"
                self.answered -= Counter(self.committed.pop().text.split())
                self.turn -= 1
            case cmd.StartReply(reply, turn, text):
                assert self.pending is not None
                assert (turn, text) == (self.pending.turn, self.pending.text)
                self.pending = None
                self.start(reply)
            case cmd.StartSay(reply, _, _):
                self.start(reply)
            case cmd.CancelReply(reply, _):
                assert reply in self.alive, "cancelled once, and only what is alive"
                self.alive.discard(reply)
                self.cancelled.add(reply)
            case cmd.StopPlayout(reply):
                assert reply in self.cancelled - self.stopped
                self.stopped.add(reply)
            case cmd.Duck(reply) | cmd.Hold(reply):
                assert reply in self.alive
                self.quiet.add(reply)
            case cmd.Resume(reply):
                assert reply in self.alive & self.quiet
                self.quiet.discard(reply)
            case cmd.Interrupted(reply, _, onset):
                assert reply in self.stopped
                assert onset <= self.now
            case cmd.DiscardSpeech(onset, text, _):
                assert onset <= self.now
                assert not Counter(text.split()) - self.told
            case cmd.Close():
                assert not self.alive
                self.closed = True
            case cmd.UserAway() | cmd.Fault():
                pass

    def commit(self, command: cmd.CommitTurn) -> None:
        self.turn += 1
        assert command.turn == self.turn
        assert command.text.strip()
        assert command.speech_end <= self.now
        self.answered += Counter(command.text.split())
        assert not self.answered - self.told, "words nobody said, or answered twice"
        self.committed.append(command)
        self.pending = command

    def start(self, reply: int) -> None:
        assert reply == self.replies + 1
        assert not self.alive, "one reply at a time"
        self.replies = reply
        self.alive.add(reply)

    # --- what may happen ------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.02, 0.1, 0.3, 1.0, 3.0)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.tell(None)

    @rule()
    def deadline_comes(self) -> None:
        self.now = max(self.now, self.machine.deadline() or 0.0)
        self.tell(None)

    @rule()
    def voice_begins(self) -> None:
        self.tell(inp.SpeechStarted(max(0.0, self.now - 0.1)))

    @rule()
    def voice_ends(self) -> None:
        self.tell(inp.SpeechEnded(max(0.0, self.now - 0.2)))

    def say_word(self, murmur: str) -> str:
        self.words += 1
        word = murmur or f"word{self.words}"
        self.told[word] += 1
        return word

    @precondition(lambda self: self.machine.c.voiced)
    @rule(murmur=st.sampled_from(("", *MURMURS)), told=st.booleans())
    def word(self, murmur: str, told: bool) -> None:
        self.open_segment.append(self.say_word(murmur))
        if told:
            segment = self.segment + len(self.due)
            self.tell(inp.PartialText(segment, " ".join(self.open_segment)))

    @precondition(lambda self: self.due)
    @rule(empty=st.integers(0, 5))
    def final(self, empty: int) -> None:
        words = self.due.pop(0)
        self.segment += 1
        self.tell(inp.FinalText(self.segment - 1, " ".join(words) if empty else ""))

    @rule(probability=st.floats(0, 1))
    def judged(self, probability: float) -> None:
        self.tell(inp.TurnProbability(probability))

    @rule(some=st.booleans())
    def typed(self, some: bool) -> None:
        self.tell(inp.TypedText(self.say_word("") if some else " "))

    @rule(interruptible=st.booleans())
    def say(self, interruptible: bool) -> None:
        self.tell(inp.SayRequested("notice", interruptible))

    @precondition(lambda self: self.alive)
    @rule(kind=st.sampled_from(("heard", "progress", "tool", "silent", "ended", "finished", "failed")))
    def reply_goes_on(self, kind: str) -> None:
        reply = next(iter(self.alive))
        if kind in ("silent", "finished", "failed"):
            self.alive.discard(reply)
        events: dict[str, inp.Input] = {
            "heard": inp.PlayoutStarted(reply),
            "progress": inp.PlayoutProgress(reply),
            "tool": inp.ToolStarted(reply),
            "silent": inp.ReplyEnded(reply, audio=False),
            "ended": inp.ReplyEnded(reply, audio=True),
            "finished": inp.PlayoutFinished(reply),
            "failed": inp.ReplyFailed(reply),
        }
        self.tell(events[kind])

    @precondition(lambda self: self.machine.state is State.INTERRUPTED)
    @rule()
    def cut(self) -> None:
        self.tell(inp.PlayoutStopped(self.machine.c.reply, "heard"))

    @precondition(lambda self: self.cancelled)
    @rule(late=st.sampled_from((inp.PlayoutStarted, inp.PlayoutFinished, inp.ReplyFailed, inp.ToolStarted)))
    def late_news(self, late: type) -> None:
        self.tell(late(max(self.cancelled)))

    @rule(graceful=st.booleans(), chance=st.integers(0, 19))
    def stop(self, graceful: bool, chance: int) -> None:
        if chance == 0:
            self.tell(inp.Stop("end", graceful))

    @invariant()
    def always(self) -> None:
        closed = self.machine.state is State.CLOSED
        assert (self.machine.deadline() is None) == closed == self.closed
        assert self.state == self.machine.state.value
        assert len(self.alive) <= 1

    def teardown(self) -> None:
        self.tell(inp.Stop("end", graceful=True))
        self.now += SETTINGS.draining_timeout
        self.tell(None)
        assert self.closed


Shell.TestCase.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
TestShell = Shell.TestCase
