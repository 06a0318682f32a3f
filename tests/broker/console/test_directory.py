"""The console's directory: what changed is read again, what did not is not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from broker.console.directory import REFRESH_S, Directory, UnknownMarketError
from broker.series.ports import Series
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.registry import DeviceRecord, Named, Registry, Subject
from contract.access import DeviceIdentity
from contract.presence import Presence
from runtime.clock import ManualClock
from tests.broker.console.conftest import EPOCH, JUNGANG, NOW, SEOMUN


class CountingRegistry(Registry):
    """The real registry, noting the markets whose subjects are read; `away`: as a lost database is."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.read: list[str] = []
        self.away = False

    def subjects(self, market: str) -> tuple[Subject, ...]:
        self.read.append(market)
        return super().subjects(market)

    def devices(self, market: str | None = None) -> tuple[DeviceRecord, ...]:
        if self.away:
            raise OperationalError("SELECT", None, ConnectionError("server closed the connection"))
        return super().devices(market)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[CountingRegistry]:
    engine = open_database(sqlite_url(tmp_path / "central.db"))
    migrate(engine)
    made = CountingRegistry(engine)
    made.enrol(JUNGANG)
    made.enrol(SEOMUN)
    yield made
    engine.dispose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(unix_ms=NOW)


@pytest.fixture
def directory(registry: CountingRegistry, clock: ManualClock) -> Directory:
    made = Directory(registry, clock)
    made.refresh()
    registry.read.clear()
    return made


def test_it_says_what_is_enrolled(directory: Directory) -> None:
    assert [one.market for one in directory.markets()] == [JUNGANG.market, SEOMUN.market]
    found = directory.market("jungang")
    assert (found.zones, found.lots, set(found.subjects)) == (JUNGANG.zones, JUNGANG.lots, set(JUNGANG.subjects))
    assert {one.device for one in found.devices} == set(JUNGANG.devices)
    assert directory.knows(Series("jungang", "parking-1", "bays", "a-01"))
    assert directory.knows(Series("jungang", "parking-1", "agents", "parking-1"))
    assert not directory.knows(Series("jungang", "alley-1", "bays", "a-01"))
    assert not directory.knows(Series("nowhere", "parking-1", "bays", "a-01"))
    assert not directory.knows_device(DeviceIdentity("seomun", "parking-1"))
    with pytest.raises(UnknownMarketError):
        directory.market("nowhere")


def test_a_market_that_changed_is_read_again_and_no_other(
    directory: Directory, registry: CountingRegistry, clock: ManualClock
) -> None:
    added = Subject("bays", "z-01", "kiosk-1", "z")
    entry = replace(SEOMUN, market=Named("seomun", "새서문", "New Seomun"), zones=(Named("z", "하", "Z"),))
    registry.enrol(replace(entry, devices=("kiosk-1",), subjects=(added,)))
    assert directory.market("seomun").subjects == (), "at most two seconds old"
    clock.advance(REFRESH_S + 0.1)
    found = directory.market("seomun")
    assert (found.market.name_en, found.zones, found.subjects) == ("New Seomun", entry.zones, (added,))
    assert directory.knows(Series("seomun", "kiosk-1", "bays", "z-01"))
    assert directory.knows_device(DeviceIdentity("seomun", "kiosk-1"))
    assert registry.read == ["seomun"]
    registry.enrol(SEOMUN)
    clock.advance(REFRESH_S + 0.1)
    assert directory.market("seomun").subjects == ()
    assert not directory.knows(Series("seomun", "kiosk-1", "bays", "z-01"))
    assert not directory.knows_device(DeviceIdentity("seomun", "kiosk-1"))


def test_what_devices_say_is_seen_without_reading_what_is_enrolled(
    directory: Directory, registry: CountingRegistry, clock: ManualClock
) -> None:
    said = Presence(state="online", epoch=EPOCH, time_unix_ms=NOW, agent_version="0.1.0", started_unix_ms=NOW)
    registry.note_presence(DeviceIdentity("jungang", "alley-1"), said)
    clock.advance(REFRESH_S + 0.1)
    record = directory.market("jungang").record("alley-1")
    assert record is not None
    assert (record.state, registry.read) == ("online", [])


def test_a_market_enrolled_now_appears(directory: Directory, registry: CountingRegistry, clock: ManualClock) -> None:
    registry.enrol(replace(SEOMUN, market=Named("nambu", "남부", "Nambu")))
    clock.advance(REFRESH_S + 0.1)
    assert [one.market.id for one in directory.markets()] == ["jungang", "nambu", "seomun"]
    assert registry.read == ["nambu"]


def test_a_reading_that_fails_leaves_what_was_read_and_is_made_up_for(
    directory: Directory, registry: CountingRegistry, clock: ManualClock
) -> None:
    registry.enrol(replace(SEOMUN, zones=(Named("z", "하", "Z"),)))
    registry.away = True
    clock.advance(REFRESH_S + 0.1)
    with pytest.raises(OperationalError):
        directory.markets()
    assert directory.knows(Series("jungang", "parking-1", "bays", "a-01"))
    registry.away = False
    assert [one.id for one in directory.market("seomun").zones] == ["z"]
