"""A headless Chromium whose microphone is a file, and the demo page in it, for browser tests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import wave
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from hibari import SAMPLE_RATE as VOICE_RATE
from hibari import Hibari
from playwright.async_api import ConsoleMessage, Page, async_playwright

MIC_RATE = 48_000
# RMS below which a 20 ms piece counts as silence: 46 dB under full scale, where speech has its pauses.
SILENT = 0.005

_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=user-gesture-required",
)


def executable() -> str:
    """The Chromium to test with: ``CHROMIUM`` or the first one found."""
    names = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
    found = os.environ.get("CHROMIUM") or next((p for n in names if (p := shutil.which(n))), None)
    if found is None:
        raise RuntimeError("no Chromium found: install it (apt install chromium) or set CHROMIUM to its path")
    return found


@cache
def _voice() -> Hibari:
    return Hibari()


def speak(text: str) -> np.ndarray:
    """``text`` as mono float samples at 48 kHz, without the silence around it."""
    samples = np.asarray(_voice()(text), dtype=np.float32)
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return soxr.resample(samples[loud[0] : loud[-1] + 1], VOICE_RATE, MIC_RATE)


def microphone_file(path: Path, utterances: Sequence[tuple[float, str]], tail: float = 60.0) -> list[float]:
    """Writes a WAV in which each text begins at its offset (s); returns where each one ends (s).

    Between utterances lies a hiss far below speech, as a real microphone has it: digital silence would let the
    browser's noise suppression and level control rest.
    """
    spoken = [(at, speak(text)) for at, text in utterances]
    length = max((at + len(voice) / MIC_RATE for at, voice in spoken), default=0.0) + tail
    mic = np.random.default_rng(7).normal(0.0, 2e-4, int(length * MIC_RATE)).astype(np.float32)
    for at, voice in spoken:
        start = int(at * MIC_RATE)
        mic[start : start + len(voice)] += 0.8 * voice / max(1.0, float(np.abs(voice).max()))
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(MIC_RATE)
        out.writeframes((np.clip(mic, -1, 1) * 32_767).astype("<i2").tobytes())
    return [at + len(voice) / MIC_RATE for at, voice in spoken]


@dataclass
class DemoPage:
    """The demo page as a test sees it.

    Attributes:
        page: Playwright's page.
        complaints: console errors and warnings, failed requests and uncaught exceptions; must stay empty.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Collects what the page complains about."""
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("requestfailed", lambda r: self.complaints.append(f"failed: {r.url} {r.failure}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    async def open(self, url: str) -> None:
        """Loads the page and waits until it can be used."""
        await self.page.goto(url)
        await self.page.wait_for_selector("#talk:not([disabled])")

    async def start(self) -> None:
        """Presses the button and waits for the call."""
        await self.page.click("#talk")
        await self.page.wait_for_selector("body[data-phase=live]", timeout=15_000)

    async def events(self, kind: str = "", **fields: Any) -> list[dict[str, Any]]:
        """What the page was told so far, of one type and with these field values."""
        found: list[dict[str, Any]] = await self.page.evaluate("window.__beluga.events")
        return [
            e
            for e in found
            if (not kind or e["type"] == kind) and all(e.get(k) == v for k, v in fields.items())
        ]

    async def event(self, kind: str, *, timeout: float = 20.0, **fields: Any) -> dict[str, Any]:
        """Waits for the first event of a type with these field values."""
        return await self.until(
            lambda e: e["type"] == kind and all(e.get(k) == v for k, v in fields.items()),
            f"{kind} {fields}",
            timeout,
        )

    async def until(
        self, wanted: Callable[[dict[str, Any]], bool], what: str, timeout: float = 20.0
    ) -> dict[str, Any]:
        """Waits for an event."""
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            events = await self.events()
            found = next((e for e in events if wanted(e)), None)
            if found is not None:
                return found
            if asyncio.get_running_loop().time() > deadline:
                story = "\n".join(str(e) for e in events[-25:])
                raise AssertionError(f"no {what} within {timeout:g} s; the page's last events:\n{story}")
            await asyncio.sleep(0.05)

    async def now(self) -> float:
        """The page's clock in seconds, as in ``page_at`` and in levels."""
        return float(await self.page.evaluate("performance.now() / 1000"))

    async def levels(self, since: float = 0.0) -> np.ndarray:
        """Rows of time (page seconds), RMS of the microphone and of what is heard of the agent; one for 20 ms."""
        rows: list[list[float]] = await self.page.evaluate("since => window.__beluga.levels(since)", since)
        return np.array(rows, dtype=np.float64).reshape(-1, 3)

    async def said(self, who: str) -> list[str]:
        """The finished or growing sentences of ``user`` or ``agent`` in the transcript, oldest first."""
        return await self.page.locator(f".{who} .words").all_inner_texts()


def onset_after(levels: np.ndarray, since: float, column: int, loud: float = 4 * SILENT) -> float:
    """When a side began to be heard after ``since`` (page seconds); raises if it did not."""
    heard = levels[(levels[:, 0] >= since) & (levels[:, column] > loud), 0]
    assert len(heard), f"nothing was heard after {since:.2f} s"
    return float(heard[0])


def silent_from(levels: np.ndarray, since: float, hold: float = 0.4) -> float:
    """When the agent fell silent for at least ``hold`` seconds, at or after ``since`` (page seconds)."""
    after = levels[levels[:, 0] >= since]
    quiet_since: float | None = None
    for at, _, agent in after:
        if agent > SILENT:
            quiet_since = None
        elif quiet_since is None:
            quiet_since = float(at)
        elif at - quiet_since >= hold:
            return quiet_since
    raise AssertionError(f"the agent did not fall silent after {since:.2f} s")


@contextlib.asynccontextmanager
async def demo_page(
    microphone: Path | None = None,
    *,
    allowed: bool = True,
    viewport: tuple[int, int] = (1280, 800),
    color_scheme: Any = "light",
    scale: float = 1.0,
    complaints: str = "",
) -> AsyncIterator[DemoPage]:
    """A browser with a page in it.

    Args:
        microphone: a WAV file that is played once as the microphone; without it Chromium beeps.
        allowed: whether the page may listen.
        viewport: in CSS pixels.
        color_scheme: ``light`` or ``dark``.
        scale: device pixels per CSS pixel.
        complaints: pattern of console messages that the test provokes; any other fails it.
    """
    arguments = [*_QUIET, "--use-fake-device-for-media-stream"]
    if allowed:
        arguments.append("--use-fake-ui-for-media-stream")
    if microphone is not None:
        arguments.append(f"--use-file-for-fake-audio-capture={microphone}%noloop")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=arguments)
        try:
            context = await browser.new_context(
                viewport={"width": viewport[0], "height": viewport[1]},
                color_scheme=color_scheme,
                device_scale_factor=scale,
                permissions=["microphone"] if allowed else [],
            )
            demo = DemoPage(await context.new_page())
            demo.listen()
            yield demo
            unexpected = [c for c in demo.complaints if not (complaints and re.search(complaints, c))]
            assert unexpected == [], "the page complained"
        finally:
            for page in [page for context in browser.contexts for page in context.pages]:
                await (
                    page.close()
                )  # lets the page hang up: a browser that vanishes is missed only after half a minute
            await browser.close()
