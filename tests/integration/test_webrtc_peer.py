"""WebRTC between two real peers: tones both ways, events, and a call that only a TURN server carries."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError
from av import AudioFrame as AvFrame
from live_server import live

import beluga_voice as bv
from beluga_voice.testing.scripted import tone
from beluga_voice.transports.webrtc import WebRTCTransport
from stage import Stage, echo

RATE = 48_000


class ToneTrack(AudioStreamTrack):
    """A microphone that hears 440 Hz."""

    def __init__(self, hertz: float) -> None:
        super().__init__()
        self.hertz = hertz
        self._at = 0

    async def recv(self) -> AvFrame:
        silent = await super().recv()
        t = (self._at + np.arange(160)) / 8000
        self._at += 160
        samples = (8000 * np.sin(2 * np.pi * self.hertz * t)).astype(np.int16)
        frame = AvFrame.from_ndarray(samples[None, :], "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, silent.pts, silent.time_base
        return frame


class Caller:
    """The browser's side of a call."""

    def __init__(
        self, hertz: float = 440.0, servers: list[RTCIceServer] | None = None, *, relay: bool = False
    ) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=servers or []))
        self.microphone = ToneTrack(hertz)
        self.pc.addTrack(self.microphone)
        self.channel = self.pc.createDataChannel("beluga")
        self.messages: list[dict[str, Any]] = []
        self.heard: list[np.ndarray] = []
        self.channel.on("message", lambda text: self.messages.append(json.loads(text)))
        self.pc.on("track", self._on_track)
        self._reader: asyncio.Task[None] | None = None
        self._relay = relay

    def _on_track(self, track: Any) -> None:
        self._reader = asyncio.create_task(self._read(track))

    async def _read(self, track: Any) -> None:
        try:
            while True:
                frame = await track.recv()
                samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels)).mean(axis=1)
                self.heard.append(samples)
        except MediaStreamError:
            return

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        sdp = self.pc.localDescription.sdp
        if self._relay:
            sdp = (
                "\r\n".join(s for s in sdp.splitlines() if "a=candidate" not in s or "typ relay" in s)
                + "\r\n"
            )
        return sdp

    async def accept(self, sdp: str) -> None:
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def connected(self) -> None:
        async with asyncio.timeout(15):
            while self.pc.connectionState != "connected" or self.channel.readyState != "open":
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        await self.pc.close()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])


def peak(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


async def call(transport: WebRTCTransport, caller: Caller) -> tuple[np.ndarray, np.ndarray, bytes]:
    """Connects, sends 660 Hz back for two seconds; returns what each ear heard."""
    await caller.accept(await transport.answer(await caller.offer()))
    ours: list[bytes] = []

    async def listen() -> None:
        async for frame in transport.recv():
            assert (frame.sample_rate, frame.channels) == (RATE, 1)
            ours.append(frame.data)

    listener = asyncio.create_task(listen())
    await caller.connected()
    sent = tone(2.0, RATE, 660.0)
    loop = asyncio.get_running_loop()
    ahead = loop.time() - 0.2  # a busy test machine must not starve the track
    for at in range(0, len(sent), 1920):
        await transport.send(bv.AudioFrame(sent[at : at + 1920], RATE))
        await asyncio.sleep(max(0.0, ahead + at / (2 * RATE) - loop.time()))
    await asyncio.sleep(0.5)
    theirs = np.concatenate(caller.heard)
    listener.cancel()
    return theirs, np.frombuffer(b"".join(ours), np.int16), sent


async def test_each_ear_hears_the_other_s_tone() -> None:
    transport, caller = WebRTCTransport(), Caller()
    states: list[Any] = []
    transport.on_control(lambda message: states.append(message))
    theirs, ours, _ = await call(transport, caller)
    assert peak(ours[-RATE:], RATE) == pytest.approx(440, abs=4)
    loud = np.flatnonzero(np.abs(theirs) > 1000)
    voice = theirs[loud[0] : loud[-1]]
    assert len(voice) / RATE == pytest.approx(2.0, abs=0.1)
    assert peak(voice, RATE) == pytest.approx(660, abs=4)
    quiet_for = np.diff(loud).max() / RATE
    assert quiet_for < 0.04, "no gap inside the tone"
    await transport.send_event({"type": "hello"})
    caller.channel.send('{"type": "text", "text": "hi"}')
    caller.channel.send("not json")
    async with asyncio.timeout(5):
        while {"type": "hello"} not in caller.messages or {"type": "text", "text": "hi"} not in states:
            await asyncio.sleep(0.02)
    assert {"type": "transport", "state": "connected"} in states
    await caller.close()
    await transport.close()
    await transport.close()
    with pytest.raises(bv.ConnectError, match="closed"):
        await transport.send(bv.AudioFrame(b"\0\0", RATE))


async def test_clear_silences_at_once() -> None:
    transport, caller = WebRTCTransport(), Caller()
    await caller.accept(await transport.answer(await caller.offer()))
    await caller.connected()
    for _ in range(40):
        await transport.send(bv.AudioFrame(tone(0.02, RATE, 660.0), RATE))
    await asyncio.sleep(0.2)
    await transport.clear()
    count = len(caller.heard)
    await asyncio.sleep(0.6)
    after = np.concatenate(caller.heard[count:])
    loud = np.flatnonzero(np.abs(after) > 500)
    assert len(loud) == 0 or loud[-1] / RATE < 0.12
    assert {"type": "clear"} in caller.messages
    await caller.close()
    await transport.close()


async def test_recv_ends_when_the_peer_leaves() -> None:
    transport, caller = WebRTCTransport(), Caller()
    await caller.accept(await transport.answer(await caller.offer()))
    await caller.connected()

    async def listen() -> None:
        async for _ in transport.recv():
            pass

    listener = asyncio.create_task(listen())
    await caller.close()
    await asyncio.wait_for(listener, 10)
    await transport.close()


@pytest.mark.parametrize(
    "offer", ["", "v=0", "v=0\r\nm=audio x", "v=0\r\nm=audio x\r\na=candidate:1 1 udp 1 1.2.3.4 5 typ host"]
)
async def test_a_bad_offer(offer: str) -> None:
    transport = WebRTCTransport()
    with pytest.raises(bv.FormatError):
        await transport.answer(offer)
    await transport.close()


def test_bad_settings() -> None:
    with pytest.raises(bv.ConfigError, match="ice_transport_policy"):
        bv.transport.new("webrtc", bv.TransportConfig(extra={"ice_transport_policy": "none"}))
    with pytest.raises(bv.ConfigError, match="IceServer: urls is required"):
        bv.transport.new("webrtc", bv.TransportConfig(extra={"ice_servers": [{"url": "stun:x"}]}))


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers_stun(port: int) -> bool:
    """Whether a binding request (RFC 8489) is answered within 0.1 s."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.1)
        probe.connect(("127.0.0.1", port))
        try:
            probe.send(b"\x00\x01\x00\x00\x21\x12\xa4\x42" + b"beluga-voice")
            return probe.recv(512)[:2] == b"\x01\x01"
        except OSError:
            return False


@pytest.fixture
async def turn(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """coturn on loopback; the only way from one peer to the other."""
    program = shutil.which("turnserver")
    assert program, "coturn is missing: run scripts/setup test"
    port = free_port()
    config = tmp_path / "turn.conf"
    config.write_text(
        f"listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nlistening-port={port}\nlt-cred-mech\nuser=beluga:whale\n"
        f"realm=test\nallow-loopback-peers\nno-tls\nno-dtls\nno-cli\npidfile={tmp_path}/turn.pid\n"
        f"log-file={tmp_path}/turn.log\nsimple-log\nuserdb={tmp_path}/turndb\nmin-port=50000\nmax-port=50500\n"
    )
    process = await asyncio.create_subprocess_exec(
        program, "-c", str(config), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(answers_stun, port):
            assert process.returncode is None, (tmp_path / "turn.log").read_text()
    yield {"urls": f"turn:127.0.0.1:{port}?transport=udp", "username": "beluga", "credential": "whale"}
    process.terminate()
    await asyncio.wait_for(process.wait(), 10)


async def test_a_call_through_a_turn_server_only(turn: dict[str, str]) -> None:
    extra = {"ice_servers": [turn], "ice_transport_policy": "relay"}
    transport = WebRTCTransport(bv.TransportConfig(sample_rate=RATE, extra=extra))
    servers = [RTCIceServer(turn["urls"], turn["username"], turn["credential"])]
    caller = Caller(servers=servers, relay=True)
    theirs, ours, _ = await call(transport, caller)
    pairs = [
        pair
        for sender in caller.pc.getSenders()
        for pair in [sender.transport.transport._connection._nominated.get(1)]
        if pair is not None
    ]
    assert pairs, "no candidate pair was chosen"
    assert {pair.local_candidate.type for pair in pairs} == {"relay"}
    assert {pair.remote_candidate.type for pair in pairs} == {"relay"}
    assert peak(ours[-RATE:], RATE) == pytest.approx(440, abs=4)
    loud = np.flatnonzero(np.abs(theirs) > 1000)
    assert peak(theirs[loud[0] : loud[-1]], RATE) == pytest.approx(660, abs=4)
    await caller.close()
    await transport.close()


async def test_a_relayed_answer_tells_no_address_of_this_machine(turn: dict[str, str]) -> None:
    extra = {"ice_servers": [turn], "ice_transport_policy": "relay"}
    transport, caller = WebRTCTransport(bv.TransportConfig(extra=extra)), Caller()
    answer = (await transport.answer(await caller.offer())).splitlines()
    candidates = [line for line in answer if line.startswith("a=candidate:")]
    assert candidates
    assert all(line.endswith(" typ relay raddr 0.0.0.0 rport 9") for line in candidates)
    assert {line for line in answer if line.startswith("c=")} == {"c=IN IP4 127.0.0.1"}
    await transport.close()
    await caller.close()


async def test_relay_without_a_turn_server_is_refused() -> None:
    transport = WebRTCTransport(bv.TransportConfig(sample_rate=RATE, extra={"ice_transport_policy": "relay"}))
    caller = Caller()
    with pytest.raises(bv.ConnectError, match="no TURN server"):
        await transport.answer(await caller.offer())
    await transport.close()
    await caller.close()


async def test_a_conversation_over_webrtc_and_a_caller_who_vanishes(stage: Stage) -> None:
    import urllib.request

    stage.utterances("hello there")
    async with live(stage.config(), echo) as server:
        caller = Caller(hertz=440.0)
        body = json.dumps({"sdp": await caller.offer(), "type": "offer", "metadata": {"a": 1}}).encode()

        def post() -> Any:
            request = urllib.request.Request(server.url + "/rtc/offer", data=body, method="POST")
            with urllib.request.urlopen(request, timeout=10) as response:
                return json.loads(response.read())

        answer = await asyncio.to_thread(post)
        await caller.accept(answer["sdp"])
        await caller.connected()
        session = server.backend.get_session(answer["session_id"])
        async with asyncio.timeout(10):
            while session.state != "user_speaking":
                await asyncio.sleep(0.02)
        caller.channel.send('{"type": "text", "text": "typed"}')
        caller.microphone.hertz = 0.0  # words that went on would take the turn back
        async with asyncio.timeout(10):
            while not any(m["type"] == "agent_text" and m["final"] for m in caller.messages):
                await asyncio.sleep(0.02)
        await caller.close()
        await asyncio.wait_for(session.wait_closed(), 15)
        assert server.voice.gate.connections == 0
