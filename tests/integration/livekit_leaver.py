"""A program that talks in a LiveKit room for a moment and ends: ``python livekit_leaver.py URL TOKEN``."""

from __future__ import annotations

import asyncio
import sys

import beluga_voice as bv
from beluga_voice.testing.scripted import tone
from beluga_voice.transports.livekit import LiveKitTransport


async def main() -> None:
    url, token = sys.argv[1:]
    transport = LiveKitTransport(bv.TransportConfig(url=url, token=token, extra={"hear": "everyone"}))
    pcm = tone(0.3)
    for at in range(0, len(pcm), 640):
        await transport.send(bv.AudioFrame(pcm[at : at + 640]))
    await transport.close()


asyncio.run(main())
