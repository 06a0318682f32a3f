"""The rules' thread: rules as their files are, what fails is said, and only one service looks."""

import threading
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from broker.alerts.rules.work import RuleWork, rule_work
from broker.series.memory import MemorySeriesStore
from broker.series.ports import Sample
from broker.stores.incident_models import Sighting
from broker.stores.registry import MarketEntry, Named, Registry, Subject
from runtime.clock import ManualClock
from runtime.errors import RetryableError
from tests.broker.alerts.central import MARKET
from tests.broker.rules.ruleset import BAY, FAULT, bay_fields, write


class Moody(MemorySeriesStore):
    """Does not answer while `is_away`, and has a defect while `is_broken`."""

    is_away = False
    is_broken = False

    def latest(self, market: str) -> tuple[Sample, ...]:
        if self.is_away:
            raise RetryableError("the series store does not answer")
        if self.is_broken:
            raise ZeroDivisionError
        return tuple(super().latest(market))


@pytest.fixture
def store() -> Moody:
    return Moody()


@pytest.fixture
def told() -> list[Sighting]:
    return []


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules" / "bays.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump({"rules": [{**FAULT, "for_s": 5}]}, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture
def work(engine: Engine, clock: ManualClock, store: Moody, told: list[Sighting], rules: Path) -> RuleWork:
    entry = MarketEntry(Named(MARKET, "중앙시장", "Jungang"), devices=(BAY.device,), subjects=(_BAY,))
    Registry(engine).enrol(entry)
    return rule_work(rules.parent, store, Registry(engine), engine, clock, record=told.extend)


_BAY = Subject("bays", BAY.subject, BAY.device)


def look(work: RuleWork, store: Moody, clock: ManualClock) -> None:
    clock.advance(10)
    write(store, BAY, [(clock.unix_ms(), bay_fields("unknown"))])
    work.look()


def test_it_looks_and_counts(work: RuleWork, store: Moody, clock: ManualClock, told: list[Sighting]) -> None:
    look(work, store, clock)
    assert work.counters()["rules_waiting"] == 1
    look(work, store, clock)
    assert [one.reason for one in told] == ["bay-fault"]
    counters = work.counters()
    assert (counters["rules"], counters["rules_firing"], counters["rules_turns_total"]) == (1, 1, 1)
    assert work.complaint == ""


def test_a_store_that_is_away_is_said_and_tried_again(
    work: RuleWork, store: Moody, clock: ManualClock, told: list[Sighting]
) -> None:
    look(work, store, clock)
    store.is_away = True
    look(work, store, clock)
    assert work.complaint == "rules: the series store does not answer"
    store.is_away = False
    look(work, store, clock)
    assert (work.complaint, len(told)) == ("", 1)


def test_a_defect_is_said_and_ends_nothing(
    work: RuleWork, store: Moody, clock: ManualClock, told: list[Sighting]
) -> None:
    store.is_broken = True
    look(work, store, clock)
    assert work.complaint == "rules: a look ended in ZeroDivisionError, see rules.look-broken in the log"
    store.is_broken = False
    for _ in range(2):
        look(work, store, clock)
    assert (work.complaint, len(told)) == ("", 1)


def test_a_mistake_in_the_files_is_said_and_the_old_rules_go_on(
    work: RuleWork, store: Moody, clock: ManualClock, told: list[Sighting], rules: Path
) -> None:
    look(work, store, clock)
    rules.write_text("rules: [{name: bay-fault}]", encoding="utf-8")
    look(work, store, clock)
    assert "bays.yaml:1: rules[0].telemetry: this key is missing" in work.complaint
    assert len(told) == 1


def test_rules_that_could_never_be_read_are_no_reason_to_end_anything(
    engine: Engine, work: RuleWork, store: Moody, clock: ManualClock, told: list[Sighting], rules: Path
) -> None:
    for _ in range(2):
        look(work, store, clock)
    rules.write_text("rules: 7", encoding="utf-8")
    again = rule_work(rules.parent, store, Registry(engine), engine, clock, record=told.extend)
    look(again, store, clock)
    assert (len(told), again.complaint[:7]) == (1, "rules: ")


@pytest.mark.parametrize("is_active", [True, False])
def test_only_the_active_service_looks(work: RuleWork, store: Moody, clock: ManualClock, *, is_active: bool) -> None:
    write(store, BAY, [(clock.unix_ms(), bay_fields("unknown"))])
    stop = threading.Event()
    work.run(stop, stop.set, lambda: is_active)
    assert work.counters()["rules_waiting"] == int(is_active)
