"""The proxy: it does to a connection what its name says, and nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from benchmarks.faults.links import Link
from tests.eventually import eventually_async


@dataclass
class Echo:
    """A server that answers what it hears."""

    heard: bytearray = field(default_factory=bytearray)
    ended: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):  # counted as an end below
            while chunk := await reader.read(1000):
                self.heard += chunk
                writer.write(chunk)
                await writer.drain()
        self.ended += 1
        writer.close()


@pytest.fixture
async def echo() -> AsyncIterator[tuple[Echo, Link]]:
    one = Echo()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    link = Link("test", server.sockets[0].getsockname()[1])
    await link.start()
    yield one, link
    await link.stop()
    server.close()


async def connect(link: Link) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", link.port)


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes) -> bytes:
    writer.write(text)
    return await asyncio.wait_for(reader.readexactly(len(text)), 5)


async def ends(reader: asyncio.StreamReader) -> bool:
    with contextlib.suppress(ConnectionResetError):  # the end that is asked for
        return await asyncio.wait_for(reader.read(), 5) == b""
    return True


async def test_it_passes_everything_on(echo: tuple[Echo, Link]) -> None:
    server, link = echo
    reader, writer = await connect(link)
    assert await said(reader, writer, b"one" * 10_000) == b"one" * 10_000
    writer.close()
    await eventually_async(lambda: server.ended == 1, what="the end is passed on, too")


async def test_a_reset_ends_both_sides(echo: tuple[Echo, Link]) -> None:
    server, link = echo
    reader, writer = await connect(link)
    await said(reader, writer, b"one")
    link.reset()
    assert await ends(reader)
    await eventually_async(lambda: server.ended == 1)
    again = await connect(link)
    assert await said(*again, b"two") == b"two"
    again[1].close()


async def test_a_refusing_link_lets_nobody_in(echo: tuple[Echo, Link]) -> None:
    server, link = echo
    link.refuse(refuses=True)
    reader, writer = await connect(link)
    assert await ends(reader)
    writer.close()
    assert not server.heard


async def test_a_half_open_link_swallows_without_a_word(echo: tuple[Echo, Link]) -> None:
    server, link = echo
    reader, writer = await connect(link)
    await said(reader, writer, b"one")
    link.half_open()
    writer.write(b"never")
    again = await connect(link)
    assert await said(*again, b"two") == b"two", "a new connection works"
    assert bytes(server.heard) == b"onetwo"
    assert server.ended == 0, "the server is not told"
    writer.close()
    again[1].close()


async def test_a_stalled_link_loses_nothing(echo: tuple[Echo, Link]) -> None:
    server, link = echo
    reader, writer = await connect(link)
    link.stall(stalls=True)
    writer.write(b"later")
    assert not server.heard
    link.stall(stalls=False)
    assert await asyncio.wait_for(reader.readexactly(5), 5) == b"later"
    writer.close()


async def test_a_torn_link_cuts_in_the_middle(echo: tuple[Echo, Link]) -> None:
    server, link = echo
    reader, writer = await connect(link)
    await said(reader, writer, b"one")
    link.tear(4)
    writer.write(b"four and more")
    assert await ends(reader)
    await eventually_async(lambda: server.ended == 1)
    assert bytes(server.heard) == b"onefour"
