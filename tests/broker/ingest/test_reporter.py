"""Part status: states, sentences, counters, and a central state that is away."""

import threading

import pytest
from sqlalchemy import Engine

from broker.ingest.progress import Progress
from broker.ingest.reporter import BUSY_SAID_S, NOT_CONNECTED, Reporter
from broker.ingest.service import gap_review
from broker.series.memory import MemorySeriesStore
from broker.stores.parts import Parts, PartStatus
from broker.stores.schema import parts as parts_table
from broker.stores.sequences import PATIENCE_S
from runtime.clock import ManualClock
from tests.eventually import eventually


class Link:
    connected = True


@pytest.fixture
def progress(clock: ManualClock) -> Progress:
    return Progress(clock)


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
def reporter(engine: Engine, clock: ManualClock, progress: Progress, link: Link) -> Reporter:
    review = gap_review(engine, MemorySeriesStore(), clock, PATIENCE_S)
    return Reporter("ingest", Parts(engine, clock), progress, review, lambda: link.connected)


def status(engine: Engine, clock: ManualClock) -> PartStatus:
    (found,) = Parts(engine, clock).all()
    return found


def test_ok_not_connected_and_held(
    engine: Engine, clock: ManualClock, progress: Progress, link: Link, reporter: Reporter
) -> None:
    reporter.report()
    assert (status(engine, clock).state, status(engine, clock).detail) == ("ok", "")
    link.connected = False
    reporter.report()
    assert (status(engine, clock).state, status(engine, clock).detail) == ("degraded", NOT_CONNECTED)
    link.connected = True
    progress.held("the disk is full")
    reporter.report()
    assert (status(engine, clock).state, status(engine, clock).detail) == ("degraded", "the disk is full")
    assert status(engine, clock).counters["retries_total"] == 1
    progress.flowing()
    reporter.report()
    assert status(engine, clock).state == "ok"


def test_a_batch_that_takes_long_is_said_before_the_watchdog_ends_it(
    engine: Engine, clock: ManualClock, progress: Progress, reporter: Reporter
) -> None:
    progress.begun()
    clock.advance(BUSY_SAID_S + 1)
    reporter.report()
    assert (status(engine, clock).state, status(engine, clock).detail) == ("degraded", "one batch takes over 30 s")


def test_a_change_is_reported_at_once_and_the_last_word_at_the_end(
    engine: Engine, clock: ManualClock, progress: Progress, reporter: Reporter
) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=reporter.run, args=(stop,))
    thread.start()
    eventually(lambda: Parts(engine, clock).all() and status(engine, clock).state == "ok", what="first report")
    progress.held("the disk is full")
    eventually(lambda: status(engine, clock).state == "degraded", within_s=2, what="the change")
    progress.committed(5, 50, [])
    stop.set()
    thread.join()
    assert status(engine, clock).counters["messages_total"] == 5


def test_a_central_state_that_is_away_does_not_end_the_reporter(
    engine: Engine, clock: ManualClock, reporter: Reporter
) -> None:
    parts_table.drop(engine)
    reporter.report()
    reporter.report()
    parts_table.create(engine)
    reporter.report()
    assert status(engine, clock).state == "ok"
