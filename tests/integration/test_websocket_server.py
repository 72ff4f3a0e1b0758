"""The WebSocket protocol against a real server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.error
import urllib.request
from typing import Any

import pytest
import websockets
from live_server import Live, live

import beluga_voice as bv
from beluga_voice.server.limits import Limits
from beluga_voice.server.run import serve
from beluga_voice.testing.scripted import silence, tone
from stage import Stage, echo


class Client:
    """Speaks the protocol and sorts what comes back."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []
        self.audio = bytearray()
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(websockets.ConnectionClosedError):
            async for message in self.socket:
                if isinstance(message, bytes):
                    self.audio += message
                else:
                    self.events.append(json.loads(message))

    async def until(self, **wanted: Any) -> dict[str, Any]:
        async with asyncio.timeout(15):
            while True:
                for event in self.events:
                    if wanted.items() <= event.items():
                        return event
                await asyncio.sleep(0.01)

    async def start(self, **more: Any) -> dict[str, Any]:
        await self.socket.send(json.dumps({"type": "start", "sample_rate": 16000, **more}))
        return await self.until(type="ready")

    async def speak(self, pcm: bytes) -> None:
        for at in range(0, len(pcm), 640):
            await self.socket.send(pcm[at : at + 640])
            await asyncio.sleep(0.02)


def connect(server: Live, **options: Any) -> Any:
    return websockets.connect(server.ws, compression=None, **options)


async def get(url: str, **headers: str) -> tuple[int, dict[str, Any], Any]:
    def fetch() -> tuple[int, dict[str, Any], Any]:
        request = urllib.request.Request(url, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, dict(response.headers), response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    return await asyncio.to_thread(fetch)


async def test_a_conversation_over_the_protocol(stage: Stage) -> None:
    stage.utterances("hello there")
    async with (
        live(stage.config(), echo) as server,
        connect(server, subprotocols=["beluga-voice.v1"]) as socket,
    ):
        assert socket.subprotocol == "beluga-voice.v1"
        client = Client(socket)
        ready = await client.start(metadata={"plan": "gold"})
        assert ready["output_sample_rate"] == 24000
        assert server.backend.get_session(ready["session_id"]).metadata == {"plan": "gold"}
        await client.speak(tone(0.8) + silence(1.0))
        await client.until(type="transcript", final=True, text="hello there")
        await client.until(type="agent_text", final=True, text="You said hello there.")
        assert len(client.audio) == pytest.approx(24000 * 2 * 21 * 0.06, rel=0.05)
        await socket.send('{"type": "text", "text": "typed words"}')
        await client.until(type="transcript", final=True, text="typed words")
        await socket.send('{"type": "stop"}')
        closed = await client.until(type="closed")
        assert closed["reason"] == "stopped"
        await client.reader
        assert socket.close_code == 1000
        assert server.backend.active_session_count == 0


async def test_speaking_over_the_agent_sends_clear(stage: Stage) -> None:
    stage.utterances("tell me everything", "stop now please")

    async def long(_: str) -> str:
        return "A very long story about a whale that sang all day and all night long in the cold sea."

    async with live(stage.config(), long) as server, connect(server) as socket:
        client = Client(socket)
        await client.start()
        await client.speak(tone(0.8) + silence(1.0))
        await client.until(type="state", state="speaking")
        await client.speak(tone(1.0))
        await client.until(type="clear")
        await client.until(type="interruption")


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (b"abc", "3 bytes"),
        ("not json", "must be JSON"),
        ("[1]", "JSON object"),
        ('{"type": 3}', "JSON object"),
        ('{"type": "dance"}', "unknown message type"),
        ('{"type": "start"}', "sent once"),
        ("[" * 100_000, "at most 65536"),
        ('{"type":"text","text":' + "[" * 40 + "]" * 40 + "}", "at most 32 levels"),
    ],
    ids=["odd", "text", "list", "type", "unknown", "twice", "long", "deep"],
)
async def test_a_malformed_message_is_told_and_the_conversation_goes_on(
    stage: Stage, message: str | bytes, says: str
) -> None:
    stage.utterances("hello")
    async with live(stage.config(), echo) as server, connect(server) as socket:
        client = Client(socket)
        await client.start()
        await socket.send(message)
        error = await client.until(type="error", code="invalid_format")
        assert says in error["message"]
        await client.speak(tone(0.5) + silence(0.6))
        await client.until(type="transcript", final=True, text="hello")


async def test_twenty_mistakes_are_enough(stage: Stage) -> None:
    async with live(stage.config(), echo) as server, connect(server) as socket:
        client = Client(socket)
        await client.start()
        for _ in range(20):
            await socket.send("nonsense")
        await asyncio.wait([client.reader], timeout=10)
        assert socket.close_code == 1007


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (b"\0\0", 1007),
        ('{"type": "text", "text": "hi"}', 1007),
        ('{"type": "start", "sample_rate": 100}', 1007),
        ('{"type": "start", "channels": 7}', 1007),
        (None, 4408),
        ("x" * (2**20 + 1), 1009),
    ],
    ids=["audio", "text", "rate", "channels", "nothing", "oversized"],
)
async def test_a_bad_beginning_is_refused(stage: Stage, first: Any, code: int) -> None:
    limits = Limits(start_timeout=0.3)
    async with live(stage.config(), echo, limits=limits) as server, connect(server, max_size=None) as socket:
        client = Client(socket)
        if first is not None:
            await socket.send(first)
        await asyncio.wait([client.reader], timeout=10)
        assert socket.close_code == code
        assert server.backend.active_session_count == 0
        assert server.voice.gate.connections == 0


async def test_stereo_at_another_rate(stage: Stage) -> None:
    stage.utterances("hello")
    async with live(stage.config(), echo) as server, connect(server) as socket:
        client = Client(socket)
        await client.start(sample_rate=44100, channels=2)
        for _ in range(40):
            await socket.send(tone(0.02, 44100 * 2))
            await asyncio.sleep(0.02)
        for _ in range(40):
            await socket.send(silence(0.02, 44100 * 2))
            await asyncio.sleep(0.02)
        await client.until(type="transcript", final=True, text="hello")


async def test_a_client_that_vanishes_frees_its_session(stage: Stage) -> None:
    stage.utterances("hello")
    async with live(stage.config(), echo) as server:
        async with connect(server) as socket:
            client = Client(socket)
            await client.start()
            await client.speak(tone(0.3))
            socket.transport.abort()
        async with asyncio.timeout(5):
            while server.backend.active_session_count:
                await asyncio.sleep(0.02)
        assert server.voice.gate.connections == 0


async def test_thousands_past_the_limit_are_refused_and_the_others_go_on(stage: Stage) -> None:
    limits = Limits(max_connections=20, connects_per_second=1e6, connect_burst=1e6)
    stage.utterances("hello")
    async with live(stage.config(), echo, limits=limits) as server:
        sockets = [await connect(server) for _ in range(20)]
        clients = [Client(s) for s in sockets]
        for client in clients:
            await client.start()
        refused = 0
        async with asyncio.TaskGroup() as group:
            talk = group.create_task(clients[0].speak(tone(1.0) + silence(6.0)))
            gate = asyncio.Semaphore(100)

            async def knock() -> None:
                nonlocal refused
                async with gate:
                    try:
                        async with connect(server, open_timeout=30):
                            pass
                    except websockets.InvalidStatus as error:
                        assert error.response.status_code == 503
                        assert error.response.headers["retry-after"] == "5"
                        assert json.loads(error.response.body)["error"]["code"] == "session_limit_exceeded"
                        refused += 1

            for _ in range(10_000):
                group.create_task(knock())
        await talk
        assert refused == 10_000
        await clients[0].until(type="agent_text", final=True)
        assert (await get(server.url + "/readyz"))[0] == 503
        assert (await get(server.url + "/healthz"))[0] == 200
        for socket in sockets:
            await socket.close()


async def test_one_address_cannot_knock_too_often(stage: Stage) -> None:
    limits = Limits(connects_per_second=0.001, connect_burst=2)
    async with live(stage.config(), echo, limits=limits) as server:
        for _ in range(2):
            async with connect(server) as socket:
                await Client(socket).start()
        with pytest.raises(websockets.InvalidStatus):
            await connect(server)


async def test_a_full_backend_says_so(stage: Stage) -> None:
    async with live(stage.config(max_concurrent_sessions=1), echo) as server, connect(server) as first:
        await Client(first).start()
        async with connect(server) as second:
            client = Client(second)
            await second.send('{"type": "start"}')
            error = await client.until(type="error")
            assert error["code"] == "session_limit_exceeded"
            await client.reader
            assert second.close_code == 1013


async def test_origins(stage: Stage) -> None:
    async with live(stage.config(), echo, allowed_origins=["https://good.example"]) as server:
        for origin in ("https://good.example", server.url, None):
            async with connect(server, origin=origin) as socket:
                await Client(socket).start()
        with pytest.raises(websockets.InvalidStatus) as caught:
            await connect(server, origin="https://evil.example")
        assert caught.value.response.status_code == 403
        body = json.loads(caught.value.response.body)
        assert body["error"]["code"] == "authorization_failed"


async def test_pages_health_and_headers(stage: Stage) -> None:
    async with live(stage.config(), echo, page={"suggestions": ["hello?"]}) as server:
        status, headers, body = await get(server.url + "/")
        assert status == 200
        assert b"Beluga" in body
        lowered = {k.lower(): v for k, v in headers.items()}
        assert "default-src 'self'" in lowered["content-security-policy"]
        assert lowered["permissions-policy"] == "microphone=(self)"
        config = json.loads((await get(server.url + "/config.json"))[2])
        assert config["suggestions"] == ["hello?"]
        assert config["webrtc"] is True
        health = json.loads((await get(server.url + "/healthz"))[2])
        assert health["status"] == "healthy"
        assert (await get(server.url + "/../../etc/passwd"))[0] == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), (b"{}", 400), (b'{"sdp": "nonsense"}', 400), (b"x" * 300_000, 400)],
)
async def test_bad_offers(stage: Stage, body: bytes, status: int) -> None:
    async with live(stage.config(), echo) as server:

        def post() -> tuple[int, Any]:
            request = urllib.request.Request(server.url + "/rtc/offer", data=body, method="POST")
            try:
                urllib.request.urlopen(request, timeout=10)
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, json.loads(error.read())
            raise AssertionError("accepted")

        code, answer = await asyncio.to_thread(post)
        assert code == status
        assert answer["error"]["code"] == "invalid_format"
        assert server.voice.gate.connections == 0


async def test_a_port_in_use_is_said_clearly(stage: Stage) -> None:
    async with live(stage.config(), echo) as server:
        port = int(server.url.rsplit(":", 1)[1])
        with pytest.raises(bv.ConnectError, match=rf"127\.0\.0\.1:{port}.*--port"):
            await serve(None, "127.0.0.1", port)


async def test_stopping_the_server_ends_open_conversations(stage: Stage) -> None:
    async with live(stage.config(), echo) as server:
        socket = await connect(server)
        client = Client(socket)
        await client.start()
        session = server.backend.list_sessions()[0]
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 8
    assert session.state == "closed"
    assert (await client.until(type="closed"))["reason"] == "server_stopped"
    await client.reader


async def test_the_client_transport_talks_to_a_server(stage: Stage) -> None:
    stage.utterances("hello")
    async with live(stage.config(), echo) as server:
        transport = bv.transport.new("websocket", bv.TransportConfig(url=server.ws, sample_rate=16000))
        heard: list[bv.AudioFrame] = []
        told: list[str] = []
        transport.on_control(lambda message: told.append(message["type"]))

        async def listen() -> None:
            async for frame in transport.recv():
                heard.append(frame)

        listener = asyncio.create_task(listen())
        pcm = tone(0.6) + silence(3.0)
        for at in range(0, len(pcm), 640):
            await transport.send(bv.AudioFrame(pcm[at : at + 640]))
            await asyncio.sleep(0.02)
        await transport.close()
        await transport.close()
        await asyncio.wait_for(listener, 5)
        assert heard[0].sample_rate == 24000
        assert "transcript" in told
        with pytest.raises(bv.ConnectError, match="closed"):
            await transport.send(bv.AudioFrame(b"\0\0"))


@pytest.mark.parametrize(
    ("url", "error"), [("http://x", bv.ConfigError), ("ws://127.0.0.1:1/ws", bv.ConnectError)]
)
async def test_the_client_transport_names_what_is_wrong(url: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await bv.transport.new("websocket", bv.TransportConfig(url=url)).send(bv.AudioFrame(b"\0\0"))
