"""A client that does only what it is told: acknowledges, pings and says goodbye when a test wants it, and not else."""

import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Self

from transport import packets
from transport.packet_fields import Property, text
from transport.packets import Acknowledgement, Connack, Connect, Kind, Packet, PacketReader, Publish, WillMessage

WITHIN_S = 15.0
FENCE_QUIET_S = 0.05


class ConnectionGoneError(AssertionError):
    """The broker has ended the connection."""


class RawClient:
    """One connection, made at once. `messages` are those received and not yet taken by `take`."""

    def __init__(  # noqa: PLR0913 — what a CONNECT can say
        self,
        address: tuple[str, int],
        client_id: str,
        credentials: tuple[str | None, str | None] = (None, None),
        *,
        clean_start: bool = True,
        expiry_s: int | None = None,
        receive_maximum: int | None = None,
        keep_alive_s: int = 60,
        will: WillMessage | None = None,
        acknowledges: bool = True,
    ) -> None:
        self.client_id = client_id
        self.acknowledges = acknowledges
        self.messages: list[Publish] = []
        self.disconnect_reason: int | None = None
        self.ended = False
        self._answers: dict[tuple[int, int], Acknowledgement] = {}
        self._connack: Connack | None = None
        self._pongs = 0
        self._packet_id = 0
        self._reader = PacketReader()
        self._socket = socket.create_connection(address, timeout=5)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        properties: dict[Property, int] = {}
        if expiry_s is not None:
            properties[Property.SESSION_EXPIRY_S] = expiry_s
        if receive_maximum is not None:
            properties[Property.RECEIVE_MAXIMUM] = receive_maximum
        self._send(Connect(client_id, *credentials, keep_alive_s, clean_start, properties, will).encode())
        self.until(lambda: self._connack is not None, "CONNACK")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connack(self) -> Connack:
        assert self._connack is not None, "the constructor waits for it"
        return self._connack

    def subscribe(self, topic_filter: str) -> Acknowledgement:
        number = self._next_id()
        self._send(packets.subscribe(number, topic_filter))
        return self._answer(Kind.SUBACK, number)

    def publish(self, topic: str, body: bytes, *, retain: bool = False) -> Acknowledgement:
        """At QoS 1, and wait for the PUBACK."""
        number = self._next_id()
        self._send(packets.publish(text(topic), body, number, retain=retain))
        return self._answer(Kind.PUBACK, number)

    def publish_all(self, topic: str, bodies: Sequence[bytes], at_once: int = 50) -> None:
        """Many at QoS 1, `at_once` under way at a time (fewer where the broker says so); every one is confirmed."""
        at_once = min(at_once, self.connack.properties.get(Property.RECEIVE_MAXIMUM, at_once))
        for start in range(0, len(bodies), at_once):
            numbers = []
            for body in bodies[start : start + at_once]:
                numbers.append(self._next_id())
                self._send(packets.publish(text(topic), body, numbers[-1]))
            for number in numbers:
                assert not self._answer(Kind.PUBACK, number).refused

    def acknowledge(self, message: Publish) -> None:
        self._send(packets.pubacks((message.packet_id,)))

    def take(self, count: int, *, within_s: float = WITHIN_S) -> list[Publish]:
        """The next `count` messages."""
        self.until(lambda: len(self.messages) >= count, f"{count} messages", within_s=within_s)
        taken, self.messages = self.messages[:count], self.messages[count:]
        return taken

    def fence(self) -> None:
        """Come back when the broker has answered a ping and has then nothing more to say."""
        wanted = self._pongs + 1
        self._send(packets.PINGREQ)
        self.until(lambda: self._pongs >= wanted, "PINGRESP")
        while self._readable(FENCE_QUIET_S) and not self.ended:
            self._read()

    def until(self, probe: Callable[[], bool], what: str, *, within_s: float = WITHIN_S) -> None:
        deadline_s = time.monotonic() + within_s
        while not probe():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise AssertionError(f"{self.client_id}: no {what} within {within_s:.0f} s")
            if self.ended:
                raise ConnectionGoneError(f"{self.client_id}: the broker closed; waiting for {what}")
            if self._readable(min(left_s, 0.5)):
                self._read()

    def cut(self) -> None:
        """End without a DISCONNECT, as a killed process does."""
        self._socket.close()
        self.ended = True

    def close(self) -> None:
        """Say goodbye."""
        if not self.ended:
            self._send(packets.DISCONNECT)
            self.cut()

    def _readable(self, within_s: float) -> bool:
        return not self.ended and bool(select.select([self._socket], [], [], within_s)[0])

    def _read(self) -> None:
        try:
            data = self._socket.recv(262_144)
        except OSError:  # reset: as much an end as a goodbye
            data = b""
        if not data:
            self.cut()
            return
        for packet in self._reader.feed(data):
            self._take(packet)

    def _take(self, packet: Packet) -> None:
        if packet.kind == Kind.PUBLISH:
            message = packets.publish_of(packet)
            self.messages.append(message)
            if message.qos and self.acknowledges:
                self.acknowledge(message)
        elif packet.kind in {Kind.PUBACK, Kind.SUBACK, Kind.UNSUBACK}:
            answer = packets.acknowledgement_of(packet)
            self._answers[packet.kind, answer.packet_id] = answer
        elif packet.kind == Kind.CONNACK:
            self._connack = packets.connack_of(packet)
        elif packet.kind == Kind.PINGRESP:
            self._pongs += 1
        elif packet.kind == Kind.DISCONNECT:
            self.disconnect_reason = packets.goodbye_of(packet).reason

    def _answer(self, kind: Kind, number: int) -> Acknowledgement:
        self.until(lambda: (kind, number) in self._answers, kind.name)
        return self._answers.pop((kind, number))

    def _next_id(self) -> int:
        self._packet_id = self._packet_id % 65_535 + 1
        return self._packet_id

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            self.cut()
            raise ConnectionGoneError(f"{self.client_id}: {error}") from error
