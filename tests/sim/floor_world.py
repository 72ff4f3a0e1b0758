"""A room of simulated agents and people around the floor's core, and the rules that must hold."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from beluga_voice.core import floor_rounds as cmd
from beluga_voice.core.floor import FloorMachine
from beluga_voice.core.floor_settings import FloorSettings
from beluga_voice.core.moderator import FloorTurn, choose

__all__ = ["FloorWorld"]


@dataclass
class Agent:
    """A simulated session."""

    name: str
    dead: bool = False
    waiting: int = 0
    turn: str = ""
    holds: bool = False
    audible: bool = False
    said: str = ""
    reply: int = 0
    hears_until: float = 0.0


class FloorWorld:
    """Plays ``seconds`` of conversation.

    Args:
        seed: decides everything.
        faults: agents hang, fail and leave, moderators are slow and wrong, turns are not heard by all.
        converse: agents answer each other.
    """

    def __init__(self, seed: int, *, faults: bool = True, converse: bool = False) -> None:
        self.rng = random.Random(seed)
        self.faults = faults
        self.settings = FloorSettings(deadline=6.0, converse=converse, max_turns=5)
        self.floor = FloorMachine(self.settings)
        self.now = 0.0
        self.agents: dict[str, Agent] = {}
        self.violations: list[str] = []
        self.answers: Counter[str] = Counter()
        self.claimed: dict[str, int] = {}
        self.excused: set[str] = set()
        self.dismissed: set[str] = set()
        self.agent_turns: list[str] = []
        self.turns = 0
        self.wakes_in_place = 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._tokens = itertools.count(1)
        self._names = itertools.count(1)

    # --- time -----------------------------------------------------------------------------------------------

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def fault(self, p: float) -> bool:
        return self.faults and self.chance(p)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (self.now + seconds, next(self._order), action))

    def play(self, seconds: float) -> None:
        for _ in range(self.rng.randint(2, 5)):
            self.join()
        self.later(self.rng.uniform(0.0, 3.0), self.person_speaks)
        until = seconds + 60.0
        self._stop_at = seconds
        self.later(seconds + 8.0, self.floor.stop)
        while True:
            due = self.floor.deadline()
            at = self._queue[0][0] if self._queue else until
            if min(at, due if due is not None else until) >= until:
                break
            if due is not None and due <= at:
                if due <= self.now:
                    self.wakes_in_place += 1
                    if self.wakes_in_place > 1000:
                        self.violate("the floor wakes again and again without end")
                        return
                self.now = max(self.now, due)
                self.floor.wake(self.now)
            else:
                self.now = max(self.now, at)
                heapq.heappop(self._queue)[2]()
            self.obey()
            self.check()
        self.now = until
        self.check_end()

    def violate(self, what: str) -> None:
        self.violations.append(f"at {self.now:.2f}: {what}")

    # --- agents ---------------------------------------------------------------------------------------------

    def join(self) -> None:
        name = f"agent{next(self._names)}"
        self.agents[name] = Agent(name)
        self.floor.join(name, name, self.now)
        if self.chance(0.5):
            self.floor.want_say(name, self.now)
        self.obey()

    def leave(self, agent: Agent) -> None:
        agent.audible = agent.holds = False
        agent.dead = True
        self.agents.pop(agent.name, None)
        self.floor.leave(agent.name, self.now)

    def obey(self) -> None:
        while (command := self.floor.poll()) is not None:
            if isinstance(command, cmd.AskModerator):
                self.moderate(command)
                continue
            agent = self.agents.get(command.agent)
            if agent is None:
                if not isinstance(command, cmd.Refuse):
                    self.violate(f"{command} for an agent that is not there")
                continue
            match command:
                case cmd.Grant(_, token):
                    if agent.waiting != token:
                        self.violate(f"{agent.name} was granted {token} but waits for {agent.waiting}")
                    agent.waiting = 0
                    self.begin(agent, agent.turn)
                case cmd.Refuse(_, token):
                    if agent.waiting == token:
                        agent.waiting = 0
                case cmd.GrantSay():
                    if agent.holds or agent.waiting or agent.hears_until > self.now:
                        self.floor.release(agent.name, "", self.now)
                        wait = max(0.1, agent.hears_until - self.now)
                        self.later(wait, lambda agent=agent: self.floor.want_say(agent.name, self.now))
                    else:
                        self.begin(agent, "")
                case cmd.Invite(_, number, turn, _):
                    self.invited(agent, number, turn)
                case cmd.Revoke():
                    agent.audible = False
                    if not agent.dead:
                        agent.reply += 1
                        agent.holds = False
                        self.floor.release(agent.name, agent.said, self.now)
                case cmd.Tell(_, lines):
                    if not lines:
                        self.violate("nothing is told")

    def begin(self, agent: Agent, turn: str) -> None:
        if any(a.holds for a in self.agents.values() if not a.dead):
            self.violate(f"{agent.name} was given the floor while another holds it")
        agent.holds, agent.turn, agent.said = True, turn, ""
        agent.reply += 1
        reply = agent.reply
        if self.fault(0.08):
            agent.dead = True  # hangs: neither speaks nor releases
            self.excused.add(turn)
            return
        if self.fault(0.08):
            self.excused.add(turn)
            self.later(self.rng.uniform(0.0, 1.0), lambda: self.end(agent, reply, failed=True))
            return
        if self.chance(0.05):
            self.excused.add(turn)
            self.later(self.rng.uniform(0.0, 1.0), lambda: self.end(agent, reply))
            return
        self.later(self.rng.uniform(0.05, 2.0), lambda: self.speak(agent, reply, self.rng.uniform(0.5, 5.0)))

    def speak(self, agent: Agent, reply: int, left: float) -> None:
        if agent.reply != reply or not agent.holds or agent.name not in self.agents:
            return
        if not agent.audible:
            agent.audible, agent.said = True, "words"
            if agent.turn:
                self.answers[agent.turn] += 1
            if agent.turn.startswith("agent"):
                self.agent_turns.append(agent.name)
        self.floor.alive(agent.name, self.now)
        if self.fault(0.03):
            agent.dead = True  # stalls in the middle
            return
        if left <= 0:
            self.end(agent, reply)
        else:
            self.later(min(1.0, left), lambda: self.speak(agent, reply, left - 1.0))

    def end(self, agent: Agent, reply: int, *, failed: bool = False, interrupted: bool = False) -> None:
        if agent.reply != reply or not agent.holds or agent.name not in self.agents:
            return
        agent.reply += 1
        agent.audible = agent.holds = False
        self.floor.release(agent.name, agent.said, self.now, failed=failed, interrupted=interrupted)

    def invited(self, agent: Agent, number: int, turn: FloorTurn) -> None:
        if self.fault(0.2) or agent.hears_until > self.now:
            return
        if self.fault(0.1) or agent.dead or agent.waiting or agent.holds:
            self.floor.declined(agent.name, number, self.now)
            return
        words = turn.said[0][1] if not turn.by_agent else "agent turn"
        self.later(0.01, lambda: self.claim(agent, words, self.now, self.now, invitation=number))

    def claim(
        self, agent: Agent, words: str, onset: float, end: float, *, willing: bool = True, invitation: int = 0
    ) -> None:
        if agent.name not in self.agents or agent.dead or agent.holds:
            return
        if agent.waiting:
            self.excused.add(agent.turn)  # it was parked until the next one came
            self.floor.withdraw(agent.name, agent.waiting, self.now)
            agent.waiting = 0
        token = next(self._tokens)
        if willing:
            agent.waiting, agent.turn = token, words
            self.claimed.setdefault(words, 0)
            self.claimed[words] += 1
        turn = FloorTurn((("person", words),), by_agent=words.startswith("agent"))
        self.floor.claim(
            agent.name,
            token if willing else 0,
            turn,
            onset=onset,
            end=end,
            now=self.now,
            patience=10.0,
            willing=willing,
            invitation=invitation,
        )
        if willing and self.fault(0.05):
            self.excused.add(words)
            self.later(self.rng.uniform(0.0, 0.5), lambda: self.withdraw(agent, token))

    def withdraw(self, agent: Agent, token: int) -> None:
        if agent.waiting == token and agent.name in self.agents:
            agent.waiting = 0
            self.floor.withdraw(agent.name, token, self.now)

    # --- people -----------------------------------------------------------------------------------------------

    def person_speaks(self) -> None:
        if self.now > self._stop_at:
            return
        self.turns += 1
        words = f"turn {self.turns}"
        onset, end = self.now, self.now + self.rng.uniform(0.4, 3.0)
        if self.chance(0.2):
            words += f" {self.rng.choice([*self.agents, 'nobody'])}"
        speaking = next((a for a in self.agents.values() if a.audible and not a.dead), None)
        if speaking is not None:
            reply, speaker = speaking.reply, speaking
            if self.chance(0.4):
                self.excused.add(words)
                self.later(end - onset + 0.5, lambda: self.dismiss(speaker, reply, onset, words))
            else:
                self.later(0.3, lambda: self.end(speaker, reply, interrupted=True))
        for agent in list(self.agents.values()):
            if self.fault(0.1):
                continue  # did not hear it
            willing = not self.chance(0.1)
            jitter = self.rng.uniform(-0.05, 0.05)
            delay = end - onset + self.rng.choice((0.3, 0.9, 2.7)) * self.rng.uniform(0.7, 1.0)
            agent.hears_until = self.now + delay
            self.later(
                delay,
                lambda agent=agent, willing=willing, jitter=jitter: self.claim(
                    agent, words, onset + jitter, end + jitter, willing=willing
                ),
            )
        if self.fault(0.1):
            self.join()
        if self.fault(0.1) and len(self.agents) > 1:
            leaving = self.rng.choice(list(self.agents.values()))
            self.excused.add(leaving.turn)
            self.later(self.rng.uniform(0.0, 3.0), lambda: self.leave(leaving))
        if self.fault(0.05):
            sayer = self.rng.choice(list(self.agents))
            self.floor.want_say(sayer, self.now)
        self.later(end - onset + self.rng.uniform(3.0, 12.0), self.person_speaks)

    def dismiss(self, agent: Agent, reply: int, onset: float, words: str) -> None:
        """The speaker takes it for a listener's response."""
        hold = self.floor.hold
        if hold is not None and hold.agent == agent.name and agent.reply == reply and not agent.dead:
            self.dismissed.add(words)
            self.floor.dismissed(agent.name, onset, self.now)

    def moderate(self, question: cmd.AskModerator) -> None:
        if not question.candidates:
            self.violate("a moderator without a choice")
        if self.fault(0.05):
            return  # hangs
        agent: str | None = choose(question.turn, question.candidates)
        if self.fault(0.05):
            agent = None
            self.excused.add(question.turn.said[0][1])
        elif self.fault(0.05):
            agent = "somebody else"
        delay = self.rng.uniform(0.0, 1.5) if self.fault(0.3) else 0.0
        self.later(delay, lambda: self.floor.decided(question.round, agent, self.now))

    # --- rules ------------------------------------------------------------------------------------------------

    def check(self) -> None:
        audible = [a.name for a in self.agents.values() if a.audible]
        if len(audible) > 1:
            self.violate(f"{audible} are audible at the same time")
        hold = self.floor.hold
        if hold is not None and hold.agent not in self.floor.members:
            self.violate("the floor is held by an agent that has left")
        if hold is not None and self.now > hold.deadline:
            self.violate(f"{hold.agent} holds the floor beyond its deadline")
        for words, count in self.answers.items():
            if count and words in self.dismissed:
                self.violate(f"{words!r} was answered although it was no turn")
            if count > 1 and not words.startswith("agent"):
                self.violate(f"{words!r} was answered {count} times")

    def check_end(self) -> None:
        if self.floor.hold is not None:
            self.violate(f"{self.floor.hold.agent} still holds the floor")
        for agent in self.agents.values():
            if agent.waiting and not agent.dead:
                self.violate(f"{agent.name} still waits")
        unanswered = [w for w in self.claimed if not self.answers[w] and w not in self.excused]
        if unanswered and not self.faults:
            self.violate(f"{unanswered} were never answered")
