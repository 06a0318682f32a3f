"""The table of an incident's states: whatever happens in whatever order, it stays in it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.stores.incident_states import (
    ACTIVE,
    BEGINS,
    TABLE,
    Action,
    Level,
    Standing,
    State,
    after,
    closes_by_itself,
)

ACTIONS = st.lists(st.sampled_from(Action), max_size=40)


def walk(actions: list[Action]) -> list[Standing]:
    """Every standing on the way from the beginning; an action without a place is passed over."""
    way = [BEGINS[Action.RAISE]]
    for action in actions:
        way.append(after(way[-1], action) or way[-1])
    return way


@given(ACTIONS)
def test_every_sequence_of_actions_ends_in_a_legal_state(actions: list[Action]) -> None:
    assert walk(actions)[-1] in TABLE


@given(ACTIONS)
def test_closed_never_reopens(actions: list[Action]) -> None:
    states = [one.state for one in walk(actions)]
    if State.CLOSED in states:
        assert set(states[states.index(State.CLOSED) :]) == {State.CLOSED}


@given(ACTIONS)
def test_nothing_closes_that_is_still_seen(actions: list[Action]) -> None:
    way = walk(actions)
    for before, here in itertools.pairwise(way):
        if here.state is State.CLOSED and before.state is not State.CLOSED:
            assert before.state is State.CLEARED


@given(ACTIONS)
def test_an_acknowledgement_goes_only_when_the_level_rises(actions: list[Action]) -> None:
    way = walk(actions)
    for action, (before, here) in zip(actions, itertools.pairwise(way), strict=True):
        if before.is_acknowledged and not here.is_acknowledged:
            assert action is Action.RISE
        if here.is_acknowledged and not before.is_acknowledged:
            assert action is Action.ACKNOWLEDGE


def test_every_standing_is_reached_and_none_is_named_that_is_not_there() -> None:
    reached, border = set(BEGINS.values()), set(BEGINS.values())
    while border:
        border = {there for here in border for there in TABLE[here].values()} - reached
        reached |= border
    assert reached == set(TABLE)


def test_the_states_names_and_the_acknowledgement_agree() -> None:
    for one in TABLE:
        if one.state in ACTIVE:
            assert one.is_acknowledged == (one.state is State.ACKNOWLEDGED)


@pytest.mark.parametrize(
    ("acknowledged", "level", "must_be_seen", "closes"),
    [
        (False, Level.ALARM, True, False),
        (True, Level.ALARM, True, True),
        (False, Level.WATCH, True, True),
        (False, Level.ALARM, False, True),
    ],
)
def test_only_an_unacknowledged_fire_waits_for_somebody(
    level: Level, *, acknowledged: bool, must_be_seen: bool, closes: bool
) -> None:
    here = Standing(State.CLEARED, acknowledged)
    assert closes_by_itself(here, level, must_be_seen=must_be_seen) == closes
    for one in TABLE:
        if one.state is not State.CLEARED:
            assert not closes_by_itself(one, level, must_be_seen=must_be_seen)
