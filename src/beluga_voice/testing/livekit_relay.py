"""A bad network between a client and a LiveKit server: signalling and media both go through relays.

Media finds its way by the addresses that the two tell each other, so the relay reads the signalling (protobuf over
WebSocket, https://github.com/livekit/protocol) and replaces the server's UDP addresses by its own. It leaves out the
client's addresses and the server's TCP ones, so that no packet takes another way. Checked with livekit-server 1.13.5.
"""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import re
import urllib.error
import urllib.request
from types import TracebackType
from typing import Any, Self, cast

from livekit.protocol import rtc
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

from beluga_voice.testing.impairment import Network, TcpRelay, UdpRelay

__all__ = ["LiveKitRelay"]

_CANDIDATE = re.compile(
    r"candidate:\S+ \d+ (?P<kind>\S+) \d+ (?P<host>\S+) (?P<port>\d+) typ \S+.*", re.IGNORECASE
)
_LARGEST = 2**22
_UPSTREAM_DEADLINE = 10.0


class LiveKitRelay:
    """Clients connect to `url` instead of the server's; also an async context manager.

    Args:
        server_url: ``ws://HOST:PORT`` of the server.
        network: what happens on the way.

    Attributes:
        url: once started.
    """

    def __init__(self, server_url: str, network: Network) -> None:
        self._url = server_url.rstrip("/")
        self.network = network
        self._proxy: Server | None = None
        self._front: TcpRelay | None = None
        self._media: dict[tuple[str, int], UdpRelay] = {}
        self._making = asyncio.Lock()
        self._upstreams: dict[ServerConnection, ClientConnection] = {}
        self.url = ""

    async def start(self) -> None:
        """Opens the relays."""
        self._proxy = await serve(
            self._pass, "127.0.0.1", 0, process_request=self._request, max_size=_LARGEST, ping_interval=None
        )
        port = next(iter(self._proxy.sockets)).getsockname()[1]
        self._front = TcpRelay(self.network, ("127.0.0.1", port))
        await self._front.start()
        self.url = f"ws://127.0.0.1:{self._front.port}"

    async def close(self) -> None:
        """Ends all connections; idempotent."""
        if self._front is not None:
            await self._front.close()
        if self._proxy is not None:
            self._proxy.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2.0):
                    await self._proxy.wait_closed()
        for relay in self._media.values():
            await relay.close()
        self._media.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- signalling -----------------------------------------------------------------------------------------

    async def _request(self, client: ServerConnection, request: Request) -> Response | None:
        """Connects to the server first, so that its refusal becomes ours."""
        authorization = request.headers.get("Authorization", "")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return await asyncio.to_thread(self._fetch, request.path, authorization)
        try:
            self._upstreams[client] = await connect(
                self._url + request.path,
                additional_headers={"Authorization": authorization} if authorization else {},
                max_size=_LARGEST,
                ping_interval=None,
                open_timeout=_UPSTREAM_DEADLINE,
            )
        except InvalidStatus as refused:
            answer = refused.response
            return _response(answer.status_code, bytes(answer.body or b""))
        except (OSError, TimeoutError) as error:
            return _response(http.HTTPStatus.BAD_GATEWAY, type(error).__name__.encode())
        return None

    def _fetch(self, path: str, authorization: str) -> Response:
        url = "http" + self._url.removeprefix("ws") + path
        request = urllib.request.Request(
            url, headers={"Authorization": authorization} if authorization else {}
        )
        try:
            with urllib.request.urlopen(request, timeout=_UPSTREAM_DEADLINE) as answer:
                return _response(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return _response(error.code, error.read())
        except OSError as error:
            return _response(http.HTTPStatus.BAD_GATEWAY, type(error).__name__.encode())

    async def _pass(self, client: ServerConnection) -> None:
        server = self._upstreams.pop(client)
        both = [
            asyncio.create_task(self._from_client(client, server), name="livekit-relay"),
            asyncio.create_task(self._from_server(server, client), name="livekit-relay"),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.wait(both, timeout=1.0)
            await server.close()

    async def _from_client(self, client: ServerConnection, server: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in client:
                told = message
                if isinstance(message, bytes):
                    request = rtc.SignalRequest.FromString(message)
                    kind = request.WhichOneof("message")
                    if kind == "trickle":
                        continue
                    if kind in ("offer", "answer"):
                        description = getattr(request, kind)
                        description.sdp = _without_candidates(description.sdp)
                        told = request.SerializeToString()
                await server.send(told)

    async def _from_server(self, server: ClientConnection, client: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in server:
                told = message
                if isinstance(message, bytes):
                    response = rtc.SignalResponse.FromString(message)
                    kind = response.WhichOneof("message")
                    if kind == "trickle":
                        if not await self._replace_trickled(response.trickle):
                            continue
                        told = response.SerializeToString()
                    elif kind in ("offer", "answer"):
                        description = getattr(response, kind)
                        description.sdp = await self._replace_in_sdp(description.sdp)
                        told = response.SerializeToString()
                await client.send(told)

    # --- addresses ------------------------------------------------------------------------------------------

    async def _replace_trickled(self, trickle: rtc.TrickleRequest) -> bool:
        found = cast("dict[str, Any]", json.loads(trickle.candidateInit))
        if not found.get("candidate"):
            return True
        replaced = await self._replaced(str(found["candidate"]))
        trickle.candidateInit = json.dumps({**found, "candidate": replaced})
        return bool(replaced)

    async def _replace_in_sdp(self, sdp: str) -> str:
        lines: list[str] = []
        for line in sdp.split("\r\n"):
            if not line.startswith("a=candidate:"):
                lines.append(line)
            elif replaced := await self._replaced(line.removeprefix("a=")):
                lines.append(f"a={replaced}")
        return "\r\n".join(lines)

    async def _replaced(self, candidate: str) -> str:
        """The candidate with our address in place of the server's, or nothing if it is of no use."""
        found = _CANDIDATE.fullmatch(candidate)
        if found is None or found["kind"].lower() != "udp":
            return ""
        host, port = found["host"], int(found["port"])
        async with self._making:
            relay = self._media.get((host, port))
            if relay is None:
                relay = self._media[host, port] = UdpRelay(self.network, (host, port))
                await relay.start()
        before, after = candidate[: found.start("host")], candidate[found.end("port") :]
        return f"{before}127.0.0.1 {relay.port}{after}"


def _without_candidates(sdp: str) -> str:
    return "\r\n".join(line for line in sdp.split("\r\n") if not line.startswith("a=candidate:"))


def _response(status: int, body: bytes) -> Response:
    headers = Headers([("Content-Length", str(len(body))), ("Connection", "close")])
    return Response(status, http.HTTPStatus(status).phrase, headers, body)
