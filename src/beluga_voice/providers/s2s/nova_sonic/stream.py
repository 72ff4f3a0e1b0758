"""One bidirectional stream to Amazon Nova Sonic."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol, cast

from beluga_voice.errors import BackendError, ConnectError
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ToolSpec
from beluga_voice.providers.outbox import Outbox
from beluga_voice.providers.s2s.nova_sonic.protocol import NovaProtocol
from beluga_voice.speech_to_speech import ModelError, S2SEvent

__all__ = ["NovaConnection", "NovaStream"]

log = logging.getLogger(__name__)

_AUDIO_LIMIT = 500
_MAX_MALFORMED = 5
# The service ends a stream that brings no audio; a microphone that is muted is filled with silence from here on.
_QUIET_AFTER = 0.5
_SILENCE = 0.1


class NovaConnection(Protocol):
    """What carries the events: JSON in bytes, both ways."""

    async def send(self, data: bytes) -> None:
        """Sends one event."""
        ...

    async def receive(self) -> bytes | None:
        """The next event; None at the end.

        Raises:
            BackendError: what the service or the network says.
        """
        ...

    async def ready(self, patience: float) -> None:
        """Waits at most ``patience`` seconds whether the service refuses.

        Raises:
            BackendError: what it says.
        """
        ...

    async def close(self) -> None:
        """Leaves."""
        ...


class NovaStream:
    """A `beluga_voice.speech_to_speech.S2SStream`.

    Args:
        connection: carries the events.
        protocol: has begun; what it wants sent first is sent.
        input_rate: of the user's audio, in Hz.
    """

    def __init__(self, connection: NovaConnection, protocol: NovaProtocol, input_rate: int) -> None:
        self._connection = connection
        self._protocol = protocol
        self._silence = bytes(int(input_rate * _SILENCE) * 2)
        self._outbox: Outbox[dict[str, Any]] = Outbox(_AUDIO_LIMIT)
        self._told = asyncio.Event()
        self._malformed = 0
        self._closing = False
        self._flush()
        self._sender = asyncio.create_task(self._send(), name="nova-sonic-send")

    # --- what it is told --------------------------------------------------------------------------------------

    def push(self, pcm: bytes) -> None:
        """Adds the user's audio."""
        self._outbox.put(self._protocol.audio(pcm), audio=True)

    def commit(self) -> None:
        """The service takes turns by itself."""

    def discard(self) -> None:
        """The service takes turns by itself."""

    def respond(self, text: str = "") -> None:
        """Has it speak ``text``; its own answers come by themselves."""
        self._protocol.respond(text)
        self._flush()

    def cancel(self) -> None:
        """Hears no more of the answer under way."""
        self._protocol.cancel()

    def truncate(self, item: str, heard: float) -> None:
        """The service keeps account of what it was interrupted in by itself."""

    def send_text(self, text: str) -> None:
        """Adds typed words."""
        self._protocol.send_text(text)
        self._flush()

    def send_result(self, call: ToolCall, result: str) -> None:
        """Adds a tool's result."""
        self._protocol.send_result(call, result)
        self._flush()

    def update(self, instructions: str, tools: Sequence[ToolSpec]) -> None:
        """Other instructions and tools, by way of another connection."""
        self._protocol.update(instructions, tools)
        self._flush()

    # --- what it says -----------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[S2SEvent]:
        """What the model says.

        Raises:
            BackendError: when the service or the network has ended the stream.
        """
        pending = self._protocol.pending
        receiving: asyncio.Task[bytes | None] | None = None
        try:
            while not self._closing:
                while pending:
                    yield pending.popleft()
                self._told.clear()
                receiving = receiving or asyncio.create_task(self._connection.receive())
                told = asyncio.create_task(self._told.wait())
                await asyncio.wait({receiving, told}, return_when=asyncio.FIRST_COMPLETED)
                told.cancel()
                if not receiving.done():
                    continue
                data, receiving = receiving.result(), None
                if data is None:
                    raise ConnectError(
                        "s2s", "connection_failed", "nova_sonic: the service has ended the stream"
                    )
                for event in self._understand(data):
                    yield event
        finally:
            if receiving is not None:
                receiving.cancel()

    async def close(self) -> None:
        """Leaves, in the order the service wants; idempotent."""
        if self._closing:
            return
        self._closing = True
        self._protocol.end()
        self._flush()
        self._outbox.close()
        await asyncio.wait([self._sender], timeout=0.3)
        self._sender.cancel()
        self._told.set()
        with contextlib.suppress(Exception):
            async with asyncio.timeout(0.6):
                await self._connection.close()

    def _understand(self, data: bytes) -> list[S2SEvent]:
        try:
            loaded: Any = json.loads(data)
            if not isinstance(loaded, dict):
                raise TypeError("not an object")
            events = self._protocol.receive(cast("dict[str, Any]", loaded))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._malformed += 1
            reason = f"nova_sonic: the service sent what is no event of this API ({type(error).__name__})"
            if self._malformed >= _MAX_MALFORMED:
                raise ConnectError("s2s", "connection_failed", reason) from error
            return [ModelError("malformed_event", reason)]
        self._malformed = 0
        self._flush()
        return events

    # --- sending ----------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        while self._protocol.out:
            self._outbox.put(self._protocol.out.popleft())
        if self._protocol.pending:
            self._told.set()

    async def _send(self) -> None:
        wait = _QUIET_AFTER
        while True:
            try:
                async with asyncio.timeout(wait):
                    event = await self._outbox.get()
                wait = _QUIET_AFTER
            except TimeoutError:
                event, wait = self._protocol.audio(self._silence), _SILENCE
            if event is None:
                return
            try:
                await self._connection.send(json.dumps(event).encode())
            except BackendError as error:
                log.debug("nova_sonic: not sent: %s", error.code)
                return  # whoever reads learns that the stream has ended
