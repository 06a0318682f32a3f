"""The schedule: midnight, weekdays, priorities, and an answer that does not depend on order."""

import random

from hypothesis import given
from hypothesis import strategies as st

from contract.hours import MINUTES_PER_DAY, MS_PER_MINUTE, window_minutes
from contract.schedule import decide, is_active
from contract.signage import Item, Manifest, Playlist, Slot

DAY_MS = MINUTES_PER_DAY * MS_PER_MINUTE
MONDAY_UNIX_MS = 1_767_571_200_000  # 2026-01-05T00:00:00Z
PLAYLISTS = tuple(Playlist(playlist=name, items=(Item(item="i", kind="notice"),)) for name in ("a", "b", "c"))
MINUTES = st.integers(0, MINUTES_PER_DAY - 1)
SLOTS = st.builds(
    Slot,
    slot=st.from_regex(r"[a-z]{1,4}", fullmatch=True),
    playlist=st.sampled_from(["a", "b", "c"]),
    days=st.sets(st.integers(1, 7), min_size=1).map(lambda days: tuple(sorted(days))),
    from_minute=MINUTES,
    to_minute=MINUTES,
    priority=st.integers(0, 3),
)
TIMES = st.integers(MONDAY_UNIX_MS, MONDAY_UNIX_MS + 14 * DAY_MS)


def manifest(*slots: Slot, utc_offset_minutes: int = 0) -> Manifest:
    return Manifest(
        market="jungang",
        device="edge-1",
        generation=7,
        issued_unix_ms=0,
        utc_offset_minutes=utc_offset_minutes,
        playlists=PLAYLISTS,
        slots=slots,
    )


def at(day: int, minute: int) -> int:
    """Minute of a day of the week that begins on Monday (1)."""
    return MONDAY_UNIX_MS + (day - 1) * DAY_MS + minute * MS_PER_MINUTE


def test_a_night_belongs_to_the_day_on_which_it_starts() -> None:
    night = Slot(slot="night", playlist="a", days=(5,), from_minute=1320, to_minute=360)
    assert not is_active(night, at(5, 1319), 0)
    assert is_active(night, at(5, 1320), 0)
    assert is_active(night, at(6, 359), 0)
    assert not is_active(night, at(6, 360), 0)
    assert not is_active(night, at(5, 100), 0), "Friday's early morning belongs to Thursday"
    assert is_active(Slot(slot="n", playlist="a", days=(7,), from_minute=1320, to_minute=360), at(8, 10), 0)


def test_the_market_has_its_own_clock() -> None:
    morning = Slot(slot="morning", playlist="a", days=(2,), from_minute=0, to_minute=60)
    assert is_active(morning, at(1, 15 * 60), 540), "Monday 15:00 UTC is Tuesday 00:00 in Korea"
    assert not is_active(morning, at(2, 0), 540)


def test_validity_includes_its_start_and_not_its_end() -> None:
    slot = Slot(slot="s", playlist="a", valid_from_unix_ms=at(1, 10), valid_until_unix_ms=at(1, 20))
    assert [is_active(slot, at(1, minute), 0) for minute in (9, 10, 19, 20)] == [False, True, True, False]


def test_without_a_slot_nothing_plays_and_it_is_said() -> None:
    decision = decide(manifest(), at(1, 0))
    assert (decision.playlist, decision.slot) == (None, None)
    assert "generation 7 has no slot for this time" in decision.why


@given(SLOTS)
def test_a_slot_is_active_for_its_minutes_on_each_of_its_days(slot: Slot) -> None:
    active = sum(
        is_active(slot, at(day, minute), 0) for day in range(8, 15) for minute in range(0, MINUTES_PER_DAY, 60)
    )
    expected = len(slot.days) * window_minutes(slot.from_minute, slot.to_minute) / 60
    assert abs(active - expected) <= len(slot.days), "within a sample at each edge"


@given(st.lists(SLOTS, max_size=6, unique_by=lambda slot: slot.slot), TIMES, st.randoms(use_true_random=False))
def test_order_changes_nothing(slots: list[Slot], now_unix_ms: int, rng: random.Random) -> None:
    before = decide(manifest(*slots), now_unix_ms)
    rng.shuffle(slots)
    assert decide(manifest(*slots), now_unix_ms) == before


@given(st.lists(SLOTS, max_size=6, unique_by=lambda slot: slot.slot), TIMES)
def test_the_highest_priority_wins_then_the_narrowest(slots: list[Slot], now_unix_ms: int) -> None:
    decision = decide(manifest(*slots), now_unix_ms)
    active = [slot for slot in slots if is_active(slot, now_unix_ms, 0)]
    if decision.slot is None:
        assert not active
        return
    assert decision.slot in active
    assert decision.playlist is not None
    assert decision.playlist.playlist == decision.slot.playlist
    assert decision.slot.slot in decision.why
    for slot in active:
        assert slot.priority <= decision.slot.priority
        if slot.priority == decision.slot.priority:
            assert window_minutes(slot.from_minute, slot.to_minute) >= window_minutes(
                decision.slot.from_minute, decision.slot.to_minute
            )
