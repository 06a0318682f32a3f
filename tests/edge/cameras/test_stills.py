"""The pictures that leave a camera."""

import base64

import cv2
import numpy as np

from contract.cameras import CameraZone, Point
from edge.cameras.explain import Moment, MomentStill, PastScore
from edge.cameras.lines import LINE, LINE_BYTES_MAX, STILL_BYTES_MAX, VIEW_BYTES_MAX, FireLine
from edge.cameras.ports import Picture, Region
from edge.cameras.stills import pixelated_outside, still_lines, view_line
from edge.cameras.watch import past_scores

REGION = Region(0.4, 0.4, 0.2, 0.2, 0.9)
NOISE = np.random.default_rng(1).integers(0, 255, (240, 320, 3)).astype(np.uint8)


def decoded(text: str) -> Picture:
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def test_outside_the_fire_nobody_can_be_known_and_the_fire_is_left() -> None:
    private = pixelated_outside(NOISE, REGION)
    assert np.array_equal(private[96:144, 128:192], NOISE[96:144, 128:192])
    corner = private[:26, :26].reshape(-1, 3)
    assert len(np.unique(corner, axis=0)) <= 9
    assert np.array_equal(NOISE, np.random.default_rng(1).integers(0, 255, (240, 320, 3)).astype(np.uint8))


def test_three_stills_and_their_private_copies_fit_into_a_line_at_their_worst() -> None:
    stills = [MomentStill(moment, NOISE, REGION, 1.0) for moment in Moment]
    lines = still_lines(stills, private=True)
    assert [(one.moment, one.private) for one in lines] == [
        (moment, private) for private in (False, True) for moment in ("before", "first", "now")
    ]
    assert all(len(base64.b64decode(one.jpeg_base64)) <= STILL_BYTES_MAX for one in lines)
    line = FireLine(fire="confirmed", score=1.0, first_seen_age_s=1.0, scores=(0.123,) * 60, stills=lines)
    assert len(LINE.dump_json(line)) < LINE_BYTES_MAX
    assert [one.private for one in still_lines(stills, private=False)] == [False] * 3


def test_a_still_shows_where_the_fire_is() -> None:
    grey = np.full((240, 320, 3), 90, np.uint8)
    picture = decoded(still_lines([MomentStill(Moment.NOW, grey, REGION, 0.0)], private=False)[0].jpeg_base64)
    assert picture[97, 160, 2] > picture[97, 160, 0] + 80
    assert abs(int(picture[10, 10, 2]) - 90) < 10


def test_a_view_is_small_and_shows_regions_and_zones() -> None:
    square = tuple(Point(x=x, y=y) for x, y in ((0.1, 0.1), (0.3, 0.1), (0.3, 0.3), (0.1, 0.3)))
    zone = CameraZone(name="stove", kind="cooking", points=square)
    grey = np.full((1080, 1920, 3), 90, np.uint8)
    line = view_line(grey, regions=(REGION,), zones=(zone,), score=0.9, fire="suspected", drill=True)
    assert line is not None
    assert (line.width_px, line.height_px) == (320, 180)
    picture = decoded(line.jpeg_base64)
    assert picture[72, 160, 2] > picture[72, 160, 0] + 60
    assert picture[18, 64, 0] > picture[18, 64, 2] + 60
    worst = view_line(NOISE, regions=(), zones=(), score=0.1, fire="quiet", drill=False)
    assert worst is None or len(base64.b64decode(worst.jpeg_base64)) <= VIEW_BYTES_MAX


def test_scores_come_one_a_quarter_second_newest_last_without_holes() -> None:
    history = [
        PastScore(age_s, score) for age_s, score in ((1.3, 0.1), (1.1, 0.2), (0.3, 0.6), (0.26, 0.5), (0.0, 0.9))
    ]
    assert past_scores(history) == (0.1, 0.2, 0.2, 0.2, 0.6, 0.9)
    assert past_scores(()) == ()
    assert len(past_scores([PastScore(index / 8, 0.5) for index in range(400)])) == 60
