"""Random histories against a simple model: every number is pending, delivered or in one gap record."""

import shutil
import tempfile
from pathlib import Path
from typing import ClassVar, Protocol

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contract.telemetry import BayBatch, GapCause, GapReading
from runtime.clock import ManualClock
from tests.transport.outbox_payloads import fire_at, named, noisy, take_gaps
from tests.transport.payloads import BAYS, FIRE
from transport.memory_outbox import MemoryOutbox
from transport.ports import Outbox, OutboxFullError
from transport.sqlite_outbox import SqliteOutbox

BYTES_MAX = 65_536
AGE_S_MAX = 86_400.0
READINGS = 8


class Kind(Protocol):
    """One kind of outbox."""

    def open(self, folder: Path, clock: ManualClock) -> Outbox:
        """A new one, or what is left of it."""
        ...

    def reopen(self, outbox: Outbox, folder: Path, clock: ManualClock) -> Outbox:
        """What another process of the device would find."""
        ...


class _History(RuleBasedStateMachine):
    """Puts, confirmations, evictions, reboots with and without a clock, restarts; checked at every step and the end."""

    kind: ClassVar[Kind]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = ManualClock()
        self.outbox = self.kind.open(self.folder, self.clock)
        self.last_seq = 0
        self.gap_records_since = False  # they use numbers, too
        self.telemetry: set[int] = set()  # every number of telemetry that was ever used
        self.alarms: set[int] = set()  # not confirmed
        self.delivered: set[int] = set()
        self.early: dict[int, str] = {}  # numbers put without a clock, and in which boot
        self.gaps: list[GapReading] = []
        self.noted = 0
        self.boot: str | None = None
        self.boots = 0

    def reopen(self) -> None:
        self.outbox = self.kind.reopen(self.outbox, self.folder, self.clock)

    @initialize(without_clock=st.booleans())
    def begin(self, without_clock: bool) -> None:
        if without_clock:
            self.reboot_without_a_clock()

    @rule(count=st.integers(1, 25))
    def put_telemetry(self, count: int) -> None:
        for _ in range(count):
            seq = self.outbox.put(
                BAYS, noisy(READINGS, time_unix_ms=self.clock.unix_ms()), alarm=False, boot_id=self.boot
            )
            self.used(seq)
            self.telemetry.add(seq)

    @rule(count=st.integers(1, 40))
    def put_alarms(self, count: int) -> None:
        for _ in range(count):
            build = fire_at(self.clock.unix_ms(), clock_set=self.boot is None)
            try:
                seq = self.outbox.put(FIRE, build, alarm=True, boot_id=self.boot)
            except OutboxFullError:  # full of alarms: it may refuse
                return
            self.used(seq)
            self.alarms.add(seq)

    def used(self, seq: int) -> None:
        assert seq == self.last_seq + 1 or (self.gap_records_since and seq > self.last_seq)
        self.last_seq, self.gap_records_since = seq, False
        if self.boot is not None:
            self.early[seq] = self.boot

    @rule(data=st.data())
    def confirm_some(self, data: st.DataObject) -> None:
        rows = self.outbox.pending(0, 1000)
        if rows:
            chosen = data.draw(st.sets(st.sampled_from([row.seq for row in rows]), max_size=30))
            self.confirm(chosen)

    def confirm(self, seqs: set[int]) -> None:
        readings, alarms = seqs & self.telemetry, seqs & self.alarms
        assert self.outbox.delivered(self.outbox.epoch, sorted(seqs - alarms), "readings") == len(seqs - alarms)
        assert self.outbox.delivered(self.outbox.epoch, sorted(seqs), "incidents") == len(alarms)
        self.delivered |= readings | alarms
        self.alarms -= alarms

    @rule(seconds=st.sampled_from([1.0, 61.0, 3600.0, 100_000.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def lose_in_memory(self) -> None:
        now = self.clock.unix_ms()
        self.outbox.note_lost(5, now, now + 1, GapCause.MEMORY_FULL, self.boot)
        self.noted += 5

    @rule()
    def take_gap_records(self) -> None:
        before = {row.seq for row in self.outbox.pending(0, 1000)}
        self.gaps += take_gaps(self.outbox)
        after = {row.seq for row in self.outbox.pending(0, 1000)}
        assert after <= before
        self.gap_records_since = True

    @rule()
    def restart(self) -> None:
        self.reopen()

    @rule()
    def reboot_without_a_clock(self) -> None:
        if self.boot is None:
            self.true_offset_ms = self.clock.unix_ms()
            self.clock.jump(1.0 - self.true_offset_ms / 1000)
        self.boots += 1
        self.boot = f"boot-{self.boots}"
        self.reopen()

    @precondition(lambda self: self.boot is not None)
    @rule()
    def set_the_clock(self) -> None:
        boot, self.boot = self.boot, None
        assert boot is not None
        offset_ms = self.true_offset_ms
        self.clock.jump(offset_ms / 1000)
        self.outbox.settle_clock(boot, offset_ms)
        self.early = {seq: one for seq, one in self.early.items() if one != boot}
        given = {row.seq for row in self.outbox.pending(0, 1000)}
        assert given & self.telemetry & set(self.early) == set(), "no other boot's telemetry is given"

    @invariant()
    def alarms_are_there(self) -> None:
        given = {row.seq for row in self.outbox.pending(0, 1000, alarms_only=True)}
        assert given == self.alarms

    @invariant()
    def within_the_bound(self) -> None:
        status = self.outbox.status()
        assert status.bytes <= BYTES_MAX
        assert status.open_gaps <= BYTES_MAX // 4096

    def teardown(self) -> None:
        if self.boot is not None:
            self.set_the_clock()
        elif self.early:
            self.outbox.settle_clock("the last", self.clock.unix_ms())
        self.confirm(set(self.alarms))  # full of alarms it has no room for a gap record
        self.gaps += take_gaps(self.outbox)
        rows = self.outbox.pending(0, 1000)
        there = [row.seq for row in rows]
        for row in rows:
            assert BayBatch.from_bytes(row.body).readings[0].time_unix_ms > 1_700_000_000_000
        by_number = [*there, *(self.delivered & self.telemetry), *named(self.gaps)]
        assert len(by_number) == len(set(by_number)), "none is in two places"
        assert set(by_number) <= self.telemetry
        without_number = sum(one.batches_count for one in self.gaps if one.first_seq is None)
        assert len(by_number) + without_number == len(self.telemetry), "none is both gone and unnamed"
        lost = self.noted + READINGS * (len(self.telemetry) - len(there) - len(self.delivered & self.telemetry))
        assert sum(one.readings_count for one in self.gaps) == lost
        times = [one.time_unix_ms for one in self.gaps]
        assert len(times) == len(set(times))
        self.outbox.close()
        shutil.rmtree(self.folder)


class SqliteKind:
    def open(self, folder: Path, clock: ManualClock) -> Outbox:
        return SqliteOutbox(folder / "outbox.db", bytes_max=BYTES_MAX, age_s_max=AGE_S_MAX, clock=clock)

    def reopen(self, outbox: Outbox, folder: Path, clock: ManualClock) -> Outbox:
        outbox.close()
        return self.open(folder, clock)


class MemoryKind:
    def open(self, _folder: Path, clock: ManualClock) -> Outbox:
        return MemoryOutbox(bytes_max=BYTES_MAX, age_s_max=AGE_S_MAX, clock=clock)

    def reopen(self, outbox: Outbox, _folder: Path, _clock: ManualClock) -> Outbox:
        """As far as it can: a new process has named no boot yet."""
        assert isinstance(outbox, MemoryOutbox)
        outbox._boot_now = None
        return outbox


class SqliteHistory(_History):
    kind = SqliteKind()


class MemoryHistory(_History):
    kind = MemoryKind()


# No shrinking: a history takes so long that it would take minutes; derandomized, a failure comes again.
SETTINGS = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
)
TestSqliteHistory = SqliteHistory.TestCase
TestSqliteHistory.settings = SETTINGS
TestMemoryHistory = MemoryHistory.TestCase
TestMemoryHistory.settings = SETTINGS
