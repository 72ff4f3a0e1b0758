"""``demo``: a page to talk to an agent, served from this machine, with no key and no network."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import webbrowser
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators
from pydantic import SecretStr
from rich.console import Console
from rich.panel import Panel

from beluga_voice.cli.loading import DEFAULT_AGENT, agent_factory, load_backend, started
from beluga_voice.config import SessionConfig
from beluga_voice.interfaces import Transport
from beluga_voice.observe.otlp import exported_if_asked
from beluga_voice.server.app import create_app
from beluga_voice.server.limits import Limits
from beluga_voice.server.run import loop_factory, serve

__all__ = ["demo"]

Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65_535))]

_SUGGESTIONS = (
    "What time do you open on Saturday?",
    "How much does a cleaning cost?",
    "I would like to book an appointment for Tuesday.",
    "Tell me about the clinic.",
)


def demo(
    *,
    port: Port = 8080,
    host: str = "127.0.0.1",
    browser: Annotated[bool, Parameter(negative="--no-browser")] = True,
    agent: str = DEFAULT_AGENT,
    provider: str | None = None,
    config: Path | None = None,
    events: Path | None = None,
) -> int:
    """Talk to an agent in the browser: offline, no keys.

    Args:
        port: where to serve the page; 0 chooses a free one.
        host: address to listen on. Browsers give a microphone only to localhost and https pages.
        browser: open the page.
        agent: who answers, as module:attribute.
        provider: the backend; embedded unless the configuration says otherwise.
        config: a YAML or TOML file.
        events: a folder for the event log of each conversation.
    """
    console = Console()
    make_agent = agent_factory(agent)
    count = 0

    def session_config(transport: Transport | None, token: str, metadata: Mapping[str, Any]) -> SessionConfig:
        nonlocal count
        count += 1
        log = events / f"conversation-{count}.jsonl" if events is not None else None
        return SessionConfig(
            user_id="visitor",
            transport=transport,
            token=SecretStr(token),
            metadata=dict(metadata),
            event_log=log,
            **make_agent(),
        )

    def ready(url: str) -> None:
        notes = [f"[bold]Open [link={url}]{url}[/link][/bold] and press the button.", "Ctrl-C ends."]
        if find_spec("aiortc") is None:
            notes.insert(1, 'For WebRTC: pip install "beluga-voice\\[webrtc]" (a WebSocket is used now).')
        console.print(Panel("\n".join(notes), title="Beluga Voice", border_style="cyan", expand=False))
        if browser and _has_screen():
            # Some browsers keep the call until they are closed; nothing waits for this thread.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    async def main() -> None:
        backend = load_backend(config, provider)
        limits = Limits(max_connections=backend.config.max_concurrent_sessions or 1000)
        page = {
            "agent": _describe(agent),
            "suggestions": list(_SUGGESTIONS) if agent == DEFAULT_AGENT else [],
        }
        async with started(backend, console):
            app = create_app(backend, session_config, limits=limits, page=page)
            await serve(app, host, port, ready=ready)

    with (
        exported_if_asked(),
        contextlib.suppress(KeyboardInterrupt),
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        runner.run(main())
    return 0


def _has_screen() -> bool:
    """False where the only browser would be a text one that takes over this terminal."""
    unix = sys.platform not in ("darwin", "win32")
    return not unix or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def _describe(agent: str) -> dict[str, str]:
    if agent == DEFAULT_AGENT:
        return {
            "name": "Riverside Dental Clinic",
            "description": "Knows opening hours and prices, books and cancels appointments.",
        }
    return {"name": agent, "description": "Your own agent."}
