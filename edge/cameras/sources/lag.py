"""How far a stream's pictures are behind: a machine too slow to decode shows the past, and nobody would notice."""

LAG_S_MAX = 2.0
DRIFT_SHARE = 0.001
"""A camera's clock may be this much slow or fast and is no lag."""


class Lag:
    """Compares the stream's own time with the time of arrival. The shortest delay seen counts as none.

    Only for streams whose time stamps the camera makes (RTSP); where FFmpeg makes them up they say nothing.
    """

    def __init__(self) -> None:
        self._least_s: float | None = None
        self._last_s = 0.0

    def __call__(self, stream_s: float, arrived_s: float) -> float:
        """Seconds that the picture stamped `stream_s` is behind, as it arrives at `arrived_s`."""
        delay_s = arrived_s - stream_s
        if self._least_s is None:
            self._least_s = delay_s
        else:
            self._least_s = min(delay_s, self._least_s + DRIFT_SHARE * max(0.0, arrived_s - self._last_s))
        self._last_s = arrived_s
        return delay_s - self._least_s
