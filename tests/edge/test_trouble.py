"""Troubles, on injected time."""

import pytest

from contract.events import Phase
from contract.telemetry import BayReading, BayState, CameraReading, Reason
from edge.trouble import CLEAR_AFTER_S, COMPONENT, RAISE_AFTER_S, SILENT_AFTER_S, Trouble, TroubleWatch

BAY = ("bay", "a-01")


def bay(reason: Reason | None = None) -> BayReading:
    state = BayState.FREE if reason is None else BayState.UNKNOWN
    return BayReading(time_unix_ms=1, bay="a-01", state=state, reason=reason, confidence=0.0, since_unix_ms=0)


@pytest.fixture
def watch() -> TroubleWatch:
    return TroubleWatch((BAY, ("camera", "cam-1"), (COMPONENT, "bus")), 0.0)


def _phases(troubles: list[Trouble]) -> list[tuple[str, Phase]]:
    return [(trouble.subject, trouble.phase) for trouble in troubles]


def _settle(watch: TroubleWatch, now_s: float) -> None:
    camera = CameraReading(time_unix_ms=1, camera="cam-1", state="live")
    watch.observe(bay(), now_s)
    watch.observe(camera, now_s)


def test_unknown_for_a_while_is_raised_once_and_cleared_once_it_has_worked_for_a_while(watch: TroubleWatch) -> None:
    _settle(watch, 1.0)
    watch.observe(bay(Reason.NO_ECHO), 10.0)
    assert not watch.due(10.0 + RAISE_AFTER_S - 0.1)

    raised = watch.due(10.0 + RAISE_AFTER_S)
    assert _phases(raised) == [("a-01", Phase.RAISED)]
    assert raised[0].reason is Reason.NO_ECHO
    assert not watch.due(11.0 + RAISE_AFTER_S)
    _settle(watch, 41.0)
    watch.observe(bay(Reason.NO_ECHO), 41.0)
    assert not watch.due(42.0)

    watch.observe(bay(), 50.0)
    assert not watch.due(50.0 + CLEAR_AFTER_S - 0.1)
    cleared = watch.due(50.0 + CLEAR_AFTER_S)
    assert _phases(cleared) == [("a-01", Phase.CLEARED)]
    assert cleared[0].event_id == raised[0].event_id


def test_a_short_fault_is_no_trouble(watch: TroubleWatch) -> None:
    _settle(watch, 1.0)
    watch.observe(bay(Reason.NO_ECHO), 10.0)
    watch.observe(bay(), 20.0)
    watch.observe(bay(Reason.NO_ECHO), 21.0)

    assert not watch.due(21.0 + RAISE_AFTER_S - 0.1)


def test_a_camera_is_raised_sooner(watch: TroubleWatch) -> None:
    _settle(watch, 1.0)
    watch.observe(CameraReading(time_unix_ms=1, camera="cam-1", state="unknown", reason=Reason.FROZEN), 2.0)

    assert _phases(watch.due(12.0)) == [("cam-1", Phase.RAISED)]


def test_what_falls_silent_is_stale(watch: TroubleWatch) -> None:
    _settle(watch, 1.0)

    troubles = watch.due(1.0 + SILENT_AFTER_S)

    assert {trouble.reason for trouble in troubles} == {Reason.STALE}
    assert {trouble.subject for trouble in troubles} == {"a-01", "cam-1"}


def test_a_part_that_never_starts_is_raised(watch: TroubleWatch) -> None:
    troubles = watch.due(RAISE_AFTER_S)

    assert ("a-01", Phase.RAISED) in _phases(troubles)
    assert ("bus", Phase.RAISED) not in _phases(troubles)


def test_a_component_that_fails_is_raised_at_once_and_cleared_when_it_has_run_again(watch: TroubleWatch) -> None:
    _settle(watch, 1.0)
    watch.fault("bus", "OSError: in use", 2.0)
    raised = watch.due(2.0)
    assert _phases(raised) == [("bus", Phase.RAISED)]
    assert raised[0].detail == "OSError: in use"

    watch.fault("bus", None, 32.0)
    _settle(watch, 37.0)
    assert _phases(watch.due(37.0)) == [("bus", Phase.CLEARED)]


def test_troubles_of_an_earlier_run_are_cleared_under_their_own_id(watch: TroubleWatch) -> None:
    old = Trouble("0" * 32, Phase.RAISED, "bay", "a-01", Reason.NO_ECHO, "")
    gone = Trouble("1" * 32, Phase.RAISED, "bay", "z-99", Reason.NO_ECHO, "")

    orphans = watch.restore([old, gone])

    assert [(one.event_id, one.phase) for one in orphans] == [("1" * 32, Phase.CLEARED)]
    assert watch.raised == (old,)
    _settle(watch, 1.0)
    _settle(watch, 6.0)
    assert [(one.event_id, one.phase) for one in watch.due(6.0)] == [("0" * 32, Phase.CLEARED)]


def test_readings_of_nobody_s_part_are_passed_over(watch: TroubleWatch) -> None:
    _settle(watch, 1.0)
    stranger = bay(Reason.NO_ECHO).model_copy(update={"bay": "z-99"})
    watch.observe(stranger, 2.0)

    assert not watch.due(40.0)


@pytest.mark.parametrize(
    ("reason", "patience_s"),
    [(Reason.COVERED, 30.0), (Reason.MOVED, 60.0), (Reason.BLACK, 300.0), (Reason.TOO_DARK, 1800.0)],
)
def test_a_camera_that_does_not_see_for_a_moment_is_no_trouble(
    watch: TroubleWatch, reason: Reason, patience_s: float
) -> None:
    _settle(watch, 0.0)
    for second in range(int(patience_s) + 1):
        watch.observe(CameraReading(time_unix_ms=1, camera="cam-1", state="unknown", reason=reason), float(second))
        watch.observe(bay(), float(second))
        assert bool(watch.due(float(second))) is (second == int(patience_s))
