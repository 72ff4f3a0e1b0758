from __future__ import annotations

import asyncio
from typing import Any

import pytest

from beluga_voice.errors import ConnectError
from beluga_voice.testing.loop import run
from beluga_voice.transports.livekit_presence import Presence


def told(identity: str, phase: str, kind: str = "standard") -> dict[str, Any]:
    return {"type": "participant", "identity": identity, "phase": phase, "data": {"kind": kind}}


def test_the_last_one_to_leave_starts_the_clock_and_whoever_comes_back_stops_it() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ended: list[float] = []
        presence = Presence(5.0, lambda: ended.append(loop.time()))
        start = loop.time()
        await asyncio.sleep(60.0)  # nobody has been there yet: it waits
        for identity in ("ann", "bob"):
            presence.follow(told(identity, "joined"))
        presence.follow(told("helper", "joined", kind="agent"))
        presence.follow(told("ann", "left"))
        await asyncio.sleep(60.0)
        presence.follow(told("bob", "left"))
        await asyncio.sleep(4.9)
        presence.follow(told("bob", "joined"))
        assert presence.people == {"bob"}
        await asyncio.sleep(60.0)
        assert not ended
        presence.follow(told("bob", "left"))
        presence.follow(told("helper", "left"))
        await asyncio.sleep(10.0)
        assert ended == [pytest.approx(start + 60 + 60 + 4.9 + 60 + 5.0)]

    run(main())


def test_a_room_that_is_joined_afresh_and_empty_counts_as_left() -> None:
    async def main() -> None:
        ended: list[int] = []
        presence = Presence(5.0, lambda: ended.append(1))
        presence.follow(told("ann", "joined"))
        presence.forget()
        await asyncio.sleep(1.0)
        presence.follow(told("ann", "joined"))
        await asyncio.sleep(60.0)
        assert not ended
        presence.forget()
        await asyncio.sleep(6.0)
        assert ended == [1]
        presence.close()

    run(main())


def test_waiting_for_somebody() -> None:
    async def main() -> None:
        presence = Presence(5.0, lambda: None)
        asyncio.get_running_loop().call_later(2.0, presence.follow, told("ann", "joined"))
        assert await presence.wait("", 10.0) == "ann"
        assert await presence.wait("ann", 10.0) == "ann"
        with pytest.raises(ConnectError, match="'bob' did not join the room in 3 s") as error:
            await presence.wait("bob", 3.0)
        assert error.value.code == "connection_timeout"
        presence.close()

    run(main())
