"""Duties: what the active alerts service looks at again and again, each in its own time, none holding the others up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from runtime.clock import Clock
from runtime.errors import RetryableError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Duty:
    """One of them. `needs_link`: only while our own link to the broker has stood long enough to be believed."""

    name: str
    every_s: float
    work: Callable[[], object]
    needs_link: bool = False


class DutyRound:
    """Does what is due. A duty that fails is done again at the next look, and said in `complaint` until it works."""

    def __init__(self, duties: Sequence[Duty], clock: Clock) -> None:
        self._duties = tuple(duties)
        self._clock = clock
        self._done_s: dict[str, float] = {}
        self._defects: dict[str, str] = {}

    @property
    def complaint(self) -> str:
        """Which duties have a defect, and what it is; empty when all work."""
        return "; ".join(f"{name}: {said}" for name, said in sorted(self._defects.items()))

    def look(self, *, linked: bool, going_on: Callable[[], bool] = lambda: True) -> None:
        """Do every duty whose time has come, in order, while `going_on` says that it is still ours to do."""
        for duty in self._duties:
            now_s = self._clock.monotonic_s()
            done_s = self._done_s.get(duty.name)
            if (duty.needs_link and not linked) or (done_s is not None and now_s - done_s < duty.every_s):
                continue
            if not going_on():
                return
            if self._do(duty):
                self._done_s[duty.name] = now_s

    def _do(self, duty: Duty) -> bool:
        try:
            duty.work()
        except RetryableError as error:
            log.warning("duty.later", duty=duty.name, reason=str(error))
            return False
        except Exception as error:  # a defect in one duty must not keep fires from being told
            log.exception("duty.defect", duty=duty.name)
            self._defects[duty.name] = f"{type(error).__name__}: {error}"
            return True  # not at once again: what is broken would only fill the log
        self._defects.pop(duty.name, None)
        return True
