"""The registry in memory: fresh enough, cheap enough, and calm when the central state is away."""

from collections.abc import Collection, Mapping

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from broker.ingest.known import MARKETS_PER_READ, REFRESH_BURST_S, REFRESH_S, KnownSeries
from broker.series.ports import Series
from broker.stores.database import StoreUnavailableError
from broker.stores.registry import MarketEntry, Named, Registry, Rosters, Subject
from contract.access import DeviceIdentity
from runtime.clock import ManualClock

NEW = DeviceIdentity("nambu", "pi-7")
OLD = DeviceIdentity("jungang", "pi-1")


class CountingRegistry(Registry):
    """The real registry, noting how often it is asked and which markets are read; `away`: as a lost database is."""

    def __init__(self, engine: Engine, clock: ManualClock, cost_s: float = 0.0) -> None:
        super().__init__(engine)
        self.reads = 0
        self.markets_read: list[str] = []
        self.away = False
        self._spent = clock
        self._cost_s = cost_s

    def revisions(self) -> Mapping[str, str]:
        if self.away:
            raise OperationalError("SELECT", None, ConnectionError("server closed the connection"))
        self.reads += 1
        self._spent.advance(self._cost_s)
        return super().revisions()

    def rosters(self, of: Collection[str]) -> Rosters:
        self.markets_read += of
        return super().rosters(of)


def enrol(engine: Engine) -> None:
    Registry(engine).enrol(
        MarketEntry(Named("nambu", "남부", "Nambu"), devices=("pi-7",), subjects=(Subject("bays", "b", "pi-7"),))
    )


def test_a_new_device_is_known_at_its_first_message(engine: Engine, clock: ManualClock) -> None:
    known = KnownSeries(Registry(engine), clock)
    known.begin()
    assert not known.has_device(NEW)
    enrol(engine)
    assert not known.has_device(NEW), "once a batch is enough"
    known.begin()
    assert known.has_device(NEW)
    assert known.series(NEW, "bays", "b") == Series("nambu", "pi-7", "bays", "b")


def test_a_new_subject_is_known_at_its_first_reading(engine: Engine, clock: ManualClock) -> None:
    enrol(engine)
    known = KnownSeries(Registry(engine), clock)
    known.begin()
    entry = MarketEntry(Named("nambu", "남부", "Nambu"), devices=("pi-7",), subjects=(Subject("bays", "c", "pi-7"),))
    Registry(engine).enrol(entry)
    known.begin()
    assert known.series(NEW, "bays", "c") is not None
    assert known.series(NEW, "bays", "b") is None, "what the registry no longer names is refused"


def test_a_device_that_left_is_refused_after_the_refresh(engine: Engine, clock: ManualClock) -> None:
    enrol(engine)
    known = KnownSeries(Registry(engine), clock)
    known.begin()
    Registry(engine).enrol(MarketEntry(Named("nambu", "남부", "Nambu")))
    assert known.has_device(NEW)
    clock.advance(REFRESH_S + 0.1)
    known.begin()
    assert not known.has_device(NEW)


def test_a_flood_of_strangers_costs_a_tenth_of_the_time(engine: Engine, clock: ManualClock) -> None:
    registry = CountingRegistry(engine, clock, cost_s=0.5)
    known = KnownSeries(registry, clock)
    begun_s = clock.monotonic_s()
    while clock.monotonic_s() < begun_s + 100:
        clock.advance(0.05)
        known.begin()
        assert not known.has_device(NEW)
    spent_s = registry.reads * 0.5
    assert spent_s <= REFRESH_BURST_S + 0.1 * 100 + 0.5


def test_while_the_central_state_is_away_the_known_go_on(engine: Engine, clock: ManualClock) -> None:
    registry = CountingRegistry(engine, clock)
    known = KnownSeries(registry, clock)
    known.begin()
    registry.away = True
    clock.advance(60)
    known.begin()
    assert known.has_device(OLD)
    clock.advance(60)
    assert not known.has_device(NEW)


def test_nothing_is_judged_before_the_first_read(engine: Engine, clock: ManualClock) -> None:
    registry = CountingRegistry(engine, clock)
    registry.away = True
    known = KnownSeries(registry, clock)
    with pytest.raises(StoreUnavailableError):
        known.begin()
    registry.away = False
    known.begin()
    assert known.has_device(OLD)


def refreshed(known: KnownSeries, clock: ManualClock) -> None:
    clock.advance(REFRESH_S + 0.1)
    known.begin()


def test_only_a_market_that_has_changed_is_read_again(engine: Engine, clock: ManualClock) -> None:
    registry = CountingRegistry(engine, clock)
    known = KnownSeries(registry, clock)
    known.begin()
    refreshed(known, clock)
    assert (registry.reads, registry.markets_read) == (2, ["jungang"])
    enrol(engine)
    refreshed(known, clock)
    assert registry.markets_read == ["jungang", "nambu"]
    assert known.series(OLD, "bays", "bay-1") == Series(OLD.market, OLD.device, "bays", "bay-1")


def test_a_series_that_stays_is_the_same_object(engine: Engine, clock: ManualClock) -> None:
    enrol(engine)
    known = KnownSeries(Registry(engine), clock)
    known.begin()
    before = known.series(NEW, "bays", "b")
    subjects = tuple(Subject("bays", name, "pi-7") for name in "abc")
    Registry(engine).enrol(MarketEntry(Named("nambu", "남부", "Nambu"), devices=("pi-7",), subjects=subjects))
    refreshed(known, clock)
    assert known.series(NEW, "bays", "a") == Series(NEW.market, NEW.device, "bays", "a")
    assert known.series(NEW, "bays", "b") is before


def test_a_national_registry_is_read_in_parts(engine: Engine, clock: ManualClock) -> None:
    names = [f"market-{n}" for n in range(2 * MARKETS_PER_READ)]
    for name in names:
        entry = MarketEntry(Named(name, name, name), devices=("pi-7",), subjects=(Subject("bays", "b", "pi-7"),))
        Registry(engine).enrol(entry)
    registry = CountingRegistry(engine, clock)
    known = KnownSeries(registry, clock)
    known.begin()
    assert sorted(registry.markets_read) == sorted([*names, "jungang"])
    assert all(known.series(DeviceIdentity(name, "pi-7"), "bays", "b") == (name, "pi-7", "bays", "b") for name in names)


def test_a_device_has_its_own_series_and_those_of_its_parts_events(known: KnownSeries) -> None:
    known.begin()
    there = [
        ("troubles", "bay-1"),
        ("troubles", "cam-1"),
        ("fires", "cam-1"),
        ("agents", "pi-1"),
        ("gaps", "pi-1"),
        ("gaps", "ingest"),
        ("fires", "pi-1"),
        ("troubles", "pi-1"),
    ]
    for kind, subject in there:
        assert known.series(OLD, kind, subject) == ("jungang", "pi-1", kind, subject)
    for kind, subject in (
        ("agents", "pi-2"),
        ("gaps", "bay-1"),
        ("bays", "cam-1"),
        ("bays", "pi-1"),
        ("bays", "bay-9"),
    ):
        assert known.series(OLD, kind, subject) is None
    for kind, subject in (("fires", "bay-1"), ("troubles", "player")):
        assert known.series(OLD, kind, subject) == ("jungang", "pi-1", kind, "pi-1"), "an event is never refused"


def test_what_a_device_observes_that_is_not_enrolled_is_refused(engine: Engine, clock: ManualClock) -> None:
    Registry(engine).enrol(MarketEntry(Named("nambu", "남부", "Nambu"), subjects=(Subject("bays", "b", "pi-7"),)))
    known = KnownSeries(Registry(engine), clock)
    known.begin()
    assert not known.has_device(NEW)
    assert known.series(NEW, "bays", "b") is None
    assert known.series(NEW, "troubles", "b") is None
