"""A local server that speaks Amazon Nova Sonic's protocol: TLS, HTTP/2, signed event streams in both directions.

Needs ``h2`` and ``cryptography``; the vendor's SDK (Python 3.12 and later) is pointed at it by ``endpoint`` and
``ca_file``::

    async with NovaSonicServer(utterances=["hi"], replies=["Hello."]) as server:
        s2s_config = {"endpoint": server.url, "ca_file": server.ca_file, "access_key_id": "x", "secret_access_key": "y"}

Signatures are not verified, but that every event has one is.
"""

from __future__ import annotations

import asyncio
import base64
import datetime
import importlib
import ipaddress
import json
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

from beluga_voice.testing.event_stream import EventStreamError, Message, MessageDecoder, encode
from beluga_voice.testing.nova_sonic_model import NovaScript
from beluga_voice.testing.scripted_realtime import ScriptedReply

__all__ = ["NovaSonicServer"]

_WINDOW = 1 << 24


class NovaSonicServer:
    """Serves on 127.0.0.1 while it is entered.

    Args:
        utterances: what the user says, in every stream anew unless it is used up.
        replies: what is answered.
        refusals: exceptions with which the next streams are refused: HTTP status, name and message.
        values: more settings of the scripted model.

    Attributes:
        scripts: every stream that was opened.
        problems: what the service would have refused.
    """

    def __init__(
        self,
        utterances: Sequence[str] = (),
        replies: Sequence[str | ScriptedReply] = ("Yes.",),
        *,
        refusals: Sequence[tuple[int, str, str]] = (),
        **values: Any,
    ) -> None:
        self._utterances, self._replies, self._values = list(utterances), list(replies), values
        self.refusals = list(refusals)
        self.scripts: list[NovaScript] = []
        self.problems: list[str] = []
        self.requests: list[dict[str, str]] = []
        self._folder = tempfile.TemporaryDirectory(prefix="nova-sonic-")
        self._server: asyncio.Server | None = None
        self._peers: set[_Peer] = set()
        self.ca_file = str(Path(self._folder.name) / "ca.pem")

    @property
    def url(self) -> str:
        """What a client is given."""
        assert self._server is not None
        return f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        key_file = _make_certificate(Path(self.ca_file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, key_file)
        context.set_alpn_protocols(["h2"])
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Peer(self), "127.0.0.1", 0, ssl=context)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for peer in list(self._peers):
            await peer.stop()
        await self._server.wait_closed()
        self._folder.cleanup()

    def next_script(self) -> NovaScript:
        """The script of the next stream: it goes on where the one before has stopped."""
        said = sum(len(s.stream.said) for s in self.scripts if s.stream is not None)
        script = NovaScript(
            self._utterances[said:], self._replies[min(said, len(self._replies) - 1) :], **self._values
        )
        self.scripts.append(script)
        return script

    def joined(self, peer: _Peer) -> None:
        """A connection was opened."""
        self._peers.add(peer)

    def left(self, peer: _Peer) -> None:
        """… and is gone."""
        self._peers.discard(peer)

    def abort(self) -> None:
        """Breaks off every connection."""
        for peer in list(self._peers):
            peer.abort()

    async def throw(self, name: str, message: str) -> None:
        """Ends every stream with an exception."""
        for peer in list(self._peers):
            peer.throw(name, message)


class _Peer(asyncio.Protocol):
    """One HTTP/2 connection."""

    def __init__(self, server: NovaSonicServer) -> None:
        self._server = server
        h2_config = importlib.import_module("h2.config")
        connection = importlib.import_module("h2.connection")
        self._events = importlib.import_module("h2.events")
        config = h2_config.H2Configuration(client_side=False, header_encoding="utf-8")
        self._h2: Any = connection.H2Connection(config)
        self._transport: Any = None
        self._streams: dict[int, _Stream] = {}

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._server.joined(self)
        self._h2.initiate_connection()
        settings = importlib.import_module("h2.settings").SettingCodes
        self._h2.update_settings({settings.INITIAL_WINDOW_SIZE: _WINDOW})
        self._h2.increment_flow_control_window(_WINDOW)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.left(self)
        for stream in self._streams.values():
            stream.cancel()

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, self._events.RequestReceived):
                self._request(event.stream_id, dict(event.headers))
            elif isinstance(event, self._events.DataReceived):
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                stream = self._streams.get(event.stream_id)
                if stream is not None:
                    stream.take(event.data)
            elif isinstance(event, self._events.StreamReset):
                stream = self._streams.pop(event.stream_id, None)
                if stream is not None:
                    stream.cancel()
        self.flush()

    def _request(self, stream_id: int, headers: dict[str, str]) -> None:
        self._server.requests.append(headers)
        if self._server.refusals:
            status, name, message = self._server.refusals.pop(0)
            body = json.dumps({"message": message}).encode()
            sent = [
                (":status", str(status)),
                ("x-amzn-errortype", name),
                ("content-type", "application/json"),
            ]
            self._h2.send_headers(stream_id, sent)
            self._h2.send_data(stream_id, body, end_stream=True)
            return
        path = unquote(headers[":path"]).rstrip("?")
        if not (path.startswith("/model/") and path.endswith("/invoke-with-bidirectional-stream")):
            self._server.problems.append(f"path {path}")
        if "SigV4" not in headers.get("authorization", "SigV4") and "AWS4" not in headers.get(
            "authorization", ""
        ):
            self._server.problems.append("no signature")
        self._h2.send_headers(
            stream_id, [(":status", "200"), ("content-type", "application/vnd.amazon.eventstream")]
        )
        self._streams[stream_id] = _Stream(self, stream_id, self._server)

    def send(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Sends on one stream, as far as the peer's window goes."""
        limit = min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size)
        if len(data) > limit:
            size = max(1, limit)
            for at in range(0, len(data), size):
                self._h2.send_data(stream_id, data[at : at + size], end_stream=end and at + size >= len(data))
        else:
            self._h2.send_data(stream_id, data, end_stream=end)
        self.flush()

    def flush(self) -> None:
        """Writes what is to be written."""
        data = self._h2.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def abort(self) -> None:
        """Breaks the connection off."""
        self._transport.abort()

    def throw(self, name: str, message: str) -> None:
        """Ends every stream with an exception."""
        headers = {":message-type": "exception", ":exception-type": name, ":content-type": "application/json"}
        frame = encode(Message(headers, json.dumps({"message": message}).encode()))
        for stream_id, stream in list(self._streams.items()):
            stream.cancel()
            self.send(stream_id, frame, end=True)

    async def stop(self) -> None:
        """Ends everything."""
        streams = list(self._streams.values())
        for stream in streams:
            await stream.stop()
        self.abort()


class _Stream:
    """One conversation."""

    def __init__(self, peer: _Peer, stream_id: int, server: NovaSonicServer) -> None:
        self._peer, self._id, self._server = peer, stream_id, server
        self._decoder = MessageDecoder()
        self._script = server.next_script()
        self._script.open()
        self._task = asyncio.create_task(self._answer(), name="nova-server")

    def take(self, data: bytes) -> None:
        """Takes bytes of the client: signed messages around messages."""
        try:
            for outer in self._decoder.feed(data):
                self._take_signed(outer)
        except (EventStreamError, KeyError, ValueError) as error:
            self._server.problems.append(f"{type(error).__name__}: {error}")
        if self._script.problem:
            self._server.problems.append(self._script.problem)
            self._script.problem = ""

    def _take_signed(self, outer: Message) -> None:
        if ":chunk-signature" not in outer.headers or ":date" not in outer.headers:
            raise ValueError("an event without a signature")
        if not outer.payload:
            self._script.end()
            return
        for inner in MessageDecoder().feed(outer.payload):
            if inner.headers.get(":event-type") != "chunk":
                raise ValueError(f"event type {inner.headers.get(':event-type')!r}")
            self._script.take(json.loads(base64.b64decode(json.loads(inner.payload)["bytes"])))

    async def _answer(self) -> None:
        while (data := await self._script.receive()) is not None:
            payload = json.dumps({"bytes": base64.b64encode(data).decode("ascii")}).encode()
            headers = {":message-type": "event", ":event-type": "chunk", ":content-type": "application/json"}
            self._peer.send(self._id, encode(Message(headers, payload)))
        self._peer.send(self._id, b"", end=True)

    def cancel(self) -> None:
        """The client is gone."""
        self._task.cancel()

    async def stop(self) -> None:
        """Ends it."""
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._script.close()


def _make_certificate(path: Path) -> str:
    """A certificate for 127.0.0.1 that signs itself; returns where its key is."""
    x509 = importlib.import_module("cryptography.x509")
    oid = importlib.import_module("cryptography.x509.oid").NameOID
    hashes = importlib.import_module("cryptography.hazmat.primitives.hashes")
    serialization = importlib.import_module("cryptography.hazmat.primitives.serialization")
    ec = importlib.import_module("cryptography.hazmat.primitives.asymmetric.ec")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file = path.with_name("key.pem")
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(key_file)
