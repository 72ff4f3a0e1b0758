"""Data packets and short texts to a LiveKit room, each in one request that wakes nobody but its sender.

The SDK's own calls let every room of the process look at every answer, and take three requests for a text. Checked
with livekit 1.2.0.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

from livekit import rtc
from livekit.rtc._proto import ffi_pb2

from beluga_voice.errors import ConnectError
from beluga_voice.transports.livekit_router import router

__all__ = ["Packets", "ask", "send_text"]

log = logging.getLogger(__name__)

# Packets the SDK has not taken yet; then a sender waits.
_IN_FLIGHT = 32


class Packets:
    """Reliable data packets to everybody in one room, in order.

    Nobody waits for a packet unless too many are on their way; one that fails is logged.
    """

    def __init__(self, room: rtc.Room, topic: str) -> None:
        self._room = room
        self._topic = topic
        self._loop = asyncio.get_running_loop()
        self._in_flight: deque[None] = deque()  # its length is counted on two threads
        self._wanted = False
        self._free = asyncio.Event()

    async def send(self, payload: bytes) -> None:
        """Hands a packet to the SDK; waits while too many are on their way."""
        while len(self._in_flight) >= _IN_FLIGHT:
            self._free.clear()
            self._wanted = True
            # Asked again after saying so, because the answers come on another thread.
            if len(self._in_flight) >= _IN_FLIGHT:
                await self._free.wait()
            self._wanted = False
        request = ffi_pb2.FfiRequest()
        publish = request.publish_data
        publish.local_participant_handle = _handle(self._room)
        kept = ctypes.create_string_buffer(payload, len(payload))
        publish.data_ptr, publish.data_len = ctypes.addressof(kept), len(payload)
        publish.reliable, publish.topic = True, self._topic

        def answered(answer: Any, kept: object = kept) -> None:
            if answer.error:
                log.debug("a data packet was not sent: %s", answer.error)
            self._in_flight.pop()
            if self._wanted and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._free.set)

        self._in_flight.append(None)
        try:
            router().ask(request, publish, answered)
        except BaseException:
            self._in_flight.pop()
            raise


async def send_text(
    room: rtc.Room, text: str, topic: str, attributes: Mapping[str, str], sender_identity: str = ""
) -> None:
    """Sends a whole text stream; returns when the SDK has sent it.

    Raises:
        ConnectError: ``connection_failed`` if it could not.
    """
    request = ffi_pb2.FfiRequest()
    send = request.send_text
    send.local_participant_handle = _handle(room)
    send.text = text
    send.options.topic = topic
    send.options.attributes.update(attributes)
    send.options.sender_identity = sender_identity or room.local_participant.identity
    answer = await ask(request, send)
    if answer.HasField("error"):
        problem = answer.error.description
        raise ConnectError("send_text", "connection_failed", f"livekit: a text was not sent: {problem}")


async def ask(request: ffi_pb2.FfiRequest, part: Any) -> Any:
    """Makes a request of which ``part`` is filled in, and returns the SDK's answer."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def tell(answer: Any) -> None:
        if not done.done():
            done.set_result(answer)

    def answered(answer: Any) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, answer)

    number = router().ask(request, part, answered)
    try:
        return await done
    finally:
        router().forget(number)


def _handle(room: rtc.Room) -> int:
    return room.local_participant._ffi_handle.handle  # pyright: ignore[reportPrivateUsage]
