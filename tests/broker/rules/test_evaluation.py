"""Rules over time: how long, how stale, how often somebody looks; and what must hold for any history."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.rules.evaluation import QUIET, Judged, Standing, Timing, Turn, follow
from broker.rules.model import CLEARS, HOLDS, NEITHER, Verdict
from tests.broker.rules.ruleset import FULL, rule

TIMING = Timing(hold_ms=25, for_ms=60, clear_for_ms=20)
PROMPT = Timing(hold_ms=25, for_ms=0, clear_for_ms=0)


def turns(values: Sequence[Judged], until: int, timing: Timing = TIMING) -> list[tuple[int, bool]]:
    return [(one.time_unix_ms, one.fires) for one in follow(timing, QUIET, values, until).turns]


def every(step: int, begin: int, end: int, verdict: Verdict) -> list[Judged]:
    return [(time, verdict) for time in range(begin, end, step)]


def test_it_fires_after_the_condition_has_held_long_enough_and_ends_as_patiently() -> None:
    history = [*every(10, 0, 100, HOLDS), *every(10, 100, 200, CLEARS)]
    assert turns(history, 200) == [(60, True), (120, False)]
    assert turns(every(10, 0, 60, HOLDS), 60) == [], "the value of that very time has not been heard"
    assert turns(every(10, 0, 60, HOLDS), 61) == [(60, True)]


def test_a_break_begins_the_wait_anew() -> None:
    assert turns([*every(10, 0, 60, HOLDS), (60, CLEARS), *every(10, 70, 130, HOLDS)], 130) == []
    assert turns([*every(10, 0, 60, HOLDS), (59, CLEARS), *every(10, 60, 130, HOLDS)], 130) == [(120, True)]


def test_without_a_wait_it_turns_with_the_value() -> None:
    assert turns([(5, HOLDS), (6, NEITHER), (7, CLEARS), (8, HOLDS)], 9, PROMPT) == [(5, True), (7, False), (8, True)]


def test_what_is_stale_neither_fires_nor_clears() -> None:
    assert turns([(0, HOLDS)], 10_000) == [], "one value stands for 25 ms only"
    firing = [*every(10, 0, 70, HOLDS)]
    assert turns([*firing, (70, CLEARS)], 10_000, replace(TIMING, clear_for_ms=26)) == [(60, True)]
    assert turns([*firing, (70, CLEARS), (5000, CLEARS), (5010, CLEARS)], 10_000) == [(60, True), (90, False)]


def test_time_without_a_value_counts_for_nothing_and_loses_nothing() -> None:
    history = [*every(10, 0, 31, HOLDS), *every(10, 1000, 1100, HOLDS)]
    # seen to hold from 0 to 55 (the value of 30 stands until then), and 5 more from 1000
    assert turns(history, 1100) == [(1005, True)]


def test_unknown_values_pause_like_silence() -> None:
    history = [*every(10, 0, 31, HOLDS), (40, None), *every(10, 50, 100, HOLDS)]
    assert turns(history, 100) == [(70, True)]


def test_within_the_band_nothing_changes() -> None:
    band = every(10, 70, 5000, NEITHER)
    assert turns([*every(10, 0, 70, HOLDS), *band], 5000) == [(60, True)]
    assert turns([*every(10, 0, 30, HOLDS), *band], 5000) == [], "nor does the band fire"


def test_older_values_are_passed_over_and_late_ones_count_from_when_somebody_looked() -> None:
    standing = follow(PROMPT, QUIET, [(100, HOLDS)], 200).standing
    assert follow(PROMPT, standing, [(90, CLEARS), (100, CLEARS)], 210).turns == ()
    assert follow(PROMPT, standing, [(150, CLEARS)], 210).turns == (Turn(200, fires=False),)


def test_how_long_something_was_known_is_counted() -> None:
    assert follow(TIMING, QUIET, every(10, 0, 100, CLEARS), 1000).known_ms == 115
    assert follow(TIMING, QUIET, every(10, 0, 100, HOLDS), 1000).known_ms == 115
    assert follow(TIMING, QUIET, [(0, CLEARS), (10, None), (20, CLEARS)], 1000).known_ms == 35
    assert follow(TIMING, QUIET, every(50, 0, 1000, CLEARS), 1000).known_ms == 500


def test_a_rule_s_timing_is_in_milliseconds() -> None:
    assert Timing.of(rule(FULL, for_s=1.5, clear_for_s=2)) == Timing(25_000, 1500, 2000)


VERDICTS: tuple[Verdict, ...] = (HOLDS, HOLDS, HOLDS, NEITHER, CLEARS, CLEARS, None)


@st.composite
def histories(draw: st.DrawFn) -> list[Judged]:
    steps = draw(st.lists(st.tuples(st.integers(1, 40), st.sampled_from(VERDICTS)), max_size=60))
    time, found = 0, []
    for step, verdict in steps:
        time += step
        found.append((time, verdict))
    return found


timings = st.builds(Timing, st.integers(1, 30), st.sampled_from((0, 1, 20, 60)), st.sampled_from((0, 1, 20)))


@given(histories(), timings, st.lists(st.integers(0, 2500), max_size=30))
@settings(max_examples=300, deadline=None)
def test_one_pass_is_the_same_as_any_steps(history: list[Judged], timing: Timing, looks: list[int]) -> None:
    until = 2600
    whole = follow(timing, QUIET, history, until)
    standing, known_ms, rest = QUIET, 0, history
    found: list[Turn] = []
    for look in [*sorted(looks), until]:
        due = [one for one in rest if one[0] < look]
        rest = rest[len(due) :]
        step = follow(timing, standing, due, look)
        standing, known_ms = step.standing, known_ms + step.known_ms
        found += step.turns
    assert (standing, tuple(found), known_ms) == (whole.standing, whole.turns, whole.known_ms)


@given(histories(), timings)
@settings(max_examples=300, deadline=None)
def test_a_restart_reads_on_from_where_it_was_written_down(history: list[Judged], timing: Timing) -> None:
    """What is kept over a restart is only since when; the values from there bring back the rest."""
    for cut in range(0, 2600, 97):
        before = follow(timing, QUIET, [one for one in history if one[0] < cut], cut).standing
        if before.is_quiet:
            continue
        since = before.firing_since_unix_ms
        if since is None:
            assert before.turning_since_unix_ms is not None
            begin = before.turning_since_unix_ms
            kept = Standing(until_unix_ms=begin, heard_unix_ms=begin - 1)
        else:
            begin = since + 1
            kept = Standing(since, until_unix_ms=begin, heard_unix_ms=begin - 1)
        on = follow(timing, kept, [one for one in history if one[0] >= begin], 2600)
        whole = follow(timing, QUIET, history, 2600)
        assert on.turns == tuple(one for one in whole.turns if one.time_unix_ms >= begin)


@given(histories(), timings)
@settings(max_examples=300, deadline=None)
def test_it_never_fires_before_its_time_nor_on_anything_but_fresh_values(history: list[Judged], timing: Timing) -> None:
    """Held against a clumsy second reckoning: millisecond by millisecond what is known."""
    until = 2600
    known: list[Verdict] = [None] * until
    ends = [*(time for time, _ in history), until][1:]
    for (time, verdict), after in zip(history, ends, strict=True):
        for moment in range(time, min(after, time + timing.hold_ms, until)):
            known[moment] = verdict
    expected, fires, seen = [], False, 0
    for moment in range(until):
        wanted, needed = (CLEARS, timing.clear_for_ms) if fires else (HOLDS, timing.for_ms)
        verdict = known[moment]
        if verdict == wanted and seen >= needed:
            expected.append((moment, not fires))
            fires, seen = not fires, 0
            continue
        if verdict == wanted:
            seen += 1
        elif verdict is not None:
            seen = 0
    assert turns(history, until, timing) == expected


@given(st.lists(st.floats(0.7, 0.8, exclude_min=True), min_size=1, max_size=50), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_value_that_trembles_within_the_band_never_flaps(values: list[float], fires_first: bool) -> None:
    one = rule(FULL, for_s=0)
    judge, timing = one.judge(), Timing.of(one)
    first = [(0, judge(0.9))] if fires_first else []
    history = [*first, *((1000 * (place + 1), judge(value)) for place, value in enumerate(values))]
    assert turns(history, 10_000_000, timing) == [(0, True)][: len(first)]


@pytest.mark.parametrize("quiet", [QUIET, Standing(until_unix_ms=5)])
def test_quiet_is_neither_firing_nor_waiting(quiet: Standing) -> None:
    assert quiet.is_quiet
    assert not replace(quiet, firing_since_unix_ms=1).is_quiet
    assert not replace(quiet, turning_since_unix_ms=1).is_quiet
