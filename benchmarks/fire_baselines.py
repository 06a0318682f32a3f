"""Two baselines that the fire camera is measured beside: colour and motion, colour and flicker."""

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.confirmation import Confirmation, FireState, plain_step
from edge.cameras.detectors.colour_flicker import ColourFlickerDetector
from edge.cameras.picture import shrink
from edge.cameras.ports import Frame, Picture
from edge.cameras.settings import FireSettings

_SIDE_PX = 320
_PX_MIN = 30
_HISTORY = 60
_OPEN = np.ones((3, 3), np.uint8)
_HITS, _OF = 6, 8
_CHROMA_APART_MIN = 40


class ColourMotion:
    """Flame colour by rules in YCbCr where MOG2 sees motion; an alarm when six of the last eight frames have some.

    The rules are those of Celik and Demirel, "Fire detection in video sequences using a generic color model", Fire
    Safety Journal 2009.
    """

    def __init__(self) -> None:
        self._motion = cv2.createBackgroundSubtractorMOG2(history=_HISTORY, detectShadows=False)
        self._hits: deque[bool] = deque(maxlen=_OF)

    def sees_flame(self, frame: Frame) -> bool:
        """Whether this frame shows flame-coloured motion."""
        image = shrink(frame.image, _SIDE_PX)
        moving = self._motion.apply(image) > 0
        mask = cv2.morphologyEx((_flame_by_rules(image) & moving).astype(np.uint8), cv2.MORPH_OPEN, _OPEN)
        hit = cv2.countNonZero(mask) >= _PX_MIN
        self._hits.append(hit)
        return hit

    def alarms(self) -> bool:
        """Whether six of the last eight frames did."""
        return sum(self._hits) >= _HITS


class ColourFlicker:
    """The first detector's way: the same colour and flicker without networks, and one confirmation window."""

    def __init__(self, settings: FireSettings) -> None:
        self._detector = ColourFlickerDetector(settings)
        self._confirmation = Confirmation(settings, plain_step(settings))
        self._score_min = settings.score_min

    def sees_flame(self, frame: Frame) -> bool:
        """Whether this frame shows flame."""
        detection = self._detector.analyse(frame)
        self._confirmation.update(detection, frame.time_s)
        return detection.score >= self._score_min

    def alarms(self) -> bool:
        """Whether a fire is confirmed."""
        return self._confirmation.state is FireState.CONFIRMED


def _flame_by_rules(image: Picture) -> NDArray[np.bool_]:
    y, cr, cb = (channel.astype(np.int16) for channel in cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb)))
    over_means = (y > y.mean()) & (cr > cr.mean()) & (cb < cb.mean())
    return np.asarray((y > cb) & (cr > cb) & over_means & (np.abs(cb - cr) >= _CHROMA_APART_MIN), np.bool_)
