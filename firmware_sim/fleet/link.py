"""A device's link: what it says when it comes, and what it does with receipts, by a light session of the transport."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from firmware_sim.fleet.device import FleetDevice
from firmware_sim.fleet.figures import Counters
from runtime.backoff import Backoff
from runtime.clock import Clock
from transport.light_session import Address, LightSession
from transport.packets import Acknowledgement, Connect, Publish


@dataclass(frozen=True, slots=True)
class Place:
    """Where the broker is, and as whom (user name, password) a device of a given name comes; `tls` off loopback."""

    host: str
    port: int
    credentials: Callable[[str], tuple[str | None, str | None]]
    tls: ssl.SSLContext | None = None
    keep_alive_s: int = 8

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class FleetSession:
    """Keeps a device connected. `on_live` is called with the moment of every connection that stands.

    It is its light session's `SessionOwner`: the methods below `tick` are that one's.
    """

    def __init__(
        self,
        device: FleetDevice,
        place: Place,
        counters: Counters,
        clock: Clock,
        backoff: Backoff,
        on_live: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.device = device
        self._counters = counters
        self._clock = clock
        self._place = place
        self._on_live = on_live
        self._session = LightSession(Address(place.host, place.port, place.tls), self, clock, backoff)

    @property
    def live(self) -> bool:
        """Whether batches may be sent."""
        return self._session.live

    @property
    def refusal(self) -> str | None:
        """Why the last try to connect failed; `None` when it did not."""
        return self._session.refusal

    async def run(self) -> None:
        """Connect, and again, until cancelled; then say goodbye."""
        await self._session.run()

    def round(self, index: int) -> None:
        """Make a batch, and send it if there is a link."""
        row = self.device.make(index, self._clock.unix_ms())
        if self._session.live:
            packet = self.device.live(row, next(self._session.packet_ids), self._clock.monotonic_s())
            if packet:
                self._session.publish(packet)

    def tick(self, now_s: float) -> None:
        """Keep the link alive and send what is due. Call a few times a second."""
        self._session.tick(now_s)
        if self._session.live:
            for packet in self.device.due(now_s, self._clock.unix_ms(), self._session.packet_ids):
                self._session.publish(packet)

    def hello(self) -> Connect:
        """See `transport.light_session.SessionOwner`."""
        name = self.device.plan.identity.username
        username, password = self._place.credentials(name)
        will = self.device.will(self._clock.unix_ms())
        return Connect(name, username, password, self._place.keep_alive_s, will=will)

    def topic_filter(self) -> str:
        """The device's receipts."""
        return self.device.receipts

    def connected(self) -> None:
        """Say that the device is there; batches follow."""
        self._counters.connections += 1
        self.device.connected(self._clock.monotonic_s(), self._clock.unix_ms())
        self._session.publish(self.device.birth(next(self._session.packet_ids), self._clock.unix_ms()))
        self._on_live(self._clock.monotonic_s())

    def disconnected(self) -> None:
        """Count it: what was not receipted is in the outbox."""
        self._counters.disconnections += 1

    def heard(self, message: Publish) -> None:
        """Take a receipt."""
        self.device.heard(message.body, self._clock.unix_ms())

    def acknowledged(self, answer: Acknowledgement) -> None:
        """Forget nothing: only a receipt does that. A refusal is counted."""
        self._counters.refused_batches += answer.refused
