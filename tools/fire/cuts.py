"""Cutting crops and whole pictures out of marked ones, by chance, the way the product cuts them."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import cv2
import numpy as np
from numpy.random import Generator

from edge.cameras.crops import crop_of, whole_of
from edge.cameras.ports import Picture, Region
from tools.fire.augment import added_light
from tools.fire.marked import Marked, Verdict
from tools.fire.pictures import bright_share, may_burn

Draw = Callable[[Generator], Picture]
"""Makes one picture, square and ready for the network, by chance."""

_T = TypeVar("_T")

_SIDE_PX_MIN = 24
_TRIES_MAX = 16
_DARK_LEVEL_MAX = 45.0
_DARK_SEEN_MAX = 12
_CLOSE_SHARE_MIN = 0.25
_SEEN_MIN = 0.002
"""The least share of a window that a flame must cover for the window to show fire: 4 x 5 of 96 x 96 pixels."""


def marked_crop(pictures: Sequence[Marked], verdict: Verdict) -> Draw:
    """A crop around a mark, as inexactly as a gate finds it: larger, smaller, beside, or a part of it."""

    def draw(rng: Generator) -> Picture:
        picture = _one(pictures, rng)
        return crop_of(picture.image, _inexact(_one(picture.of(verdict), rng), rng))

    return draw


def part_of_mark(pictures: Sequence[Marked], verdict: Verdict) -> Draw:
    """A crop of some part within a mark, clear of marks with another verdict where that can be."""
    others: dict[Verdict, tuple[Verdict, ...]] = {"smoke": ("flame", "unsure", "other"), "flame": ()}

    def draw(rng: Generator) -> Picture:
        for _ in range(_TRIES_MAX):
            picture = _one(pictures, rng)
            region = _one(picture.of(verdict), rng)
            w, h = region.w * rng.uniform(0.3, 0.7), region.h * rng.uniform(0.3, 0.7)
            x, y = region.x + rng.uniform(0.0, region.w - w), region.y + rng.uniform(0.0, region.h - h)
            part = Region(float(x), float(y), float(w), float(h), 1.0)
            if not _touches(_widened(part), picture.of(*others[verdict])):
                break
        return crop_of(picture.image, part)

    return draw


def close_up(pictures: Sequence[Marked]) -> Draw:
    """A crop within a marked flame that a quarter of bright flame colour fills; any crop of it where there is none."""
    part, any_crop = part_of_mark(pictures, "flame"), marked_crop(pictures, "flame")

    def draw(rng: Generator) -> Picture:
        for _ in range(_TRIES_MAX):
            crop = part(rng)
            if bright_share(crop) > _CLOSE_SHARE_MIN:
                return crop
        return any_crop(rng)

    return draw


def added_flame(pictures: Sequence[Marked], place: Draw) -> Draw:
    """A marked flame before something dark, its light added to another place; any crop of it where none is dark."""
    flame = marked_crop(pictures, "flame")

    def draw(rng: Generator) -> Picture:
        crop = flame(rng)
        for _ in range(_DARK_SEEN_MAX):
            if _rim_level(crop) < _DARK_LEVEL_MAX:
                return added_light(_dimmed(place(rng), rng), crop)
            crop = flame(rng)
        return crop

    return draw


def added_far_flame(pictures: Sequence[Marked], places: Sequence[Marked]) -> Draw:
    """A whole picture with the light of a marked flame added somewhere in it, small."""
    flame, whole = marked_crop(pictures, "flame"), window(places)

    def draw(rng: Generator) -> Picture:
        scene = _dimmed(whole(rng), rng)
        crop = flame(rng)
        for _ in range(_DARK_SEEN_MAX):
            if _rim_level(crop) < _DARK_LEVEL_MAX:
                break
            crop = flame(rng)
        side = int(rng.integers(scene.shape[0] // 5, scene.shape[0] // 2))
        light = np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA), np.float32)
        x, y = (int(rng.integers(0, scene.shape[0] - side)) for _ in range(2))
        light *= _faded_mask(side)
        scene[y : y + side, x : x + side] = added_light(scene[y : y + side, x : x + side], light.astype(np.uint8))
        return scene

    return draw


def free_crop(pictures: Sequence[Marked]) -> Draw:
    """A crop of any size anywhere in a picture that shows no flame, no smoke, and nothing unsure there."""

    def draw(rng: Generator) -> Picture:
        for _ in range(_TRIES_MAX):
            picture = _one(pictures, rng)
            region = _square(picture.image, rng, 0.6)
            crop = crop_of(picture.image, region)
            burns = _touches(_widened(region), picture.of("flame", "smoke", "unsure"))
            if not burns and (picture.whole == "other" or not may_burn(crop)):
                return crop
        return crop_of(picture.image, Region(0.0, 0.9, 0.1, 0.1, 1.0))

    return draw


def window(pictures: Sequence[Marked]) -> Draw:
    """A whole picture, or a large part of one."""

    def draw(rng: Generator) -> Picture:
        picture = _one(pictures, rng)
        return whole_of(_cut(picture.image, _large_part(rng)))

    return draw


def window_around(pictures: Sequence[Marked], verdict: Verdict) -> Draw:
    """A whole picture, or a large part of one, in which the marked thing can be seen."""

    def draw(rng: Generator) -> Picture:
        picture = _one(pictures, rng)
        regions = picture.of(verdict)
        for _ in range(_TRIES_MAX):
            part = _large_part(rng)
            if max(_common(part, region) for region in regions) >= _SEEN_MIN * part.w * part.h:
                return whole_of(_cut(picture.image, part))
        return whole_of(picture.image)

    return draw


def free_window(pictures: Sequence[Marked], wanted: Verdict | None = None) -> Draw:
    """A part of a picture of fire in which no flame, nothing unsure, and of smoke only the `wanted` is seen."""
    shunned: tuple[Verdict, ...] = ("flame", "unsure") if wanted == "smoke" else ("flame", "unsure", "smoke")

    def draw(rng: Generator) -> Picture:
        for _ in range(4 * _TRIES_MAX):
            picture = _one(pictures, rng)
            part = _any_part(rng)
            too_small = min(part.w * picture.image.shape[1], part.h * picture.image.shape[0]) < 2 * _SIDE_PX_MIN
            if too_small or _touches(part, picture.of(*shunned)) or (wanted is None and picture.smoky and part.y < 0.4):  # noqa: PLR2004 — smoke that nobody marked is in the upper part
                continue
            if wanted is None or max(_common(part, r) for r in picture.of(wanted)) > 0.3 * part.w * part.h:
                seen = whole_of(_cut(picture.image, part))
                if not may_burn(seen):
                    return seen
        return whole_of(_cut(picture.image, Region(0.0, 0.85, 1.0, 0.15, 1.0)))

    return draw


def changed(draw: Draw, *changes: Callable[[Picture, Generator], Picture]) -> Draw:
    """What `draw` makes, then changed in one of these ways."""
    return lambda rng: _one(changes, rng)(draw(rng), rng)


def either(*draws: Draw) -> Draw:
    """One of these."""
    return lambda rng: _one(draws, rng)(rng)


def _one(things: Sequence[_T], rng: Generator) -> _T:
    return things[int(rng.integers(len(things)))]


def _inexact(region: Region, rng: Generator) -> Region:
    size = float(np.exp(rng.normal(0.05, 0.3)))
    w, h = region.w * size * float(np.exp(rng.normal(0, 0.15))), region.h * size * float(np.exp(rng.normal(0, 0.15)))
    x = region.x + region.w / 2 + float(rng.normal(0, 0.12)) * region.w - w / 2
    y = region.y + region.h / 2 + float(rng.normal(0, 0.12)) * region.h - h / 2
    w, h = min(w, 1.0), min(h, 1.0)
    return Region(min(max(x, 0.0), 1.0 - w), min(max(y, 0.0), 1.0 - h), w, h, 1.0)


def _square(image: Picture, rng: Generator, share_max: float) -> Region:
    height, width = image.shape[:2]
    longest = share_max * min(height, width)
    side = float(np.exp(rng.uniform(np.log(min(_SIDE_PX_MIN / 1.5, longest)), np.log(longest))))
    w, h = side / width, side / height
    return Region(float(rng.uniform(0, 1 - w)), float(rng.uniform(0, 1 - h)), w, h, 1.0)


def _large_part(rng: Generator) -> Region:
    if rng.random() < 0.3:  # noqa: PLR2004 — three in ten are whole
        return Region(0.0, 0.0, 1.0, 1.0, 1.0)
    w, h = rng.uniform(0.5, 1.0, 2)
    return Region(float(rng.uniform(0, 1 - w)), float(rng.uniform(0, 1 - h)), float(w), float(h), 1.0)


def _any_part(rng: Generator) -> Region:
    w, h = rng.uniform(0.25, 0.9, 2)
    return Region(float(rng.uniform(0, 1 - w)), float(rng.uniform(0, 1 - h)), float(w), float(h), 1.0)


def _cut(image: Picture, part: Region) -> Picture:
    height, width = image.shape[:2]
    top, left = int(part.y * height), int(part.x * width)
    return image[
        top : max(top + 8, round((part.y + part.h) * height)), left : max(left + 8, round((part.x + part.w) * width))
    ]


def _common(one: Region, other: Region) -> float:
    across = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    down = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    return max(0.0, across) * max(0.0, down)


def _touches(region: Region, others: Sequence[Region]) -> bool:
    return any(_common(region, other) > 0.0 for other in others)


def _widened(region: Region) -> Region:
    """What a crop of `region` shows."""
    w, h = 1.5 * region.w, 1.5 * region.h
    return Region(region.x - region.w / 4, region.y - region.h / 4, w, h, 1.0)


def _dimmed(picture: Picture, rng: Generator) -> Picture:
    return (picture * rng.uniform(0.15, 0.9)).astype(np.uint8)


def _rim_level(crop: Picture) -> float:
    rim = np.concatenate([crop[0], crop[-1], crop[:, 0], crop[:, -1]])
    return float(np.percentile(rim.max(axis=1), 80))


def _faded_mask(side: int) -> Picture:
    """1 within, falling to 0 at the rim, so that no square shows."""
    ramp = np.clip(np.minimum(np.arange(side), np.arange(side)[::-1]) / (0.15 * side), 0.0, 1.0)
    return np.minimum.outer(ramp, ramp)[:, :, None].astype(np.float32)
