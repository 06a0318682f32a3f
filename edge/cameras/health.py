"""How a camera does, from what its process says and does not say. Pure functions of the injected time."""

from contract.telemetry import Live, Reason
from edge.cameras.lines import EndLine, Fire, StatusLine

STALE_AFTER_S = 3.0
HUNG_AFTER_S = 10.0
"""Pictures this old mean a read that hangs: the process is ended and started again."""
OPEN_WITHIN_S = 20.0
TEXT_LENGTH_MAX = 500

STILL_DETAIL = "still picture: nothing in it moves, so no fire can be confirmed"

_END_REASONS = {"absent": Reason.ABSENT, "lost": Reason.DEAD, "ended": Reason.ENDED}


class CameraHealth:
    """Live, or unknown with its reason. A camera that failed stays so until a picture comes, not until the next try."""

    def __init__(self) -> None:
        self._status: StatusLine | None = None
        self._status_s = 0.0
        self._started_s = 0.0
        self._trouble: tuple[Reason, str] | None = (Reason.STARTING, "the camera's process is starting")
        self._end: EndLine | None = None
        self._gave_up: str | None = None
        self.is_over = False

    @property
    def fps(self) -> float:
        """Pictures a second that the source gives."""
        return self._status.fps if self._status else 0.0

    @property
    def score(self) -> float:
        """The highest fire score of the last second."""
        return min(1.0, self._status.score) if self._status else 0.0

    @property
    def fire(self) -> Fire:
        """What the process believes."""
        return self._status.fire if self._status else "quiet"

    @property
    def detail(self) -> str | None:
        """What is wrong, if anything."""
        return self._trouble[1] if self._trouble else None

    def frame_age_s(self, now_s: float) -> float | None:
        """How old the last picture is; None without one from this process."""
        if self._status is None or self._status.frame_age_s is None:
            return None
        return self._status.frame_age_s + max(0.0, now_s - self._status_s)

    def state(self, now_s: float) -> tuple[Live, Reason | None, str | None]:
        """State, reason and detail as a reading carries them."""
        age_s = self.frame_age_s(now_s)
        if age_s is None or self._status is None or self._status.retrying is not None:
            reason, detail = self._trouble or (Reason.STARTING, "no picture yet")
            return "unknown", reason, detail[:TEXT_LENGTH_MAX]
        if age_s > STALE_AFTER_S:
            return "unknown", Reason.STALE, f"no new picture for more than {STALE_AFTER_S:g} s"
        if self._status.picture == "frozen":
            return "unknown", Reason.FROZEN, "the pictures are bit by bit the same"
        if self._status.picture == "still":
            return "live", None, STILL_DETAIL
        if self._status.cannot_see is not None:
            return "unknown", self._status.cannot_see.reason, self._status.cannot_see.detail[:TEXT_LENGTH_MAX]
        return "live", None, None

    def process_started(self, now_s: float) -> None:
        """A process begins to open the camera."""
        self._started_s = now_s
        self._status = self._end = self._gave_up = None

    def status_line(self, line: StatusLine, now_s: float) -> None:
        """The process has said how it does."""
        self._status, self._status_s = line, now_s
        if line.retrying is not None:
            self._trouble = (_END_REASONS[line.retrying.reason], line.retrying.detail)
        elif line.frame_age_s is not None:
            self._trouble = None

    def end_line(self, line: EndLine) -> None:
        """The process has said why it ends."""
        self._end = line

    def gave_up(self, detail: str) -> None:
        """The supervisor ends the process, for this reason."""
        self._gave_up = detail

    def process_ended(self, returncode: int | None) -> None:
        """The process is gone: remember why."""
        self._status = None
        if self._end is not None:
            self._trouble = (_END_REASONS[self._end.reason], self._end.detail)
            self.is_over = self._end.reason == "ended"
        elif self._gave_up is not None:
            self._trouble = (Reason.DEAD, self._gave_up)
        else:
            self._trouble = (Reason.DEAD, f"the camera's process ended by itself (exit {returncode})")

    def must_restart(self, now_s: float) -> bool:
        """Whether the process hangs in opening or in reading. One that waits for its next try does not hang."""
        age_s, status = self.frame_age_s(now_s), self._status
        if status is not None and (status.retrying is not None or status.opening_s is not None):
            opening_s = 0.0 if status.opening_s is None else status.opening_s + max(0.0, now_s - self._status_s)
        else:
            opening_s = now_s - self._started_s if age_s is None else 0.0
            if age_s is not None and age_s > HUNG_AFTER_S:
                self.gave_up(f"no picture for {HUNG_AFTER_S:g} s; the camera's process was ended")
        if opening_s > OPEN_WITHIN_S:
            self.gave_up(f"the camera did not open within {OPEN_WITHIN_S:g} s; its process was ended")
        return self._gave_up is not None
