"""What an outbox on disk knows beside its rows: open gaps, boots without a clock, counts; saved in each transaction."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from contract.telemetry import GapCause
from transport.outbox_bodies import Made, is_since_boot
from transport.outbox_gaps import GapLedger, GapRange, LedgerState
from transport.outbox_note import OutboxNote
from transport.outbox_rules import Gone, NewRow, gaps_of, true_unix_ms, with_time
from transport.outbox_tables import OutboxTables, Totals


@dataclass(frozen=True, slots=True)
class _Before:
    """How things were before a transaction."""

    totals: Totals
    ledger: LedgerState


class OutboxBook:
    """Tables and ledger of one open file (`transport.outbox_file.Bookkeeping`). Not thread-safe."""

    def __init__(self, connection: sqlite3.Connection, ranges_max: int, note: OutboxNote) -> None:
        self.tables = OutboxTables(connection)
        self._ledger = GapLedger(ranges_max, self.tables.gaps())
        self._note = note
        self._noted = self._noted_saved = self.tables.noted()
        self._take_note()
        self._offsets_ms = self.tables.boots()
        self._offsets_unsaved: dict[str, int] = {}
        self._never: set[str] = set()  # boots that will never have a time
        self._between_unix_ms = (0, 0)  # when those were
        self._unset: dict[str, tuple[int, int]] = {}  # boots without a time: their lowest and highest number
        self.boot_now: str | None = None  # the boot that the last message named
        self._before = _Before(self.tables.totals.copy(), self._ledger.state())
        self._dropped_saved = self.tables.totals.dropped_count
        self._look_at_boots()

    # --- with every transaction

    def begin(self) -> None:
        """Remember how things are."""
        self._before = _Before(self.tables.totals.copy(), self._ledger.state())

    def save(self) -> None:
        """Write what the file does not have yet."""
        if not self._ledger.is_saved:
            self.tables.save_gaps(self._ledger)
        if self._noted != self._noted_saved:
            self.tables.keep_noted(self._noted)
        if self._offsets_unsaved:
            self.tables.forget_unused_boots()
        for boot_id, offset_ms in self._offsets_unsaved.items():
            self.tables.add_boot(boot_id, offset_ms)
        if self.tables.totals.dropped_count != self._dropped_saved:
            self.tables.save_dropped_count()

    def committed(self) -> None:
        """The file has it."""
        self._ledger.mark_saved()
        self._noted_saved = self._noted
        self._dropped_saved = self.tables.totals.dropped_count
        if self._offsets_unsaved:
            self._offsets_ms = self.tables.boots()
            self._offsets_unsaved = {}
            self._look_at_boots()

    def rolled_back(self) -> None:
        """Be again as at `begin`."""
        self.tables.totals = self._before.totals
        self._ledger.restore(self._before.ledger)

    # --- while the file takes nothing

    def note_unsaved(self) -> None:
        """Write beside the file what it does not have: the ranges of late, and the numbers that they used up."""
        if not self._ledger.is_saved:
            self.note_afresh()

    def note_afresh(self) -> None:
        """The same even if it has everything: the note is now this file's, and no more that of one before it."""
        unsaved = list(self._ledger.unsaved())
        number = self._note.write(self._noted, self.tables.epoch, self.tables.totals.last_seq, unsaved)
        self._noted = number or self._noted

    def _take_note(self) -> None:
        """What a process that was killed could only note. A note of another epoch is of a file that is gone."""
        noted = self._note.read()
        if noted is None or noted.epoch != self.tables.epoch or noted.number <= self._noted:
            return
        self._noted = noted.number
        self.tables.totals.last_seq = max(self.tables.totals.last_seq, noted.last_seq)
        self._ledger.take_again(noted.ranges)

    # --- rows

    @property
    def last_seq(self) -> int:
        """The last number that was used."""
        return self.tables.totals.last_seq

    def put(self, row: NewRow) -> int:
        """Store a row under its number."""
        totals = self.tables.totals
        self.tables.insert(row)
        totals.last_seq = row.seq
        if row.boot_id is None:
            totals.true_unix_ms = max(totals.true_unix_ms, row.created_unix_ms)
        elif row.boot_id not in self._offsets_ms:
            low, _ = self._unset.get(row.boot_id, (row.seq, row.seq))
            self._unset[row.boot_id] = (low, row.seq)
        return row.seq

    def lose(self, gone: Sequence[Gone], cause: GapCause) -> int:
        """Delete rows undelivered and name them; return how many."""
        self.tables.forget([one.seq for one in gone])
        self.tables.totals.dropped_count += len(gone)
        self._name(gone, cause)
        return len(gone)

    def refuse(self, gone: Gone, cause: GapCause) -> None:
        """Name a row that never got in; its number is used up."""
        self.tables.totals.last_seq = gone.seq
        self.tables.totals.dropped_count += 1
        self._name([gone], cause)

    def spans(self, after_seq: int, before_seq: int) -> Iterator[tuple[int, int, bool]]:
        """Where to look for rows: (after, before, whether only what is never evicted is given there).

        Between the first and the last row without a time only events and gap records are: none of the others is read.
        """
        if not self._unset:
            yield after_seq, before_seq, False
            return
        low = min(low for low, _ in self._unset.values())
        high = max(high for _, high in self._unset.values())
        for span_after, span_before, kept_only in (
            (after_seq, min(before_seq, low), False),
            (max(after_seq, low - 1), min(before_seq, high + 1), True),
            (max(after_seq, high), before_seq, False),
        ):
            if span_after + 1 < span_before:
                yield span_after, span_before, kept_only

    # --- gaps

    @property
    def gaps_count(self) -> int:
        """How many ranges are open."""
        return self._ledger.count

    @property
    def has_ready_gaps(self) -> bool:
        """Whether any open range has a true time."""
        return any(one.boot_id is None for one in self._ledger.ranges)

    @property
    def open_gaps(self) -> Sequence[GapRange]:
        """All open ranges."""
        return self._ledger.ranges

    def take_ready_gaps(self) -> Sequence[GapRange]:
        """Remove and return them."""
        return self._ledger.take_ready()

    def note(self, lost: GapRange) -> None:
        """Take a loss that has no row."""
        if lost.boot_id is None and is_since_boot(lost.until_unix_ms):
            lost = replace(lost, boot_id=self.boot_now)
        offset_ms = self.offset_ms(lost.boot_id)
        self._ledger.add(lost if offset_ms is None else lost.settled(offset_ms))

    # --- boots

    def is_timed(self, boot_id: str | None) -> bool:
        """Whether rows of this boot have true times."""
        return boot_id is None or boot_id in self._offsets_ms

    def offset_ms(self, boot_id: str | None) -> int | None:
        """When this boot began; `None` if its rows have true times already, or none yet."""
        return None if boot_id is None else self._offsets_ms.get(boot_id)

    def true_unix_ms_of(self, unix_ms: int, boot_id: str | None) -> int:
        """A time of a row of this boot."""
        offset_ms = self.offset_ms(boot_id)
        return unix_ms if offset_ms is None else true_unix_ms(unix_ms, offset_ms)

    def settle(self, boot_id: str, offset_ms: int) -> int:
        """This boot began at `offset_ms`; counts from the next transaction on. Return how many rows it has."""
        if boot_id in self._offsets_ms or boot_id in self._offsets_unsaved:
            return 0
        self._offsets_unsaved[boot_id] = offset_ms
        self._never |= set(self._unset) - {boot_id, self.boot_now}
        self._between_unix_ms = (min(self.tables.totals.true_unix_ms or offset_ms, offset_ms), offset_ms)
        self._ledger.settle(boot_id, offset_ms)
        self._ledger.settle_between(*self._between_unix_ms, self.boot_now)
        return next((count for one, _, _, count in self.tables.boot_rows() if one == boot_id), 0)

    def timeless(self, limit: int) -> Sequence[Gone]:
        """Telemetry that will never have a time."""
        for boot_id in sorted(self._never):
            seqs = self.tables.telemetry_of_boot(boot_id, limit)
            if seqs:
                return self.tables.facts(seqs)
            self._never.discard(boot_id)
            self._unset.pop(boot_id, None)
        return ()

    def _look_at_boots(self) -> None:
        rows = self.tables.boot_rows()
        self._unset = {boot_id: (low, high) for boot_id, low, high, _ in rows if boot_id not in self._offsets_ms}

    def _name(self, gone: Iterable[Gone], cause: GapCause) -> None:
        for lost in gaps_of([self._timed(one) for one in gone], self.tables.epoch, cause):
            self._ledger.add(lost)

    def _timed(self, gone: Gone) -> Gone:
        if gone.boot_id in self._never:
            return Gone(gone.seq, Made(gone.made.readings_count, *self._between_unix_ms))
        return with_time(gone, self.offset_ms(gone.boot_id))
