"""Faults of links: everything that a network does to a connection."""

from collections.abc import Sequence

from benchmarks.faults.fault import Fault, let_an_hour_pass
from benchmarks.faults.house import House
from benchmarks.faults.links import Link
from benchmarks.faults.schedule import Planned

TORN_AFTER_BYTES_MAX = 400


class LinkFault(Fault):
    """Something is wrong with one connection to the broker: a device's, or with `central` an ingest's or alerts'."""

    def __init__(self, house: House, planned: Planned, links: Sequence[Link]) -> None:
        super().__init__(house, planned)
        self.link = self.one_of(links)


class LinkReset(LinkFault):
    """It is cut, once."""

    async def begin(self) -> bool:
        """Cut it."""
        self.link.reset()
        return True


class LinkRefused(LinkFault):
    """It is cut and cannot be made again for a while."""

    async def begin(self) -> bool:
        """Cut it and refuse."""
        self.link.refuse(refuses=True)
        self.link.reset()
        return True

    async def end(self) -> None:
        """Let it be made again."""
        self.link.refuse(refuses=False)


class DeviceAway(LinkRefused):
    """A device cannot reach the broker while it makes an hour's readings of one sensor."""

    async def begin(self) -> bool:
        """Refuse it, then let the hour pass."""
        await super().begin()
        let_an_hour_pass(self.house, self.device, self.planned)
        return True


class LinkHalfOpen(LinkFault):
    """It swallows everything, and nobody is told; only a new connection works."""

    async def begin(self) -> bool:
        """Swallow."""
        self.link.half_open()
        return True


class LinkStalled(LinkFault):
    """Nothing passes for a while, then all of it does."""

    async def begin(self) -> bool:
        """Hold back."""
        self.link.stall(stalls=True)
        return True

    async def end(self) -> None:
        """Let go."""
        self.link.stall(stalls=False)


class LinkSlow(LinkFault):
    """Everything comes up to half a second late."""

    async def begin(self) -> bool:
        """Slow it down."""
        self.link.slow(self.planned.amount / 2)
        return True

    async def end(self) -> None:
        """At full speed again."""
        self.link.slow(0.0)


class LinkTorn(LinkFault):
    """It is cut in the middle of a packet."""

    async def begin(self) -> bool:
        """Cut after a few more bytes."""
        self.link.tear(1 + int(self.planned.amount * TORN_AFTER_BYTES_MAX))
        return True
