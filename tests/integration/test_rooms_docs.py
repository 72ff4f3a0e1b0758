"""The code in docs/rooms.md runs as it is written, against a real server."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from beluga_voice.testing.livekit_server import LiveKitServer

DOCS = (Path(__file__).parents[2] / "docs" / "rooms.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)


@pytest.mark.parametrize("number", range(3))
async def test_the_code_runs(number: int, livekit_server: LiveKitServer) -> None:
    assert len(CODE) == 3
    environment = {
        **os.environ,
        "LIVEKIT_URL": livekit_server.url,
        "LIVEKIT_API_KEY": livekit_server.api_key,
        "LIVEKIT_API_SECRET": livekit_server.api_secret,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", CODE[number], env=environment, stdout=-1, stderr=-2
    )
    out, _ = await asyncio.wait_for(process.communicate(), 50)
    said = out.decode()
    assert process.returncode == 0, said
    expected = (
        "present: ()",
        "('Ada', 'Ben', 'Cora') speaks now: nobody",
        "Ben: I doubt it.\nAda: It will be fine.\n",
    )
    assert expected[number] in said
