from pathlib import Path

import pytest
from sqlalchemy import Engine

from broker.alerts.canary import CanarySettings
from broker.alerts.lease import TTL_S, Lease
from broker.alerts.running import CONSUMER
from broker.alerts.service import Service, assemble
from broker.alerts.settings import AlertsSettings
from broker.stores.database import StoreUnavailableError, sqlite_url
from broker.stores.incidents import Incidents
from broker.stores.leases import Leases
from broker.stores.messages import Messages
from broker.stores.parts import Parts, PartStatus
from contract.access import DeviceIdentity
from contract.presence import Presence
from runtime.clock import ManualClock
from runtime.errors import SettingsError
from tests.broker.alerts.central import EPOCH, MANAGER, MARKET, SECOND_MANAGER, enrol, sighting


@pytest.fixture
def service(engine: Engine, clock: ManualClock, tmp_path: Path) -> Service:
    enrol(engine)
    return assemble(AlertsSettings(database_url=sqlite_url(tmp_path / "central.db")), clock)


def note(service: Service, state: str) -> None:
    now = service.clock.unix_ms()
    said = {"state": state, "epoch": EPOCH, "time_unix_ms": now, "agent_version": "1", "started_unix_ms": now}
    service.stores.registry.note_presence(DeviceIdentity(MARKET, "parking-1"), Presence.model_validate(said))


def status(service: Service) -> PartStatus:
    return next(one for one in Parts(service.engine, service.clock).all() if one.part == service.settings.part)


def test_a_silent_device_is_told_after_100_s_and_over_when_it_is_back(service: Service, clock: ManualClock) -> None:
    note(service, "offline")
    clock.advance(99)
    service.watch_absence()
    assert service.stores.incidents.open_and_recent() == ()
    clock.advance(2)
    service.watch_absence()
    service.watch_absence()
    (incident,) = service.stores.incidents.open_and_recent()
    assert (incident.kind, incident.severity, incident.state) == ("device-offline-parking-1", "trouble", "raised")
    told = service.messages.claim(10)
    assert {one.recipient for one in told} == {MANAGER, SECOND_MANAGER}
    assert told[0].text == f"[장애] 중앙시장 장치 parking-1 연결 끊김 20:06 확인코드 {incident.code}"
    note(service, "online")
    service.watch_absence(raising=False)
    assert service.stores.incidents.get(incident.incident_id).state == "cleared"


def test_before_retained_presence_is_heard_nobody_new_is_called_absent(service: Service, clock: ManualClock) -> None:
    note(service, "offline")
    clock.advance(1000)
    service.watch_absence(raising=False)
    assert service.stores.incidents.open_and_recent() == ()


def test_after_a_start_whoever_was_not_told_is_told(service: Service, clock: ManualClock) -> None:
    Incidents(service.engine, clock).record([sighting()], lambda _change: ())
    service.reevaluate()
    assert len(Messages(service.engine, clock).newest(MARKET)) == 4
    service.reevaluate()
    assert len(Messages(service.engine, clock).newest(MARKET)) == 4


def test_it_says_what_is_wrong(service: Service) -> None:
    service.report(connected=True)
    assert (status(service).state, status(service).detail) == ("ok", "")
    assert status(service).counters["messages_accepted_total"] == 0
    service.report(connected=False)
    assert "no link to the MQTT broker" in status(service).detail
    enrol(service.engine, recipients=())
    service.report(connected=True)
    assert status(service).state == "degraded"
    assert "no recipients for market jungang" in status(service).detail


def test_a_store_that_is_away_is_waited_for(service: Service) -> None:
    service.record([sighting()])
    with service.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE recipients")
        connection.exec_driver_sql("ALTER TABLE devices RENAME TO away")
    for work in (service.watch_absence, service.reevaluate, lambda: service.report(connected=True)):
        with pytest.raises(StoreUnavailableError):
            work()


def test_a_standby_sends_nothing_and_says_so(service: Service, clock: ManualClock) -> None:
    service.record([sighting(unix_ms=clock.unix_ms())])
    assert not service.lease.held
    clock.advance(10)
    service.report(connected=True)
    assert (status(service).counters["is_active"], status(service).counters["dispatch_lag_s"]) == (0, 0)
    assert service.lease.look()
    service.report(connected=True)
    assert (status(service).counters["is_active"], status(service).counters["dispatch_lag_s"]) == (1, 10)


def test_whoever_takes_over_sends_at_once_what_the_one_before_it_had(service: Service, clock: ManualClock) -> None:
    service.record([sighting(unix_ms=clock.unix_ms())])
    assert len(service.messages.claim(10)) == 2
    assert Lease(Leases(service.engine), clock, "2").look()
    assert not service.lease.look()
    clock.advance(TTL_S + 0.1)
    assert service.messages.claim(10) == (), "its leases still run"
    assert service.lease.look()
    assert [one.attempts for one in service.messages.claim(10)] == [2, 2]


def test_taking_over_gives_active_fires_what_they_lack(service: Service, clock: ManualClock) -> None:
    Incidents(service.engine, clock).record([sighting()], lambda _change: ())
    service.lease.look()
    service.take_over()
    assert len(Messages(service.engine, clock).newest(MARKET)) == 4
    assert service.counters.all()["terms_total"] == 1


def test_what_others_complain_of_is_said_with_the_rest(service: Service) -> None:
    service.report(connected=True, complaints=["", "rules: x.yaml: no field y"], counters={"rules": 3})
    assert (status(service).state, status(service).detail) == ("degraded", "rules: x.yaml: no field y")
    assert status(service).counters["rules"] == 3


def test_everything_that_is_looked_at_again_and_again_works(service: Service) -> None:
    for duty in service.duties():
        duty.work()
    assert service.stores.incidents.open_and_recent() == ()


def test_a_canary_needs_somebody_who_gives_receipts(tmp_path: Path, clock: ManualClock) -> None:
    settings = AlertsSettings(
        database_url=sqlite_url(tmp_path / "x.db"), central_market=MARKET, canary=CanarySettings(phone=MANAGER)
    )
    with pytest.raises(SettingsError, match="none of the notifiers gives receipts for SMS"):
        assemble(settings, clock)


def test_it_hears_exactly_what_the_catalogue_gives_it() -> None:
    heard = sorted(str(one) for one in CONSUMER.filters)
    assert heard == [
        "market/v1/+/+/event/acknowledge",
        "market/v1/+/+/event/fire",
        "market/v1/+/+/event/still",
        "market/v1/+/+/event/told",
        "market/v1/+/+/event/trouble",
        "market/v1/+/+/status/presence",
    ]
