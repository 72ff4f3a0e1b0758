"""The demo page in a LiveKit room: a real browser with LiveKit's own client, a real server, real speech."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from chromium import SILENT, DemoPage, demo_page, microphone_file, onset_after, silent_from
from demo_server import DemoServer
from livekit import api
from playwright.async_api import Route

from beluga_voice.testing.livekit_server import LiveKitServer

pytestmark = pytest.mark.browser

AFTER_GREETING = 7.5
SATURDAY = "What time do you open on Saturday?"
ABOUT = "Tell me about the clinic."
PRICE = "How much does a cleaning cost?"


def serve(own_server: Callable[..., DemoServer], server: LiveKitServer) -> DemoServer:
    return own_server(
        "--provider",
        "livekit",
        LIVEKIT_URL=server.url,
        LIVEKIT_API_KEY=server.api_key,
        LIVEKIT_API_SECRET=server.api_secret,
    )


async def people(server: LiveKitServer) -> int:
    async with api.LiveKitAPI(server.http_url, server.api_key, server.api_secret) as lk:
        return sum(r.num_participants for r in (await lk.room.list_rooms(api.ListRoomsRequest())).rooms)


@pytest.mark.timeout(150)
async def test_a_page_talks_in_a_livekit_room(
    own_server: Callable[..., DemoServer], livekit_server: LiveKitServer, tmp_path: Path
) -> None:
    site = await asyncio.to_thread(serve, own_server, livekit_server)
    microphone_file(
        tmp_path / "mic.wav",
        [(AFTER_GREETING, SATURDAY), (AFTER_GREETING + 9, ABOUT), (AFTER_GREETING + 17.5, PRICE)],
    )
    async with demo_page(tmp_path / "mic.wav") as demo:
        await demo.open(site.url)
        await demo.start()
        assert (await demo.event("ready"))["transport"] == "livekit"
        final = await demo.event("transcript", final=True, turn=1)
        assert final["text"].lower().rstrip("?.") == "what time do you open on saturday"
        began = await demo.event("turn", phase="agent_started", turn=1)
        await demo.event("turn", phase="agent_ended", turn=1)
        assert "ten to two" in (await demo.said("agent"))[-1].lower()
        levels = await demo.levels(began["page_at"])
        heard = onset_after(levels, began["page_at"], column=2)
        assert heard - began["page_at"] < 1.0
        await demo.page.wait_for_selector("#waterfall details[open] .lanes .bar.endpointing")

        # Speaking over a long answer silences it.
        over = await demo.event("turn", phase="agent_started", turn=2)
        await demo.event("interruption", turn=2, timeout=30)
        await demo.event("turn", phase="agent_started", turn=3)
        levels = await demo.levels()
        onset = onset_after(levels, over["page_at"] + 1.0, column=1)
        before = levels[(levels[:, 0] > onset - 0.5) & (levels[:, 0] < onset), 2]
        assert before.max() > 4 * SILENT, "the agent was not heard when the user began; nothing was tested"
        assert silent_from(levels, onset) - onset < 1.5
        await demo.event("turn", phase="agent_ended", turn=3)
        assert "60 dollars" in (await demo.said("agent"))[-1]
        assert await people(livekit_server) == 1  # agents are not counted

        await _hang_up(demo)
    for _ in range(100):
        if await asyncio.to_thread(site.sessions) == (0, 0) and await people(livekit_server) == 0:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"left behind: {site.sessions()}, {await people(livekit_server)} in rooms")


async def _hang_up(demo: DemoPage) -> None:
    await demo.page.click("#talk")
    await demo.page.wait_for_selector("body[data-phase='idle']")


async def test_what_is_said_while_the_call_is_set_up_is_heard(
    own_server: Callable[..., DemoServer], livekit_server: LiveKitServer, tmp_path: Path
) -> None:
    site = await asyncio.to_thread(serve, own_server, livekit_server)
    microphone_file(tmp_path / "mic.wav", [(0.2, SATURDAY)])

    async def slowly(route: Route) -> None:
        await asyncio.sleep(3.0)  # the whole question is asked before there is an agent
        await route.continue_()

    async with demo_page(tmp_path / "mic.wav") as demo:
        await demo.page.route("**/livekit/join", slowly)
        await demo.open(site.url)
        await demo.start()
        ready = await demo.event("ready")
        levels = await demo.levels()
        assert (levels[levels[:, 0] < ready["page_at"], 1] > SILENT).any(), (
            "nothing was said before; nothing tested"
        )
        final = await demo.event("transcript", final=True, turn=1)
        assert final["text"].lower().rstrip("?.") == "what time do you open on saturday"


async def test_typed_words_without_a_microphone(
    own_server: Callable[..., DemoServer], livekit_server: LiveKitServer
) -> None:
    site = await asyncio.to_thread(serve, own_server, livekit_server)
    async with demo_page(allowed=False) as demo:
        await demo.open(site.url)
        await demo.page.fill("#words", PRICE)
        await demo.page.press("#words", "Enter")
        await demo.event("turn", phase="agent_ended", turn=1)
        assert await demo.said("user") == [PRICE]
        assert "60 dollars" in (await demo.said("agent"))[-1]


async def test_a_livekit_server_that_is_gone_is_explained(
    own_server: Callable[..., DemoServer], livekit_server: LiveKitServer
) -> None:
    site = await asyncio.to_thread(serve, own_server, livekit_server)
    await livekit_server.kill()
    async with demo_page(allowed=False, complaints="502") as demo:
        await demo.open(site.url)
        await demo.page.fill("#words", PRICE)
        await demo.page.press("#words", "Enter")
        problem = await demo.event("problem")
        assert problem["code"] == "connection_failed"
        assert livekit_server.url.removeprefix("ws://") in problem["message"]
