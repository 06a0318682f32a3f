"""The fire camera on rendered clips of seeds that nothing was trained on: flames, smoke, every kind of look-alike."""

import itertools
from collections.abc import Iterator

import numpy as np

from benchmarks.fire_baselines import ColourFlicker
from edge.cameras.pipeline import FireState, fire_pipeline
from edge.cameras.ports import Frame
from edge.cameras.settings import FireSettings
from tools.fire.render.backgrounds import Places
from tools.fire.render.clips import KINDS, flame_sequence, other_sequence
from tools.fire.sequence import Sequence

_SECONDS = 8.0
_FLAMES, _OTHERS_A_KIND = 40, 4
_SEED_STEP = 1_000_003
"""Training counts its clips from small seeds; these are none of them."""


def print_rendered(seed: int) -> None:
    """Print how many rendered flames are found and which look-alikes raise an alarm, beside colour and flicker."""
    places, first = Places(), seed * _SEED_STEP
    flames = [flame_sequence(chance, places(chance)) for chance in _chances(first, _FLAMES)]
    found, plain = _alarms(flames)
    print(f"rendered flames, {_SECONDS:.0f} s each: detected {found}/{_FLAMES} (colour + flicker {plain})")
    for kind in KINDS:
        others = [other_sequence(chance, places(chance), kind) for chance in _chances(first, _OTHERS_A_KIND)]
        false, plain = _alarms(others)
        print(f"  {kind:<20} false {false}/{_OTHERS_A_KIND} (colour + flicker {plain})")


def _chances(first: int, count: int) -> Iterator[np.random.Generator]:
    return (np.random.default_rng((first, number)) for number in range(count))


def _alarms(clips: list[Sequence]) -> tuple[int, int]:
    """How many raise an alarm: of this detector, of colour and flicker."""
    alarmed = plain = 0
    for clip in clips:
        pipeline, baseline = fire_pipeline(FireSettings()), ColourFlicker(FireSettings())
        fire = plain_fire = False
        for frame in _played(clip):
            result = pipeline.process(frame)
            fire |= result.state is FireState.CONFIRMED
            if result.analysed:
                baseline.sees_flame(frame)
                plain_fire |= baseline.alarms()
        alarmed += fire
        plain += plain_fire
    return alarmed, plain


def _played(clip: Sequence) -> Iterator[Frame]:
    """The clip to and fro for some seconds: a flame that burns backwards still flickers like one."""
    count = len(clip.frames)
    to_and_fro = itertools.cycle([*range(count), *range(count - 2, 0, -1)])
    for index in range(round(_SECONDS * clip.fps)):
        yield Frame(clip.frames[next(to_and_fro)], index / clip.fps, index)
