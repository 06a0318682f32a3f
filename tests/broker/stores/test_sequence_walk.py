"""The ledger's decision: what is settled, what is given up, held against a plain reckoning of every number."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from broker.stores.gap_rows import merged, split
from broker.stores.sequence_walk import Hole, Walk, name_the_rest, walk

OLD, NEW = 1_000, 9_000
OVERDUE = 5_000


def walked(
    arrived: Sequence[tuple[int, int]], named: Sequence[tuple[int, int]] = (), *, settled: int = 0, spare: int = 0
) -> Walk:
    so_far = walk(Walk(settled, OLD), arrived, named, overdue_unix_ms=OVERDUE, spare_count=spare)
    if not so_far.is_stopped:
        name_the_rest(so_far, named)
    return so_far


def test_what_is_in_order_is_settled() -> None:
    found = walked([(1, OLD), (2, NEW), (3, NEW)])
    assert (found.settled_seq, found.updated_unix_ms, found.runs, found.holes) == (3, NEW, [(1, 3)], [])


def test_a_young_hole_stops_the_walk() -> None:
    found = walked([(1, OLD), (4, NEW)])
    assert (found.settled_seq, found.is_stopped, found.runs, found.holes) == (1, True, [(1, 1)], [])


def test_an_old_hole_is_given_up_between_its_neighbours() -> None:
    found = walked([(1, 2_000), (4, 3_000), (5, 3_000)])
    assert found.holes == [Hole(2, 3, 2_000, 3_000)]
    assert (found.settled_seq, found.runs) == (5, [(1, 1), (4, 5)])


def test_one_old_hole_after_another_is_given_up_at_once() -> None:
    found = walked([(2, OLD), (4, OLD), (6, OLD)])
    assert [(one.first_seq, one.last_seq) for one in found.holes] == [(1, 1), (3, 3), (5, 5)]


def test_a_hole_waits_while_the_numbers_before_it_still_come() -> None:
    """A backlog drains from the front: what is behind it came long ago, but nothing is lost yet."""
    assert walked([(1, OLD), (2, NEW), (9, OLD)]).is_stopped


def test_numbers_that_a_device_names_need_not_come() -> None:
    found = walked([(1, NEW), (6, NEW)], [(2, 5)])
    assert (found.settled_seq, found.holes, found.named_count) == (6, [], 4)


def test_only_what_is_not_named_is_given_up() -> None:
    found = walked([(1, OLD), (10, OLD)], [(4, 6), (9, 12)])
    assert [(one.first_seq, one.last_seq) for one in found.holes] == [(2, 3), (7, 8)]
    assert (found.settled_seq, found.named_count) == (12, 3 + 1 + 2)


def test_too_many_waiting_numbers_force_the_first_holes() -> None:
    found = walked([(2, NEW), (4, NEW), (6, NEW)], spare=2)
    assert [(one.first_seq, one.last_seq) for one in found.holes] == [(1, 1), (3, 3)]
    assert (found.settled_seq, found.is_stopped) == (4, True)


ranges = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 8)).map(lambda it: (it[0], it[0] + it[1])), max_size=6)


@given(
    st.dictionaries(st.integers(1, 60), st.sampled_from([OLD, NEW]), max_size=40),
    ranges.map(merged),
    st.integers(0, 20),
)
def test_every_settled_number_arrived_or_is_named_or_is_given_up_once(
    times: dict[int, int], named: list[tuple[int, int]], settled: int
) -> None:
    arrived = sorted((seq, time) for seq, time in times.items() if seq > settled)
    found = walked(arrived, named, settled=settled)
    in_runs = [seq for first, last in found.runs for seq in range(first, last + 1)]
    in_holes = [seq for one in found.holes for seq in range(one.first_seq, one.last_seq + 1)]
    is_named = {seq for first, last in named for seq in range(first, last + 1)}
    passed = set(range(settled + 1, found.settled_seq + 1))
    here = {seq for seq, _ in arrived}
    assert set(in_runs) == here & passed
    assert len(in_holes) == len(set(in_holes)) == len(passed - here - is_named)
    assert set(in_holes) == passed - here - is_named
    assert found.named_count == len((passed & is_named) - here)
    if not arrived and not named:
        assert found.settled_seq == settled
    assert found.settled_seq + 1 not in here | is_named, "it stopped where it could have gone on"


@given(st.integers(1, 50), st.integers(0, 50), ranges.map(merged))
def test_a_range_is_cut_into_its_parts(first: int, length: int, taken: list[tuple[int, int]]) -> None:
    last = first + length
    pieces = list(split(first, last, taken))
    wanted = {seq for one in taken for seq in range(one[0], one[1] + 1)}
    parts = [(seq, piece.is_taken) for piece in pieces for seq in range(piece.first_seq, piece.last_seq + 1)]
    assert parts == [(seq, seq in wanted) for seq in range(first, last + 1)]
