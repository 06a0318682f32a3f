"""A rule over time, as pure functions: what a run of values does to where the rule stands.

Time is continuous: a value counts from its time until the next one, at most as long as a reading of its telemetry
stands for what is; then nothing is known. While nothing is known nothing is counted, neither for the condition nor for
its end, and nothing that was counted is lost. So where a history is cut, and how often somebody looks, changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from broker.rules.model import CLEARS, HOLDS, Rule, Verdict

Judged = tuple[int, Verdict]
"""A time in Unix milliseconds, and what the value that came then says."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long what has to be seen: a reading stands for `hold_ms`."""

    hold_ms: int
    for_ms: int
    clear_for_ms: int

    @classmethod
    def of(cls, rule: Rule) -> "Timing":
        """A rule's."""
        return cls(rule.hold_ms, rule.for_ms, rule.clear_for_ms)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a rule stands with one subject, all times in Unix milliseconds.

    `firing_since_unix_ms`: since when it says that something is wrong; None while it does not. `turning_since_unix_ms`:
    when the change that is being waited for (to wrong, or back) was first seen, `turning_ms` how long it has been seen
    since. `until_unix_ms`: up to when this is so; `heard_unix_ms` and `verdict` are the newest value's.
    """

    firing_since_unix_ms: int | None = None
    turning_since_unix_ms: int | None = None
    turning_ms: int = 0
    until_unix_ms: int = 0
    heard_unix_ms: int = -1
    verdict: Verdict = None

    @property
    def is_quiet(self) -> bool:
        """Whether it neither fires nor waits: then nothing has to be remembered of it."""
        return self.firing_since_unix_ms is None and self.turning_since_unix_ms is None


QUIET = Standing()


@dataclass(frozen=True, slots=True)
class Turn:
    """The rule begins to fire, or ends."""

    time_unix_ms: int
    fires: bool


@dataclass(frozen=True, slots=True)
class Followed:
    """Where a rule stands after a run of values, how it turned on the way, and for how long something was known."""

    standing: Standing
    turns: tuple[Turn, ...] = ()
    known_ms: int = 0


def follow(timing: Timing, standing: Standing, values: Iterable[Judged], until_unix_ms: int) -> Followed:
    """Take a run of values, oldest first, and then the time until `until_unix_ms` without another.

    A value that is not newer than the newest taken is passed over; one from before `standing.until_unix_ms` counts from
    there. A turn at the very time of a value is that value's to decide.
    """
    course = _Course(timing, standing)
    hold_ms, heard = timing.hold_ms, standing.heard_unix_ms
    for time_unix_ms, verdict in values:
        if course.steady is not None and verdict == course.steady and course.at <= time_unix_ms <= heard + hold_ms:
            heard = max(heard, time_unix_ms)  # the usual value: as before, and nothing is waited for
            continue
        course.stay_until(heard)
        if time_unix_ms > heard:
            course.take(time_unix_ms, verdict)
            heard = time_unix_ms
    course.stay_until(heard)
    course.pass_until(until_unix_ms)
    return course.followed()


class _Course:
    """`follow`'s variables. `steady` is the newest verdict while it is known and not the one that is waited for."""

    __slots__ = (
        "_heard",
        "_since",
        "_timing",
        "_turning",
        "_turning_ms",
        "_turns",
        "_verdict",
        "at",
        "known_ms",
        "steady",
    )

    def __init__(self, timing: Timing, standing: Standing) -> None:
        self._timing = timing
        self._since = standing.firing_since_unix_ms
        self._turning = standing.turning_since_unix_ms
        self._turning_ms = standing.turning_ms
        self._heard = standing.heard_unix_ms
        self._verdict = standing.verdict
        self._turns: list[Turn] = []
        self.at = standing.until_unix_ms
        self.known_ms = 0
        self.steady: Verdict = None
        self._settle()

    @property
    def _wanted(self) -> Verdict:
        return HOLDS if self._since is None else CLEARS

    @property
    def _needed_ms(self) -> int:
        return self._timing.for_ms if self._since is None else self._timing.clear_for_ms

    def _settle(self) -> None:
        self.steady = None if self._verdict == self._wanted else self._verdict

    def stay_until(self, heard_unix_ms: int) -> None:
        """The newest value came again, without a break, up to then."""
        if heard_unix_ms > self._heard:
            self.known_ms += heard_unix_ms - self.at
            self.at = self._heard = heard_unix_ms

    def take(self, time_unix_ms: int, verdict: Verdict) -> None:
        """A new value."""
        self.pass_until(time_unix_ms)
        self._heard, self._verdict = time_unix_ms, verdict
        if verdict == self._wanted:
            if self._turning is None:
                self._turning, self._turning_ms = self.at, 0
            if self._turning_ms >= self._needed_ms:
                self._turn(self.at)
        elif verdict is not None:
            self._turning, self._turning_ms = None, 0
        self._settle()

    def pass_until(self, until_unix_ms: int) -> None:
        """Time goes by; what is known lasts as long as the newest value stands."""
        end = min(until_unix_ms, self._heard + self._timing.hold_ms)
        if self._verdict is not None and end > self.at:
            self.known_ms += end - self.at
            if self._verdict == self._wanted:
                self._turning_ms += end - self.at
                over_ms = self._turning_ms - self._needed_ms
                if over_ms > 0:
                    self._turn(end - over_ms)
        self.at = max(self.at, until_unix_ms)

    def _turn(self, time_unix_ms: int) -> None:
        self._since = time_unix_ms if self._since is None else None
        self._turning, self._turning_ms = None, 0
        self._turns.append(Turn(time_unix_ms, fires=self._since is not None))
        self._settle()

    def followed(self) -> Followed:
        """What came of it."""
        standing = Standing(self._since, self._turning, self._turning_ms, self.at, self._heard, self._verdict)
        return Followed(standing, tuple(self._turns), self.known_ms)
