"""A day of one fire camera, played as fast as it goes: memory must stay flat (half an hour; --hours for less).

Rendered pictures of 320 x 240 through everything that a camera's process does with one: self-checks, detection,
zones, a fire each quarter of an hour with its stills, and the live view now and then.
"""

import argparse
import functools
import itertools
import time
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import psutil

from benchmarks.fire_nuisances import FPS, NUISANCES, nuisance
from contract.cameras import CameraZone, Point
from edge.cameras.lines import FireLine, ViewLine, ViewOrder, WatchSettings
from edge.cameras.pipeline import fire_pipeline
from edge.cameras.ports import Frame, Picture
from edge.cameras.seeing import Seeing, SightMemory
from edge.cameras.settings import FireSettings
from edge.cameras.sources.port import Captured
from edge.cameras.watch import CameraWatch
from firmware_sim.cameras.scene import MarketScene

_PLAYED_FPS = 8
_ACT_S = 15.0
_FIRE_EVERY_S, _FIRE_S, _LIT_S = 900, 8, 10.0
_VIEW_EVERY_S, _VIEW_S = 3600, 60
_REPORTS = 12
_WARM_UP_SHARE = 0.1
_GROWN_MB_MAX = 2.0

_STOVE = CameraZone(
    name="stove",
    kind="cooking",
    points=tuple(Point(x=x, y=y) for x, y in ((0.0, 0.6), (0.2, 0.6), (0.2, 1.0), (0.0, 1.0))),
)


class _Day:
    """A camera watched over a day of its own time, and what it said."""

    def __init__(self, seed: int) -> None:
        settings = WatchSettings(camera="soak", source="rendered", fire=FireSettings(zones=(_STOVE,)))
        self.fires = self.views = 0
        self.watch = CameraWatch(
            settings,
            fire_pipeline(settings.fire),
            is_still_picture=False,
            emit=self._take,
            seeing=Seeing(SightMemory()),
        )
        self._quiet = [
            frame.image for make in NUISANCES for frame in itertools.islice(nuisance(make, seed, _ACT_S), 0, None, 2)
        ]
        self._flame = _burning_alley(seed)

    def _take(self, line: FireLine | ViewLine) -> None:
        self.fires += isinstance(line, FireLine) and line.fire == "confirmed"
        self.views += isinstance(line, ViewLine)

    def pictures(self, seconds: int) -> Iterator[tuple[float, Picture]]:
        """Time in seconds and picture: look-alikes one after another, and a flame for a while each quarter."""
        for index in range(seconds * _PLAYED_FPS):
            time_s = index / _PLAYED_FPS
            kept = self._flame if 0.0 < time_s % _FIRE_EVERY_S < _FIRE_S else self._quiet
            yield time_s, kept[index % len(kept)]

    def play(self, seconds: int) -> Iterator[float]:
        """Play; gives the time after each picture."""
        for index, (time_s, picture) in enumerate(self.pictures(seconds)):
            if index % (_VIEW_EVERY_S * _PLAYED_FPS) == 0:
                self.watch.order(ViewOrder(fps=2.0, lasts_s=_VIEW_S))
            self.watch.take(Captured(Frame(picture, time_s, index), time_s), functools.partial(float, time_s))
            if index % _PLAYED_FPS == 0:
                self.watch.status(time_s, float(_PLAYED_FPS))
            yield time_s


def _burning_alley(seed: int) -> list[Picture]:
    """The simulator's alley by night, ten seconds after a fire began in it."""
    place = MarketScene(seed, "night")
    place.light_fire(0.0)
    return [np.asarray(place.frame(_LIT_S + index / FPS), np.uint8) for index in range(round(_FIRE_S * FPS))]


def main(arguments: Sequence[str]) -> int:
    """Play the day, print the memory along it; 1 when an hour or more made it grow by over 2 MB."""
    parser = argparse.ArgumentParser(prog="scripts/bench soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    seconds = round(chosen.hours * 3600)
    day, process, begin_s = _Day(chosen.seed), psutil.Process(), time.thread_time()
    marks: list[float] = []
    for time_s in day.play(seconds):
        if time_s >= len(marks) * seconds / _REPORTS:
            marks.append(process.memory_info().rss / 1e6)
            print(f"{time_s / 3600:6.2f} h  {marks[-1]:6.1f} MB  fires {day.fires}  views {day.views}", flush=True)
    spent_s = time.thread_time() - begin_s
    grown_mb = process.memory_info().rss / 1e6 - marks[max(1, round(_WARM_UP_SHARE * len(marks)))]
    print(
        f"{chosen.hours:g} h in {spent_s:.0f} s of processor time, {1000 * spent_s / (seconds * _PLAYED_FPS):.2f} ms a"
        f" picture, fires {day.fires}; memory grew by {grown_mb:.1f} MB after the first tenth"
    )
    return 1 if grown_mb > _GROWN_MB_MAX and chosen.hours >= 1.0 else 0
