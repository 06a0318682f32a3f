"""Many open pages at once, and one that does not read, on the real web server."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from contract.telemetry import BayState
from tests.broker.console.conftest import NOW, Bench, bay
from tests.eventually import eventually_async

PAGES_OPEN = 50


@asynccontextmanager
async def served(bench: Bench) -> AsyncIterator[int]:
    """The console's application on a loopback port."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(bench.app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        await eventually_async(lambda: server.started)
        try:
            yield int(bound.getsockname()[1])
        finally:
            bench.console.hub.close()
            server.should_exit = True
            await serving


async def open_page(port: int, session: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An open stream of a live page."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked = "GET /live?group=live&market=jungang HTTP/1.1\r\nhost: x\r\ncookie: jangteo_session="
    writer.write(f"{asked}{session}\r\n\r\n".encode())
    await writer.drain()
    return reader, writer


async def test_fifty_pages_hear_a_change_together_and_one_that_does_not_read_holds_up_nobody(bench: Bench) -> None:
    async with bench.browser() as browser:
        session = browser.cookies["jangteo_session"]
        async with served(bench) as port:
            pages = [await open_page(port, session) for _ in range(PAGES_OPEN)]
            _, deaf = await open_page(port, session)
            waiting = "아직 보고 없음".encode()
            await asyncio.gather(*(asyncio.wait_for(reader.readuntil(waiting), 10) for reader, _ in pages))
            await eventually_async(lambda: bench.console.hub.listeners_count == PAGES_OPEN + 1, within_s=15.0)
            before_s = asyncio.get_running_loop().time()
            await bench.park(bay("a-01", BayState.OCCUPIED, NOW))
            heard = "주차 중".encode()
            await asyncio.gather(*(asyncio.wait_for(reader.readuntil(heard), 10) for reader, _ in pages))
            took_s = asyncio.get_running_loop().time() - before_s
            print(f"{PAGES_OPEN} pages heard it within {took_s:.2f} s")  # noqa: T201 — the figure, shown by -s
            for _, writer in (*pages, (None, deaf)):
                writer.close()
            await eventually_async(lambda: bench.console.hub.listeners_count == 0, within_s=15.0)
