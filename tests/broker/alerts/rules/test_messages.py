"""A rule's incident tells people, in their language, by the policy of its kind."""

from pathlib import Path

from sqlalchemy import Engine

from broker.alerts.rules.work import rule_work
from broker.alerts.service import assemble
from broker.alerts.settings import AlertsSettings
from broker.series.memory import MemorySeriesStore
from broker.series.ports import FieldValue, Series
from broker.stores.database import sqlite_url
from broker.stores.registry import MarketEntry, Named, Recipient, Registry, Subject
from runtime.clock import ManualClock
from tests.broker.alerts.central import MANAGER, MARKET, SECOND_MANAGER
from tests.broker.rules.ruleset import BAY, write

RULES = Path(__file__).parents[4] / "config" / "rules"


def test_managers_are_told_that_a_disk_is_nearly_full(engine: Engine, clock: ManualClock, tmp_path: Path) -> None:
    people = (Recipient("김관리", MANAGER), Recipient("Kim", SECOND_MANAGER, language="en"))
    agent = Subject("agents", BAY.device, BAY.device)
    named = Named(MARKET, "중앙시장", "Jungang Market")
    Registry(engine).enrol(MarketEntry(named, devices=(BAY.device,), subjects=(agent,), recipients=people))
    service = assemble(AlertsSettings(database_url=sqlite_url(tmp_path / "central.db")), clock)
    store, series = MemorySeriesStore(), Series(MARKET, BAY.device, "agents", BAY.device)
    work = rule_work(RULES, store, Registry(engine), engine, clock, record=service.record)
    for _ in range(32):
        clock.advance(10)
        fields: dict[str, FieldValue] = {"disk_used_share": 0.97}
        write(store, series, [(clock.unix_ms(), fields)])
        work.look()
    assert work.complaint == ""
    (incident,) = service.stores.incidents.open_and_recent()
    assert (incident.kind, incident.severity) == (f"disk-disk-nearly-full-{BAY.device}", "trouble")
    texts = {one.recipient: one.text for one in service.messages.newest(None, 10)}
    assert set(texts) == {MANAGER, SECOND_MANAGER}
    assert "기기 디스크 95% 넘게 참" in texts[MANAGER]
    assert "a device's disk is over 95 % full" in texts[SECOND_MANAGER]
    assert incident.code in texts[MANAGER]
