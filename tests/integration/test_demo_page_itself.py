"""The demo page itself: keyboard, names and roles, widths, motion, its event log and its picture."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from chromium import demo_page, microphone_file
from demo_server import DemoServer

pytestmark = pytest.mark.browser

ACCESSIBILITY = Path(__file__).with_name("page_accessibility.js").read_text()
SATURDAY = "What time do you open on Saturday?"
ABOUT = "Tell me about the clinic."
PRICE = "How much does a cleaning cost?"
BOOKING = "I would like to book an appointment for Tuesday."


async def test_the_keyboard_is_enough(demo_server: DemoServer) -> None:
    async with demo_page() as demo:
        page = demo.page
        await demo.open(demo_server.url)
        await page.keyboard.press("Space")
        await page.wait_for_selector("body[data-phase=live]", timeout=15_000)
        await page.keyboard.press("Escape")
        await page.wait_for_selector("body[data-phase=idle]")
        assert (await demo.event("closed"))["code"] == ""

        await page.reload()
        await page.wait_for_selector("#talk:not([disabled])")
        focused = "document.activeElement.id"
        reached = []
        while "talk" not in reached and len(reached) < 6:
            await page.keyboard.press("Tab")
            reached.append(await page.evaluate(focused))
        assert reached[-1] == "talk", reached
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await page.keyboard.press("Enter")
        await page.wait_for_selector("body[data-phase=live]", timeout=15_000)
        assert await page.inner_text("#talk-label") == "Hang up"
        await page.keyboard.press("Enter")
        await page.wait_for_selector("body[data-phase=idle]")
        await page.get_by_role("button", name="Plug in your own agent").press("Enter")
        assert "--agent my_agent:answer" in await page.inner_text("#plug")
        await page.keyboard.press("Escape")
        assert not await page.is_visible("#plug")


async def test_the_event_log_can_be_saved(demo_server: DemoServer, tmp_path: Path) -> None:
    async with demo_page() as demo:
        await demo.open(demo_server.url)
        await demo.start()
        await demo.event("agent_text", turn=0)
        async with demo.page.expect_download() as download:
            await demo.page.click("#log-save")
        saved = tmp_path / "log.jsonl"
        await (await download.value).save_as(saved)
        kinds = [json.loads(line)["type"] for line in saved.read_text().splitlines()]
        assert {"phase", "ready", "state", "agent_text"} <= set(kinds)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_is_accessible_and_fits(demo_server: DemoServer, scheme: str) -> None:
    async with demo_page(viewport=(320, 640), color_scheme=scheme) as demo:
        page = demo.page
        await demo.open(demo_server.url)

        async def check() -> None:
            assert await page.evaluate(ACCESSIBILITY) == []
            for width, height in ((320, 640), (390, 844), (820, 1100), (1280, 800), (1920, 1080)):
                await page.set_viewport_size({"width": width, "height": height})
                wide = await page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, f"scrolls sideways at {width} px"
                box = await page.locator("#talk").bounding_box()
                assert box and box["y"] + box["height"] <= height, f"no button in sight at {width} px"

        await check()
        await demo.start()
        for turn, words in enumerate((PRICE, BOOKING), 1):
            await page.fill("#words", words)
            await page.press("#words", "Enter")
            await demo.until(
                lambda e, w=words: e["type"] == "transcript" and e["text"] == w and e["final"], words
            )
            await demo.event("metrics", turn=turn)  # the next words would cut an answer that is not heard yet
        await check()
        await page.click("#as-table")
        assert await page.locator("#timing-table tbody tr").count() == 2
        await check()


# Speech ends at 10.0 s; the agent was at work 0.2 s before the turn was decided, and the voice was late.
SLOW_TURN = {
    "type": "metrics", "turn": 3, "at": 10.95, "speech_end": 10.0, "decided": 10.3, "asked": 10.1, "first_text": 10.35,
    "first_audio": 10.9, "endpointing": 0.3, "transcription": 0.2, "llm": 0.05, "tts": 0.55, "playout": 0.05,
    "delivery": 0.06, "ahead": 0.2, "total": 0.95, "target": 0.5, "evidence": "", "slowest": "tts",
}  # fmt: skip
SHOWN = """async metrics => {
  const { Waterfall } = await import("./waterfall.js");
  const byId = (id) => document.getElementById(id);
  const list = byId("waterfall");
  new Waterfall(list, byId("timing-table"), byId("timing-summary")).add(metrics);
  const place = (bar) => [bar.style.left, bar.style.width].map(parseFloat);
  const name = (bar) => bar.className.replace("bar ", "");
  const all = (selector) => [...list.querySelectorAll(selector)];
  return {
    lanes: Object.fromEntries(all(".lanes .bar").map((bar) => [name(bar), place(bar)])),
    strip: all(".strip .bar").map(place),
    target: place(list.querySelector(".strip .target"))[0],
    slowest: list.querySelector(".lane.slowest .lane-name").firstChild.textContent,
    verdict: list.querySelector(".w-verdict").textContent,
    values: all(".lane-value").map((value) => value.textContent),
  };
}"""


@pytest.mark.parametrize("viewport", [(1280, 800), (390, 844)])
async def test_the_waterfall_shows_work_ahead_and_the_stage_at_fault(
    demo_server: DemoServer, viewport: tuple[int, int]
) -> None:
    async with demo_page(viewport=viewport) as demo:
        await demo.open(demo_server.url)
        shown = await demo.page.evaluate(SHOWN, SLOW_TURN)
        box = await demo.page.locator("#waterfall details[open] .lanes").bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= viewport[0]
    second = shown["target"] / 0.5  # percent of the track for one second
    lanes = {name: [value / second for value in bar] for name, bar in shown["lanes"].items()}
    assert lanes == {
        "endpointing": pytest.approx([0.0, 0.3], abs=0.002),
        "transcription": pytest.approx([0.0, 0.2], abs=0.002),
        "llm ahead": pytest.approx([0.1, 0.2], abs=0.002),
        "llm": pytest.approx([0.3, 0.05], abs=0.002),
        "tts": pytest.approx([0.35, 0.55], abs=0.002),
        "playout": pytest.approx([0.9, 0.05], abs=0.002),
        "delivery": pytest.approx([0.95, 0.06], abs=0.002),
    }
    # The strip is what was waited for: its parts follow each other and end with the total.
    ends = [(left + width) / second for left, width in shown["strip"]]
    assert ends == pytest.approx([0.3, 0.35, 0.9, 0.95], abs=0.005)
    assert shown["slowest"] == "Voice"
    assert "450 ms over target: Voice took 58 %" in shown["verdict"]
    assert shown["values"] == ["300 ms", "200 ms", "50 ms, and 200 ms ahead", "550 ms", "50 ms", "60 ms"]


async def test_less_motion_is_respected(demo_server: DemoServer) -> None:
    async with demo_page() as demo:
        await demo.page.emulate_media(reduced_motion="reduce")
        await demo.open(demo_server.url)
        picture = "document.getElementById('orb').toDataURL()"
        first = await demo.page.evaluate(picture)
        await asyncio.sleep(1.0)
        assert await demo.page.evaluate(picture) == first, "the idle orb moves although motion is unwanted"


async def test_a_picture_of_a_conversation(demo_server: DemoServer, tmp_path: Path) -> None:
    """Written to the file that ``BELUGA_VOICE_SCREENSHOT`` names: the README's picture is made by this test."""
    target = Path(os.environ.get("BELUGA_VOICE_SCREENSHOT") or tmp_path / "demo.png")
    microphone_file(tmp_path / "mic.wav", [(6.5, SATURDAY), (13.0, ABOUT), (20.5, PRICE), (25.5, BOOKING)])
    async with demo_page(tmp_path / "mic.wav", scale=1.5) as demo:
        await demo.open(demo_server.url)
        await demo.start()
        await demo.event("turn", phase="agent_started", turn=4, timeout=40)
        await demo.event("agent_text", turn=4, final=False)
        await asyncio.sleep(1.0)
        target.parent.mkdir(parents=True, exist_ok=True)
        await demo.page.screenshot(path=target)
    assert target.read_bytes().startswith(b"\x89PNG") and target.stat().st_size > 50_000
