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


FREE, TAKEN, UNKNOWN, CLOSED = BayState.FREE, BayState.OCCUPIED, BayState.UNKNOWN, BayState.CLOSED


def counts(lot: LotView) -> tuple[int, int, int, int]:
    return lot.free, lot.occupied, lot.closed, lot.unknown


def test_bays_are_counted_and_an_unknown_one_is_never_free() -> None:
    bays = LiveBays()
    assert bays.take("parking-1", batch(FREE, FREE, TAKEN, UNKNOWN, CLOSED), 0.0)
    (lot,) = bays.lots(1.0)
    assert (lot.lot, counts(lot), lot.total, lot.age_s, lot.stale) == ("parking-1", (2, 1, 1, 1), 5, 1.0, False)


def test_bays_of_several_devices_add_up_in_the_lot_that_they_name() -> None:
    bays = LiveBays()
    bays.take("parking-1", batch(FREE, FREE, lot="north"), 0.0)
    bays.take("parking-2", batch(FREE, lot="north"), 0.0)
    bays.take("parking-3", batch(FREE, FREE), 0.0)
    assert [(lot.lot, lot.total) for lot in bays.lots(0.0)] == [("north", 3), ("parking-3", 2)]


def test_what_was_not_heard_for_a_minute_is_unknown() -> None:
    bays = LiveBays()
    bays.take("p", batch(FREE, FREE), 0.0)
    bays.take("p", batch(TAKEN, first=2), 50.0)
    (lot,) = bays.lots(STALE_AFTER_S + 1)
    assert (counts(lot), lot.stale) == ((0, 1, 0, 2), False)
    (lot,) = bays.lots(50.0 + STALE_AFTER_S + 1)
    assert (counts(lot), lot.stale) == ((0, 0, 0, 3), True)


def test_history_and_older_readings_change_nothing() -> None:
    bays = LiveBays()
    bays.take("p", batch(TAKEN, time_unix_ms=2000), 0.0)
    assert not bays.take("p", batch(FREE, time_unix_ms=3000, replayed=True), 1.0)
    assert not bays.take("p", batch(FREE, time_unix_ms=1000), 1.0)
    assert counts(bays.lots(1.0)[0]) == (0, 1, 0, 0)


def test_only_a_new_state_is_a_change() -> None:
    bays = LiveBays()
    assert bays.take("p", batch(FREE), 0.0)
    assert not bays.take("p", batch(FREE, time_unix_ms=2000), 10.0)
    assert bays.lots(10.0)[0].age_s == 0.0
    assert bays.take("p", batch(TAKEN, time_unix_ms=3000), 20.0)


def test_a_flood_of_names_is_bounded() -> None:
    bays = LiveBays()
    for first in range(0, BAYS_MAX + 1000, 500):
        bays.take("p", batch(*[FREE] * 500, first=first), 0.0)
    assert bays.lots(0.0)[0].total == BAYS_MAX


@given(states=st.lists(st.sampled_from(BayState), min_size=1, max_size=40), age_s=st.floats(0, 200))
def test_every_bay_is_counted_exactly_once(states: list[BayState], age_s: float) -> None:
    bays = LiveBays()
    bays.take("p", batch(*states), 0.0)
    (lot,) = bays.lots(age_s)
    assert lot.total == len(states)
    assert lot.free <= states.count(FREE)
