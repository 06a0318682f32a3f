"""The counting machines, on injected time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sensing.crossing import BeamMachine, LoopMachine, Step

OUTER, INNER = 0, 1
Move = tuple[int, bool]

WALK_IN: list[Move] = [(OUTER, True), (INNER, True), (OUTER, False), (INNER, False)]
WALK_OUT: list[Move] = [(1 - which, active) for which, active in WALK_IN]
RUN_IN: list[Move] = [(OUTER, True), (OUTER, False), (INNER, True), (INNER, False)]
TURN_BACK: list[Move] = [(OUTER, True), (INNER, True), (INNER, False), (OUTER, False)]
LEAN_IN: list[Move] = [(OUTER, True), (OUTER, False)]


def _play(machine: BeamMachine, moves: list[Move], begin_s: float = 0.0) -> list[Step]:
    steps = [machine.edge(which, begin_s + place * 0.1, active=active) for place, (which, active) in enumerate(moves)]
    return [step for step in steps if step is not Step.NOTHING]


@pytest.mark.parametrize(
    ("moves", "steps"),
    [(WALK_IN, [Step.IN]), (WALK_OUT, [Step.OUT]), (RUN_IN, [Step.IN]), (TURN_BACK, []), (LEAN_IN, [])],
)
def test_the_order_of_the_beams_is_the_way(moves: list[Move], steps: list[Step]) -> None:
    assert _play(BeamMachine(), moves) == steps


@pytest.mark.parametrize(
    ("moves", "steps"),
    [
        (LEAN_IN + WALK_OUT, [Step.OUT]),
        ([(1 - which, active) for which, active in LEAN_IN] + WALK_IN, [Step.IN]),
        (LEAN_IN + WALK_IN, [Step.IN]),
        ([(OUTER, True), (INNER, True), (OUTER, False), (OUTER, True), (INNER, False), (OUTER, False)], []),
    ],
)
def test_who_turned_back_does_not_hide_who_comes_next(moves: list[Move], steps: list[Step]) -> None:
    assert _play(BeamMachine(), moves) == steps


def test_two_halves_far_apart_are_no_crossing() -> None:
    machine = BeamMachine()

    assert _play(machine, LEAN_IN) == []
    assert _play(machine, [(INNER, True), (INNER, False)], begin_s=5.0) == []
    assert _play(machine, WALK_IN, begin_s=10.0) == [Step.IN]


def test_after_a_half_crossing_the_next_person_counts() -> None:
    machine = BeamMachine()
    _play(machine, LEAN_IN)

    assert _play(machine, WALK_OUT, begin_s=3.0) == [Step.OUT]


def test_a_blocked_beam_is_said_and_what_it_was_in_is_forgotten() -> None:
    machine = BeamMachine()
    machine.edge(OUTER, 0.0, active=True)

    assert machine.stuck(29.0) is None
    assert machine.stuck(31.0) == (OUTER, 31.0)
    assert machine.edge(OUTER, 40.0, active=False) is Step.NOTHING
    assert machine.stuck(41.0) is None
    assert _play(machine, WALK_IN, begin_s=50.0) == [Step.IN]


def test_the_same_level_twice_is_no_edge() -> None:
    machine = BeamMachine()

    assert _play(machine, [(OUTER, True), (OUTER, True), (INNER, True), (OUTER, False), (INNER, False)]) == [Step.IN]


@given(st.lists(st.tuples(st.sampled_from([OUTER, INNER]), st.booleans(), st.floats(0.0, 5.0)), max_size=60))
def test_no_noise_counts_more_than_one_person_for_two_broken_beams(edges: list[tuple[int, bool, float]]) -> None:
    machine, now_s, steps, breaks, level = BeamMachine(), 0.0, 0, 0, [False, False]
    for which, active, wait_s in edges:
        now_s += wait_s
        breaks += active and not level[which]
        level[which] = active
        steps += machine.edge(which, now_s, active=active) is not Step.NOTHING
        machine.stuck(now_s)

    assert steps * 2 <= breaks


@given(st.lists(st.sampled_from([True, False]), max_size=30))
def test_any_sequence_of_people_one_by_one_is_counted_exactly(ways: list[bool]) -> None:
    machine = BeamMachine()
    steps: list[Step] = []
    for place, inwards in enumerate(ways):
        steps += _play(machine, WALK_IN if inwards else WALK_OUT, begin_s=place * 1.0)

    assert steps == [Step.IN if inwards else Step.OUT for inwards in ways]


def test_a_gate_counts_at_the_beginning_of_each_pulse() -> None:
    machine = LoopMachine()

    assert machine.edge(0, 0.0, active=True) is Step.IN
    assert machine.edge(0, 2.0, active=False) is Step.NOTHING
    assert machine.edge(1, 3.0, active=True) is Step.OUT


def test_a_bounce_or_a_second_axle_is_the_same_vehicle() -> None:
    machine = LoopMachine(gap_s_min=0.3)
    machine.edge(0, 0.0, active=True)
    machine.edge(0, 1.0, active=False)

    assert machine.edge(0, 1.1, active=True) is Step.NOTHING
    machine.edge(0, 1.2, active=False)
    assert machine.edge(0, 1.6, active=True) is Step.IN


def test_a_loop_that_stays_active_is_stuck() -> None:
    machine = LoopMachine(stuck_after_s=600)
    machine.edge(1, 0.0, active=True)

    assert machine.stuck(599.0) is None
    assert machine.stuck(600.0) == (1, 600.0)
