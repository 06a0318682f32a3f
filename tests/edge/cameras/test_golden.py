"""The committed clips: a flame, what looks like one, and a flame where one belongs."""

from pathlib import Path

import pytest

from contract.cameras import CameraZone, Point
from edge.cameras.media import open_clip
from edge.cameras.pipeline import FireState, PipelineResult, fire_pipeline
from edge.cameras.settings import FireSettings
from tests.edge.cameras.golden import BYTES_MAX, CLIPS, SCENES

AROUND_THE_WOK = CameraZone(
    name="wok",
    kind="cooking",
    points=tuple(Point(x=x, y=y) for x, y in ((0.1, 0.3), (0.5, 0.3), (0.5, 1.0), (0.1, 1.0))),
    size_share_max=1.0,
)


def alarm(name: str, settings: FireSettings | None = None) -> tuple[float, PipelineResult] | None:
    """When the clip's alarm came and what was said with it."""
    pipeline = fire_pipeline(settings or FireSettings())
    with open_clip(CLIPS / f"{name}.mp4") as clip:
        for frame in clip.frames:
            result = pipeline.process(frame)
            if result.changed and result.state is FireState.CONFIRMED:
                return frame.time_s, result
    return None


def test_a_flame_in_a_dark_stall_is_found_and_explained() -> None:
    found = alarm("flame_in_a_dark_stall")
    assert found is not None
    alarm_s, result = found
    assert alarm_s <= 3.0
    assert result.reasons is not None
    region = result.reasons.region
    assert 0.5 <= region.x + region.w / 2 <= 0.75
    assert 0.3 <= region.y + region.h / 2 <= 0.85
    assert result.reasons.signs
    assert max(past.score for past in result.reasons.history) >= FireSettings().score_min


@pytest.mark.parametrize("name", ["neon_sign", "headlights"])
def test_lamps_stay_quiet(name: str) -> None:
    assert alarm(name) is None


def test_a_wok_is_a_fire_but_for_the_zone_around_it() -> None:
    assert alarm("wok_in_its_zone") is not None
    assert alarm("wok_in_its_zone", FireSettings(zones=(AROUND_THE_WOK,))) is None


def test_a_zone_elsewhere_hides_nothing() -> None:
    away = AROUND_THE_WOK.model_copy(
        update={"points": tuple(Point(x=point.x + 0.45, y=point.y) for point in AROUND_THE_WOK.points)}
    )
    assert alarm("wok_in_its_zone", FireSettings(zones=(away,))) is not None


def test_an_ignored_polygon_is_not_looked_at() -> None:
    masked = AROUND_THE_WOK.model_copy(update={"kind": "ignored"})
    assert alarm("wok_in_its_zone", FireSettings(zones=(masked,))) is None


@pytest.mark.parametrize("name", SCENES)
def test_the_clips_are_small(name: str) -> None:
    assert Path(CLIPS / f"{name}.mp4").stat().st_size <= BYTES_MAX
