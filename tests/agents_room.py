"""One room with several agents, in virtual time: who is audible when."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import beluga_voice as bv
from beluga_voice.session.session import Session
from beluga_voice.testing.loop import run
from beluga_voice.transports.memory import MemoryTransport
from people import PITCHES, People
from stage import Stage, echo


@dataclass
class AgentsRoom:
    """Sessions of one floor, all hearing the same people.

    Attributes:
        sessions: by the agent's name.
        transports: likewise.
        audible: for each frame that was sent, when and by whom.
        events: of each session.
    """

    people: People
    sessions: dict[str, Session] = field(default_factory=dict[str, Session])
    transports: dict[str, MemoryTransport] = field(default_factory=dict[str, MemoryTransport])
    audible: list[tuple[float, float, str]] = field(default_factory=list[tuple[float, float, str]])
    events: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    listeners: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    def overlaps(self) -> list[tuple[float, str, str]]:
        """Moments in which two agents were audible."""
        found: list[tuple[float, str, str]] = []
        ordered = sorted(self.audible)
        for (_, end, who), (start, _, other) in itertools.pairwise(ordered):
            if who != other and start < end - 0.001:
                found.append((start, who, other))
        return found

    def spoken(self) -> list[str]:
        """Agents in the order in which they were audible."""
        out: list[str] = []
        for _, _, who in sorted(self.audible):
            if not out or out[-1] != who:
                out.append(who)
        return out

    def history(self, name: str) -> list[tuple[str, str, str]]:
        return [(m.role, m.participant, m.content) for m in self.sessions[name].history]

    async def listen(self, name: str) -> None:
        async for frame in self.transports[name].played():
            now = asyncio.get_running_loop().time()
            self.audible.append((now, now + frame.duration, name))

    async def collect(self, name: str) -> None:
        async for event in self.sessions[name].events():
            self.events.setdefault(name, []).append(event)


def play_agents(
    stage: Stage,
    script: Callable[[AgentsRoom], Awaitable[Any]],
    agents: Mapping[str, Any],
    *,
    voices: Mapping[str, list[str]] | None = None,
    floor: Callable[[], bv.Floor] = bv.Floor,
    greeting: str = "",
    config: Mapping[str, Any] | None = None,
    **options: Any,
) -> AgentsRoom:
    """Plays ``script`` with ``agents`` (name → callback, or None for an echo) that share a floor."""

    async def main() -> AgentsRoom:
        room = AgentsRoom(People())
        async with bv.new_backend("embedded", stage.config(**(config or {}))) as backend:
            shared = floor()
            for name, callback in agents.items():
                transport = room.transports[name] = MemoryTransport()
                room.sessions[name] = await backend.create_session(
                    bv.SessionConfig(
                        user_id="room",
                        agent_callback=callback or echo,
                        agent_name=name,
                        floor=shared,
                        transport=transport,
                        greeting=greeting,
                        **options,
                    )
                )
            room.people.transports = tuple(room.transports.values())
            for session in room.sessions.values():
                await session.start()
            tasks = [asyncio.create_task(f(n)) for n in agents for f in (room.listen, room.collect)]
            try:
                await script(room)
            finally:
                for session in room.sessions.values():
                    await session.stop()
                await asyncio.wait(tasks, timeout=5.0)
            assert shared.agents == ()
            assert shared.speaker == ""
        return room

    # Every session hears everybody, so each voice's words are given once for each agent.
    given = {
        PITCHES[who]: [t for text in texts for t in [text] * len(agents)]
        for who, texts in (voices or {}).items()
    }
    stage.stt.give_voices(given)
    return run(main())
