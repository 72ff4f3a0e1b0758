"""A small local server that speaks the OpenAI chat-completions protocol from a script.

::

    async with OpenAIServer([Reply("Hello there."), Reply(tool_calls=[("book", {"day": "monday"})])]) as server:
        llm = registry_for("llm").create("openai", {"base_url": server.base_url, "model": "scripted"})

It streams (server-sent events) or answers at once, calls tools, waits, fails and breaks off as told, and notes
every request and every client that hung up. Only HTTP/1.1 with a Content-Length is understood, which is what
clients of this API send.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self, cast

__all__ = ["OpenAIServer", "Reply"]

_MAX_HEAD = 65_536
_MAX_BODY = 16 << 20


class _HungUp(Exception):
    """The client closed the connection."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        text: all of it (sent word by word), or the pieces to send.
        tool_calls: name and arguments of each; the arguments are sent in several pieces.
        delay: seconds before the first piece.
        gap: seconds between pieces.
        status: HTTP status; other than 200 sends ``error`` instead of a reply.
        error: the server's words; with status 200 it is sent in the stream, after the text.
        error_code: e.g. ``insufficient_quota``.
        headers: more response headers, e.g. ``{"Retry-After": "2"}``.
        break_off: closes the connection after the text, without an end.
        raw: bytes to send as the body instead of all this.
        content_type: of ``raw``.
        finish_reason: by default ``stop``, or ``tool_calls`` if there are any.
    """

    text: str | Sequence[str] = ""
    tool_calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    delay: float = 0.0
    gap: float = 0.0
    status: int = 200
    error: str = ""
    error_code: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    break_off: bool = False
    raw: bytes | None = None
    content_type: str = "text/event-stream"
    finish_reason: str = ""

    def pieces(self) -> list[str]:
        """The text as it is sent: words with the space before them, unless pieces were given."""
        if not isinstance(self.text, str):
            return list(self.text)
        words = self.text.split(" ")
        return [w if i == 0 else f" {w}" for i, w in enumerate(words)] if self.text else []


@dataclass(slots=True)
class _Peer:
    """A connection; ``ahead`` is what was read while a reply was being sent."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    ahead: bytes = b""

    async def head(self) -> list[str]:
        ahead, self.ahead = self.ahead, b""
        return (ahead + await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")


Script = Sequence[Reply] | Callable[[dict[str, Any]], Reply]


class OpenAIServer:
    """Serves on 127.0.0.1 while it is entered.

    Args:
        script: the replies in order, one per request (after the last, status 500), or a function of the request.
        api_key: if set, requests without it are answered with 401.
        port: 0 for any free one.

    Attributes:
        requests: bodies of all chat requests, in order.
        connections: how many connections were opened.
        hung_up: how many replies the client did not wait for.
    """

    def __init__(self, script: Script = (), *, api_key: str = "", port: int = 0) -> None:
        self._script: Script = script if callable(script) else list(script)
        self._api_key = api_key
        self._port = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[dict[str, Any]] = []
        self.connections = 0
        self.hung_up = 0

    @property
    def base_url(self) -> str:
        """What a client is given, ending in ``/v1``."""
        return f"http://127.0.0.1:{self._port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port, limit=_MAX_HEAD)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            peer = _Peer(reader, writer)
            while await self._serve(peer):
                pass
        except (_HungUp, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # a client that leaves or talks nonsense
        except asyncio.CancelledError:
            pass  # closing: this task has no other owner
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _serve(self, peer: _Peer) -> bool:
        """One request; False if the connection must be closed after it."""
        head = await peer.head()
        method, path, _ = head[0].split(" ", 2)
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
        length = int(headers.get("content-length", "0"))
        if not 0 <= length <= _MAX_BODY:
            raise ValueError("too large")
        body = await peer.reader.readexactly(length)
        if self._api_key and headers.get("authorization") != f"Bearer {self._api_key}":
            quoted = headers.get(
                "authorization", "none"
            )  # as OpenAI does, so that clients can be seen to hide it
            reply = Reply(
                status=401, error=f"Incorrect API key provided: {quoted}", error_code="invalid_api_key"
            )
        elif path.endswith("/models") and method == "GET":
            return await self._send(
                peer.writer, 200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]}
            )
        elif not path.endswith("/chat/completions") or method != "POST":
            reply = Reply(status=404, error=f"no such path: {path}")
        else:
            request = cast("dict[str, Any]", json.loads(body))
            self.requests.append(request)
            return await self._answer(peer, self._next(request), request)
        return await self._refuse(peer.writer, reply)

    def _next(self, request: dict[str, Any]) -> Reply:
        if callable(self._script):
            return self._script(request)
        at = len(self.requests) - 1
        return self._script[at] if at < len(self._script) else Reply(status=500, error="the script has ended")

    async def _answer(self, peer: _Peer, reply: Reply, request: dict[str, Any]) -> bool:
        writer = peer.writer
        leaving = asyncio.ensure_future(peer.reader.read(1))  # nothing is to come, unless the client hangs up
        try:
            await _pause(leaving, reply.delay)
            if reply.raw is not None:
                return await self._send(writer, reply.status, reply.raw, reply.headers, reply.content_type)
            if reply.status != 200:
                return await self._refuse(writer, reply)
            if not request.get("stream"):
                return await self._send(writer, 200, _whole(reply, request), reply.headers)
            return await self._stream(writer, leaving, reply, request)
        except (_HungUp, ConnectionError):
            self.hung_up += 1
            raise
        finally:
            leaving.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                peer.ahead = await leaving

    async def _stream(
        self,
        writer: asyncio.StreamWriter,
        leaving: asyncio.Future[bytes],
        reply: Reply,
        request: dict[str, Any],
    ) -> bool:
        _head(
            writer,
            200,
            {**reply.headers, "Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"},
        )
        first = True
        async for payload in _payloads(reply, request):
            await _pause(leaving, 0.0 if first else reply.gap)
            first = False
            event = f"data: {payload}\n\n".encode()
            writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
            await writer.drain()
        if reply.break_off:
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _refuse(self, writer: asyncio.StreamWriter, reply: Reply) -> bool:
        error = {"message": reply.error, "type": "error", "code": reply.error_code or None}
        return await self._send(writer, reply.status, {"error": error}, reply.headers)

    async def _send(
        self,
        writer: asyncio.StreamWriter,
        status: int,
        body: dict[str, Any] | bytes,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> bool:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        _head(
            writer,
            status,
            {**(headers or {}), "Content-Type": content_type, "Content-Length": str(len(data))},
        )
        writer.write(data)
        await writer.drain()
        return True


def _head(writer: asyncio.StreamWriter, status: int, headers: Mapping[str, str]) -> None:
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{k}: {v}" for k, v in headers.items() if v)]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))


async def _pause(leaving: asyncio.Future[bytes], seconds: float) -> None:
    """Waits, unless the client hangs up."""
    done, _ = await asyncio.wait({leaving}, timeout=seconds)
    if not done:
        return
    if not leaving.result():
        raise _HungUp
    await asyncio.sleep(seconds)  # the next request came early


async def _payloads(reply: Reply, request: dict[str, Any]) -> AsyncIterator[str]:
    """The data of each event of a streamed reply."""
    yield _chunk(request, {"role": "assistant", "content": ""})
    for piece in reply.pieces():
        yield _chunk(request, {"content": piece})
    if reply.error:
        yield json.dumps({"error": {"message": reply.error, "code": reply.error_code or None}})
        return
    if reply.break_off:
        return
    for index, (name, arguments) in enumerate(reply.tool_calls):
        function: dict[str, Any] = {"name": name, "arguments": ""}
        call: dict[str, Any] = {
            "index": index,
            "id": _call_id(request, index),
            "type": "function",
            "function": function,
        }
        yield _chunk(request, {"tool_calls": [call]})
        text = json.dumps(arguments)
        for at in range(0, len(text), 7):
            yield _chunk(
                request, {"tool_calls": [{"index": index, "function": {"arguments": text[at : at + 7]}}]}
            )
    yield _chunk(request, {}, _finish(reply))
    yield "[DONE]"


def _chunk(request: dict[str, Any], delta: dict[str, Any], finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return json.dumps({"object": "chat.completion.chunk", "choices": [choice], **_common(request)})


def _whole(reply: Reply, request: dict[str, Any]) -> dict[str, Any]:
    calls = [
        {
            "id": _call_id(request, index),
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for index, (name, arguments) in enumerate(reply.tool_calls)
    ]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(reply.pieces()) or None}
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "finish_reason": _finish(reply)}
    return {"object": "chat.completion", "choices": [choice], **_common(request)}


def _common(request: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-scripted", "created": 0, "model": str(request.get("model", "scripted"))}


def _finish(reply: Reply) -> str:
    return reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")


def _call_id(request: dict[str, Any], index: int) -> str:
    return f"call_{len(request.get('messages', ()))}_{index}"
