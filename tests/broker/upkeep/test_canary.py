"""The canary: a device that is online and silent in the database is named; nothing else is."""

import pytest
from sqlalchemy import update

from broker.series.ports import Sample, Series
from broker.stores.database import transaction
from broker.stores.registry import MarketEntry, Named
from broker.stores.schema import devices
from broker.stores.stalls import Stalls
from broker.upkeep.canary import STALLS_NAMED_MAX, Canary, find
from contract.access import DeviceIdentity
from contract.presence import Presence
from runtime.errors import RetryableError
from tests.broker.upkeep.conftest import House

FIRST, SECOND = DeviceIdentity("jungang", "pi-1"), DeviceIdentity("jungang", "pi-2")


@pytest.fixture
def canary(house: House) -> Canary:
    stalls = Stalls(house.engine)
    return Canary(house.store, house.registry, stalls, house.clock, house.progress, age_s_max=150.0)


def presence(house: House, identity: DeviceIdentity, state: str) -> None:
    now = house.clock.unix_ms()
    said = {"state": state, "epoch": "0" * 16, "time_unix_ms": now, "agent_version": "1", "started_unix_ms": now}
    house.registry.note_presence(identity, Presence.model_validate(said))


def agent(house: House, identity: DeviceIdentity, age_s: float = 0.0) -> None:
    series = Series(identity.market, identity.device, "agents", identity.device)
    house.store.write([Sample(series, house.clock.unix_ms() - int(age_s * 1000), {"uptime_s": 5.0})])


def stalled(house: House) -> dict[DeviceIdentity, int | None]:
    return {one.identity: one.newest_unix_ms for one in Stalls(house.engine).all()}


def test_what_arrives_is_well_and_what_stops_arriving_is_stalled(house: House, canary: Canary) -> None:
    presence(house, FIRST, "online")
    presence(house, SECOND, "online")
    for _ in range(20):
        house.clock.advance(10)
        agent(house, FIRST)
        agent(house, SECOND)
    canary.look()
    assert house.progress.counters() == {
        "canary_ok": 1.0,
        "canary_devices": 2.0,
        "canary_devices_stalled": 0.0,
        "canary_age_s_max": 0.0,
    }
    stopped = house.clock.unix_ms()
    for _ in range(16):
        house.clock.advance(10)
        agent(house, FIRST)
    canary.look()
    canary.note_age()
    counters = house.progress.counters()
    assert (counters["canary_ok"], counters["canary_devices_stalled"]) == (0.0, 1.0)
    assert (counters["canary_age_s_max"], counters["canary_last_ok_age_s"]) == (160.0, 160.0)
    assert stalled(house) == {SECOND: stopped}
    agent(house, SECOND)
    canary.look()
    canary.note_age()
    assert (house.progress.counters()["canary_ok"], house.progress.counters()["canary_last_ok_age_s"]) == (1.0, 0.0)
    assert stalled(house) == {}


def test_who_is_offline_or_has_just_come_is_not_watched(house: House, canary: Canary) -> None:
    presence(house, FIRST, "offline")
    house.clock.advance(1000)
    presence(house, SECOND, "online")
    house.clock.advance(150)
    canary.look()
    assert stalled(house) == {}
    assert "canary_ok" not in house.progress.counters(), "nothing is proven"
    house.clock.advance(1)
    canary.look()
    assert stalled(house) == {SECOND: None}
    assert house.progress.counters()["canary_ok"] == 0.0


@pytest.mark.parametrize("age_s", [-151.0, 151.0, None])
def test_a_reading_from_long_ago_or_from_the_future_proves_nothing(house: House, age_s: float | None) -> None:
    presence(house, FIRST, "online")
    now = house.clock.unix_ms() + 200_000
    newest = {} if age_s is None else {FIRST: now - int(age_s * 1000)}
    finding = find(house.registry.devices(), newest, now, 150.0)
    assert set(finding.stalled) == {FIRST}
    assert find(house.registry.devices(), {FIRST: now - 150_000}, now, 150.0).stalled == {}


def test_when_everything_stalls_a_bounded_number_is_named_and_all_are_counted(house: House, canary: Canary) -> None:
    many = tuple(f"pi-{number}" for number in range(STALLS_NAMED_MAX + 50))
    house.registry.enrol(MarketEntry(Named("big", "큰시장", "Big market"), devices=many))
    with transaction(house.engine) as connection:
        here = devices.c.market == "big"
        connection.execute(update(devices).where(here).values(state="online", state_unix_ms=house.clock.unix_ms()))
    house.clock.advance(200)
    canary.look()
    assert house.progress.counters()["canary_devices_stalled"] == STALLS_NAMED_MAX + 50
    assert len(stalled(house)) == STALLS_NAMED_MAX


def test_a_store_that_does_not_answer_is_no_good_answer(
    house: House, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    presence(house, FIRST, "online")
    house.clock.advance(200)
    agent(house, FIRST)
    canary.look()

    def away(*_: object) -> None:
        raise RetryableError("away")

    monkeypatch.setattr(house.store, "newest", away)
    with pytest.raises(RetryableError):
        canary.look()
    counters = house.progress.counters()
    assert counters["canary_ok"] == 0.0
    assert "canary_age_s_max" not in counters
