"""Ingest and upkeep together: however late a reading arrives, it reaches the roll-up of its window."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.ingest.progress import Progress
from broker.ingest.service import build_pipeline
from broker.series.memory import MemorySeriesStore
from broker.stores.database import transaction
from broker.stores.schema import dirty_windows, rollups
from broker.upkeep.markets import MARKETS_KIND, MarketWindows
from broker.upkeep.rolling import Span, roll
from contract.payload import Payload
from contract.telemetry import BayBatch, BayReading, BayState
from contract.topics import Topic
from runtime.clock import ManualClock
from tests.broker.upkeep.conftest import T0, House, W
from transport.ports import RawMessage

BAYS = "market/v1/jungang/pi-1/telemetry/bays"
DELAYS_S = (0, 0, 0, 30, 59, 61, 90, 119, 121, 180, 400, 599, 601, 1500)


class Nobody:
    """Where the receipts go."""

    def publish(self, topic: Topic, payload: Payload) -> None:
        """Nobody waits for it here."""


def message(offset_s: int, seq: int, *, occupied: bool) -> RawMessage:
    time_unix_ms = T0 + offset_s * 1000
    state = BayState.OCCUPIED if occupied else BayState.FREE
    reading = BayReading(time_unix_ms=time_unix_ms, bay="a-01", state=state, confidence=1.0, since_unix_ms=T0)
    return RawMessage(BAYS, BayBatch(epoch="0" * 16, seq=seq, readings=(reading,)).to_bytes())


def start(house: House) -> Callable[[Sequence[RawMessage]], None]:
    """A house as it was before the first reading."""
    house.clock = ManualClock(T0)
    house.store = MemorySeriesStore()
    with transaction(house.engine) as connection:
        for table in (dirty_windows, rollups):
            connection.execute(table.delete())
    for market in ("jungang", "nambu"):
        house.rollups.note_done(market, T0)
    return build_pipeline(house.engine, house.store, Progress(house.clock), Nobody, house.clock)


def check(house: House) -> None:
    """Every window says what the readings say now."""
    raw = house.store.scan("jungang", "bays", 0, 2 * T0)
    done = house.rollups.done_until()["jungang"]
    whole = MarketWindows("jungang", T0, done)
    expected = list(roll(raw, Span("jungang", "bays", T0, done), whole.add))
    assert list(house.store.scan("jungang", "bays-5m", 0, 2 * T0)) == expected
    assert list(house.store.scan("jungang", MARKETS_KIND, 0, 2 * T0)) == list(whole.samples())
    assert expected


@pytest.mark.parametrize("delay_s", sorted(set(DELAYS_S)))
def test_a_reading_that_is_late_by_any_time_is_in_its_roll_up(house: House, delay_s: int) -> None:
    pipeline = start(house)
    pipeline([message(0, 1, occupied=True)])
    late, job = message(297, 2, occupied=False), house.job()
    for second in range(0, 2400, 20):
        if second - 20 < 297 + delay_s <= second:
            pipeline([late])
        house.run(job)
        house.clock.advance(20)
    check(house)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 899), st.sampled_from(DELAYS_S), st.booleans()), min_size=1, max_size=15))
def test_whatever_comes_whenever_the_roll_ups_follow(house: House, readings: list[tuple[int, int, bool]]) -> None:
    pipeline = start(house)
    arrivals = sorted((made + delay, made, occupied) for made, delay, occupied in readings)
    job = house.job()
    for seq, (arrives, made, occupied) in enumerate(arrivals, start=1):
        while T0 + arrives * 1000 > house.clock.unix_ms():
            house.clock.advance(min(100, (T0 + arrives * 1000 - house.clock.unix_ms()) / 1000))
            house.run(job)
        pipeline([message(made, seq, occupied=occupied)])
    house.clock.advance(1100)
    house.run(job)
    assert house.rollups.done_until()["jungang"] >= T0 + 3 * W
    check(house)
