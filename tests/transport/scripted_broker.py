"""A broker of a test's own, which answers only what and when it is told to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from transport.packets import Kind, Packet, PacketReader, publish_of

WELCOME = b"\x20\x03\0\0\0"
PINGRESP = b"\xd0\x00"


class ScriptedBroker:
    """Welcomes with `connack`, answers subscriptions with `granted`, keeps what it hears; PUBACKs when told to."""

    def __init__(self, connack: bytes = WELCOME, granted: int = 1) -> None:
        self.connack = connack
        self.granted = granted
        self.heard: list[Packet] = []
        self.connections = 0
        self.port = 0
        self._writer: asyncio.StreamWriter | None = None
        self._acknowledged = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["ScriptedBroker"]:
        """On a free port of this machine."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    def of(self, kind: Kind) -> list[Packet]:
        """What was heard of one kind."""
        return [one for one in self.heard if one.kind == kind]

    def say(self, data: bytes) -> None:
        """To the newest connection."""
        assert self._writer is not None
        self._writer.write(data)

    def acknowledge(self, reason: bytes = b"") -> None:
        """The oldest PUBLISH that has no PUBACK yet."""
        message = publish_of(self.of(Kind.PUBLISH)[self._acknowledged])
        self._acknowledged += 1
        body = message.packet_id.to_bytes(2, "big") + reason
        self.say(bytes((0x40, len(body))) + body)

    def hang_up(self) -> None:
        """End the newest connection without a word."""
        assert self._writer is not None
        self._writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writer, cutter = writer, PacketReader()
        while data := await reader.read(65_536):
            for packet in cutter.feed(data):
                self.heard.append(packet)
                if packet.kind == Kind.CONNECT:
                    writer.write(self.connack)
                elif packet.kind == Kind.SUBSCRIBE:
                    writer.write(b"\x90\x04" + packet.body[:2] + b"\0" + bytes((self.granted,)))
        writer.close()
