"""The judgement of what time it is: tables, and random walks of everything that can go wrong with a clock."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.ports import ClockSource
from edge.timescale import (
    CENTRAL_COUNTS_FOR_MS,
    CONFIRM_MS,
    JUMP_MS,
    QUANTUM_MS,
    ROUND_TRIP_MS_MAX,
    ClockRules,
    Hearing,
    Scale,
    Sight,
    TimeJudge,
    boot_time_ms,
)

TRUE_MS = 1_800_000_000_000  # the true time at boot
DAY_MS = 86_400_000
AUTO, TRUSTED = ClockRules(), ClockRules(trusted=True)


def sight(boot_ms: int, error_ms: int = 0, **witnesses: object) -> Sight:
    """A look at a machine whose wall clock is wrong by `error_ms`."""
    return replace(Sight(boot_ms, TRUE_MS + boot_ms + error_ms), **witnesses)  # type: ignore[arg-type] # of Sight's


def hearing(boot_ms: int, error_ms: int = 0, trip_ms: int = 200) -> Hearing:
    """The centre's time, heard at `boot_ms`."""
    return Hearing(TRUE_MS + boot_ms - trip_ms // 2 + error_ms, boot_ms - trip_ms, boot_ms)


def rtc(boot_ms: int, error_ms: int = 0) -> int:
    return (TRUE_MS + boot_ms + error_ms) // 1000 * 1000


@pytest.mark.parametrize(
    ("rules", "seen", "heard", "source"),
    [
        (AUTO, sight(9_000), None, "unset"),
        (AUTO, sight(9_000, synchronised=True), None, "synchronised"),
        (AUTO, sight(9_000, synchronised_once=True), None, "synchronised"),
        (AUTO, sight(9_000, -TRUE_MS, synchronised=True), None, "unset"),
        (AUTO, sight(9_000, rtc_unix_ms=rtc(9_000)), None, "rtc"),
        (AUTO, sight(9_000, rtc_unix_ms=9_000), None, "unset"),
        (AUTO, sight(9_000, DAY_MS, rtc_unix_ms=rtc(9_000)), None, "unset"),
        (AUTO, sight(9_000, -30 * DAY_MS), hearing(8_900), "central"),
        (AUTO, sight(9_000), hearing(8_900, trip_ms=ROUND_TRIP_MS_MAX), "unset"),
        (AUTO, sight(9_000), Hearing(1_000_000, 8_000, 8_100), "unset"),
        (AUTO, sight(9_000, DAY_MS, synchronised=True), hearing(8_900), "central"),
        (AUTO, sight(9_000, 300, synchronised=True), hearing(8_900), "synchronised"),
        (TRUSTED, sight(9_000), None, "trusted"),
        (TRUSTED, sight(9_000, -TRUE_MS), None, "unset"),
    ],
    ids=str,
)
def test_the_best_witness_sets_the_clock(
    rules: ClockRules, seen: Sight, heard: Hearing | None, source: ClockSource
) -> None:
    judge = TimeJudge(rules)
    if heard is not None:
        judge.hear(heard)

    assert judge.look(seen) is (source != "unset")

    assert judge.source == source
    if judge.scale is not None:
        assert abs(judge.scale.unix_ms(9_000) - TRUE_MS - 9_000) <= 1_000
        assert abs(judge.settle_offset_ms - TRUE_MS) <= 1_000


def judged(*, rules: ClockRules = AUTO, source: ClockSource = "synchronised", error_ms: int = 0) -> TimeJudge:
    """A clock that was set at 10 s."""
    judge = TimeJudge(rules)
    judge.resume(Scale(TRUE_MS + error_ms, 10_000), source, TRUE_MS)
    return judge


def error_ms(judge: TimeJudge, boot_ms: int) -> int:
    assert judge.scale is not None
    return judge.scale.unix_ms(boot_ms) - TRUE_MS - boot_ms


@pytest.mark.parametrize("jump_ms", [DAY_MS, -DAY_MS, JUMP_MS + 1_000, -JUMP_MS - 1_000])
@pytest.mark.parametrize("synchronised", [True, False])
def test_a_step_of_the_wall_clock_is_not_followed(jump_ms: int, *, synchronised: bool) -> None:
    judge = judged()
    assert not judge.look(sight(20_000, jump_ms, synchronised=synchronised))
    judge.hear(hearing(21_000))
    assert not judge.look(sight(3_600_000, jump_ms, synchronised=synchronised))
    assert abs(error_ms(judge, 3_600_000)) <= QUANTUM_MS


def test_a_step_that_a_time_service_vouches_for_is_followed_when_the_centre_has_been_silent_for_an_hour() -> None:
    judge = judged()
    judge.hear(hearing(20_000))
    last_ms = 20_000 + CENTRAL_COUNTS_FOR_MS

    assert not judge.look(sight(last_ms - 1, DAY_MS, synchronised=True))
    assert not judge.look(sight(last_ms + 1, DAY_MS))
    assert judge.look(sight(last_ms + 1, DAY_MS, synchronised=True))
    assert abs(error_ms(judge, last_ms + 1) - DAY_MS) <= QUANTUM_MS


def test_a_time_service_outranks_a_battery_clock_at_once() -> None:
    judge = judged(source="rtc", error_ms=DAY_MS)

    assert judge.look(sight(20_000, synchronised=True))

    assert judge.source == "synchronised"
    assert abs(error_ms(judge, 20_000)) <= QUANTUM_MS


def test_a_centre_that_contradicts_by_more_than_a_minute_for_a_while_wins() -> None:
    judge = judged(error_ms=DAY_MS)
    judge.hear(hearing(20_000))
    assert not judge.look(sight(20_000, DAY_MS, synchronised=True))
    assert judge.skew_ms(20_000) == pytest.approx(DAY_MS, abs=200)
    judge.hear(hearing(20_000 + CONFIRM_MS))

    assert judge.look(sight(20_000 + CONFIRM_MS, DAY_MS, synchronised=True))

    assert judge.source == "central"
    assert abs(error_ms(judge, 40_000)) <= 100


def test_one_contradiction_that_is_taken_back_changes_nothing() -> None:
    judge = judged()
    judge.hear(hearing(20_000, DAY_MS))
    judge.hear(hearing(25_000))
    judge.hear(hearing(20_000 + CONFIRM_MS, DAY_MS))

    assert not judge.look(sight(31_000, synchronised=True))
    assert abs(error_ms(judge, 31_000)) <= QUANTUM_MS


def test_a_small_difference_is_made_up_little_by_little_and_never_backwards() -> None:
    judge = judged()
    times = []
    for boot_ms in range(20_000, 200_000, 7):
        if boot_ms % 1000 < 7:
            judge.look(sight(boot_ms, -3_000, synchronised=True))
        assert judge.scale is not None
        times.append(judge.scale.unix_ms(boot_ms))

    assert times == sorted(times)
    assert abs(error_ms(judge, 200_000) + 3_000) <= 2 * QUANTUM_MS


def test_a_time_service_and_a_centre_that_differ_by_seconds_are_both_left_alone_and_flagged() -> None:
    judge = judged()
    judge.hear(hearing(20_000, -20_000))
    judge.look(sight(20_000, synchronised=True))

    assert judge.skew_ms(20_000) == pytest.approx(20_000, abs=200)
    assert abs(error_ms(judge, 60_000)) <= QUANTUM_MS


def test_a_small_step_that_the_centre_contradicts_is_not_followed_either() -> None:
    judge = judged()
    for boot_ms in range(20_000, 200_000, 1_000):
        judge.hear(hearing(boot_ms))
        judge.look(sight(boot_ms, 30_000, synchronised=True))

    assert abs(error_ms(judge, 200_000)) <= QUANTUM_MS


def test_without_a_time_service_the_clock_follows_the_centre_slowly() -> None:
    judge = judged(source="rtc", error_ms=10_000)
    for boot_ms in range(20_000, 320_000, 1_000):
        judge.hear(hearing(boot_ms))
        judge.look(sight(boot_ms, 10_000))

    assert judge.source == "central"
    assert abs(error_ms(judge, 320_000)) <= 150


def test_the_skew_is_unknown_without_a_centre_and_after_an_hour_without_it() -> None:
    judge = judged()
    assert judge.skew_ms(10_000) is None
    judge.hear(hearing(20_000))
    assert judge.skew_ms(20_000) == 0
    assert judge.skew_ms(20_001 + CENTRAL_COUNTS_FOR_MS) is None


def test_set_back_no_time_is_handed_out_twice() -> None:
    scale = Scale(TRUE_MS + DAY_MS, 0)
    before = {scale.unix_ms(boot_ms) for boot_ms in range(5_000)}

    back = scale.set_anew(5_000, TRUE_MS + DAY_MS - 5_000)

    assert not before & {back.unix_ms(boot_ms) for boot_ms in range(5_000, 10_000)}


@dataclass
class World:
    """The truth, a machine whose wall clock is thrown about, and who says what."""

    boot_ms: int = 8_000
    wall_error_ms: int = -400 * DAY_MS
    synchronised: bool = False

    def sight(self) -> Sight:
        return sight(self.boot_ms, self.wall_error_ms, synchronised=self.synchronised)


# What happens next: seconds pass; somebody sets the clock by hand, which clears the sync flag; a time service finds the
# time; it loses its server; a receipt comes.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(1, 4_000_000)),
        st.tuples(st.just("jump"), st.integers(-2 * DAY_MS, 2 * DAY_MS)),
        st.tuples(st.just("sync"), st.integers(-50, 50)),
        st.tuples(st.just("unsync"), st.just(0)),
        st.tuples(st.just("receipt"), st.integers(1, 3_000)),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS, share=st.floats(0, 1))
def test_whatever_happens_times_only_grow_and_are_true_once_the_clock_is_set(
    steps: list[tuple[str, int]], share: float
) -> None:
    world, judge = World(), TimeJudge(AUTO)
    handed: list[int] = []
    waiting: list[int] = []
    settled_by: set[int] = set()

    def hand_out() -> None:
        if judge.scale is None:
            waiting.append(boot_time_ms(world.boot_ms))
            return
        settled_by.add(judge.settle_offset_ms)
        handed.extend(one + judge.settle_offset_ms for one in waiting)
        waiting.clear()
        handed.append(judge.scale.unix_ms(world.boot_ms))
        assert abs(handed[-1] - TRUE_MS - world.boot_ms) <= ROUND_TRIP_MS_MAX / 2 + 50 + 2 * QUANTUM_MS

    for what, amount in steps:
        if what == "pass":
            world.boot_ms += amount
        elif what == "jump":
            world.wall_error_ms, world.synchronised = world.wall_error_ms + amount, False
        elif what == "sync":
            world.wall_error_ms, world.synchronised = amount, True
        elif what == "unsync":
            world.synchronised = False
        else:
            asked_ms, world.boot_ms = world.boot_ms, world.boot_ms + amount
            said_ms = asked_ms + round(amount * share)
            judge.hear(Hearing(TRUE_MS + said_ms, asked_ms, world.boot_ms))
        hand_out()
        judge.look(world.sight())
        hand_out()

    assert handed == sorted(handed)
    assert len(settled_by) <= 1
