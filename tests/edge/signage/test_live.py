"""Live values: unknown is unknown, old is unknown, history is not live."""

from hypothesis import given
from hypothesis import strategies as st

from contract.telemetry import BayBatch, BayReading, BayState, Reason
from edge.signage.live import BAYS_MAX, STALE_AFTER_S, LiveBays, LotView


def batch(
    *states: BayState, time_unix_ms: int = 1000, replayed: bool = False, first: int = 0, lot: str | None = None
) -> BayBatch:
    readings = tuple(
        BayReading(
            time_unix_ms=time_unix_ms,
            bay=f"a-{index:04d}",
            lot=lot,
            state=state,
            reason=Reason.NO_ECHO if state is BayState.UNKNOWN else None,
            confidence=1.0,
            since_unix_ms=0,
        )
        for index, state in enumerate(states, start=first)
    )
    return BayBatch(epoch="0" * 16, seq=1, replayed=replayed, readings=readings)


def take(bays: LiveBays, device: str, batch: BayBatch, now_s: float, now_unix_ms: int | None = None) -> bool:
    """Hand a batch over; it has just been read unless `now_unix_ms` says otherwise."""
    read_unix_ms = max(one.time_unix_ms for one in batch.readings)
    return bays.take(device, batch, now_s, read_unix_ms if now_unix_ms is None else now_unix_ms)


FREE, TAKEN, UNKNOWN, CLOSED = BayState.FREE, BayState.OCCUPIED, BayState.UNKNOWN, BayState.CLOSED


def counts(lot: LotView) -> tuple[int, int, int, int]:
    return lot.free, lot.occupied, lot.closed, lot.unknown


def test_bays_are_counted_and_an_unknown_one_is_never_free() -> None:
    bays = LiveBays()
    assert take(bays, "parking-1", batch(FREE, FREE, TAKEN, UNKNOWN, CLOSED), 0.0)
    (lot,) = bays.lots(1.0)
    assert (lot.lot, counts(lot), lot.total, lot.age_s, lot.stale) == ("parking-1", (2, 1, 1, 1), 5, 1.0, False)


def test_bays_of_several_devices_add_up_in_the_lot_that_they_name() -> None:
    bays = LiveBays()
    take(bays, "parking-1", batch(FREE, FREE, lot="north"), 0.0)
    take(bays, "parking-2", batch(FREE, lot="north"), 0.0)
    take(bays, "parking-3", batch(FREE, FREE), 0.0)
    assert [(lot.lot, lot.total) for lot in bays.lots(0.0)] == [("north", 3), ("parking-3", 2)]


def test_what_was_not_heard_for_long_is_unknown() -> None:
    bays = LiveBays()
    take(bays, "p", batch(FREE, FREE), 0.0)
    take(bays, "p", batch(TAKEN, first=2), 20.0)
    (lot,) = bays.lots(STALE_AFTER_S + 1)
    assert (counts(lot), lot.stale) == ((0, 1, 0, 2), False)
    (lot,) = bays.lots(20.0 + STALE_AFTER_S + 1)
    assert (counts(lot), lot.stale) == ((0, 0, 0, 3), True)


def test_history_and_older_readings_change_nothing() -> None:
    bays = LiveBays()
    take(bays, "p", batch(TAKEN, time_unix_ms=2000), 0.0)
    assert not take(bays, "p", batch(FREE, time_unix_ms=3000, replayed=True), 1.0)
    assert not take(bays, "p", batch(FREE, time_unix_ms=1000), 1.0)
    assert counts(bays.lots(1.0)[0]) == (0, 1, 0, 0)


def test_a_reading_is_as_old_as_its_own_time_says() -> None:
    bays = LiveBays()
    take(bays, "p", batch(FREE, time_unix_ms=10_000), 0.0, now_unix_ms=30_000)
    (lot,) = bays.lots(0.0)
    assert (counts(lot), lot.age_s) == ((1, 0, 0, 0), 20.0)
    (lot,) = bays.lots(6.0)
    assert (counts(lot), lot.stale) == ((0, 0, 0, 1), True)


def test_a_reading_from_the_future_is_unknown_and_can_be_followed() -> None:
    bays = LiveBays()
    take(bays, "p", batch(FREE, time_unix_ms=15_001), 0.0, now_unix_ms=10_000)
    assert counts(bays.lots(0.0)[0]) == (0, 0, 0, 1)
    assert take(bays, "p", batch(FREE, time_unix_ms=15_000), 0.0, now_unix_ms=10_000)
    (lot,) = bays.lots(0.0)
    assert (counts(lot), lot.age_s) == ((1, 0, 0, 0), 0.0)
    assert take(bays, "p", batch(TAKEN, time_unix_ms=11_000), 1.0, now_unix_ms=11_000)
    assert counts(bays.lots(1.0)[0]) == (0, 1, 0, 0)


def test_only_a_new_state_is_a_change() -> None:
    bays = LiveBays()
    assert take(bays, "p", batch(FREE), 0.0)
    assert not take(bays, "p", batch(FREE, time_unix_ms=2000), 10.0)
    assert bays.lots(10.0)[0].age_s == 0.0
    assert take(bays, "p", batch(TAKEN, time_unix_ms=3000), 20.0)


def test_a_flood_of_names_is_bounded() -> None:
    bays = LiveBays()
    for first in range(0, BAYS_MAX + 1000, 500):
        take(bays, "p", batch(*[FREE] * 500, first=first), 0.0)
    assert bays.lots(0.0)[0].total == BAYS_MAX


@given(states=st.lists(st.sampled_from(BayState), min_size=1, max_size=40), age_s=st.floats(0, 200))
def test_every_bay_is_counted_exactly_once(states: list[BayState], age_s: float) -> None:
    bays = LiveBays()
    take(bays, "p", batch(*states), 0.0)
    (lot,) = bays.lots(age_s)
    assert lot.total == len(states)
    assert lot.free <= states.count(FREE)
