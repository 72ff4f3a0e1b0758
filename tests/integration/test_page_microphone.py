"""The page asks for a microphone without the loudspeaker's echo, whichever way it talks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from chromium import demo_page
from demo_server import DemoServer

from beluga_voice.testing.livekit_server import LiveKitServer

pytestmark = pytest.mark.browser

# Keeps what the page asks for.
SPY = """
window.asked = [];
const devices = navigator.mediaDevices;
if (devices) {
  const ask = devices.getUserMedia.bind(devices);
  devices.getUserMedia = (wish) => { window.asked.push(wish); return ask(wish); };
}
"""


async def asked(url: str, transport: str) -> None:
    async with demo_page() as demo:
        await demo.page.add_init_script(SPY)
        await demo.open(url)
        await demo.start()
        assert (await demo.event("ready"))["transport"] == transport
        (wish,) = await demo.page.evaluate("window.asked")
        assert wish["audio"]["echoCancellation"] is True


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_on_its_own_server(demo_server: DemoServer, transport: str) -> None:
    await asked(f"{demo_server.url}?transport={transport}", transport)


async def test_in_a_livekit_room(
    own_server: Callable[..., DemoServer], livekit_server: LiveKitServer
) -> None:
    site = await asyncio.to_thread(
        own_server,
        "--provider",
        "livekit",
        LIVEKIT_URL=livekit_server.url,
        LIVEKIT_API_KEY=livekit_server.api_key,
        LIVEKIT_API_SECRET=livekit_server.api_secret,
    )
    await asked(site.url, "livekit")
