"""What `doctor` says of LiveKit: the library, a server program, and the server in LIVEKIT_URL."""

from __future__ import annotations

import asyncio
import os
from importlib.metadata import PackageNotFoundError, version

from beluga_voice.cli.checks import Finding
from beluga_voice.errors import BackendError
from beluga_voice.testing.livekit_program import find_livekit_server

__all__ = ["livekit"]

_TIMEOUT = 5.0


def livekit() -> list[Finding]:
    """Library, server program, and whether the server of LIVEKIT_URL answers and takes the key."""
    try:
        found = f"livekit {version('livekit')}, livekit-api {version('livekit-api')}"
    except PackageNotFoundError:
        remedy = 'pip install "beluga-voice[livekit]"'
        return [Finding("livekit", "warn", "not installed (LiveKit rooms)", remedy)]
    out = [Finding("livekit", "ok", found)]
    url = os.environ.get("LIVEKIT_URL", "")
    if url:
        out.append(asyncio.run(_reach(url)))
    try:
        out.append(Finding("livekit-server", "ok", str(find_livekit_server())))
    except BackendError as error:
        if not url:  # who has a server needs no program
            out.append(
                Finding("livekit-server", "warn", "not found here, LIVEKIT_URL not set", error.message)
            )
    return out


async def _reach(url: str) -> Finding:
    from beluga_voice.livekit import LiveKitApi

    try:
        async with LiveKitApi(url, timeout=_TIMEOUT) as client:
            seconds = await client.ping()
    except BackendError as error:
        remedy = "correct LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or start the server"
        return Finding("LIVEKIT_URL", "fail", error.message, remedy)
    return Finding("LIVEKIT_URL", "ok", f"{url} answers in {seconds * 1000:.0f} ms and takes the key")
