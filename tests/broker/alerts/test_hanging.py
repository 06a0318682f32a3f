"""Alerts in which something hangs ends itself, is started again, and does what it had not done."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from broker.alerts.counters import Counters
from broker.alerts.dispatcher import Dispatcher
from broker.alerts.memory_notifier import MemoryNotifier
from broker.alerts.ports import Accepted, Outgoing
from broker.alerts.service import assemble
from broker.alerts.settings import AlertsSettings
from broker.stores.database import StoreUnavailableError, sqlite_url
from broker.stores.incidents import Incidents
from broker.stores.messages import Messages
from contract.catalog import topic_for
from contract.events import FireEvent
from runtime.clock import ManualClock, SystemClock
from runtime.supervision import ProcessSpec, SupervisedProcess
from runtime.watchdog import EXIT_STALLED
from tests.broker.alerts.central import DEVICE, MANAGER, MARKET, SECOND_MANAGER, composer, fire, sighting
from tests.broker.alerts.run_hanging import PLACES
from tests.broker.alerts.site import ROOT, Site, open_site
from tests.broker.alerts.test_pipeline import Answers, raw
from tests.eventually import eventually, eventually_async
from transport.ports import Publisher


@asynccontextmanager
async def supervised(site: Site, place: str, flag: Path) -> AsyncIterator[SupervisedProcess]:
    """Alerts under the supervision that `jangteo up` has, linked to the broker."""
    argv = (sys.executable, "-m", "tests.broker.alerts.run_hanging", str(site.settings_file()), place, str(flag))
    child = SupervisedProcess(ProcessSpec("alerts", argv, site.folder / "alerts.log", {"PYTHONPATH": str(ROOT)}))
    running = asyncio.create_task(child.run())
    try:
        await eventually_async(site.linked, within_s=20, what="alerts is linked to the broker")
        yield child
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):  # cancelled by the line above
            await running


async def publish(site: Site, event: FireEvent) -> None:
    session = site.device_session()
    running = asyncio.create_task(session.run())
    try:
        await eventually_async(lambda: session.connected)
        await session.publish(topic_for(MARKET, DEVICE, FireEvent), event)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):  # cancelled by the line above
            await running


def told(messages: Messages) -> set[str]:
    return {one.recipient for one in messages.newest() if one.state == "accepted"}


@pytest.mark.server
@pytest.mark.parametrize("place", PLACES)
async def test_what_hangs_is_started_again_and_a_fire_is_told(tmp_path: Path, place: str) -> None:
    flag = tmp_path / "hang"
    with open_site(tmp_path, sqlite_url(tmp_path / "central.db")) as site, capture_logs() as logs:
        async with supervised(site, place, flag) as child:
            first = child.pid
            flag.touch()
            await publish(site, fire())
            await eventually_async(lambda: child.pid not in {None, first}, within_s=20, what="another process")
            messages = Messages(site.engine, SystemClock())
            await eventually_async(
                lambda: told(messages) >= {MANAGER, SECOND_MANAGER}, within_s=20, what="both managers are told"
            )
            assert child.restart_count == 1
        (died,) = [one for one in logs if one["event"] == "process.died"]
        assert died["exit_code"] == EXIT_STALLED
        (stalled,) = [line for line in (tmp_path / "alerts.log").read_text().splitlines() if "watchdog.stalled" in line]
        assert f'"{place}"' in stalled


def test_a_batch_that_waits_for_its_store_is_no_stall(engine: Engine, clock: ManualClock, tmp_path: Path) -> None:
    service = assemble(AlertsSettings(database_url=sqlite_url(tmp_path / "central.db")), clock)
    ages_s = list[float]()

    def publisher() -> Publisher:
        clock.advance(3)
        ages_s.append(pipeline.busy_s())
        return Answers()

    pipeline = service.pipeline(publisher)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE messages RENAME TO away")
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            pipeline([raw(fire(1, seq=1))])
        clock.advance(1000)
        assert pipeline.busy_s() == 0
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO messages")
    pipeline([raw(fire(1, seq=1))])
    assert ages_s == [3.0], "a try's age begins with the try"
    assert pipeline.busy_s() == 0


def test_the_dispatcher_goes_on_while_its_store_is_away(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE messages RENAME TO away")
    clock, stop, beats = SystemClock(), threading.Event(), list[float]()
    dispatcher = Dispatcher(Messages(engine, clock), [MemoryNotifier()], clock, Counters())
    thread = threading.Thread(target=dispatcher.run, args=(stop, lambda: beats.append(clock.monotonic_s())))
    thread.start()
    try:
        eventually(lambda: len(beats) >= 3)
    finally:
        stop.set()
        dispatcher.wake()
        thread.join(10)
    assert not thread.is_alive()


class Hanging(MemoryNotifier):
    """Answers nothing until `let_go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()
        self.tries: list[int] = []

    def send(self, message: Outgoing) -> Accepted:
        self.tries.append(message.message_id)
        self.let_go.wait()
        return super().send(message)


def test_a_try_that_hangs_grows_old_although_its_message_is_tried_again(engine: Engine, clock: ManualClock) -> None:
    Incidents(engine, clock).record([sighting()], composer(engine, clock))
    notifier, stop, messages = Hanging(), threading.Event(), Messages(engine, clock)
    dispatcher = Dispatcher(messages, [notifier], clock, Counters())
    thread = threading.Thread(target=dispatcher.run, args=(stop,))
    assert dispatcher.busy_s() == 0
    thread.start()
    try:
        eventually(lambda: len(notifier.tries) == 2)
        clock.advance(30)
        dispatcher.wake()
        eventually(lambda: len(notifier.tries) == 4)
        clock.advance(30)
        assert dispatcher.busy_s() == 60
    finally:
        stop.set()
        notifier.let_go.set()
        dispatcher.wake()
        thread.join(10)
    assert dispatcher.busy_s() == 0
