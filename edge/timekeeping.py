"""The device's clock: one scale for everything the agent says, right from the moment it is set. Thread-safe.

The judgement is `edge.timescale`'s, the machine `edge.machine_time`'s. What was found out is kept in a file, so that an
agent that restarts in the same boot goes on with the same time, and what an earlier boot left unsettled can still get
its true time.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field

from contract.ids import CLOCK_FLOOR_UNIX_MS
from edge.machine_time import LinuxTime, MachineTime
from edge.ports import ClockSource
from edge.state_file import StateFile
from edge.timescale import QUANTUM_MS, ClockRules, Hearing, Scale, TimeJudge, boot_time_ms

log = structlog.get_logger(__name__)

MS_PER_S = 1000
SAVE_AFTER_MS = 250  # how far the offset may move before it is written again
OWED_MAX = 8


class ClockState(BaseModel):
    """What outlives the agent. `boot_id` is empty while no boot of this machine has had its clock set.

    `owed`: boots whose stored readings wait for their true times, oldest first, each with its offset. Over `OWED_MAX`
    the oldest goes.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    boot_id: str = ""
    source: ClockSource = "unset"
    offset_ms: int = 0
    settle_offset_ms: int = 0
    mark: Annotated[int, Field(ge=0, lt=QUANTUM_MS)] = 0
    owed: Annotated[tuple[tuple[str, int], ...], Field(max_length=OWED_MAX)] = ()


OnSet = Callable[[str, int], None]
"""Called once, when the clock is set: the boot's id, and what makes true times of this boot's milliseconds."""


class DeviceClock:
    """A `Timekeeper`. While it is not set, `unix_ms` is milliseconds since boot and `boot_id` names the boot.

    `look` has to be called about once a second. From the first sight or hearing that convinces (`edge.timescale`) on,
    `unix_ms` is the true time, `boot_id` is None and `settled` makes true times of what was handed out before.
    """

    def __init__(self, rules: ClockRules, path: Path, machine: MachineTime | None = None) -> None:
        self._machine: MachineTime = machine or LinuxTime()
        self._boot_id = self._machine.boot_id()
        self._file = StateFile(path, ClockState())
        self._lock = threading.Lock()
        self._on_set: list[OnSet] = []
        self._saved = self._file.load()
        self._judge = TimeJudge(rules, mark=self._saved.mark)
        self._owed = self._saved.owed
        if self._saved.boot_id == self._boot_id:
            scale = Scale(self._saved.offset_ms, self._machine.boot_ms(), mark=self._saved.mark)
            self._judge.resume(scale, self._saved.source, self._saved.settle_offset_ms)
        self.look()

    def unix_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z; since boot while the clock is not set."""
        scale, boot_ms = self._judge.scale, self._machine.boot_ms()
        return boot_time_ms(boot_ms) if scale is None else scale.unix_ms(boot_ms)

    def monotonic_s(self) -> float:
        """Seconds that never run backwards; only differences mean anything."""
        return self._machine.monotonic_s()

    @property
    def boot_id(self) -> str | None:
        """This boot's name while `unix_ms` counts from it; None once the clock is set."""
        return self._boot_id if self._judge.scale is None else None

    @property
    def this_boot(self) -> str:
        """This boot's name, clock or no clock."""
        return self._boot_id

    @property
    def source(self) -> ClockSource:
        """Whose time it is."""
        return self._judge.source

    @property
    def skew_ms(self) -> int | None:
        """How far this clock is ahead of the central one at least, negative: behind; None when nobody knows."""
        return self._judge.skew_ms(self._machine.boot_ms())

    def settled(self, unix_ms: int) -> int:
        """A time that this clock handed out earlier, on the scale of now."""
        if self._judge.scale is None or unix_ms >= CLOCK_FLOOR_UNIX_MS:
            return unix_ms
        return unix_ms + self._judge.settle_offset_ms

    def from_wall(self, unix_ms: int) -> int:
        """A time by the machine's own wall clock, on the scale of this one; not before its beginning."""
        return max(0, self.unix_ms() - (self._machine.wall_unix_ms() - unix_ms))

    def on_set(self, callback: OnSet) -> None:
        """Call when the clock is set, from the thread that calls `look` or `heard`; not if it is set already."""
        self._on_set.append(callback)

    def heard(self, central_unix_ms: int, asked_monotonic_s: float) -> None:
        """The centre has said its time in answer to what this device did at `asked_monotonic_s`."""
        boot_ms = self._machine.boot_ms()
        waited_ms = round((self.monotonic_s() - asked_monotonic_s) * MS_PER_S)
        with self._lock:
            self._judge.hear(Hearing(central_unix_ms, boot_ms - waited_ms, boot_ms))
        if self.boot_id is not None:
            self.look()

    def look(self) -> None:
        """Judge what time it is, and keep what was found out."""
        sight = self._machine.sight()
        with self._lock:
            was_unset = self._judge.scale is None
            before = None if self._judge.scale is None else self._judge.scale.offset_at(sight.boot_ms)
            changed = self._judge.look(sight)
            scale = self._judge.scale
            if scale is None:
                return
            if changed and was_unset:
                self._owed = (*self._owed, (self._boot_id, self._judge.settle_offset_ms))[-OWED_MAX:]
            self._save(scale, sight.boot_ms)
        if not changed:
            return
        if before is not None:
            moved_s = round((scale.offset_at(sight.boot_ms) - before) / MS_PER_S, 3)
            log.warning("clock.set_anew", source=self.source, moved_s=moved_s)
            return
        log.info("clock.set", source=self.source, uptime_s=round(sight.boot_ms / MS_PER_S, 1))
        for callback in self._on_set:
            callback(self._boot_id, self._judge.settle_offset_ms)

    @property
    def owed(self) -> tuple[tuple[str, int], ...]:
        """Boots whose stored readings wait for their true times, oldest first, each with its offset."""
        return self._owed

    def settle_done(self, boot_id: str) -> None:
        """What was `owed` to this boot has been done."""
        with self._lock:
            self._owed = tuple(one for one in self._owed if one[0] != boot_id)
            self._write(self._saved.model_copy(update={"owed": self._owed}))

    def _save(self, scale: Scale, boot_ms: int) -> None:
        offset_ms, saved = scale.offset_at(boot_ms), self._saved
        now = ClockState(
            boot_id=self._boot_id,
            source=self._judge.source,
            offset_ms=offset_ms,
            settle_offset_ms=self._judge.settle_offset_ms,
            mark=scale.mark,
            owed=self._owed,
        )
        moved = abs(offset_ms - saved.offset_ms) > SAVE_AFTER_MS
        if moved or now.model_copy(update={"offset_ms": saved.offset_ms}) != saved:
            self._write(now)

    def _write(self, state: ClockState) -> None:
        """Keep it; a disk that takes nothing is tried again at the next change, and costs only a later restart."""
        self._file.save(state)
        self._saved = state
