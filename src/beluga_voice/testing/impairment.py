"""A bad network on this machine: relays that delay, lose and reorder packets by a seed, or let nothing through.

Put one between a client and a server; no privileges are needed, as ``tc netem`` would. See
`beluga_voice.testing.livekit_relay` for LiveKit.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Impairment", "Network", "TcpRelay", "UdpRelay"]

# Packets on their way in one direction; more are lost, as in a router.
_MOST_UNDERWAY = 5_000
_CHUNK = 16_384
_CLOSE_DEADLINE = 1.0

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Impairment:
    """What happens to packets, each way.

    Attributes:
        delay: seconds added to every packet.
        jitter: up to so many seconds more, at random; packets stay in order.
        loss: share lost, 0 to 1.
        reorder: share that comes ``reorder_by`` seconds late, after those sent later.
        reorder_by: seconds.
    """

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    reorder: float = 0.0
    reorder_by: float = 0.03


class Network:
    """The state of a network that relays share.

    Args:
        impairment: at first; set `impairment` to change it.
        seed: of all chance; the same packets meet the same fate.
    """

    def __init__(self, impairment: Impairment | None = None, seed: int = 0) -> None:
        self.impairment = impairment or Impairment()
        self.passed = self.lost = 0
        self._chance = random.Random(seed)
        self._whole = asyncio.Event()
        self._whole.set()

    @property
    def is_cut(self) -> bool:
        """Whether nothing passes."""
        return not self._whole.is_set()

    def cut(self) -> None:
        """Lets nothing through, and tells nobody: connections stay open and silent."""
        self._whole.clear()

    def restore(self) -> None:
        """Lets packets through again; what TCP held back goes on, UDP packets of the meantime are lost."""
        self._whole.set()

    async def whole(self) -> None:
        """Returns when the network is not cut."""
        await self._whole.wait()

    def fate(self) -> tuple[float, bool] | None:
        """What happens to the next packet: its delay in seconds and whether others may overtake it; None if lost."""
        worse = self.impairment
        # All are drawn each time, so that one setting does not shift the chance of another.
        loss, jitter, reorder = self._chance.random(), self._chance.random(), self._chance.random()
        if self.is_cut or loss < worse.loss:
            self.lost += 1
            return None
        self.passed += 1
        late = reorder < worse.reorder
        return worse.delay + jitter * worse.jitter + late * worse.reorder_by, late

    def stream_delay(self) -> float:
        """Delay for the next piece of a TCP stream; one lost packet costs a retransmission, at least 0.2 s."""
        worse = self.impairment
        lost = self._chance.random() < worse.loss
        return worse.delay + self._chance.random() * worse.jitter + lost * max(0.2, 2 * worse.delay)


class _Way:
    """One direction of one UDP connection."""

    def __init__(self, network: Network, deliver: Callable[[bytes], None]) -> None:
        self._network = network
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._last = 0.0
        self._underway = 0

    def take(self, packet: bytes) -> None:
        fate = self._network.fate()
        if fate is None or self._underway >= _MOST_UNDERWAY:
            return
        delay, late = fate
        at = self._loop.time() + delay
        if not late:
            # Timers due at the same time fire in any order.
            at = self._last = max(at, self._last + 1e-6)
        if at <= self._loop.time() and not self._underway:
            self._deliver(packet)
            return
        self._underway += 1
        self._loop.call_at(at, self._arrive, packet)

    def _arrive(self, packet: bytes) -> None:
        self._underway -= 1
        self._deliver(packet)


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, Address], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._received(data, addr)


class UdpRelay:
    """Passes packets between anybody who sends to its port and one server.

    Args:
        network: decides what becomes of them.
        target: address of the server.

    Attributes:
        port: on 127.0.0.1, once started.
    """

    def __init__(self, network: Network, target: Address) -> None:
        self._network = network
        self._target = target
        self._front: asyncio.DatagramTransport | None = None
        self._backs: dict[Address, asyncio.DatagramTransport] = {}
        self._out: dict[Address, _Way] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        """Opens the port."""
        loop = asyncio.get_running_loop()
        front, _ = await loop.create_datagram_endpoint(
            lambda: _Protocol(self._from_client), local_addr=("127.0.0.1", 0)
        )
        self._front, self.port = front, front.get_extra_info("sockname")[1]

    async def close(self) -> None:
        """Ends it; idempotent."""
        for task in self._opening:
            task.cancel()
        if self._opening:
            await asyncio.wait(self._opening, timeout=_CLOSE_DEADLINE)
        for transport in (self._front, *self._backs.values()):
            if transport is not None:
                transport.close()
        self._front = None
        self._backs.clear()
        self._out.clear()

    def _from_client(self, packet: bytes, client: Address) -> None:
        way = self._out.get(client)
        if way is not None:
            way.take(packet)
            return
        # The first packet of a client is lost while its way is made; ICE and other protocols send it again.
        self._out[client] = _Way(self._network, lambda packet: self._to_server(packet, client))
        task = asyncio.get_running_loop().create_task(self._open(client), name="udp-relay")
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, client: Address) -> None:
        def to_client(packet: bytes) -> None:
            if self._front is not None:
                self._front.sendto(packet, client)

        back = _Way(self._network, to_client)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Protocol(lambda packet, _: back.take(packet)), remote_addr=self._target
        )
        self._backs[client] = transport

    def _to_server(self, packet: bytes, client: Address) -> None:
        transport = self._backs.get(client)
        if transport is not None and not transport.is_closing():
            transport.sendto(packet)


class TcpRelay:
    """Passes TCP connections to one server.

    Args:
        network: decides how late the bytes come; in a cut none do, and new connections are accepted and stay silent.
        target: address of the server.

    Attributes:
        port: on 127.0.0.1, once started.
    """

    def __init__(self, network: Network, target: Address) -> None:
        self._network = network
        self._target = target
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        """Opens the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Ends it and all its connections; idempotent."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=_CLOSE_DEADLINE)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        back: asyncio.StreamWriter | None = None
        try:
            await self._network.whole()
            answers, back = await asyncio.open_connection(*self._target)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, back))
                group.create_task(self._pump(answers, writer))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass  # an end that broke off ends the other too
        finally:
            self._connections.discard(task)
            for one in (writer, back):
                if one is not None:
                    one.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            if delay := self._network.stream_delay():
                await asyncio.sleep(delay)
            await self._network.whole()
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()
