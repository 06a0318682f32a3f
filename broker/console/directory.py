"""The directory: the registry as the console last read it, so that neither page nor bus waits for the database."""

import threading
from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class _Roster:
    """What is enrolled in a market, as of a revision of it. `series` are (device, kind, subject)."""

    revision: str | None
    zones: tuple[Named, ...]
    lots: tuple[Named, ...]
    subjects: tuple[Subject, ...]
    series: frozenset[tuple[str, str, str]]


class Directory:
    """Reads the registry at most every two seconds, from any thread.

    What is enrolled is read of those markets only whose revision changed, what devices last said of all.
    """

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._lock = threading.Lock()
        self._read_s: float | None = None
        self._listings: Mapping[str, MarketListing] = {}
        self._rosters: Mapping[str, _Roster] = {}
        self._identities: frozenset[tuple[str, str]] = frozenset()

    def refresh(self) -> None:
        """Read now.

        Raises:
            sqlalchemy.exc.DBAPIError: the database does not answer; what was read before stays.
        """
        revisions = self._registry.revisions()  # before the rows: rows that are newer are only read once more
        markets = self._registry.markets()
        rosters = {named.id: self._roster(named.id, revisions.get(named.id)) for named in markets}
        devices: dict[str, list[DeviceRecord]] = {named.id: [] for named in markets}
        for record in self._registry.devices():
            devices.setdefault(record.market, []).append(record)
        listings = {named.id: _listing(named, rosters[named.id], devices[named.id]) for named in markets}
        identities = frozenset((market, record.device) for market, here in devices.items() for record in here)
        with self._lock:
            self._listings, self._rosters, self._identities = listings, rosters, identities
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
        roster = self._rosters.get(series.market)
        return roster is not None and (series.device, series.kind, series.subject) in roster.series

    def knows_device(self, identity: DeviceIdentity) -> bool:
        """Whether the registry has this device; as last read, without waiting."""
        return (identity.market, identity.device) in self._identities

    def _refresh_if_old(self) -> None:
        if self._read_s is None or self._clock.monotonic_s() - self._read_s > REFRESH_S:
            self.refresh()

    def _roster(self, market: str, revision: str | None) -> _Roster:
        kept = self._rosters.get(market)
        if kept is not None and kept.revision == revision:
            return kept
        subjects = self._registry.subjects(market)
        series = frozenset((one.device, one.kind, one.subject) for one in subjects)
        return _Roster(revision, self._registry.zones(market), self._registry.lots(market), subjects, series)


def _listing(named: Named, roster: _Roster, devices: Sequence[DeviceRecord]) -> MarketListing:
    return MarketListing(named, roster.zones, roster.lots, roster.subjects, tuple(devices))
