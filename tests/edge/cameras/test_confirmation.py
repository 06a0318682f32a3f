from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cameras.confirmation import Confirmation, FireState, plain_step, steps_of
from edge.cameras.ports import Detection, Region
from edge.cameras.settings import FireSettings

SETTINGS = FireSettings(confirm_window_s=1.5, confirm_share=0.75, clear_after_s=10.0, score_min=0.5)
HERE = Region(0.4, 0.4, 0.1, 0.1, 0.9)
BARELY = Region(0.4, 0.4, 0.1, 0.1, 0.5)
THERE = Region(0.8, 0.1, 0.1, 0.1, 0.9)
QUIET = Detection(0.0)


def flame(*regions: Region) -> Detection:
    return Detection(max(region.score for region in regions), regions)


def feed(confirmation: Confirmation, detection: Detection, begin_s: float, end_s: float, fps: float) -> float | None:
    """When the state became confirmed, of frames from `begin_s` up to `end_s`."""
    for index in range(round((end_s - begin_s) * fps)):
        time_s = begin_s + index / fps
        if confirmation.update(detection, time_s) is FireState.CONFIRMED:
            return time_s
    return None


@pytest.mark.parametrize("fps", [4.0, 5.0, 8.0, 15.0])
def test_a_lasting_flame_is_confirmed_at_any_rate_within_the_window_and_a_frame(fps: float) -> None:
    confirmation = Confirmation(SETTINGS)
    confirmed_s = feed(confirmation, flame(BARELY), 3.0, 8.0, fps)
    assert confirmed_s is not None
    assert 3.0 + 0.75 * 1.5 <= confirmed_s <= 3.0 + 1.5 + 1 / fps
    assert confirmation.first_seen_time_s == 3.0


@pytest.mark.parametrize("fps", [4.0, 5.0, 8.0, 15.0])
def test_a_sure_flame_is_confirmed_in_half_the_time(fps: float) -> None:
    confirmed_s = feed(Confirmation(SETTINGS), flame(HERE), 3.0, 8.0, fps)
    assert confirmed_s is not None
    assert confirmed_s <= 3.0 + 0.75 + 1 / fps


def test_the_surer_a_place_has_to_be_the_shorter_the_window() -> None:
    steps = steps_of(SETTINGS)
    assert all(a.window_s < b.window_s and a.score_min > b.score_min for a, b in pairwise(steps))
    assert steps[-1] == plain_step(SETTINGS)[0]


def alarm_index(scores: list[float], fps: float) -> int:
    """The frame that raises the alarm; their number where none does."""
    confirmation = Confirmation(SETTINGS)
    for index, score in enumerate(scores):
        if confirmation.update(flame(Region(0.4, 0.4, 0.1, 0.1, score)), index / fps) is FireState.CONFIRMED:
            return index
    return len(scores)


SCORES = st.lists(st.sampled_from([0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]), min_size=1, max_size=40)


@given(SCORES, st.data(), st.sampled_from([4.0, 8.0, 15.0]))
def test_more_evidence_never_delays_an_alarm(scores: list[float], data: st.DataObject, fps: float) -> None:
    raised = [max(score, data.draw(st.floats(0, 1))) for score in scores]
    assert alarm_index(raised, fps) <= alarm_index(scores, fps)


@given(st.integers(0, 30), st.sampled_from([4.0, 8.0, 15.0]), st.floats(0, 0.49))
def test_a_single_frame_never_alarms_nor_do_two(place: int, fps: float, background: float) -> None:
    scores = [background] * 40
    scores[place] = scores[place + 1] = 1.0
    assert alarm_index(scores, fps) == len(scores)


def test_a_fire_that_fades_still_holds_and_one_that_is_hardly_there_does_not() -> None:
    confirmation = Confirmation(SETTINGS)
    assert feed(confirmation, flame(HERE), 0.0, 2.0, 8.0) is not None
    fading, gone = Region(0.4, 0.4, 0.1, 0.1, 0.35), Region(0.4, 0.4, 0.1, 0.1, 0.2)
    assert feed(confirmation, flame(fading), 2.0, 20.0, 8.0) is not None
    feed(confirmation, flame(gone), 20.0, 31.0, 8.0)
    assert confirmation.state is FireState.QUIET


def test_the_region_is_that_of_the_place_that_was_proven() -> None:
    confirmation = Confirmation(SETTINGS)
    assert confirmation.region is None
    feed(confirmation, flame(Region(0.8, 0.1, 0.1, 0.1, 0.5), HERE), 0.0, 1.0, 8.0)
    assert confirmation.region == HERE


def test_a_single_frame_is_a_suspicion_that_ends() -> None:
    confirmation = Confirmation(SETTINGS)
    assert confirmation.update(flame(HERE), 0.0) is FireState.SUSPECTED
    assert confirmation.first_seen_time_s == 0.0
    assert feed(confirmation, QUIET, 0.125, 3.0, 8.0) is None
    assert confirmation.state is FireState.QUIET
    assert confirmation.first_seen_time_s is None


def test_every_second_frame_is_not_enough() -> None:
    confirmation = Confirmation(SETTINGS)
    for index in range(80):
        detection = flame(HERE) if index % 2 else QUIET
        assert confirmation.update(detection, index / 8) is not FireState.CONFIRMED


def test_flames_that_jump_about_the_picture_confirm_nothing() -> None:
    confirmation = Confirmation(SETTINGS)
    for index in range(80):
        x = (index * 0.37) % 0.9
        assert confirmation.update(flame(Region(x, x, 0.02, 0.02, 0.9)), index / 8) is not FireState.CONFIRMED


def test_two_fires_side_by_side_are_confirmed_though_their_order_changes() -> None:
    confirmation = Confirmation(SETTINGS)
    near = Region(0.45, 0.4, 0.1, 0.1, 0.8)
    states = [
        confirmation.update(flame(HERE, near) if index % 2 else flame(near, HERE), index / 8) for index in range(20)
    ]
    assert states[-1] is FireState.CONFIRMED


def test_a_confirmed_fire_clears_only_after_the_quiet_time() -> None:
    confirmation = Confirmation(SETTINGS)
    assert feed(confirmation, flame(HERE), 0.0, 4.0, 8.0) is not None
    last_flame_s = 4.0
    confirmation.update(flame(THERE), last_flame_s)
    assert confirmation.update(QUIET, last_flame_s + 9.9) is FireState.CONFIRMED
    assert confirmation.update(QUIET, last_flame_s + 10.0) is FireState.QUIET


def test_a_weak_region_is_no_flame() -> None:
    confirmation = Confirmation(SETTINGS)
    assert feed(confirmation, flame(Region(0.4, 0.4, 0.1, 0.1, 0.49)), 0.0, 5.0, 8.0) is None
    assert confirmation.state is FireState.QUIET


def test_a_restart_ends_suspicion_and_keeps_a_fire() -> None:
    confirmation = Confirmation(SETTINGS)
    assert feed(confirmation, flame(HERE), 100.0, 104.0, 8.0) is not None
    confirmation.restart(0.0)
    assert confirmation.update(QUIET, 9.9) is FireState.CONFIRMED
    assert confirmation.update(QUIET, 10.0) is FireState.QUIET


def test_the_places_followed_are_bounded() -> None:
    confirmation = Confirmation(SETTINGS)
    crowd = tuple(Region((i % 10) / 10, (i // 10) / 10, 0.001, 0.001, 0.9) for i in range(100))
    for index in range(5):
        confirmation.update(flame(*crowd), index / 8)
    assert len(confirmation._tracks) <= 8
