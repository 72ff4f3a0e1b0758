"""A local server that speaks OpenAI's Realtime API (GA form, WebSocket) around the scripted model.

::

    async with OpenAIRealtimeServer(replies=["Hello."], utterances=["hi"]) as server:
        config = Config(provider="embedded", pipeline_type="s2s", s2s_provider="openai_realtime",
                        s2s_config={"base_url": server.base_url, "api_key": "sk-anything"})

It takes turns (or leaves that to the client), answers, calls tools, truncates, refuses, expires and breaks off as told,
with the vendor's own event order and errors, and notes every event of both sides. Any sound is speech to it.
"""

from __future__ import annotations

import asyncio
import http
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import websockets.asyncio.server
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from beluga_voice.testing.openai_realtime_session import ServerSession
from beluga_voice.testing.scripted_realtime import Answer, ScriptedModel, ScriptedStream, SettingsModel

__all__ = ["OpenAIRealtimeServer"]


class OpenAIRealtimeServer:
    """Serves on 127.0.0.1 while it is entered.

    Args:
        answer: what to say, given the conversation so far; None goes by ``replies``.
        api_key: if set, other keys are refused with 401.
        refusals: HTTP status and headers with which the next connections are refused.
        port: 0 for any free one.
        script: settings of the scripted model: ``utterances``, ``replies``, ``latency`` …

    Attributes:
        sessions: every connection that was taken.
        received: every event of every client, in order.
        sent: every event to every client, in order.
        requests: path and headers of every upgrade that was asked for.
    """

    def __init__(
        self,
        *,
        answer: Callable[[ScriptedStream], Answer] | None = None,
        api_key: str = "",
        refusals: Sequence[tuple[int, Mapping[str, str]]] = (),
        port: int = 0,
        **script: Any,
    ) -> None:
        self.model = ScriptedModel(SettingsModel(**script), answer=answer)
        self.model.open_delay = 0.0
        self.refusals = list(refusals)
        self._api_key = api_key
        self._port = port
        self._server: websockets.asyncio.server.Server | None = None
        self.sessions: list[ServerSession] = []
        self.received: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def base_url(self) -> str:
        """What a client is given, ending in ``/v1``."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def session(self) -> ServerSession:
        """The newest connection."""
        return self.sessions[-1]

    async def __aenter__(self) -> Self:
        self._server = await websockets.asyncio.server.serve(
            self._serve,
            "127.0.0.1",
            self._port,
            process_request=self._admit,
            compression=None,
            max_size=16 << 20,
            close_timeout=0.5,
        )
        self._port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        for session in self.sessions:
            session.abort()
        self._server.close()
        await self._server.wait_closed()

    def _admit(
        self, connection: websockets.asyncio.server.ServerConnection, request: Request
    ) -> Response | None:
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        self.requests.append((request.path, headers))
        if self.refusals:
            status, more = self.refusals.pop(0)
            return _refusal(status, "server_error", f"scripted refusal {status}", more)
        path, _, query = request.path.partition("?")
        given = headers.get("authorization", "")
        if self._api_key and given != f"Bearer {self._api_key}":
            # As OpenAI does, it quotes what it was given, so that clients can be seen to hide it.
            return _refusal(401, "invalid_api_key", f"Incorrect API key provided: {given[7:]}")
        if path != "/v1/realtime" or "model=" not in query:
            return _refusal(404, "not_found", "no such path, or no model")
        return None

    async def _serve(self, socket: websockets.asyncio.server.ServerConnection) -> None:
        model = socket.request.path.partition("model=")[2].partition("&")[0] if socket.request else ""
        session = ServerSession(socket, self.model, model, sent=self.sent)
        self.sessions.append(session)
        speaking = asyncio.create_task(session.run())
        try:
            async for message in socket:
                event: Any
                try:
                    event = json.loads(message)
                except ValueError:
                    event = None
                if not isinstance(event, dict):
                    await session.complain("invalid_json", "the message is not a JSON object")
                    continue
                self.received.append(event)  # pyright: ignore[reportUnknownArgumentType]
                await session.take(event)  # pyright: ignore[reportUnknownArgumentType]
        except ConnectionClosed:
            pass
        finally:
            speaking.cancel()
            await asyncio.wait([speaking])
            await session.close()


def _refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps({"error": {"type": "error", "code": code, "message": message}}).encode()
    sent = Headers({"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})})
    return Response(status, http.HTTPStatus(status).phrase, sent, body)
