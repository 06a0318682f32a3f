"""Joins addresses across a network namespace: `python -m tests.broker.alerts.relay LISTEN TARGET [LISTEN TARGET…]`.

An address is `127.0.0.1:PORT` or the path of a Unix socket, which is the same file on both sides. SIGTERM ends it.
"""

import asyncio
import contextlib
import signal
import sys

CHUNK_BYTES = 65_536


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def _connect(target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = target.rpartition(":")
    return await (asyncio.open_connection(host, int(port)) if host else asyncio.open_unix_connection(target))


async def _listen(address: str, target: str) -> asyncio.Server:
    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await _connect(target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    host, _, port = address.rpartition(":")
    return await (asyncio.start_server(join, host, int(port)) if host else asyncio.start_unix_server(join, address))


async def main(addresses: list[str]) -> None:
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    servers = [await _listen(address, target) for address, target in zip(addresses[::2], addresses[1::2], strict=True)]
    await end.wait()
    for server in servers:
        server.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
