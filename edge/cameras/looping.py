"""A feed that plays the same stretch again and again: a recording in the place of the camera."""

from collections import OrderedDict, deque
from hashlib import blake2b
from statistics import median

from edge.cameras.ports import Picture

REPEATS_FOR_S = 10.0
PICTURES_REMEMBERED_MAX = 16_384
LAP_S_MIN = 0.4

_COVERED_SHARE_MIN = 0.8
_REPEATED_SHARE_MIN = 0.8
_DIFFERENT_MIN = 10
_LAP_SPREAD_S = 1.0
_SAMPLED_ROWS = 64
_WINDOW_MAX = 1024


class LoopWatch:
    """Tells pictures that come back bit by bit, in their order, for `REPEATS_FOR_S`.

    A camera's sensor has noise, so that no picture of it ever returns. Remembers the marks of the last
    `PICTURES_REMEMBERED_MAX` pictures (2 MB), which is nine minutes at 30 a second: a longer lap is not noticed, nor
    is a recording that was encoded anew. Pictures that stand still are somebody else's matter.
    """

    def __init__(self) -> None:
        self._seen_s: OrderedDict[bytes, float] = OrderedDict()
        self._last = b""
        self._recent: deque[tuple[float, bytes, float | None]] = deque(maxlen=_WINDOW_MAX)

    def take(self, image: Picture, now_s: float) -> bool:
        """Take the next picture; whether the feed is repeating itself."""
        mark = mark_of(image)
        if mark != self._last:
            self._last = mark
            before_s = self._seen_s.pop(mark, None)
            self._seen_s[mark] = now_s
            if len(self._seen_s) > PICTURES_REMEMBERED_MAX:
                self._seen_s.popitem(last=False)
            self._recent.append((now_s, mark, None if before_s is None else now_s - before_s))
        return self._is_looping(now_s)

    def _is_looping(self, now_s: float) -> bool:
        while self._recent and now_s - self._recent[0][0] > REPEATS_FOR_S:
            self._recent.popleft()
        if not self._recent or now_s - self._recent[0][0] < _COVERED_SHARE_MIN * REPEATS_FOR_S:
            return False
        laps_s = [lap_s for _, _, lap_s in self._recent if lap_s is not None]
        if len(laps_s) < _REPEATED_SHARE_MIN * len(self._recent):
            return False
        usual_s = median(laps_s)
        steady = sum(abs(lap_s - usual_s) < _LAP_SPREAD_S for lap_s in laps_s)
        different = len({mark for _, mark, _ in self._recent})
        return usual_s >= LAP_S_MIN and steady >= _REPEATED_SHARE_MIN * len(laps_s) and different >= _DIFFERENT_MIN


def mark_of(image: Picture) -> bytes:
    """Eight bytes that two pictures share only when they are the same at every sampled pixel."""
    step = max(1, min(image.shape[:2]) // _SAMPLED_ROWS)
    return blake2b(image[::step, ::step].tobytes(), digest_size=8).digest()
