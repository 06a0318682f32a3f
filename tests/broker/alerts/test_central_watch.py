import shutil
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broker.alerts.balance import BalanceWatch
from broker.alerts.canary import Canary, CanarySettings
from broker.alerts.central_watch import CentralWatch
from broker.alerts.disk import DiskWatch, folder_of
from broker.alerts.memory_notifier import MemoryNotifier
from broker.alerts.policy import Composers
from broker.alerts.ports import Balance, ProviderUnavailableError
from broker.stores.database import sqlite_url
from broker.stores.incident_models import Incident, Sighting
from broker.stores.incidents import Incidents
from broker.stores.messages import Messages, NewMessage
from broker.stores.registry import MarketEntry, Named, Recipient, Registry
from runtime.clock import ManualClock
from tests.broker.alerts.central import MANAGER, MARKET, SECOND_MANAGER


class Prepaid(MemoryNotifier):
    """Says what is left as it is told to, or that it does not know."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.answers = deque[Balance | None]()

    def balance(self) -> Balance:
        answer = self.answers.popleft()
        if answer is None:
            raise ProviderUnavailableError("no answer")
        return answer


class Centre:
    """A central watch on a real store, with everything that it records."""

    def __init__(
        self, engine: Engine, clock: ManualClock, *, market: str | None = None, folder: Path | None = None
    ) -> None:
        self.clock = clock
        self.incidents, self.messages = Incidents(engine, clock), Messages(engine, clock)
        self.provider = Prepaid("solapi")
        self.woken = 0
        self._composers = Composers(engine, clock)
        self.watch = CentralWatch(
            self.incidents,
            Registry(engine),
            self.messages,
            clock,
            self._record,
            self._wake,
            BalanceWatch([MemoryNotifier("spool"), self.provider]),
            market,
            None if folder is None else DiskWatch(folder),
            Canary(CanarySettings(phone="01099998888"), MARKET, self.messages),
        )

    def _record(self, sightings: Sequence[Sighting]) -> None:
        self.clock.advance(0.001)  # two looks are never at the same moment
        if sightings:
            self.incidents.record(sightings, self._composers({one.market for one in sightings}))

    def _wake(self) -> None:
        self.woken += 1

    def found(self) -> dict[str, Incident]:
        """What stands open or cleared, by kind."""
        return {one.kind: one for one in self.incidents.open_and_recent()}


@pytest.fixture
def centre(engine: Engine, clock: ManualClock) -> Centre:
    return Centre(engine, clock)


def test_a_message_that_reaches_nobody_is_one_trouble_and_makes_no_further_one(
    centre: Centre, clock: ManualClock
) -> None:
    centre.messages.write("k", MARKET, NewMessage("0", "김관리", MANAGER, "x", clock.unix_ms()))
    (one,) = centre.messages.claim(10)
    centre.messages.failed(one.message_id, "400: no such number")
    for _ in range(3):
        centre.watch.undeliverable()
    (incident,) = centre.found().values()
    assert (incident.kind, incident.market, incident.event_count) == ("undeliverable-messages", MARKET, 1)
    assert incident.detail == "undeliverable: 1, newest to 김관리: 400: no such number"
    told = centre.messages.claim(10)
    assert {row.recipient for row in told} == {MANAGER, SECOND_MANAGER}
    clock.advance(3600)
    for row in told:
        centre.messages.retry(row, clock.unix_ms(), "503")
    for row in centre.messages.claim(10):
        centre.messages.failed(row.message_id, "nobody there")
    centre.watch.undeliverable()
    assert len(centre.found()) == 1
    assert centre.messages.claim(10) == (), "its own messages failing tells nobody anything"
    clock.advance(3700)
    centre.watch.undeliverable()
    assert not centre.found()["undeliverable-messages"].is_active, "what failed two hours ago is over"


def test_a_provider_that_runs_low_is_a_trouble_until_it_is_paid(centre: Centre) -> None:
    low, plenty = Balance(900, "KRW", low=True), Balance(90_000, "KRW", low=False)
    centre.provider.answers.extend([plenty, low, None, low, plenty])
    centre.watch.balance()
    assert centre.found() == {}
    for _ in range(3):
        centre.watch.balance()
        assert centre.found()["balance-solapi"].is_active, "one that does not answer is believed what it said"
    assert centre.found()["balance-solapi"].detail == "balance-low: 900 KRW left at solapi"
    centre.watch.balance()
    assert not centre.found()["balance-solapi"].is_active


class Usage:
    """A disk as full as it is told to be."""

    def __init__(self, free: float) -> None:
        self.total, self.free = 100e9, free


def test_a_disk_is_low_until_there_is_room_to_spare(
    engine: Engine, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    centre = Centre(engine, clock, folder=tmp_path)
    for free, is_low in ((5.1e9, False), (4.9e9, True), (5.1e9, True), (6.1e9, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder, free=free: Usage(free))
        centre.watch.disk()
        found = centre.found()
        assert bool(found and found["disk-centre"].is_active) == is_low
    assert centre.found()["disk-centre"].detail == "disk-full: 4.9 of 100 GB free under the central state"


def test_a_disk_that_is_not_on_this_machine_is_not_looked_at(tmp_path: Path) -> None:
    assert folder_of("postgresql+psycopg://u@h/n") is None
    assert folder_of(sqlite_url(tmp_path / "x.db")) == tmp_path


def test_a_canary_that_does_not_arrive_is_a_trouble_until_one_does(centre: Centre, clock: ManualClock) -> None:
    centre.watch.canary()
    assert centre.woken == 1
    (sent,) = centre.messages.claim(10)
    centre.messages.accepted(sent.message_id, "kannel", "r")
    centre.watch.canary()
    assert centre.found() == {}
    clock.advance(601)
    centre.watch.canary()
    centre.watch.canary()
    (incident,) = centre.found().values()
    assert (incident.kind, incident.is_active) == ("canary-sms", True)
    assert centre.woken == 1
    centre.messages.delivered(sent.message_id, "kannel")
    centre.watch.canary()
    assert not centre.found()["canary-sms"].is_active


@pytest.mark.parametrize(("market", "concerned"), [(None, {MARKET, "seomun"}), ("seomun", {"seomun"})])
def test_what_is_wrong_with_the_centre_concerns_whoever_looks_after_it(
    engine: Engine, clock: ManualClock, market: str | None, concerned: set[str]
) -> None:
    people = (Recipient("박관리", "01077770001"),)
    Registry(engine).enrol(MarketEntry(Named("seomun", "서문시장", "Seomun Market"), recipients=people))
    centre = Centre(engine, clock, market=market)
    centre.provider.answers.append(Balance(900, "KRW", low=True))
    centre.watch.balance()
    assert {one.market for one in centre.incidents.open_and_recent()} == concerned
