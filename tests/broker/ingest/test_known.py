"""The registry in memory: fresh enough, cheap enough, and calm when the central state is away."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from broker.ingest.known import REFRESH_BURST_S, REFRESH_S, KnownSeries
from broker.series.ports import Series
from broker.stores.database import StoreUnavailableError
from broker.stores.registry import MarketEntry, Named, Registry, Subject
from contract.access import DeviceIdentity
from runtime.clock import ManualClock

NEW = DeviceIdentity("nambu", "pi-7")
OLD = DeviceIdentity("jungang", "pi-1")


class CountingRegistry(Registry):
    """The real registry, counting how often it is read; `away` makes it fail as a lost database does."""

    def __init__(self, engine: Engine, clock: ManualClock, cost_s: float = 0.0) -> None:
        super().__init__(engine)
        self.reads = 0
        self.away = False
        self._clock = clock
        self._cost_s = cost_s

    def identities(self) -> frozenset[DeviceIdentity]:
        if self.away:
            raise OperationalError("SELECT", None, ConnectionError("server closed the connection"))
        self.reads += 1
        self._clock.advance(self._cost_s)
        return super().identities()


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
