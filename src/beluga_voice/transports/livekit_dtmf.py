"""Telephone keys pressed in a LiveKit room: livekit-sip passes them on to the phone line (RFC 4733).

Checked with livekit 1.2.0 and livekit-server 1.13.5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from livekit import rtc
from livekit.rtc._proto import ffi_pb2

from beluga_voice.errors import BackendError, ConnectError, FormatError
from beluga_voice.transports.livekit_messages import ask

__all__ = ["PAUSE", "Keys"]

# The place of a key is its event code in RFC 4733, section 3.2.
_KEYS = "0123456789*#ABCD"
_WAIT, _WAIT_SECONDS = "W", 0.5
_DEADLINE = 5.0
PAUSE = 0.3
"""Seconds from one key to the next, so that a phone line can tell two presses of one key apart."""


class Keys:
    """Presses keys, those of one call after those of the one before."""

    def __init__(self) -> None:
        self._pressing = asyncio.Lock()

    async def press(
        self, keys: str, room: Callable[[], Awaitable[rtc.Room]], pause: float, to: Sequence[str] = ()
    ) -> None:
        """Presses ``keys`` one after another; returns when the last was sent.

        Args:
            keys: of ``0-9 * # A-D``, and ``w`` to wait half a second.
            room: gives the room, or raises if it cannot be used now.
            pause: seconds from one key to the next.
            to: identities that get them; everybody if empty.

        Raises:
            FormatError: ``invalid_format`` for other keys, none, or a negative pause; then nothing was pressed.
            ConnectError: ``connection_failed``; ``details["sent"]`` is how many keys were pressed.
        """
        keys = _checked(keys, pause)
        async with self._pressing:
            sent = 0
            for key in keys:
                if key == _WAIT:
                    await asyncio.sleep(_WAIT_SECONDS)
                    continue
                if sent:
                    await asyncio.sleep(pause)
                try:
                    await _press(await room(), key, to)
                except BackendError as error:
                    # How many keys, not which: they may be part of a PIN.
                    details = {**error.details, "sent": sent}
                    raise type(error)(
                        "send_dtmf", error.code, error.message, details, error.retryable
                    ) from error
                sent += 1


def _checked(keys: str, pause: float) -> str:
    allowed = frozenset(_KEYS + _WAIT)
    wrong = next((key for key in keys if key.upper() not in allowed), "")
    what = ""
    if wrong:
        what = f"{wrong!r} is not a key"
    elif not set(keys.upper()) - {_WAIT}:
        what = "no keys were given"
    elif not 0.0 <= pause <= 60.0:
        what = f"pause={pause:g} is not from 0 to 60 seconds"
    if what:
        raise FormatError(
            "send_dtmf", "invalid_format", f"livekit: {what}; use 0-9, *, #, A-D, and w to wait half a second"
        )
    return keys.upper()


async def _press(room: rtc.Room, key: str, to: Sequence[str]) -> None:
    request = ffi_pb2.FfiRequest()
    press = request.publish_sip_dtmf
    press.local_participant_handle = room.local_participant._ffi_handle.handle  # pyright: ignore[reportPrivateUsage]
    press.code, press.digit = _KEYS.index(key), key
    press.destination_identities.extend(to)
    try:
        async with asyncio.timeout(_DEADLINE):
            problem: str = (await ask(request, press)).error
    except TimeoutError:
        problem = "no answer"
    if problem:
        raise ConnectError("send_dtmf", "connection_failed", f"livekit: a key was not sent: {problem}")
