import random

import pytest

from firmware_sim.fleet.capacity import Costs, Measured, Worker, costs_of, need, queue

COSTS = Costs(broker_batch_s=100e-6, ingest_batch_s=200e-6, ingest_reading_s=20e-6, store_reading_s=30e-6)


def measured(costs: Costs, readings_per_s: float, batch: float) -> Measured:
    found = need(costs, readings_per_s, batch)
    return Measured(
        found.readings_per_s, found.batches_per_s, found.broker_cores, found.ingest_cores, found.store_cores
    )


def test_the_costs_behind_two_runs_are_found() -> None:
    found = costs_of(measured(COSTS, 10_000, 20), measured(COSTS, 10_000, 5))
    assert found.broker_batch_s == pytest.approx(COSTS.broker_batch_s)
    assert found.ingest_batch_s == pytest.approx(COSTS.ingest_batch_s)
    assert found.ingest_reading_s == pytest.approx(COSTS.ingest_reading_s)
    assert found.store_reading_s == pytest.approx(COSTS.store_reading_s)


@pytest.mark.parametrize(("readings_per_s", "batch"), [(10_000, 20), (10_000, 40), (5_000, 5)])
def test_runs_that_tell_nothing_are_refused(readings_per_s: float, batch: float) -> None:
    with pytest.raises(ValueError, match="same readings, the second in more batches"):
        costs_of(measured(COSTS, 10_000, 20), measured(COSTS, readings_per_s, batch))


def test_what_ten_times_the_load_needs() -> None:
    one, ten = need(COSTS, 10_000, 20), need(COSTS, 100_000, 20)
    assert one.ingest_cores == pytest.approx(0.3)
    assert (one.workers, one.brokers) == (1, 1)
    assert ten.cores == pytest.approx(10 * one.cores)
    assert (ten.workers, ten.brokers) == (5, 1)
    assert need(COSTS, 100_000, 20, utilisation_max=0.3).workers == 10


def test_an_idle_worker_adds_its_write_and_a_full_one_falls_behind() -> None:
    worker = Worker(batch_s=0.001, write_s=0.010)
    idle = queue(worker, 1, 1.0, 1000, random.Random(1))
    busy = queue(worker, 1, 800.0, 60, random.Random(1))
    over = queue(worker, 1, 1200.0, 60, random.Random(1))
    assert idle.percentile_ms(0.5) == pytest.approx(11, rel=0.03)
    assert 20 < (busy.percentile_ms(0.99) or 0) < 1000
    assert over.max_ms > 5_000, "the queue grows with time"
    assert queue(worker, 2, 1200.0, 60, random.Random(1)).max_ms < 1_000, "a second worker mends it"


def test_a_pause_shows_in_the_tail_only() -> None:
    steady, pausing = Worker(0.0005, 0.01), Worker(0.0005, 0.01, pause_every_s=15, pause_s=1.2)
    without, paused = (queue(one, 1, 500.0, 120, random.Random(2)) for one in (steady, pausing))
    assert (paused.percentile_ms(0.99) or 0) > 800
    assert 0 < (without.percentile_ms(0.99) or 0) < 100
    assert (paused.percentile_ms(0.5) or 0) < 3 * (without.percentile_ms(0.5) or 0)
