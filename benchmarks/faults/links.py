"""A TCP proxy of our own between two parties, that can break the connection in every way a network does."""

import asyncio
import contextlib
import socket
import struct

CHUNK_BYTES = 16_384
LOOPBACK = "127.0.0.1"


class Connection:
    """Two sockets and what is wrong between them."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near, self.far = near, far
        self.swallows = False
        self.tear_after_bytes: int | None = None

    def reset(self) -> None:
        """End both sides with an RST, as a firewall does."""
        for writer in (self.near, self.far):
            sock = writer.get_extra_info("socket")
            if sock is not None:
                with contextlib.suppress(OSError):  # it has ended by itself
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Link:
    """Listens on a loopback port of its own and passes everything on to `upstream_port`, unless told otherwise."""

    def __init__(self, name: str, upstream_port: int) -> None:
        self.name = name
        self.port = 0
        self._upstream_port = upstream_port
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._refuses = False
        self._delay_s = 0.0
        self._open = asyncio.Event()
        self._open.set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Cut everything and stop listening."""
        if self._server is not None:
            self._server.close()
        self._open.set()
        self.reset()

    def reset(self) -> None:
        """Cut every connection; new ones are welcome."""
        for one in tuple(self._connections):
            one.reset()

    def refuse(self, *, refuses: bool) -> None:
        """Cut every new connection at once, too."""
        self._refuses = refuses

    def half_open(self) -> None:
        """Let every present connection swallow all bytes of both sides for ever; neither side is told."""
        for one in self._connections:
            one.swallows = True

    def stall(self, *, stalls: bool) -> None:
        """Hold all bytes back, in order; they go on when the stall ends."""
        if stalls:
            self._open.clear()
        else:
            self._open.set()

    def slow(self, delay_s: float) -> None:
        """Let each chunk of bytes wait `delay_s`."""
        self._delay_s = delay_s

    def tear(self, after_bytes: int) -> None:
        """Pass `after_bytes` more bytes upstream on every connection, most likely ending inside a packet; then cut."""
        for one in self._connections:
            one.tear_after_bytes = after_bytes

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._upstream_port)
        except OSError:  # nobody listens there: nor does anybody here
            writer.transport.abort()
            return
        except asyncio.CancelledError:  # the house closes: this is a task of the server's, who would log it
            writer.transport.abort()
            return
        connection = Connection(writer, far_writer)
        self._connections.add(connection)
        pumps = (
            self._pump(reader, far_writer, connection, upstream=True),
            self._pump(far_reader, writer, connection, upstream=False),
        )
        try:
            await asyncio.gather(*pumps)
        except asyncio.CancelledError:  # the house closes: this is a task of the server's, who would log it
            return
        finally:
            self._connections.discard(connection)
            connection.reset()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: Connection, *, upstream: bool
    ) -> None:
        with contextlib.suppress(OSError):  # it is broken: that is an end
            while chunk := await reader.read(CHUNK_BYTES):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                await self._open.wait()
                if connection.swallows:
                    continue
                if upstream and connection.tear_after_bytes is not None:
                    chunk = chunk[: connection.tear_after_bytes]  # the rest never passes
                    connection.tear_after_bytes -= len(chunk)
                writer.write(chunk)
                await writer.drain()
                if connection.tear_after_bytes == 0:
                    connection.reset()
                    return
        if not connection.swallows:
            for one in (connection.near, connection.far):
                one.close()
