"""What time it is, judged from what a device can see: a wall clock, its witnesses, and the centre's receipts. Pure.

All times are whole milliseconds. `boot` counts from the start of the machine and never jumps; an `offset` is what makes
Unix time of it. The rules and their reasons are in docs/decisions/device-clock.md.
"""

from dataclasses import dataclass, replace
from typing import Literal

from contract.ids import CLOCK_FLOOR_UNIX_MS, UNIX_MS_MAX
from edge.ports import ClockSource

QUANTUM_MS = 4
"""Times are handed out in steps of this. What is left over of four says how often the clock was set back, so that a
time from before and one from after never are the same."""

SLEW_DIVISOR = 20  # a correction runs at 1/20 of the time that passes: 50 ms a second
JUMP_MS = 60_000  # up to here a correction is slewed; beyond it the clock is set anew
ROUND_TRIP_MS_MAX = 2_000
CENTRAL_COUNTS_FOR_MS = 3_600_000
CONFIRM_MS = 10_000  # the centre has to contradict this long before a clock that was set is set anew
RTC_AGREES_MS = 10_000  # a battery clock that differs more from the wall clock is no witness for it
NOISE_MS = 20  # two clocks read one after the other differ by this without meaning anything


def plausible(unix_ms: int) -> bool:
    """Whether it can be now: this software did not run before 2025, and no later than 2100 counts."""
    return CLOCK_FLOOR_UNIX_MS <= unix_ms <= UNIX_MS_MAX


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at the machine.

    `synchronised`: a time service keeps the wall clock now. `synchronised_once`: one has set it lately, which is good
    enough to begin with and not to follow a step. `rtc_unix_ms`: a battery clock's own time.
    """

    boot_ms: int
    wall_unix_ms: int
    synchronised: bool = False
    synchronised_once: bool = False
    rtc_unix_ms: int | None = None

    @property
    def wall_offset_ms(self) -> int:
        """The wall clock as an offset."""
        return self.wall_unix_ms - self.boot_ms


@dataclass(frozen=True, slots=True)
class Hearing:
    """The central clock's time, said at some moment between a question and its answer."""

    central_unix_ms: int
    asked_boot_ms: int
    heard_boot_ms: int

    @property
    def usable(self) -> bool:
        """Whether it says enough: a short way there and back, and a time that can be."""
        return 0 <= self.heard_boot_ms - self.asked_boot_ms < ROUND_TRIP_MS_MAX and plausible(self.central_unix_ms)

    @property
    def offset_ms(self) -> int:
        """The likeliest offset; wrong by half of the way there and back at most."""
        return self.central_unix_ms - (self.asked_boot_ms + self.heard_boot_ms) // 2

    def ahead_ms(self, offset_ms: int) -> int:
        """How far `offset_ms` is ahead of the central clock at least; negative: behind; 0: they agree."""
        earliest, latest = self.central_unix_ms - self.heard_boot_ms, self.central_unix_ms - self.asked_boot_ms
        return offset_ms - min(max(offset_ms, earliest), latest)


@dataclass(frozen=True, slots=True)
class Scale:
    """Unix time as a function of boot time: `offset_ms` at `from_boot_ms`, then `correction_ms` little by little.

    Never runs backwards. `mark` (0 to 3) is what every time leaves over when divided by `QUANTUM_MS`.
    """

    offset_ms: int
    from_boot_ms: int
    correction_ms: int = 0
    mark: int = 0

    def offset_at(self, boot_ms: int) -> int:
        """The offset at `boot_ms`, with as much of the correction as has been made by then."""
        made_ms = min(abs(self.correction_ms), max(0, boot_ms - self.from_boot_ms) // SLEW_DIVISOR)
        return self.offset_ms + (made_ms if self.correction_ms > 0 else -made_ms)

    def unix_ms(self, boot_ms: int) -> int:
        """Milliseconds since 1970, in steps of `QUANTUM_MS`."""
        return _marked(boot_ms + self.offset_at(boot_ms), self.mark)

    def correcting(self, boot_ms: int, correction_ms: int) -> "Scale":
        """From now on corrected by so much; what was under way is given up."""
        return replace(self, offset_ms=self.offset_at(boot_ms), from_boot_ms=boot_ms, correction_ms=correction_ms)

    def set_anew(self, boot_ms: int, offset_ms: int) -> "Scale":
        """At once at another offset. Back in time, the mark changes: no time is handed out twice."""
        back = offset_ms < self.offset_at(boot_ms)
        return Scale(offset_ms, boot_ms, mark=(self.mark + back) % QUANTUM_MS)


def boot_time_ms(boot_ms: int) -> int:
    """A time handed out while the clock is not set."""
    return boot_ms - boot_ms % QUANTUM_MS


def _marked(unix_ms: int, mark: int) -> int:
    """The latest time up to `unix_ms` that carries `mark`."""
    return unix_ms - (unix_ms - mark) % QUANTUM_MS


@dataclass(frozen=True, slots=True)
class ClockRules:
    """What the settings say: whether the wall clock is right by decree, and when a skew is worth a word."""

    trusted: bool = False
    skew_ms_max: int = 5_000


@dataclass(slots=True)
class TimeJudge:
    """Feeds on sights and hearings in the order of boot time; `scale` is what they add up to, None before.

    Before: the first witness sets the clock (a time service, the centre, a battery clock). After: small differences are
    slewed; large steps of the wall clock are not followed until the centre agrees, or has been silent for an hour while
    the time service vouches for it; a centre that differs by more than a minute for `CONFIRM_MS` wins.
    """

    rules: ClockRules
    scale: Scale | None = None
    source: ClockSource = "unset"
    mark: int = 0
    _hearing: Hearing | None = None
    _quiet_since_boot_ms: int = 0
    _against_since_boot_ms: int | None = None
    _settle_offset_ms: int = 0

    @property
    def settle_offset_ms(self) -> int:
        """What makes true times of those handed out before the clock was set; it never changes afterwards."""
        return self._settle_offset_ms

    def resume(self, scale: Scale, source: ClockSource, settle_offset_ms: int) -> None:
        """Go on from what an earlier run in the same boot found out."""
        self.scale, self.source, self.mark = scale, source, scale.mark
        self._quiet_since_boot_ms, self._settle_offset_ms = scale.from_boot_ms, settle_offset_ms

    def hear(self, hearing: Hearing) -> None:
        """Take in the centre's time; one that says too little is passed over."""
        if not hearing.usable:
            return
        self._hearing, self._quiet_since_boot_ms = hearing, hearing.heard_boot_ms
        if self.scale is None or abs(hearing.ahead_ms(self.scale.offset_at(hearing.heard_boot_ms))) <= JUMP_MS:
            self._against_since_boot_ms = None
        elif self._against_since_boot_ms is None:
            self._against_since_boot_ms = hearing.heard_boot_ms

    def look(self, sight: Sight) -> bool:
        """Judge anew; return whether the clock was set or set anew by this."""
        if self.scale is None:
            return self._set(sight)
        return self._keep(self.scale, sight)

    def skew_ms(self, boot_ms: int) -> int | None:
        """How far this clock is ahead of the central one at least; None when nobody knows."""
        if self.scale is None:
            return None
        hearing = self._fresh(boot_ms)
        return None if hearing is None else hearing.ahead_ms(self.scale.offset_at(boot_ms))

    def _set(self, sight: Sight) -> bool:
        found = self._first(sight)
        if found is None:
            return False
        self.source, offset_ms = found
        self.scale = Scale(offset_ms, sight.boot_ms, mark=self.mark)
        self._settle_offset_ms = _marked(offset_ms, self.mark)
        self._quiet_since_boot_ms = sight.boot_ms
        return True

    def _first(self, sight: Sight) -> tuple[ClockSource, int] | None:
        """The best witness there is: whose clock it is, and the offset."""
        offset_ms, hearing = sight.wall_offset_ms, self._fresh(sight.boot_ms)
        believed = hearing is None or abs(hearing.ahead_ms(offset_ms)) <= JUMP_MS
        if believed and (self._vouched(sight) or (sight.synchronised_once and plausible(sight.wall_unix_ms))):
            return self._wall_source, offset_ms
        if hearing is not None:
            return "central", hearing.offset_ms
        rtc_unix_ms = sight.rtc_unix_ms
        if rtc_unix_ms is not None and plausible(rtc_unix_ms):
            near = abs(rtc_unix_ms - sight.wall_unix_ms) <= RTC_AGREES_MS
            return ("rtc", offset_ms) if near and plausible(sight.wall_unix_ms) else None
        return None

    def _keep(self, scale: Scale, sight: Sight) -> bool:
        boot_ms, hearing, vouched = sight.boot_ms, self._fresh(sight.boot_ms), self._vouched(sight)
        now_ms, wall_ms = scale.offset_at(boot_ms), sight.wall_offset_ms
        agree = vouched and hearing is not None and abs(hearing.ahead_ms(wall_ms)) <= self.rules.skew_ms_max
        if hearing is not None and self._is_overruled(hearing, now_ms):
            return self._set_anew(scale, sight, None if agree else hearing)
        if agree or (vouched and hearing is None):
            if abs(wall_ms - now_ms) <= JUMP_MS:
                self._steer(scale, boot_ms, wall_ms - now_ms)
                self.source = self._wall_source
                return False
            return (agree or self._may_jump(boot_ms)) and self._set_anew(scale, sight, None)
        ahead_ms = 0 if hearing is None or vouched else hearing.ahead_ms(now_ms)
        if ahead_ms:
            self.source = "central"
        self._steer(scale, boot_ms, -ahead_ms)
        return False

    def _is_overruled(self, hearing: Hearing, now_ms: int) -> bool:
        """Whether the centre has contradicted for long enough."""
        since_ms = self._against_since_boot_ms
        contradicts = abs(hearing.ahead_ms(now_ms)) > JUMP_MS
        return contradicts and since_ms is not None and hearing.heard_boot_ms - since_ms >= CONFIRM_MS

    def _may_jump(self, boot_ms: int) -> bool:
        """A time service outranks a battery clock at once, anything else after an hour without the centre."""
        return self.source == "rtc" or boot_ms - self._quiet_since_boot_ms >= CENTRAL_COUNTS_FOR_MS

    def _steer(self, scale: Scale, boot_ms: int, correction_ms: int) -> None:
        left_ms = scale.offset_ms + scale.correction_ms - scale.offset_at(boot_ms)
        if abs(correction_ms - left_ms) > NOISE_MS:
            self.scale = scale.correcting(boot_ms, correction_ms)

    def _set_anew(self, scale: Scale, sight: Sight, hearing: Hearing | None) -> Literal[True]:
        """At once to the centre's time, or to the wall clock's where `hearing` is None."""
        offset_ms = sight.wall_offset_ms if hearing is None else hearing.offset_ms
        self.scale = scale.set_anew(sight.boot_ms, offset_ms)
        self.source = self._wall_source if hearing is None else "central"
        self.mark, self._against_since_boot_ms, self._quiet_since_boot_ms = self.scale.mark, None, sight.boot_ms
        return True

    @property
    def _wall_source(self) -> ClockSource:
        return "trusted" if self.rules.trusted else "synchronised"

    def _vouched(self, sight: Sight) -> bool:
        return (self.rules.trusted or sight.synchronised) and plausible(sight.wall_unix_ms)

    def _fresh(self, boot_ms: int) -> Hearing | None:
        hearing = self._hearing
        fresh = hearing is not None and boot_ms - hearing.heard_boot_ms <= CENTRAL_COUNTS_FOR_MS
        return hearing if fresh else None
