"""Relays that impair by a seed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from beluga_voice.testing.impairment import Impairment, Network, TcpRelay, UdpRelay


class Echo(asyncio.DatagramProtocol):
    """Sends everything back."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)


class Client(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.got: list[int] = []

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.got.append(int(data))


async def through_udp(network: Network, count: int) -> list[int]:
    """Numbers that come back of ``count`` sent 1 ms apart."""
    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    relay = UdpRelay(network, server.get_extra_info("sockname"))
    await relay.start()
    client, got = await loop.create_datagram_endpoint(Client, remote_addr=("127.0.0.1", relay.port))
    client.sendto(b"0")
    await asyncio.sleep(0.05)  # the first packet opens the way
    for n in range(1, count + 1):
        client.sendto(b"%d" % n)
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.3)
    for transport in (client, server):
        transport.close()
    await relay.close()
    await relay.close()
    return [n for n in got.got if n]


def test_the_same_seed_has_the_same_fate() -> None:
    bad = Impairment(delay=0.01, jitter=0.01, loss=0.2, reorder=0.1)

    async def fates(seed: int) -> list[object]:
        network = Network(bad, seed)
        return [network.fate() for _ in range(200)]

    assert asyncio.run(fates(1)) == asyncio.run(fates(1)) != asyncio.run(fates(2))


def test_a_good_network_passes_all_in_order() -> None:
    assert asyncio.run(through_udp(Network(), 100)) == list(range(1, 101))


def test_loss_loses_its_share() -> None:
    got = asyncio.run(through_udp(Network(Impairment(loss=0.3), seed=3), 200))
    assert 60 <= len(got) <= 140  # 0.7 squared, both ways
    assert got == sorted(got)


def test_jitter_keeps_order_and_reordering_does_not() -> None:
    jitter = asyncio.run(through_udp(Network(Impairment(delay=0.01, jitter=0.02), seed=3), 100))
    assert jitter == list(range(1, 101))
    disorder = asyncio.run(through_udp(Network(Impairment(reorder=0.2, reorder_by=0.02), seed=3), 100))
    assert sorted(disorder) == list(range(1, 101)) != disorder


def test_in_a_cut_udp_is_lost_and_tcp_waits() -> None:
    async def main() -> None:
        network = Network()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(100):
                writer.write(data)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        relay = TcpRelay(network, server.sockets[0].getsockname())
        await relay.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"one")
        assert await reader.read(100) == b"one"
        network.cut()
        assert network.is_cut and network.fate() is None
        writer.write(b"two")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.read(100)
        network.restore()
        assert await reader.read(100) == b"two"
        writer.write_eof()
        assert await reader.read(100) == b""
        writer.close()
        await relay.close()
        await relay.close()
        server.close()

    asyncio.run(main())
