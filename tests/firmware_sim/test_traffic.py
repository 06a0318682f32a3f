from itertools import takewhile

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim import traffic
from firmware_sim.shapes import car_share, people_share
from firmware_sim.timeline import BayChange, GatePass, Happening, PersonPass

MONDAY_KST = 1_767_538_800_000  # 2026-01-05 00:00 in Seoul
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

spans = st.tuples(st.integers(0, 6 * 24), st.integers(1, 6)).map(
    lambda one: (MONDAY_KST + one[0] * HOUR_MS, MONDAY_KST + (one[0] + one[1]) * HOUR_MS)
)


@given(seed=st.text(max_size=5), capacity=st.integers(1, 30), occupied=st.integers(0, 30), span=spans)
@settings(max_examples=60, deadline=None)
def test_a_lot_never_holds_fewer_than_no_cars_or_more_than_it_has_bays(
    seed: str, capacity: int, occupied: int, span: tuple[int, int]
) -> None:
    bays = [f"a-{number:02d}" for number in range(capacity)]
    taken = set(bays[:occupied])
    before = len(taken)
    happenings = traffic.cars("main", bays, taken, *span, seed)
    for one in happenings:
        assert span[0] <= one.time_unix_ms < span[1]
        if isinstance(one, BayChange):
            assert (one.bay in taken) is not one.occupied, "a bay is taken when free and freed when taken"
            (taken.add if one.occupied else taken.discard)(one.bay)
    gates = [one.inwards for one in happenings if isinstance(one, GatePass)]
    assert gates.count(True) - gates.count(False) == len(taken) - before
    assert [one.time_unix_ms for one in happenings] == sorted(one.time_unix_ms for one in happenings)


@given(seed=st.text(max_size=5), inside=st.integers(0, 50), span=spans)
@settings(max_examples=40, deadline=None)
def test_nobody_goes_out_who_did_not_come_in(seed: str, inside: int, span: tuple[int, int]) -> None:
    for one in traffic.people("east", inside, *span, seed):
        inside += 1 if one.inwards else -1
        assert inside >= 0


def hours(seed: str, count: int) -> list[Happening]:
    bays = {"main": [f"a-{number:02d}" for number in range(12)], "back": ["b-01", "b-02"]}
    end_ms = MONDAY_KST + count * HOUR_MS
    return list(takewhile(lambda one: one.time_unix_ms < end_ms, traffic.endless(bays, ["east"], MONDAY_KST, seed)))


def test_the_same_seed_gives_the_same_day_and_another_seed_another() -> None:
    assert hours("1", 24) == hours("1", 24)
    assert hours("1", 24) != hours("2", 24)


def test_traffic_without_end_is_in_order_and_consistent_across_its_hours() -> None:
    happenings = hours("3", 48)
    assert [one.time_unix_ms for one in happenings] == sorted(one.time_unix_ms for one in happenings)
    taken: set[str] = set()
    for one in happenings:
        if isinstance(one, BayChange):
            assert (one.bay in taken) is not one.occupied
            (taken.add if one.occupied else taken.discard)(one.bay)
    assert any(isinstance(one, PersonPass) for one in happenings)


def test_a_large_lot_follows_the_shape_of_the_day() -> None:
    bays = [f"bay-{number:03d}" for number in range(400)]
    taken: set[str] = set(traffic.bays_at(bays, MONDAY_KST, "1"))
    changes = traffic.cars("main", bays, taken, MONDAY_KST, MONDAY_KST + DAY_MS, "1")
    sampled: dict[int, float] = {}
    for one in changes:
        if isinstance(one, BayChange):
            (taken.add if one.occupied else taken.discard)(one.bay)
            sampled[(one.time_unix_ms - MONDAY_KST) // HOUR_MS] = len(taken) / len(bays)
    for hour in (9, 12, 15, 18, 23):
        expected = car_share(MONDAY_KST + (hour + 1) * HOUR_MS)
        assert abs(sampled[hour] - expected) < 0.1, f"at {hour}:59"


def test_noon_is_busier_than_the_night() -> None:
    noon, night = MONDAY_KST + 12 * HOUR_MS, MONDAY_KST + 3 * HOUR_MS
    assert car_share(noon) > 5 * car_share(night)
    assert people_share(noon) > 5 * people_share(night)
