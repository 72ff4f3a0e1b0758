"""The server around a backend that only echoes: what fails, who waits too long, how it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import websockets
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from echo_backend import EchoBackend, echo_server, session_config
from starlette.applications import Starlette
from starlette.routing import Mount

import beluga_voice as bv
from beluga_voice.server.app import create_app
from beluga_voice.server.limits import Limits
from beluga_voice.server.run import serve
from beluga_voice.testing.scripted import tone
from beluga_voice.transports.webrtc import WebRTCTransport
from beluga_voice.transports.websocket import WebSocketTransport


async def http(url: str, request: str, body: bytes = b"", *, wait: float = 10.0) -> tuple[int, bytes]:
    """One HTTP exchange by hand, so that it may be a wrong one."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request.replace("\n", "\r\n").encode() + b"\r\n" + body)
    async with asyncio.timeout(wait):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(h.split(b":")[1]) for h in head.lower().split(b"\r\n") if b"content-length" in h)
        answer = await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), answer


def post(body: bytes, path: str = "/rtc/offer", extra: str = "", length: int | None = None) -> str:
    size = len(body) if length is None else length
    return f"POST {path} HTTP/1.1\nhost: x\ncontent-length: {size}\n{extra}"


def ws(url: str) -> str:
    return url.replace("http", "ws") + "/ws"


async def until(condition: Any, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def browser_offer() -> tuple[RTCPeerConnection, Any, str]:
    pc = RTCPeerConnection()
    pc.addTrack(AudioStreamTrack())
    channel = pc.createDataChannel("beluga")
    await pc.setLocalDescription(await pc.createOffer())
    return pc, channel, pc.localDescription.sdp


# --- what the application or the backend does wrong ------------------------------------------------------


async def test_a_session_config_that_raises_is_logged_and_told_in_general(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(transport: Any, token: str, metadata: Any) -> bv.SessionConfig:
        raise RuntimeError("secret detail")

    backend = EchoBackend()
    pc, _, sdp = await browser_offer()
    async with echo_server(backend, broken) as (url, voice):
        with caplog.at_level(logging.ERROR):
            async with websockets.connect(ws(url)) as client:
                await client.send('{"type": "start"}')
                error = json.loads(await client.recv())
                assert (error["type"], error["code"]) == ("error", "pipeline_error")
                assert "secret" not in error["message"]
                await client.wait_closed()
                assert client.close_code == 1011
            body = json.dumps({"sdp": sdp}).encode()
            status, answer = await http(url, post(body), body)
        assert status == 500
        assert b"secret" not in answer
        assert "secret detail" in caplog.text
        await until(lambda: voice.gate.connections == 0)
        assert backend.active_session_count == 0
    await pc.close()


async def test_a_session_that_cannot_start_leaves_nothing_behind() -> None:
    backend = EchoBackend()
    backend.fails_to_start = True
    async with echo_server(backend) as (url, voice):
        async with websockets.connect(ws(url)) as client:
            await client.send('{"type": "start"}')
            await client.wait_closed()
        pc, _, sdp = await browser_offer()
        body = json.dumps({"sdp": sdp}).encode()
        status, answer = await http(url, post(body), body)
        assert status == 200
        await pc.setRemoteDescription(RTCSessionDescription(json.loads(answer)["sdp"], "answer"))
        await until(lambda: backend.made == 2 and voice.gate.connections == 0)
        assert backend.active_session_count == 0
        await pc.close()


async def test_an_application_that_does_not_start_is_an_error() -> None:
    class Broken(EchoBackend):
        async def start(self) -> None:
            raise bv.ConnectError("start", "connection_failed", "no platform")

    app = create_app(Broken(), session_config)  # type: ignore[arg-type]
    with pytest.raises(bv.ConnectError, match="did not start"):
        await serve(app, "127.0.0.1", 0)


# --- clients that are slow, early, or gone ---------------------------------------------------------------


async def test_an_offer_that_never_arrives_whole_is_given_up() -> None:
    async with echo_server(EchoBackend(), limits=Limits(start_timeout=0.3)) as (url, voice):
        status, answer = await http(url, post(b"", length=1000), b'{"sdp"')
        assert status == 408
        assert json.loads(answer)["error"]["code"] == "connection_timeout"
        assert voice.gate.connections == 0


async def test_a_client_that_leaves_between_start_and_ready_leaves_no_session() -> None:
    backend = EchoBackend()

    async def gone(config: bv.SessionConfig) -> Any:
        session = await EchoBackend.create_session(backend, config)
        transport: Any = config.transport

        async def broken(*_: Any) -> None:
            raise bv.ConnectError("send", "connection_failed", "gone")

        transport.ready = broken
        return session

    backend.create_session = gone  # type: ignore[method-assign]
    async with echo_server(backend) as (url, voice):
        async with websockets.connect(ws(url)) as client:
            await client.send('{"type": "start"}')
            await client.wait_closed()
        await until(lambda: voice.gate.connections == 0)
        assert backend.made == 1
        assert backend.active_session_count == 0


async def test_a_client_that_does_not_read_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beluga_voice.transports.websocket._SEND_DEADLINE", 0.3)
    backend = EchoBackend()
    async with echo_server(backend) as (url, _):
        client = await websockets.connect(ws(url), max_queue=1)
        await client.send('{"type": "start"}')
        await until(lambda: backend.active_session_count)
        transport: Any = backend.list_sessions()[0].transport
        with pytest.raises(bv.ConnectError, match="does not read"):
            async with asyncio.timeout(20):
                while True:
                    await transport.send(bv.AudioFrame(bytes(1 << 20), 24_000))
        client.transport.abort()


async def test_a_browser_that_never_connects_frees_its_place() -> None:
    transport = WebRTCTransport(bv.TransportConfig(connect_timeout=0.5, extra={}))
    pc, _, sdp = await browser_offer()
    await transport.answer(sdp)  # and the browser never hears of it
    with pytest.raises(bv.ConnectError, match="no network path"):
        async with asyncio.timeout(5):
            await transport.connected()
    assert [f async for f in transport.recv()] == []
    await transport.close()
    await pc.close()


# --- what a page may say ---------------------------------------------------------------------------------


async def test_the_data_channel_takes_what_the_protocol_allows_and_no_more() -> None:
    backend = EchoBackend()
    pc, channel, sdp = await browser_offer()
    told: list[dict[str, Any]] = []
    channel.on("message", lambda text: told.append(json.loads(text)))
    async with echo_server(backend) as (url, _):
        body = json.dumps({"sdp": sdp, "type": "offer", "token": "t", "metadata": {"a": 1}}).encode()
        _, answer = await http(url, post(body), body)
        await pc.setRemoteDescription(RTCSessionDescription(json.loads(answer)["sdp"], "answer"))
        await until(lambda: channel.readyState == "open" and backend.sessions)
        session = backend.list_sessions()[0]
        assert session.config.token.get_secret_value() == "t"
        assert session.config.metadata == {"a": 1}
        for message in (
            '{"type": "transport", "state": "lost"}',
            '{"type": "participant", "phase": "joined"}',
            "not json",
            b"\1\2",
            '{"type": "dtmf", "digit": "5"}',
        ):
            channel.send(message)
        await until(lambda: len(told) == 4)
        assert {(m["type"], m["code"]) for m in told} == {("error", "invalid_format")}
        await until(lambda: {"type": "dtmf", "digit": "5"} in session.controls)
        assert [c for c in session.controls if c["type"] != "dtmf"] == [
            {"type": "transport", "state": "connected"}
        ]
        await pc.close()
        await until(lambda: backend.active_session_count == 0)
        assert session.reason == "transport_lost"


@pytest.mark.parametrize(
    "fields",
    [{"sdp": 5}, {"sdp": "v=0", "type": "answer"}, {"token": 5}, {"metadata": []}, {"sdp": "m=audio\0\xff"}],
    ids=str,
)
async def test_wrong_fields_of_an_offer(fields: dict[str, Any]) -> None:
    pc, _, sdp = await browser_offer()
    async with echo_server(EchoBackend()) as (url, voice):
        body = json.dumps({"sdp": sdp, **fields}).encode()
        status, answer = await http(url, post(body), body)
        assert status == 400
        assert json.loads(answer)["error"]["code"] == "invalid_format"
        assert voice.gate.connections == 0
    await pc.close()


async def test_a_foreign_origin_may_not_post_an_offer() -> None:
    async with echo_server(EchoBackend()) as (url, voice):
        status, answer = await http(url, post(b"{}", extra="origin: https://evil.example\n"), b"{}")
        assert status == 403
        assert json.loads(answer)["error"]["code"] == "authorization_failed"
        assert voice.gate.connections == 0


async def test_a_full_server_refuses_offers_and_says_when_to_come_back() -> None:
    async with echo_server(EchoBackend(), limits=Limits(max_connections=0)) as (url, _):
        status, answer = await http(url, post(b"{}"), b"{}")
        assert status == 503
        assert json.loads(answer)["error"]["code"] == "session_limit_exceeded"
        status, answer = await http(url, "GET /readyz HTTP/1.1\nhost: x\n")
        assert status == 503
        assert json.loads(answer) == {
            "ready": False,
            "error": {"code": "session_limit_exceeded", "message": "all 0 lines are busy; try again later"},
        }


async def test_health_says_what_is_wrong_with_the_code_of_an_error() -> None:
    backend = EchoBackend()
    async with echo_server(backend) as (url, voice):
        status, answer = await http(url, "GET /healthz HTTP/1.1\nhost: x\n")
        assert status == 200 and "error" not in json.loads(answer)
        voice.gate.close()
        status, answer = await http(url, "GET /readyz HTTP/1.1\nhost: x\n")
        assert (status, json.loads(answer)["error"]["message"]) == (503, "the server is ending")
        await backend.stop()
        status, answer = await http(url, "GET /healthz HTTP/1.1\nhost: x\n")
        assert status == 503
        assert json.loads(answer)["error"] == {
            "code": "connection_failed",
            "message": "the backend is not healthy: no reason is known",
        }


# --- the calling side ------------------------------------------------------------------------------------


async def test_a_client_transport_hears_its_echo_quickly_in_mono_and_stereo() -> None:
    backend = EchoBackend()
    async with echo_server(backend) as (url, _):
        transport = WebSocketTransport(
            bv.TransportConfig(url=ws(url), sample_rate=24_000, token="t", extra={"metadata": {"a": 1}})
        )
        await transport.connect()
        assert transport.session_id == "echo-1"
        config = backend.list_sessions()[0].config
        assert (config.token.get_secret_value(), config.metadata) == ("t", {"a": 1})
        received = transport.recv()
        loop = asyncio.get_running_loop()
        delays: list[float] = []
        sent = tone(0.02, 24_000)
        for _ in range(50):
            began = loop.time()
            await transport.send(bv.AudioFrame(sent, 24_000))
            async with asyncio.timeout(5):
                frame = await anext(received)
            delays.append(loop.time() - began)
            assert (frame.sample_rate, frame.data) == (24_000, sent)
        print(f"echo over a WebSocket: median {np.median(delays) * 1000:.2f} ms")
        stereo = np.repeat(np.frombuffer(sent, "<i2"), 2).tobytes()
        await transport.send(bv.AudioFrame(stereo, 24_000, 2))
        assert (await anext(received)).data == sent
        with pytest.raises(bv.FormatError, match="24000"):
            await transport.send(bv.AudioFrame(sent, 16_000))
        await transport.close()
        await until(lambda: backend.active_session_count == 0)


async def test_the_client_transport_reports_a_refusal_by_its_code(caplog: pytest.LogCaptureFixture) -> None:
    def config(**more: Any) -> bv.TransportConfig:
        return bv.TransportConfig(url=url.replace("http", "ws") + "/ws", connect_timeout=5, **more)

    async with echo_server(EchoBackend(), limits=Limits(max_connections=0, retry_after=7)) as (url, _):
        with pytest.raises(bv.CapacityError) as caught:
            await WebSocketTransport(config()).connect()
        assert caught.value.details["retry_after"] == 7.0
        assert caplog.text == "", "thousands may be refused; that must not fill the log"
    async with echo_server(EchoBackend()) as (url, voice):
        with pytest.raises(bv.FormatError, match="channels must be"):
            await WebSocketTransport(config(extra={"channels": 9})).connect()
        await until(lambda: voice.gate.connections == 0)


async def test_the_client_transport_gives_up_on_a_silent_server() -> None:
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = WebSocketTransport(bv.TransportConfig(url=f"ws://127.0.0.1:{port}/", connect_timeout=0.3))
    with pytest.raises(bv.ConnectError, match=f"127.0.0.1:{port} did not answer") as caught:
        await transport.connect()
    assert caught.value.code == "connection_timeout"
    async with asyncio.timeout(5):
        await left.wait()  # it hung up by itself
    await transport.close()
    server.close()
    await server.wait_closed()


# --- inside another application, and the end -------------------------------------------------------------


async def test_mounted_into_another_application() -> None:
    backend = EchoBackend()
    outer = Starlette(routes=[Mount("/voice", create_app(backend, session_config))])  # type: ignore[arg-type]
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(serve(outer, "127.0.0.1", 0, ready=url.set_result))
    base = await asyncio.wait_for(url, 10)
    assert (await http(base, "GET /voice/healthz HTTP/1.1\nhost: x\n"))[0] == 503, "backend not started"
    await backend.start()
    assert (await http(base, "GET /voice/healthz HTTP/1.1\nhost: x\n"))[0] == 200
    status, page = await http(base, "GET /voice/ HTTP/1.1\nhost: x\n")
    assert (status, b"<html" in page) == (200, True)
    async with websockets.connect(base.replace("http", "ws") + "/voice/ws") as client:
        await client.send('{"type": "start"}')
        assert json.loads(await client.recv())["type"] == "ready"
        await backend.stop()
    server.cancel()
    await asyncio.wait([server], timeout=15)


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 70_000), ("203.0.113.1", 0), ("no.such.invalid", 0)]
)
async def test_an_address_that_cannot_be_had(host: str, port: int) -> None:
    with pytest.raises(bv.ConnectError, match=rf"cannot listen on {host}:{port}.*--port") as caught:
        await serve(None, host, port)
    assert caught.value.code == "connection_failed"


_PROGRAM = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from echo_backend import EchoBackend, session_config
from beluga_voice.server.app import create_app
from beluga_voice.server.run import loop_factory, serve

async def main():
    backend = EchoBackend()
    app = create_app(backend, session_config)
    await serve(app, "127.0.0.1", int(sys.argv[2]), ready=lambda url: print(url, flush=True))
    print("running:", backend.running, "sessions:", len(backend.sessions), flush=True)

with asyncio.Runner(loop_factory=loop_factory() if sys.argv[3] == "uvloop" else None) as runner:
    runner.run(main())
    print(type(runner.get_loop()).__module__, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_signal_ends_open_conversations_and_the_program_goes_on(
    number: signal.Signals, loop: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _PROGRAM,
        str(Path(__file__).parent),
        "0",
        loop,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert process.stdout is not None
    async with asyncio.timeout(40):
        url = (await process.stdout.readline()).decode().strip()
        client = await websockets.connect(ws(url))
        await client.send('{"type": "start"}')
        assert json.loads(await client.recv())["type"] == "ready"
        process.send_signal(number)
        out, err = await process.communicate()
        await client.wait_closed()
    told, module = out.decode().splitlines()
    assert told == "running: False sessions: 0", err.decode()
    assert module.startswith(loop)
    assert process.returncode == 0


def test_a_port_is_free_again_after_the_server_has_ended() -> None:
    async def once(port: int) -> int:
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        app = create_app(EchoBackend(), session_config)  # type: ignore[arg-type]
        server = asyncio.create_task(serve(app, "127.0.0.1", port, ready=url.set_result))
        used = int((await asyncio.wait_for(url, 10)).rsplit(":", 1)[1])
        server.cancel()
        await asyncio.wait([server], timeout=15)
        return used

    port = asyncio.run(once(0))
    assert asyncio.run(once(port)) == port
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
