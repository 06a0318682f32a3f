"""The load of the ingest benchmark: many devices in one cheap process, each with a connection and receipts of its own.

Every device sends numbered batches that were encoded once; number, time and value are put in by replacing bytes of the
same length. It keeps at most `UNDELIVERED_MAX` batches without a receipt from ingest, as a device's delivery does, and
is done when every batch has its receipt. Run as `python -m benchmarks.ingest_load FILE`, with a `Load` as JSON in FILE.
"""

import selectors
import socket
import sys
import time
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import from_json

from contract.catalog import topic_for
from contract.delivery import Delivered
from contract.telemetry import BayBatch, BayReading, BayState
from transport import consumer_packets as packets

UNDELIVERED_MAX = 150
RECEIVE_BYTES = 65_536
STALLED_S_MAX = 60.0

SEQ_FIRST = 1_000_000_001  # numbers and times keep their length, so that they can be replaced in place
STEP_MS = 20
_TIME_MARK, _SINCE_MARK, _VALUE_MARK = 1_777_777_777_777, 1_777_777_770_000, 1777.7
EPOCH = "0123456789abcdef"


class Device(BaseModel):
    """Who sends, and about which bays."""

    market: str
    device: str
    password: str
    bays: tuple[str, ...]


class Load(BaseModel):
    """What is sent where. `values[n]` is the distance that every bay has in batch n: 1000.0 to 9999.9."""

    port: int
    start_unix_ms: int
    devices: tuple[Device, ...]
    values: tuple[float, ...]

    def time_of(self, number: int) -> int:
        """The time of batch `number`."""
        return self.start_unix_ms + number * STEP_MS


class Sender:
    """One device: its connection, its batches, what of them is not receipted."""

    def __init__(self, device: Device, load: Load) -> None:
        self._load = load
        username = f"{device.market}.{device.device}"
        self.socket = socket.create_connection(("127.0.0.1", load.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        options = packets.ConnectOptions(username, username, device.password, 600, 0, 65_535)
        receipts = str(topic_for(device.market, device.device, Delivered))
        self.socket.sendall(packets.connect(options) + packets.subscribe(65_535, [receipts]))
        self._reader = packets.PacketReader(1_000_000)
        self._topic = str(topic_for(device.market, device.device, BayBatch))
        self._template = _template(device.bays)
        self._out = bytearray()
        self.sent = 0
        self.delivered: set[int] = set()

    def fill(self) -> None:
        """Queue batches, as many as may be without a receipt."""
        values = self._load.values
        while self.sent < len(values) and self.sent - len(self.delivered) < UNDELIVERED_MAX:
            body = self._template
            for mark, value in (
                (SEQ_FIRST, SEQ_FIRST + self.sent),
                (_TIME_MARK, self._load.time_of(self.sent)),
                (_SINCE_MARK, self._load.time_of(self.sent) - 7000),
                (_VALUE_MARK, values[self.sent]),
            ):
                body = body.replace(str(mark).encode(), str(value).encode())
            packet_id = self.sent % 60_000 + 1
            self._out += packets.publish(self._topic, body, qos=1, retain=False, packet_id=packet_id)
            self.sent += 1

    @property
    def wants_to_write(self) -> bool:
        """Whether something is queued."""
        return bool(self._out)

    def write(self) -> None:
        """Send what the socket takes."""
        if self._out:
            try:
                del self._out[: self.socket.send(self._out)]
            except BlockingIOError:  # full: the rest goes when it can be written again
                return

    def read(self) -> None:
        """Take in what has come: confirmations of the broker, receipts of ingest."""
        data = self.socket.recv(RECEIVE_BYTES)
        if not data:
            raise ConnectionResetError("the broker closed a device's connection")
        self._reader.feed(data)
        messages, _ = self._reader.read(100_000)
        if messages:
            self._out += packets.pubacks([one.mid for one in messages if one.qos])
            for one in messages:
                self.delivered.update(from_json(one.message.body)["seqs"])


def _template(bays: tuple[str, ...]) -> bytes:
    readings = tuple(
        BayReading(
            time_unix_ms=_TIME_MARK,
            bay=bay,
            state=BayState.OCCUPIED if index % 3 else BayState.FREE,
            confidence=0.95,
            distance_mm=_VALUE_MARK,
            since_unix_ms=_SINCE_MARK,
        )
        for index, bay in enumerate(bays)
    )
    return BayBatch(epoch=EPOCH, seq=SEQ_FIRST, readings=readings).to_bytes()


def message_bytes(bays: tuple[str, ...]) -> int:
    """How long one message's body is."""
    return len(_template(bays))


def send(load: Load) -> None:
    """Send everything and wait for every receipt.

    Raises:
        TimeoutError: nothing moved for `STALLED_S_MAX`.
    """
    selector = selectors.DefaultSelector()
    senders = [Sender(device, load) for device in load.devices]
    for sender in senders:
        sender.socket.setblocking(False)  # noqa: FBT003 - the socket's own signature
        selector.register(sender.socket, selectors.EVENT_READ, sender)
    moved_s = time.monotonic()
    while any(len(sender.delivered) < len(load.values) for sender in senders):
        for sender in senders:
            sender.fill()
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if sender.wants_to_write else 0)
            if selector.get_key(sender.socket).events != wanted:
                selector.modify(sender.socket, wanted, sender)
        for key, events in selector.select(1.0):
            moved_s = time.monotonic()
            if events & selectors.EVENT_READ:
                key.data.read()
            key.data.write()
        if time.monotonic() - moved_s > STALLED_S_MAX:
            raise TimeoutError("no receipt for a minute")


if __name__ == "__main__":
    send(Load.model_validate_json(Path(sys.argv[1]).read_bytes()))
