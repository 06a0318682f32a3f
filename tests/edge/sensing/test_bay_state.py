"""The bay's state machine, on injected time."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.telemetry import BayState, Reason
from edge.sensing.bay_state import BayRules, BayTracker, BayView, Echo

START_MS = 1_767_225_600_000
CAR_MM, FLOOR_MM, BETWEEN_MM = 600.0, 2200.0, 1350.0


@dataclass
class Bay:
    """A tracker that is fed every half second with jittering echoes."""

    rules: BayRules = field(default_factory=BayRules)
    now_s: float = 100.0

    def __post_init__(self) -> None:
        self.tracker = BayTracker(self.rules, START_MS)

    @property
    def now_ms(self) -> int:
        return START_MS + round((self.now_s - 100.0) * 1000)

    def hear(self, *distances_mm: float | None, step_s: float = 0.5) -> BayView:
        for distance_mm in distances_mm:
            self.now_s += step_s
            pulse_s = None if distance_mm is None else distance_mm / 170_000 + self.now_s * 1e-9
            self.tracker.update(Echo(distance_mm, pulse_s), self.now_s, self.now_ms)
        return self.tracker.view


def test_a_bay_is_unknown_until_it_has_been_seen() -> None:
    view = Bay().tracker.view

    assert (view.state, view.reason) == (BayState.UNKNOWN, Reason.STARTING)


def test_a_car_has_to_stand_for_the_debounce_time() -> None:
    bay = Bay()
    bay.hear(*[FLOOR_MM] * 6)

    assert bay.hear(CAR_MM).state is BayState.FREE
    assert bay.hear(CAR_MM).state is BayState.FREE  # the median has only now seen it
    assert bay.hear(CAR_MM, CAR_MM).state is BayState.OCCUPIED


def test_since_is_when_the_new_state_was_first_seen() -> None:
    bay = Bay()
    bay.hear(*[FLOOR_MM] * 6)
    bay.hear(CAR_MM, CAR_MM)
    first_seen_ms = bay.now_ms

    assert bay.hear(CAR_MM, CAR_MM, CAR_MM).since_unix_ms == first_seen_ms


def test_a_passer_by_changes_nothing() -> None:
    bay = Bay()
    bay.hear(*[FLOOR_MM] * 6)
    since_ms = bay.tracker.view.since_unix_ms

    view = bay.hear(CAR_MM, CAR_MM, FLOOR_MM, FLOOR_MM, FLOOR_MM, FLOOR_MM)

    assert (view.state, view.since_unix_ms) == (BayState.FREE, since_ms)


def test_between_the_thresholds_a_bay_stays_what_it_was() -> None:
    bay = Bay()
    assert bay.hear(*[CAR_MM] * 6, *[BETWEEN_MM] * 20).state is BayState.OCCUPIED
    assert bay.hear(*[FLOOR_MM] * 6, *[BETWEEN_MM] * 20).state is BayState.FREE
    assert bay.tracker.view.confidence == 0.5


def test_misses_in_a_row_make_it_unknown_at_once_and_never_free_or_occupied() -> None:
    bay = Bay()
    bay.hear(*[CAR_MM] * 6)

    assert bay.hear(*[None] * 4).state is BayState.OCCUPIED
    view = bay.hear(None)
    assert (view.state, view.reason, view.distance_mm, view.confidence) == (BayState.UNKNOWN, Reason.NO_ECHO, None, 0.0)
    assert bay.tracker.dead


def test_a_few_misses_lower_the_confidence_only() -> None:
    bay = Bay()
    bay.hear(*[CAR_MM] * 10)
    full = bay.tracker.view.confidence

    assert bay.hear(None, CAR_MM, None, CAR_MM).confidence < full == 1.0


@pytest.mark.parametrize("distance_mm", [0.0, 5.0, 9000.0])
def test_impossible_distances_are_said_to_be_impossible(distance_mm: float) -> None:
    view = Bay().hear(*[distance_mm] * 5)

    assert (view.state, view.reason) == (BayState.UNKNOWN, Reason.IMPOSSIBLE)
    assert f"{distance_mm:.0f} mm" in (view.detail or "")


def test_an_echo_that_never_jitters_is_frozen_and_thaws_when_it_moves() -> None:
    bay = Bay()
    for _ in range(130):
        bay.now_s += 0.5
        bay.tracker.update(Echo(FLOOR_MM, 0.013), bay.now_s, bay.now_ms)

    assert bay.tracker.view.reason is Reason.FROZEN
    assert bay.hear(*[FLOOR_MM] * 6).state is BayState.FREE


def test_equal_echoes_are_not_frozen_before_their_time() -> None:
    bay = Bay()
    for _ in range(100):  # 50 s
        bay.now_s += 0.5
        bay.tracker.update(Echo(FLOOR_MM, 0.013), bay.now_s, bay.now_ms)

    assert bay.tracker.view.state is BayState.FREE


def test_it_comes_back_from_the_dead_after_the_debounce_time() -> None:
    bay = Bay()
    bay.hear(*[None] * 8)

    assert bay.hear(CAR_MM).state is BayState.UNKNOWN
    assert not bay.tracker.dead
    assert bay.hear(CAR_MM, CAR_MM).state is BayState.OCCUPIED


def test_pins_that_fail_say_sensor_error_with_its_sentence() -> None:
    bay = Bay()

    view = bay.tracker.fail("pins 4 and 5: busy", START_MS + 7)

    assert (view.reason, view.detail, view.since_unix_ms) == (Reason.SENSOR_ERROR, "pins 4 and 5: busy", START_MS + 7)


@given(st.lists(st.one_of(st.none(), st.floats(0, 10_000)), max_size=80))
def test_whatever_comes_unknown_has_a_reason_and_known_has_a_distance_in_range(echoes: list[float | None]) -> None:
    bay = Bay()
    for echo in echoes:
        view = bay.hear(echo)
        known = view.state is not BayState.UNKNOWN
        assert (view.reason is None) == known
        assert (view.distance_mm is not None) == known
        assert 0.0 <= view.confidence <= 1.0
        assert view.since_unix_ms <= bay.now_ms


@given(st.lists(st.floats(0, 1199), min_size=10, max_size=30))
def test_it_never_says_free_of_a_bay_in_which_only_near_echoes_were_heard(echoes: list[float]) -> None:
    assert Bay().hear(*echoes).state is not BayState.FREE
