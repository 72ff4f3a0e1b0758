"""One WebSocket of OpenAI's Realtime API."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

import websockets.asyncio.client
from websockets.exceptions import ConnectionClosed

from beluga_voice.errors import ConfigError, ConnectError
from beluga_voice.frames import ToolCall
from beluga_voice.interfaces import ToolSpec
from beluga_voice.providers.outbox import Outbox
from beluga_voice.providers.s2s.openai_realtime import wire
from beluga_voice.providers.s2s.openai_realtime.protocol import RealtimeProtocol, lost
from beluga_voice.speech_to_speech import ModelError, S2SEvent

__all__ = ["RealtimeStream"]

log = logging.getLogger(__name__)

# Ten seconds of audio in frames of 20 ms: what a network that stalls may hold up before the oldest is given up.
_AUDIO_LIMIT = 500
# A server that talks nonsense this often in a row is not one of this API.
_MAX_MALFORMED = 5


class RealtimeStream:
    """A `beluga_voice.speech_to_speech.S2SStream`.

    Args:
        socket: connected.
        interruptible: the server stops its answer when it hears the user.
        secret: the key, masked in whatever the server says.
    """

    def __init__(
        self, socket: websockets.asyncio.client.ClientConnection, *, interruptible: bool, secret: str
    ) -> None:
        self._socket = socket
        self._secret = secret
        self._protocol = RealtimeProtocol(interruptible=interruptible)
        self._outbox: Outbox[dict[str, Any]] = Outbox(_AUDIO_LIMIT)
        self._early: list[S2SEvent] = []
        self._malformed = 0
        self._closing = False
        self._sender = asyncio.create_task(self._send(), name="openai-realtime-send")

    async def configure(self, session: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> None:
        """Sends the session's configuration and history, and waits until the server has taken the former.

        Raises:
            ConfigError: ``invalid_config`` if it refuses.
            ConnectError: ``connection_failed`` if it is gone.
        """
        self._outbox.put(wire.session_update(session))
        for item in history:
            self._outbox.put(wire.create_item(item))
        while not self._protocol.configured:
            for event in await self._receive():
                if isinstance(event, ModelError):
                    raise ConfigError("open_s2s", "invalid_config", f"{event.message} ({event.code})")
                self._early.append(event)

    # --- what it is told --------------------------------------------------------------------------------------

    def push(self, pcm: bytes) -> None:
        """Adds the user's audio."""
        self._outbox.put(wire.append(pcm), audio=True)

    def commit(self) -> None:
        """The user's turn is over."""
        self._protocol.commit()
        self._flush()

    def discard(self) -> None:
        """It was no turn."""
        self._protocol.discard()
        self._flush()

    def respond(self, text: str = "") -> None:
        """Asks for an answer."""
        self._protocol.respond(text)
        self._flush()

    def cancel(self) -> None:
        """Ends the answer."""
        self._protocol.cancel()
        self._flush()

    def truncate(self, item: str, heard: float) -> None:
        """Tells how much of an item was heard."""
        self._protocol.truncate(item, heard)
        self._flush()

    def send_text(self, text: str) -> None:
        """Adds typed words."""
        self._protocol.send_text(text)
        self._flush()

    def send_result(self, call: ToolCall, result: str) -> None:
        """Adds a tool's result."""
        self._protocol.send_result(call, result)
        self._flush()

    def update(self, instructions: str, tools: Sequence[ToolSpec]) -> None:
        """Other instructions and tools."""
        self._protocol.update(instructions, tools)
        self._flush()

    # --- what it says -----------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[S2SEvent]:
        """What the model says.

        Raises:
            ConnectError: ``connection_failed`` when the connection or the vendor's session has ended.
        """
        for event in self._early:
            yield event
        self._early.clear()
        while not self._closing:
            for event in await self._receive():
                yield event

    async def close(self) -> None:
        """Leaves; idempotent."""
        self._closing = True
        self._outbox.close()
        self._sender.cancel()
        await asyncio.wait([self._sender], timeout=0.5)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(0.7):
                await self._socket.close()

    async def _receive(self) -> list[S2SEvent]:
        try:
            message = await self._socket.recv()
        except ConnectionClosed as error:
            # The exception holds only close codes and reasons, no headers.
            raise lost(f"the connection has ended ({self._masked(str(error))})") from error
        try:
            loaded: Any = json.loads(message)
            if not isinstance(loaded, dict):
                raise TypeError("not an object")
            events = self._protocol.receive(cast("dict[str, Any]", loaded))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return self._nonsense(error)
        self._malformed = 0
        self._flush()
        return [self._clean(event) for event in events]

    def _nonsense(self, error: Exception) -> list[S2SEvent]:
        self._malformed += 1
        reason = f"openai_realtime: the server sent what is no event of this API ({type(error).__name__})"
        if self._malformed >= _MAX_MALFORMED:
            raise ConnectError("s2s", "connection_failed", reason) from error
        return [ModelError("malformed_event", reason)]

    def _clean(self, event: S2SEvent) -> S2SEvent:
        if isinstance(event, ModelError):
            return ModelError(event.code, self._masked(event.message))
        return event

    def _masked(self, text: str) -> str:
        return text.replace(self._secret, "***") if self._secret else text

    # --- sending ----------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        while self._protocol.out:
            self._outbox.put(self._protocol.out.popleft())

    async def _send(self) -> None:
        while (event := await self._outbox.get()) is not None:
            try:
                await self._socket.send(json.dumps(event))
            except (ConnectionClosed, OSError) as error:
                log.debug("openai_realtime: not sent: %s", type(error).__name__)
                return  # whoever reads learns that the connection is gone
