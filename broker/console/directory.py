"""The directory: the registry as the console last read it, so that neither page nor bus waits for the database."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from broker.console.problems import NotHereError
from broker.series.ports import Series
from broker.stores.registry import DeviceRecord, Named, Registry, Subject
from contract.access import DeviceIdentity
from runtime.clock import Clock

REFRESH_S = 2.0


class UnknownMarketError(NotHereError):
    """There is no such market in the registry."""


@dataclass(frozen=True, slots=True)
class MarketListing:
    """One market: what it is called, what it has, what its devices last said."""

    market: Named
    zones: tuple[Named, ...]
    lots: tuple[Named, ...]
    subjects: tuple[Subject, ...]
    devices: tuple[DeviceRecord, ...]

    def of_kind(self, kind: str) -> tuple[Subject, ...]:
        """What is observed of one telemetry kind."""
        return tuple(one for one in self.subjects if one.kind == kind)

    def zone_name(self, zone: str | None) -> Named | None:
        """A zone's names."""
        return next((one for one in self.zones if one.id == zone), None)

    def screen_devices(self) -> tuple[DeviceIdentity, ...]:
        """The devices that have screens."""
        names = sorted({one.device for one in self.of_kind("screens")})
        return tuple(DeviceIdentity(self.market.id, name) for name in names)

    def record(self, device: str) -> DeviceRecord | None:
        """A device's record."""
        return next((one for one in self.devices if one.device == device), None)


class Directory:
    """Reads the registry at most every two seconds, from any thread."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._lock = threading.Lock()
        self._read_s: float | None = None
        self._listings: Mapping[str, MarketListing] = {}
        self._known: frozenset[tuple[str, str, str, str]] = frozenset()
        self._identities: frozenset[DeviceIdentity] = frozenset()

    def refresh(self) -> None:
        """Read now.

        Raises:
            sqlalchemy.exc.DBAPIError: the database does not answer; what was read before stays.
        """
        listings = {named.id: self._listing(named) for named in self._registry.markets()}
        known = self._registry.known_subjects()
        identities = frozenset(
            DeviceIdentity(market, record.device) for market, one in listings.items() for record in one.devices
        )
        with self._lock:
            self._listings, self._known, self._identities = listings, known, identities
            self._read_s = self._clock.monotonic_s()

    def markets(self) -> tuple[MarketListing, ...]:
        """Every market, at most two seconds old."""
        self._refresh_if_old()
        return tuple(self._listings.values())

    def market(self, market: str) -> MarketListing:
        """One market, at most two seconds old.

        Raises:
            UnknownMarketError: there is none of this name.
        """
        self._refresh_if_old()
        listing = self._listings.get(market)
        if listing is None:
            raise UnknownMarketError("market", market=market)
        return listing

    def knows(self, series: Series) -> bool:
        """Whether the registry has this series; as last read, without waiting. An agent is its own subject."""
        if series.kind == "agents":
            return series.subject == series.device and self.knows_device(DeviceIdentity(series.market, series.device))
        return (series.market, series.device, series.kind, series.subject) in self._known

    def knows_device(self, identity: DeviceIdentity) -> bool:
        """Whether the registry has this device; as last read, without waiting."""
        return identity in self._identities

    def _refresh_if_old(self) -> None:
        if self._read_s is None or self._clock.monotonic_s() - self._read_s > REFRESH_S:
            self.refresh()

    def _listing(self, named: Named) -> MarketListing:
        market = named.id
        return MarketListing(
            named,
            self._registry.zones(market),
            self._registry.lots(market),
            self._registry.subjects(market),
            self._registry.devices(market),
        )
