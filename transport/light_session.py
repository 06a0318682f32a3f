"""A session so light that thousands fit into one process: a socket and no task for each message.

`MqttSession` confirms one publish at a time and runs tasks of its own; a load of thousands of devices cannot pay for
that. Here the owner numbers its packets, calls `tick` a few times a second, and hears of everything by `SessionOwner`.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Protocol

from runtime.backoff import Backoff
from runtime.clock import Clock
from transport import packets
from transport.packet_fields import MalformedPacketError, Property
from transport.packets import Acknowledgement, Connack, Connect, Kind, Packet, PacketReader, Publish

CONNECT_TIMEOUT_S = 10.0
PING_SHARE, SILENT_SHARE = 0.75, 1.5  # of the keep-alive time
HELD_PACKETS_MAX = 1_024
_SUBSCRIBE_ID = packets.PACKET_ID_MAX
REFUSED_FOR_GOOD = {
    0x84: "it does not speak MQTT 5",
    0x85: "it does not accept this client id",
    0x86: "user name or password is wrong",
    0x87: "this user may not connect",
    0x8A: "this client is banned",
    0x8C: "it wants another way to authenticate",
}
"""CONNACK reason codes (3.2.2.2) that no retry mends."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker listens; `tls` off loopback."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


class SessionOwner(Protocol):
    """For whom a session speaks. Everything is called in the event loop and must not wait."""

    def hello(self) -> Connect:
        """What a connection begins with; asked anew for each, because a will has a time. The session starts clean."""

    def topic_filter(self) -> str:
        """What to hear."""

    def connected(self) -> None:
        """The subscription stands: what is published now goes out first."""

    def disconnected(self) -> None:
        """A connection that stood is gone."""

    def heard(self, message: Publish) -> None:
        """A message; it is acknowledged already."""

    def acknowledged(self, answer: Acknowledgement) -> None:
        """The broker has taken a publish, or refused it."""


class LightSession:
    """Keeps a connection: makes it, and again after `backoff`, as long as `run` runs. MQTT 5, clean start, QoS 1.

    `refusal` says why the last try failed; `packet_ids` numbers what is published.
    """

    def __init__(self, address: Address, owner: SessionOwner, clock: Clock, backoff: Backoff) -> None:
        self._address = address
        self._owner = owner
        self._clock = clock
        self._backoff = backoff
        self._connection: _Connection | None = None
        self.packet_ids: Iterator[int] = cycle(range(1, packets.PACKET_ID_MAX))
        self.refusal: str | None = None

    @property
    def live(self) -> bool:
        """Whether the subscription stands and the link, too."""
        return self._connection is not None and self._connection.live

    async def run(self) -> None:
        """Connect, and again, until cancelled; then say goodbye."""
        try:
            while True:
                await self._connect_once()
                await asyncio.sleep(self._backoff.next_delay_s())
        finally:
            if self._connection is not None:
                self._connection.say_goodbye()

    def publish(self, packet: bytes) -> bool:
        """Send a PUBLISH, or hold it until the broker's Receive Maximum has room; False: there is no link, or no room.

        What is held or under way when the link breaks is gone: the owner keeps what it needs until it has a receipt.
        """
        return self._connection is not None and self._connection.publish(packet)

    def tick(self, now_s: float) -> None:
        """Ping when it is quiet, give up a broker that has gone silent. Call a few times a second."""
        if self._connection is not None:
            self._connection.tick(now_s)

    async def _connect_once(self) -> None:
        """One connection, from its making to its end."""
        loop = asyncio.get_running_loop()
        address = self._address
        made = self._connection = _Connection(self._owner, self._clock)
        name = None if address.tls is None else address.host
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await loop.create_connection(
                    lambda: made, address.host, address.port, ssl=address.tls, server_hostname=name
                )
                await asyncio.wait([made.established])
        except (OSError, TimeoutError) as error:
            self.refusal = str(error) or "no answer"
            made.close()
            return
        self.refusal = None if made.stood else made.refusal or "it closed the connection"
        if made.stood:
            self._backoff.reset()
            await asyncio.wait([made.ended])


class _Connection(asyncio.Protocol):
    """One connection's life."""

    def __init__(self, owner: SessionOwner, clock: Clock) -> None:
        self._owner = owner
        self._clock = clock
        self._reader = PacketReader()
        self._transport: asyncio.Transport | None = None
        self._wrote_s = self._heard_s = clock.monotonic_s()
        self._keep_alive_s = 0
        self._window = packets.RECEIVE_MAXIMUM_DEFAULT
        self._unacknowledged_count = 0
        self._held: deque[bytes] = deque()
        self.refusal: str | None = None
        loop = asyncio.get_running_loop()
        self.established: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()

    @property
    def stood(self) -> bool:
        """Whether the subscription was ever granted."""
        return self.established.done() and not self.established.cancelled()

    @property
    def live(self) -> bool:
        """Whether it stands now."""
        return self.stood and self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 — narrows; a TCP or TLS connection is one
        self._transport = transport
        hello = self._owner.hello()
        self._keep_alive_s = hello.keep_alive_s
        self._write(hello.encode())

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        del exc
        self._transport = None
        if self.stood:
            self._owner.disconnected()
        self.established.cancel()
        self.ended.cancel()

    def data_received(self, data: bytes) -> None:
        """Take what came; bytes that are no MQTT end the connection."""
        self._heard_s = self._clock.monotonic_s()
        try:
            for packet in self._reader.feed(data):
                self._take(packet)
        except MalformedPacketError as error:
            self._refuse(f"it sent {error}")

    def publish(self, packet: bytes) -> bool:
        """See `LightSession.publish`."""
        if self._transport is None:
            return False
        if self._unacknowledged_count < self._window:
            self._unacknowledged_count += 1
            self._write(packet)
            return True
        if len(self._held) >= HELD_PACKETS_MAX:
            return False
        self._held.append(packet)
        return True

    def tick(self, now_s: float) -> None:
        """See `LightSession.tick`."""
        if not self.live:
            return
        if now_s - self._heard_s > self._keep_alive_s * SILENT_SHARE:
            self.close()
        elif now_s - min(self._wrote_s, self._heard_s) > self._keep_alive_s * PING_SHARE:
            self._write(packets.PINGREQ)

    def say_goodbye(self) -> None:
        """End cleanly: the broker drops the will."""
        self._write(packets.DISCONNECT)
        if self._transport is not None:
            self._transport.close()

    def close(self) -> None:
        """End without a goodbye, as a pulled cable does."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._wrote_s = self._clock.monotonic_s()
            self._transport.write(data)

    def _take(self, packet: Packet) -> None:
        if packet.kind == Kind.PUBLISH:
            message = packets.publish_of(packet)
            if message.qos:
                self._write(packets.pubacks((message.packet_id,)))
            self._owner.heard(message)
        elif packet.kind == Kind.PUBACK:
            self._acknowledged(packets.acknowledgement_of(packet))
        elif packet.kind == Kind.CONNACK:
            self._welcomed(packets.connack_of(packet))
        elif packet.kind == Kind.SUBACK:
            self._subscribed(packets.acknowledgement_of(packet))
        elif packet.kind == Kind.DISCONNECT:
            self.close()

    def _acknowledged(self, answer: Acknowledgement) -> None:
        self._unacknowledged_count = max(0, self._unacknowledged_count - 1)
        if self._held:
            self.publish(self._held.popleft())
        self._owner.acknowledged(answer)

    def _welcomed(self, answer: Connack) -> None:
        if not answer.accepted:
            words = answer.words or f"reason code {answer.reason:#04x}"
            self._refuse(REFUSED_FOR_GOOD.get(answer.reason, words))
            return
        told = answer.properties
        self._window = told.get(Property.RECEIVE_MAXIMUM) or packets.RECEIVE_MAXIMUM_DEFAULT
        self._keep_alive_s = told.get(Property.SERVER_KEEP_ALIVE_S) or self._keep_alive_s
        self._write(packets.subscribe(_SUBSCRIBE_ID, self._owner.topic_filter()))

    def _subscribed(self, answer: Acknowledgement) -> None:
        if answer.refused:
            self._refuse(f"this user may not hear {self._owner.topic_filter()}")
            return
        self._owner.connected()
        if not self.established.done():
            self.established.set_result(None)

    def _refuse(self, words: str) -> None:
        self.refusal = words
        self.close()
