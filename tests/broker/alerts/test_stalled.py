"""What is stalled becomes a trouble incident, and is over when it is over."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broker.alerts.service import RETIRED_AFTER_S, Service, assemble
from broker.alerts.settings import AlertsSettings
from broker.alerts.stalled import INGEST_WELL_S, PATIENCE_S, StallWatch
from broker.stores.database import sqlite_url
from broker.stores.parts import Parts, PartStatus
from broker.stores.registry import MarketEntry, Named, Registry
from broker.stores.stalls import Stall, Stalls
from contract.access import DeviceIdentity
from runtime.clock import ManualClock
from tests.broker.alerts.central import DEVICE, MARKET

IDENTITY = DeviceIdentity(MARKET, DEVICE)
STALL = Stall(IDENTITY, 0, None)


def part(name: str, state: str = "ok", detail: str = "") -> PartStatus:
    return PartStatus(name, state, detail, 0.0, 0, {})


WELL = (part("ingest"), part("upkeep"), part("alerts"))


def test_a_part_is_said_to_be_unwell_after_a_minute_and_never_the_watcher_itself() -> None:
    watch = StallWatch("alerts")
    parts = (part("ingest", "stale"), part("upkeep"), part("alerts", "degraded"))
    assert watch.look(parts, (), 0.0).parts == {}
    assert watch.look(parts, (), PATIENCE_S - 0.1).parts == {}
    assert set(watch.look(parts, (), PATIENCE_S).parts) == {"ingest"}
    assert watch.look(WELL, (), PATIENCE_S + 1).parts == {}
    assert watch.look(parts, (), PATIENCE_S + 2).parts == {}, "patience begins anew"


def test_the_words_say_what_is_wrong() -> None:
    watch = StallWatch("alerts")
    parts = (PartStatus("ingest", "stale", "old", 75.4, 0, {}), part("console", "degraded", "no broker " + "x" * 500))
    watch.look(parts, (), 0.0)
    found = watch.look(parts, (), PATIENCE_S).parts
    assert found["ingest"] == "stalled: silent for 75 s"
    assert found["console"].startswith("stalled: no broker")
    assert len(found["console"]) == 200


def test_a_device_is_not_blamed_for_what_ingest_does_not_write() -> None:
    watch = StallWatch("alerts")
    unwell = (part("ingest-w1", "degraded"), part("ingest-w2"), part("upkeep"))
    assert watch.look(WELL, (STALL,), 0.0).devices is None, "after a start nothing is known yet"
    assert list(watch.look(WELL, (STALL,), INGEST_WELL_S).devices or ()) == [(MARKET, DEVICE)]
    assert watch.look(unwell, (STALL,), INGEST_WELL_S + 1).devices is None
    assert watch.look(WELL, (STALL,), 2 * INGEST_WELL_S).devices is None
    found = watch.look(WELL, (STALL,), 2 * INGEST_WELL_S + 1).devices
    assert found is not None
    assert set(found) == {(MARKET, DEVICE)}


@pytest.mark.parametrize("parts", [(part("ingest"),), (part("ingest"), part("upkeep", "stale"))])
def test_without_upkeep_nothing_new_is_known_of_devices(parts: tuple[PartStatus, ...]) -> None:
    watch = StallWatch("alerts")
    watch.look(parts, (), 0.0)
    assert watch.look(parts, (STALL,), 10 * INGEST_WELL_S).devices is None


@pytest.fixture
def service(engine: Engine, clock: ManualClock, tmp_path: Path) -> Service:
    Registry(engine).enrol(MarketEntry(Named("nambu", "남부시장", "Nambu Market")))
    return assemble(AlertsSettings(database_url=sqlite_url(tmp_path / "central.db")), clock)


def pass_s(service: Service, clock: ManualClock, seconds: int, states: Mapping[str, str]) -> None:
    """Time in which these parts report, and alerts looks, every 10 s."""
    for _ in range(seconds // 10):
        clock.advance(10)
        for name, state in states.items():
            if state != "silent":
                Parts(service.engine, clock).report(name, state, {}, detail="no link to the MQTT broker")
        service.watch_stalls()


def incidents(service: Service) -> set[tuple[str, str, str]]:
    return {(one.market, one.kind, one.state) for one in service.stores.incidents.open_and_recent()}


ALL_WELL = {"ingest": "ok", "upkeep": "ok"}


def test_a_silent_part_is_every_markets_trouble_until_it_speaks(service: Service, clock: ManualClock) -> None:
    pass_s(service, clock, 60, ALL_WELL)
    pass_s(service, clock, 60, {**ALL_WELL, "ingest": "silent"})
    assert incidents(service) == set()
    pass_s(service, clock, 60, {**ALL_WELL, "ingest": "silent"})
    assert incidents(service) == {(market, "part-stalled-ingest", "raised") for market in (MARKET, "nambu")}
    assert service.messages.claim(10) == (), "nobody is woken: fires still reach people"
    again = assemble(service.settings, clock)  # alerts is started anew: it finds its incidents
    pass_s(again, clock, 120, {**ALL_WELL, "ingest": "silent"})
    assert len(incidents(service)) == 2
    pass_s(again, clock, 10, ALL_WELL)
    assert {state for _, _, state in incidents(service)} == {"cleared"}


def test_a_device_whose_readings_stop_is_its_markets_trouble(service: Service, clock: ManualClock) -> None:
    pass_s(service, clock, 300, ALL_WELL)
    Stalls(service.engine).replace({IDENTITY: None}, clock.unix_ms())
    pass_s(service, clock, 20, ALL_WELL)
    assert incidents(service) == {(MARKET, f"path-stalled-{DEVICE}", "raised")}
    (incident,) = service.stores.incidents.open_and_recent()
    assert (incident.severity, incident.detail.partition(":")[0]) == ("trouble", "stalled")
    pass_s(service, clock, 30, {**ALL_WELL, "ingest": "degraded"})
    Stalls(service.engine).replace({}, clock.unix_ms())
    pass_s(service, clock, 30, {**ALL_WELL, "ingest": "degraded"})
    assert (MARKET, f"path-stalled-{DEVICE}", "raised") in incidents(service), "what is not known stays as it was said"
    pass_s(service, clock, 260, ALL_WELL)
    assert (MARKET, f"path-stalled-{DEVICE}", "cleared") in incidents(service)


def test_what_comes_back_after_a_while_is_a_trouble_of_its_own(service: Service, clock: ManualClock) -> None:
    silent = {**ALL_WELL, "ingest": "silent"}
    pass_s(service, clock, 20, ALL_WELL)
    pass_s(service, clock, 120, silent)
    pass_s(service, clock, 20, ALL_WELL)
    pass_s(service, clock, 120, silent)
    assert len(service.stores.incidents.open_and_recent(MARKET)) == 1, "soon after it is the same one again"
    pass_s(service, clock, 600, ALL_WELL)
    pass_s(service, clock, 120, silent)
    assert sorted(one.state for one in service.stores.incidents.open_and_recent(MARKET)) == ["closed", "raised"]


def test_a_retired_part_is_forgotten_and_its_trouble_is_over(service: Service, clock: ManualClock) -> None:
    pass_s(service, clock, 20, {"ingest-w1": "ok", "ingest-w3": "ok", "upkeep": "ok"})
    rest = {"ingest-w1": "ok", "upkeep": "ok"}
    pass_s(service, clock, 120, rest)
    assert (MARKET, "part-stalled-ingest-w3", "raised") in incidents(service)
    clock.advance(RETIRED_AFTER_S)
    pass_s(service, clock, 10, rest)
    assert (MARKET, "part-stalled-ingest-w3", "cleared") in incidents(service)
    assert {one.part for one in service.parts.all()} == {"ingest-w1", "upkeep"}


def test_a_part_that_is_forgotten_by_hand_is_no_trouble_any_more(service: Service, clock: ManualClock) -> None:
    pass_s(service, clock, 20, {"ingest-w1": "ok", "ingest-w3": "ok", "upkeep": "ok"})
    Stalls(service.engine).replace({IDENTITY: None}, clock.unix_ms())
    rest = {"ingest-w1": "ok", "upkeep": "ok"}
    pass_s(service, clock, 400, rest)
    assert incidents(service) == {(market, "part-stalled-ingest-w3", "raised") for market in (MARKET, "nambu")}
    service.parts.forget("ingest-w3")
    pass_s(service, clock, 10, rest)
    assert {state for _, _, state in incidents(service)} == {"cleared"}
    pass_s(service, clock, 240, rest)
    assert (MARKET, f"path-stalled-{DEVICE}", "raised") in incidents(service), "the canary is heard again"


def test_the_only_part_of_its_kind_is_missed_for_ever(service: Service, clock: ManualClock) -> None:
    pass_s(service, clock, 20, ALL_WELL)
    pass_s(service, clock, 120, {"upkeep": "ok"})
    clock.advance(RETIRED_AFTER_S)
    pass_s(service, clock, 120, {"upkeep": "ok"})
    assert (MARKET, "part-stalled-ingest", "raised") in incidents(service)
