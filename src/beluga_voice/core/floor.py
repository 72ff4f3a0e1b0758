"""One floor for several agents: never two speak at once, and each turn is answered by one of them, or by none.

Every agent hears the room by itself and claims each turn it takes; claims for the same stretch of speech are one
*round*. A moderator chooses who answers it. What agents want to say by themselves (a greeting) waits in a queue.
Whoever holds the floor has a deadline that its progress moves. Time is an argument; call `FloorMachine.poll` until None
after each call, and `FloorMachine.wake` when `FloorMachine.deadline` is reached.
"""

from __future__ import annotations

from collections import deque

from beluga_voice.core.floor_book import Rounds
from beluga_voice.core.floor_record import FloorRecord
from beluga_voice.core.floor_rounds import (
    AskModerator,
    Claim,
    Command,
    Grant,
    GrantSay,
    Hold,
    Invite,
    Member,
    Phase,
    Refuse,
    Revoke,
    Round,
)
from beluga_voice.core.floor_settings import FloorSettings
from beluga_voice.core.moderator import Candidate, FloorTurn, choose

__all__ = ["FloorMachine"]

_MAX_SAYS = 64
# An agents' turn that met a person's voice is tried again after this long, so often.
_TRY_AGAIN, _TRIES = 1.0, 5


class FloorMachine:
    """Decides who of several agents may speak.

    Args:
        settings: deadlines, and what agents do among themselves.

    Attributes:
        members: the agents, by session id.
        hold: who has the floor, or None.
        turns_in_a_row: agents' turns since a person spoke.
    """

    def __init__(self, settings: FloorSettings) -> None:
        self.settings = settings
        self.members: dict[str, Member] = {}
        self.hold: Hold | None = None
        self.turns_in_a_row = 0
        self.record = FloorRecord(settings.history, settings.slack)
        self._rounds = Rounds(settings.slack, settings.unwanted_for)
        self._says: deque[str] = deque()
        self._quiet_until = 0.0
        self._next: tuple[float, FloorTurn, str, int] | None = None
        self._out: deque[Command] = deque()

    def poll(self) -> Command | None:
        """The next command to carry out, or None."""
        return self._out.popleft() if self._out else None

    def deadline(self) -> float | None:
        """When `wake` is next due."""
        times = [claim.until for r in self._rounds for claim in r.claims.values()]
        times += [r.deadline for r in self._rounds if self._is_timed(r)]
        if self.hold is not None:
            times.append(self.hold.deadline)
        elif not self._rounds.busy:
            times += [self._quiet_until] if self._says else []
            times += [self._next[0]] if self._next is not None and not self._says else []
        return min(times, default=None)

    # --- members --------------------------------------------------------------------------------------------

    def join(self, agent: str, name: str, now: float, aliases: tuple[str, ...] = ()) -> None:
        """An agent is there from now on; ``aliases`` are what else it is called."""
        self.members[agent] = Member(name, now, aliases)

    def leave(self, agent: str, now: float) -> None:
        """An agent is gone; what it held, or was to answer, goes to others."""
        if self.members.pop(agent, None) is None:
            return
        self._says = deque(a for a in self._says if a != agent)
        for r in self._rounds:
            if r.claims.pop(agent, None) is not None and r.phase is Phase.OPEN:
                r.wanted = r.willing
            if r.chosen == agent and r.phase is Phase.WAITING:
                self._pass_on(r, now)
        if self.hold is not None and self.hold.agent == agent:
            self._free(now, failed=not self.hold.heard)
        self._advance(now)

    # --- turns ----------------------------------------------------------------------------------------------

    def claim(
        self,
        agent: str,
        token: int,
        turn: FloorTurn,
        *,
        onset: float,
        end: float,
        now: float,
        patience: float,
        willing: bool = True,
        invitation: int = 0,
    ) -> None:
        """``agent`` has taken a turn that lasted from ``onset`` to ``end`` and wants to answer it.

        Args:
            agent: one that has joined.
            token: names this claim in `Grant` and `Refuse`; above 0.
            turn: what it heard.
            onset: on the floor's clock.
            end: likewise.
            now: the time.
            patience: seconds after which the claim is refused.
            willing: False if the turn is not for this agent; nothing is answered then.
            invitation: the round it was invited to; 0 for none.
        """
        claim = Claim(agent, token, turn, willing, now + patience)
        if agent not in self.members or self.record.was_dismissed(onset, end, now):
            self._refuse(claim)
            return
        r = self._rounds.of(agent, onset, end, invitation)
        if r is None:
            r = self._rounds.begin(turn, onset, end, now)
            if not turn.by_agent:
                self.turns_in_a_row, self._next = 0, None
        (r.told if invitation else r.heard).add(agent)
        if r.phase in (Phase.GRANTED, Phase.DONE):
            self._refuse(claim)
            return
        if not invitation:  # an invited turn is taken now, whenever it was said
            r.onset, r.end = min(r.onset, onset), max(r.end, end)
        r.claims[agent] = claim
        if willing:
            r.excluded.discard(agent)
            r.wanted = True
        else:
            r.excluded.add(agent)
            if r.chosen == agent and r.phase is Phase.WAITING:
                self._pass_on(r, now)
        self._advance(now)

    def withdraw(self, agent: str, token: int, now: float) -> None:
        """The turn went on, or was dropped: ``agent``'s claim is void, granted or not."""
        for r in self._rounds:
            claim = r.claims.get(agent)
            if claim is None or claim.token != token:
                continue
            del r.claims[agent]
            if r.phase is Phase.OPEN or (r.phase is Phase.WAITING and r.chosen == agent):
                r.reopen(wanted=r.willing, deadline=now + self.settings.unwanted_for)
        hold = self.hold
        if hold is not None and (hold.agent, hold.token) == (agent, token) and not hold.heard:
            if hold.round is not None:
                self.record.taken_back(hold.round)
                hold.round.phase = Phase.DONE
            self.hold = None
        self._advance(now)

    def decided(self, number: int, agent: str | None, now: float) -> None:
        """The moderator's choice for a round; nobody answers if it is None."""
        r = self._rounds.find(number, Phase.DECIDING)
        if r is None:
            return
        if agent is None:
            self._finish(r)
        else:
            self._choose(r, agent, now)
        self._advance(now)

    def expects(self, agent: str, number: int) -> bool:
        """Whether the invitation of ``agent`` to a round still stands."""
        r = self._rounds.find(number, Phase.WAITING)
        return r is not None and r.chosen == agent and r.invited

    def declined(self, agent: str, number: int, now: float) -> None:
        """``agent`` cannot follow an `Invite`: somebody is speaking to it, or it ends."""
        r = self._rounds.find(number, Phase.WAITING)
        if r is not None and self.expects(agent, number):
            self._pass_on(r, now)
            if r.phase is Phase.DONE and r.turn.by_agent and r.tries < _TRIES:
                self._next = (now + _TRY_AGAIN, r.turn, r.speaker, r.tries + 1)
        self._advance(now)

    def dismissed(self, agent: str, onset: float, now: float) -> None:
        """The holder judged the sound since ``onset`` to be no turn (a listener's response): nobody answers it."""
        if self.hold is None or self.hold.agent != agent:
            return
        self.record.dismiss(onset, now)
        for r in self._rounds:
            unsettled = r.phase in (Phase.OPEN, Phase.DECIDING, Phase.WAITING) and not r.turn.by_agent
            if unsettled and self.record.was_dismissed(r.onset, r.end, now):
                r.phase = Phase.DONE
                self._refuse_all(r)

    def want_say(self, agent: str, now: float) -> None:
        """``agent`` wants to say something by itself; called once for each thing."""
        if agent in self.members and len(self._says) < _MAX_SAYS:
            self._says.append(agent)
        self._advance(now)

    # --- the holder -------------------------------------------------------------------------------------------

    def alive(self, agent: str, now: float) -> None:
        """The holder is heard."""
        if self.hold is not None and self.hold.agent == agent and not self.hold.revoked:
            self.hold.heard = True
            self.hold.deadline = now + self.settings.deadline

    def release(
        self, agent: str, heard: str, now: float, *, interrupted: bool = False, failed: bool = False
    ) -> None:
        """The holder is silent again.

        Args:
            agent: who holds the floor; others are ignored.
            heard: what was heard of it.
            now: the time.
            interrupted: somebody cut it short.
            failed: it could not speak; if nothing was heard of it, somebody else may answer.
        """
        hold = self.hold
        if hold is None or hold.agent != agent:
            return
        member = self.members.get(agent)
        if heard and member is not None:
            member.since, self._quiet_until = now, now + self.settings.pause
            self._out.extend(self.record.spoke(hold.round, agent, member.name, heard, self.members))
            if self.settings.converse and not interrupted and self.turns_in_a_row < self.settings.max_turns:
                turn = FloorTurn(((member.name, heard),), by_agent=True)
                self._next = (now + self.settings.pause, turn, agent, 0)
        self._free(now, failed=(failed or hold.revoked) and not heard)
        self._advance(now)

    def stop(self) -> None:
        """Agents do not answer each other any more, until a person has spoken."""
        self.turns_in_a_row, self._next = self.settings.max_turns, None

    def wake(self, now: float) -> None:
        """Deadlines that have passed."""
        hold = self.hold
        if hold is not None and now >= hold.deadline:
            if hold.revoked:
                self._free(now, failed=not hold.heard)
            else:
                hold.revoked, hold.deadline = True, now + self.settings.revoke_within
                self._out.append(Revoke(hold.agent))
        for r in self._rounds:
            for claim in [c for c in r.claims.values() if now >= c.until]:
                del r.claims[claim.agent]
                self._refuse(claim)
                r.wanted &= r.willing or r.phase is not Phase.OPEN
            if not self._is_timed(r) or now < r.deadline:
                continue
            if r.phase is Phase.DECIDING:
                self._choose(r, choose(r.turn, r.candidates) or "", now)
            elif r.phase is Phase.WAITING:
                self._claim_is_late(r, now)
            else:
                self._finish(r)
        self._advance(now)

    # --- rounds -----------------------------------------------------------------------------------------------

    def _is_timed(self, r: Round) -> bool:
        """Whether the round's own deadline matters now."""
        if r.phase is Phase.WAITING:
            return self.hold is None and not r.ready
        return r.phase is Phase.DECIDING or (r.phase is Phase.OPEN and not r.wanted)

    def _advance(self, now: float) -> None:
        """Brings every round as far as it can go, and gives a free floor to the next."""
        if self.hold is not None:
            return
        for r in self._rounds:
            if r.phase is Phase.OPEN and r.wanted:
                self._ask(r, now)
            elif r.phase is Phase.WAITING and not r.ready and now >= r.deadline:
                self._claim_is_late(r, now)
        ready = self._rounds.ready
        if ready is not None:
            self._grant(ready, now)
        elif self._rounds.busy or (self._says and now < self._quiet_until):
            return
        elif self._says:
            agent = self._says.popleft()
            self.hold = Hold(agent, None, 0, now + self.settings.deadline)
            self._out.append(GrantSay(agent))
        elif self._next is not None and now >= self._next[0]:
            self._begin_next(now)

    def _begin_next(self, now: float) -> None:
        """What an agent said is a turn for the others."""
        assert self._next is not None
        (_, turn, speaker, tries), self._next = self._next, None
        self.turns_in_a_row += tries == 0
        r = self._rounds.begin(turn, now, now, now)
        r.speaker, r.tries, r.wanted = speaker, tries, True
        r.excluded.add(speaker)
        self._ask(r, now)

    def _ask(self, r: Round, now: float) -> None:
        partner = self.record.partner_of(r.turn.speaker)
        r.candidates = tuple(
            Candidate(agent, m.name, now - m.since, partner == agent, m.aliases)
            for agent, m in self.members.items()
            if agent not in r.excluded
        )
        if not r.candidates:
            self._finish(r)
            return
        r.phase, r.deadline = Phase.DECIDING, now + self.settings.decide_within
        self._out.append(AskModerator(r.number, r.turn, r.candidates, tuple(self.record.lines)))

    def _choose(self, r: Round, agent: str, now: float) -> None:
        allowed = [c for c in r.candidates if c.agent in self.members and c.agent not in r.excluded]
        if agent not in {c.agent for c in allowed}:
            agent = choose(r.turn, allowed) or ""
        if not agent:
            self._finish(r)
            return
        r.phase, r.chosen, r.invited, r.wanted = Phase.WAITING, agent, False, False
        # An agent that has heard the turn and was refused claims it no more; of an agents' turn nobody has heard.
        at_once = r.turn.by_agent or agent in r.heard
        r.deadline = now if at_once else now + self.settings.claim_within

    def _claim_is_late(self, r: Round, now: float) -> None:
        if r.invited:
            self._pass_on(r, now)
            return
        r.invited, r.deadline = True, now + self.settings.invited_within
        self._out.append(Invite(r.chosen, r.number, r.turn, r.chosen in r.heard))

    def _pass_on(self, r: Round, now: float) -> None:
        """The chosen one does not answer: somebody else may."""
        r.excluded.add(r.chosen)
        r.reopen(wanted=True, deadline=now)
        if r.excluded.issuperset(self.members):
            self._finish(r)

    def _grant(self, r: Round, now: float) -> None:
        claim = r.claims.pop(r.chosen)
        r.phase = Phase.GRANTED
        if not r.turn.by_agent:
            r.turn = claim.turn
        self.hold = Hold(claim.agent, r, claim.token, now + self.settings.deadline)
        self.record.answered(r, claim.agent)
        self._out.append(Grant(claim.agent, claim.token))
        self._refuse_all(r)

    def _free(self, now: float, *, failed: bool) -> None:
        """The floor is nobody's; a turn that its holder left without a word may be answered by another."""
        assert self.hold is not None
        hold, self.hold = self.hold, None
        r = hold.round
        if r is None:
            return
        r.phase = Phase.DONE
        if failed:
            self.record.taken_back(r)
            r.chosen = hold.agent
            self._pass_on(r, now)

    def _finish(self, r: Round) -> None:
        """Nobody answers."""
        r.phase = Phase.DONE
        self._out.extend(self.record.unanswered(r, self.members))
        self._refuse_all(r)

    def _refuse(self, claim: Claim) -> None:
        if claim.willing:
            self._out.append(Refuse(claim.agent, claim.token))

    def _refuse_all(self, r: Round) -> None:
        for claim in r.claims.values():
            self._refuse(claim)
        r.claims.clear()
