"""When a camera says that it cannot see: on rendered places, and on every real clip as it is and spoilt."""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.telemetry import Reason
from edge.cameras.glance import Glance, glance_at
from edge.cameras.media import open_clip
from edge.cameras.ports import Picture
from edge.cameras.seeing import Finding, Held, Seeing, SightMemory, Usual
from tests.edge.cameras.scenes import stall

STEP_S = 0.5
Spoil = Callable[[Picture], Picture]
RNG = np.random.default_rng(5)


def place(seed: int = 0) -> Picture:
    """The stall of the fire tests, in a camera's noise."""
    grain = np.random.default_rng(seed).normal(0, 3, (240, 320, 3))
    return np.clip(stall() + grain, 0, 255).astype(np.uint8)


def gain(factor: float) -> Spoil:
    return lambda image: np.asarray(cv2.convertScaleAbs(image, alpha=factor), np.uint8)


def blurred(sigma_share: float) -> Spoil:
    return lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_share * max(image.shape)), np.uint8)


def covered(level: int) -> Spoil:
    """A hand before the lens: one brightness with a slow change across, and noise."""

    def spoil(image: Picture) -> Picture:
        height, width = image.shape[:2]
        slope = np.linspace(-6, 6, width)[None, :, None]
        return np.clip(level + slope + RNG.normal(0, 2, (height, width, 3)), 0, 255).astype(np.uint8)

    return spoil


def shifted(share: float) -> Spoil:
    def spoil(image: Picture) -> Picture:
        height, width = image.shape[:2]
        matrix = np.array([[1, 0, share * width], [0, 1, 0]], np.float32)
        return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)

    return spoil


def watch(seeing: Seeing, pictures: list[Picture], seconds: float, start_s: float = 0.0) -> Iterator[Finding | None]:
    """What is found while the pictures play to and fro."""
    glances = [glance_at(picture) for picture in pictures]
    turn = glances + glances[-2:0:-1]
    for index in range(int(seconds / STEP_S)):
        seeing.take(turn[index % len(turn)], start_s + index * STEP_S)
        yield seeing.finding


def found(before: list[Picture], after: list[Picture]) -> set[Reason]:
    """What comes up within a minute of `after`, when the camera has learnt its view and sharpness on `before`."""
    seeing = Seeing(SightMemory(), accept_view_after_s=4.0)
    assert list(watch(seeing, before, 60.0))[-1] is None
    return {one.reason for one in watch(seeing, after, 60.0, 60.0) if one is not None}


ORDINARY: dict[str, Spoil] = {
    "as it is": lambda image: image,
    "half the light": gain(0.5),
    "more light": gain(1.3),
    "noise": lambda image: np.clip(image + RNG.normal(0, 8, image.shape), 0, 255).astype(np.uint8),
    "a shift of one pixel": shifted(1 / 320),
}
SPOILT: dict[str, tuple[Spoil, Reason]] = {
    "black": (gain(1 / 16), Reason.BLACK),
    "dark": (gain(1 / 4), Reason.TOO_DARK),
    "burnt out": (gain(4.0), Reason.OVEREXPOSED),
    "covered darkly": (covered(30), Reason.COVERED),
    "covered brightly": (covered(180), Reason.COVERED),
    "out of focus": (blurred(3 / 320), Reason.BLURRED),
    "moved": (shifted(0.1), Reason.MOVED),
}


@pytest.mark.parametrize("name", ORDINARY)
def test_an_ordinary_picture_is_seen(name: str) -> None:
    assert found([place(i) for i in range(8)], [ORDINARY[name](place(i)) for i in range(8)]) == set()


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_picture_is_said_for_the_right_reason(name: str) -> None:
    spoil, reason = SPOILT[name]
    assert found([place(i) for i in range(8)], [spoil(place(i)) for i in range(8)]) == {reason}


def test_a_passing_shadow_is_not_said_but_proves_no_quiet() -> None:
    seeing = Seeing(SightMemory())
    list(watch(seeing, [place(0)], 10.0))
    for index in range(4):
        seeing.take(glance_at(covered(30)(place(index))), 10.0 + index * STEP_S)
        assert seeing.finding is None
        assert seeing.is_blind
    seeing.take(glance_at(place(1)), 12.0)
    assert not seeing.is_blind


def test_in_the_dark_a_flame_would_show_so_quiet_counts() -> None:
    seeing = Seeing(SightMemory())
    said = list(watch(seeing, [gain(1 / 4)(place(0))], 20.0))[-1]
    assert said is not None
    assert said.reason is Reason.TOO_DARK
    assert not seeing.is_blind


def test_a_view_that_comes_back_is_trusted_again_and_an_accepted_one_too() -> None:
    kept: list[SightMemory] = []
    seeing = Seeing(SightMemory(), accept_view_after_s=4.0, remember=kept.append)
    here, there = [place(i) for i in range(5)], [shifted(0.15)(place(i)) for i in range(5)]
    list(watch(seeing, here, 60.0))
    assert len(kept) == 1
    assert list(watch(seeing, there, 60.0, 60.0))[-1] is not None
    assert list(watch(seeing, here, 60.0, 120.0))[-1] is None
    assert list(watch(seeing, there, 60.0, 180.0))[-1] is not None
    seeing.accept_view()
    assert list(watch(seeing, there, 60.0, 240.0))[-1] is None
    assert len(kept[-1].views) == 1
    later = Seeing(kept[-1])
    assert list(watch(later, there, 60.0))[-1] is None
    said = list(watch(later, here, 60.0, 60.0))[-1]
    assert said is not None
    assert said.reason is Reason.MOVED


def test_a_camera_that_gets_less_sharp_than_it_was_is_told_by_what_it_remembers() -> None:
    soft = [blurred(0.9 / 320)(place(i)) for i in range(5)]
    assert glance_at(soft[0]).sharpness > 0.22
    assert list(watch(Seeing(SightMemory()), soft, 30.0))[-1] is None
    said = list(watch(Seeing(SightMemory(sharpness=1.0)), soft, 30.0))[-1]
    assert said is not None
    assert said.reason is Reason.BLURRED


@given(st.lists(st.booleans(), max_size=60))
def test_what_is_held_changes_only_after_its_whole_time(conditions: list[bool]) -> None:
    held, on, since = Held(3.0, 2.0), False, 0
    for second, condition in enumerate(conditions):
        if condition == on:
            since = second + 1
        elif second - since >= (2.0 if on else 3.0):
            on, since = condition, second + 1
        assert held(float(second), condition=condition) is on


def test_the_usual_is_known_after_a_while_and_follows_slowly() -> None:
    usual = Usual()
    for second in range(30):
        usual.take(1.0, float(second))
    assert usual.value is None
    usual.take(1.0, 30.0)
    assert usual.value == pytest.approx(1.0)
    for second in range(31, 91):
        usual.take(0.0, float(second))
    assert usual.value == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (2, 500), (33, 17), (240, 320), (2160, 3840)])
def test_a_picture_of_any_size_can_be_glanced_at(shape: tuple[int, int]) -> None:
    glance = glance_at(np.random.default_rng(1).integers(0, 255, (*shape, 3)).astype(np.uint8))
    assert isinstance(glance, Glance)
    assert max(glance.grey.shape) <= 320
    Seeing(SightMemory()).take(glance, 0.0)


FINE = ("fire/paper_dark_1", "fire/bonfire_dark", "fire/lighter1", "fire/yard_trash", "nofire/kmu_outdoor_1")


@pytest.mark.parametrize("name", FINE)
def test_a_real_camera_is_seen_and_spoilt_it_is_not(data_dir: Path, name: str) -> None:
    with open_clip(data_dir / f"fire/videos/{name}.mp4") as clip:
        step = max(1, round(clip.fps * STEP_S))
        pictures = [frame.image for frame in clip.frames if frame.index % step == 0][:20]
    still_seen = chain(pictures, pictures[::-1])
    assert found(pictures, list(still_seen)) == set()
    for spoil, reason in (SPOILT["black"], SPOILT["covered brightly"], SPOILT["out of focus"], SPOILT["moved"]):
        assert reason in found(pictures, [spoil(picture) for picture in pictures]), reason
