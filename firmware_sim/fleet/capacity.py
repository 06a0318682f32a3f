"""What a larger fleet needs: a capacity model fed with measured costs, and a queue that shows the lag. Pure.

Measured are two runs that differ only in how many readings travel in a batch; what does not grow with the batches is
put down to the readings. The queue: batches arrive by chance (Poisson) at workers of equal share, as a shared
subscription deals them out; a worker takes what waits, up to `batch_messages_max`, writes it, and takes again.
"""

import math
import random
from dataclasses import dataclass

from firmware_sim.fleet.figures import Lags

BATCH_MESSAGES_MAX = 250  # what ingest hands over at once, transport.ports.ConsumerSettings


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: its rates, and the cores that each part used. A store inside ingest has none of its own."""

    readings_per_s: float
    batches_per_s: float
    broker_cores: float
    ingest_cores: float
    store_cores: float


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds: the broker's and ingest's for each batch, ingest's and the store's for each reading."""

    broker_batch_s: float
    ingest_batch_s: float
    ingest_reading_s: float
    store_reading_s: float

    def worker_batch_s(self, readings: float) -> float:
        """How long an ingest worker computes for a batch of `readings`."""
        return self.ingest_batch_s + readings * self.ingest_reading_s


@dataclass(frozen=True, slots=True)
class Need:
    """What a load needs. `workers` and `brokers` are filled to at most the utilisation that was asked for."""

    readings_per_s: float
    batches_per_s: float
    broker_cores: float
    ingest_cores: float
    store_cores: float
    brokers: int
    workers: int

    @property
    def cores(self) -> float:
        """All of it."""
        return self.broker_cores + self.ingest_cores + self.store_cores


def costs_of(large: Measured, small: Measured) -> Costs:
    """The costs behind two runs of the same readings, one in large batches and one in small.

    Raises:
        ValueError: the runs do not differ in their batches, or differ in their readings by more than a tenth.
    """
    more_batches = small.batches_per_s - large.batches_per_s
    if more_batches <= 0 or not math.isclose(small.readings_per_s, large.readings_per_s, rel_tol=0.1):
        raise ValueError("the two runs have to carry the same readings, the second in more batches")
    ingest_batch_s = max(0.0, (small.ingest_cores - large.ingest_cores) / more_batches)
    per_readings = max(0.0, large.ingest_cores - ingest_batch_s * large.batches_per_s)
    return Costs(
        broker_batch_s=max(one.broker_cores / one.batches_per_s for one in (large, small)),
        ingest_batch_s=ingest_batch_s,
        ingest_reading_s=per_readings / large.readings_per_s,
        store_reading_s=max(one.store_cores / one.readings_per_s for one in (large, small)),
    )


def need(costs: Costs, readings_per_s: float, batch: float, utilisation_max: float = 0.6) -> Need:
    """What `readings_per_s` in batches of `batch` need. A broker's and a worker's thread is one core at most."""
    batches_per_s = readings_per_s / batch
    broker_cores = costs.broker_batch_s * batches_per_s
    ingest_cores = costs.worker_batch_s(batch) * batches_per_s
    return Need(
        readings_per_s,
        batches_per_s,
        broker_cores,
        ingest_cores,
        costs.store_reading_s * readings_per_s,
        brokers=_filled(broker_cores, utilisation_max),
        workers=_filled(ingest_cores, utilisation_max),
    )


def _filled(cores: float, utilisation_max: float) -> int:
    return max(1, math.ceil(cores / utilisation_max - 1e-9))  # a rounding error is no worker


@dataclass(frozen=True, slots=True)
class Worker:
    """An ingest worker: `write_s` for each write however small, `batch_s` for each batch in it, and its pauses."""

    batch_s: float
    write_s: float
    pause_every_s: float = math.inf
    pause_s: float = 0.0


def queue(worker: Worker, workers: int, batches_per_s: float, seconds: float, chance: random.Random) -> Lags:
    """How long batches wait and are written, over `seconds` of simulated time. Each worker is a queue of its own."""
    lags = Lags()
    for _ in range(workers):
        _one_worker(worker, batches_per_s / workers, seconds, chance, lags)
    return lags


def _one_worker(worker: Worker, batches_per_s: float, seconds: float, chance: random.Random, lags: Lags) -> None:
    arrivals: list[float] = []
    at_s = chance.expovariate(batches_per_s)
    while at_s < seconds:
        arrivals.append(at_s)
        at_s += chance.expovariate(batches_per_s)
    free_s, first = 0.0, 0
    next_pause_s = worker.pause_every_s * chance.random() if math.isfinite(worker.pause_every_s) else math.inf
    while first < len(arrivals):
        begin_s = max(free_s, arrivals[first])
        if begin_s >= next_pause_s:
            begin_s += worker.pause_s
            next_pause_s = begin_s + worker.pause_every_s
        last = first
        while last < len(arrivals) and arrivals[last] <= begin_s and last - first < BATCH_MESSAGES_MAX:
            last += 1
        free_s = begin_s + worker.write_s + (last - first) * worker.batch_s
        for arrived_s in arrivals[first:last]:
            lags.add((free_s - arrived_s) * 1000.0)
        first = last
