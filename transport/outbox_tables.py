"""The statements of the outbox's file: rows, open gap ranges, boots. Nothing here begins or ends a transaction."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from transport.outbox_bodies import Made, made_in
from transport.outbox_gaps import TIMES_KEPT_MAX, GapLedger, GapRange
from transport.outbox_rules import Gone, NewRow

LIVE_ROWS_MAX = 10_000

Row = tuple[Any, ...]  # the columns of whatever was asked

_HEAD = "seq, topic, body, created_unix_ms, alarm, boot_id"


@dataclass(slots=True)
class Totals:
    """What the tables hold, kept beside them so that no put has to count."""

    rows: int = 0
    bytes: int = 0
    evictable_bytes: int = 0
    gap_rows: int = 0
    dropped_count: int = 0
    evict_from_seq: int = 0
    last_seq: int = 0
    true_unix_ms: int = 0

    def copy(self) -> "Totals":
        """As it is now."""
        return replace(self)


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row as the file has it."""

    seq: int
    topic: str
    kept: bytes
    created_unix_ms: int
    alarm: bool
    boot_id: str | None


class OutboxTables:
    """One connection's tables, with their totals."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.epoch = str(self._read("SELECT value FROM meta WHERE key = 'epoch'")[0][0])
        self.totals = self._count()

    # --- rows

    def insert(self, row: NewRow) -> int:
        """Store a row; return its seq."""
        self._connection.execute(
            "INSERT INTO message (seq, created_unix_ms, alarm, evictable, store, size_bytes, topic, body, "
            "readings_count, from_unix_ms, until_unix_ms, boot_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.seq,
                row.created_unix_ms,
                row.alarm,
                row.evictable,
                row.store,
                row.size_bytes,
                str(row.topic),
                row.kept,
                row.made.readings_count,
                row.made.from_unix_ms,
                row.made.until_unix_ms,
                row.boot_id,
            ),
        )
        totals = self.totals
        totals.rows += 1
        totals.bytes += row.size_bytes
        totals.evictable_bytes += row.size_bytes * row.evictable
        totals.gap_rows += row.is_gap
        return row.seq

    def between(
        self, after_seq: int, before_seq: int, limit: int, *, kept_only: bool, alarms_only: bool
    ) -> Sequence[StoredRow]:
        """Rows between two numbers, neither included, oldest first; `kept_only`: those that are never evicted."""
        wanted = ("AND evictable = 0 " if kept_only or alarms_only else "") + ("AND alarm = 1 " if alarms_only else "")
        query = f"SELECT {_HEAD} FROM message WHERE seq > ? AND seq < ? {wanted}ORDER BY seq LIMIT ?"  # noqa: S608 - put together from literals
        found = self._read(query, after_seq, before_seq, limit)
        return [
            StoredRow(seq, topic, body, created, bool(alarm), boot) for seq, topic, body, created, alarm, boot in found
        ]

    def newest_first(self) -> Iterator[tuple[int, int, str | None]]:
        """(seq, created, boot) from the newest row back, `LIVE_ROWS_MAX` of them at most."""
        query = "SELECT seq, created_unix_ms, boot_id FROM message ORDER BY seq DESC LIMIT ?"
        yield from self._connection.execute(query, (LIVE_ROWS_MAX,))

    def oldest(self) -> tuple[int, str | None] | None:
        """(created, boot) of the oldest row."""
        found = self._read("SELECT created_unix_ms, boot_id FROM message ORDER BY seq LIMIT 1")
        return (found[0][0], found[0][1]) if found else None

    def of_store(self, seqs: Sequence[int], store: str) -> Sequence[int]:
        """Those of these rows that this store ends."""
        query = "SELECT seq FROM message WHERE seq IN (SELECT value FROM json_each(?)) AND store = ?"
        return [seq for (seq,) in self._read(query, json.dumps(list(seqs)), store)]

    def evictable(self, limit: int) -> Sequence[tuple[Gone, int, int]]:
        """The oldest rows that may go: (what a gap record needs, size in bytes, created)."""
        query = (
            "SELECT seq, size_bytes, created_unix_ms, readings_count, from_unix_ms, until_unix_ms, boot_id, "
            "CASE WHEN readings_count IS NULL THEN body END FROM message "
            "WHERE seq > ? AND evictable = 1 ORDER BY seq LIMIT ?"
        )
        rows = self._read(query, self.totals.evict_from_seq, limit)
        return [(_gone(seq, facts, body, created), size, created) for seq, size, created, *facts, body in rows]

    def facts(self, seqs: Sequence[int]) -> Sequence[Gone]:
        """What gap records of these rows would need."""
        query = (
            "SELECT seq, created_unix_ms, readings_count, from_unix_ms, until_unix_ms, boot_id FROM message "
            "WHERE seq IN (SELECT value FROM json_each(?))"
        )
        return [_gone(seq, facts, None, created) for seq, created, *facts in self._read(query, json.dumps(list(seqs)))]

    def forget(self, seqs: Sequence[int]) -> None:
        """Delete rows."""
        gone = self._read(
            "DELETE FROM message WHERE seq IN (SELECT value FROM json_each(?)) "
            "RETURNING size_bytes, evictable, NOT evictable AND NOT alarm AND store = 'readings'",
            json.dumps(list(seqs)),
        )
        totals = self.totals
        totals.rows -= len(gone)
        totals.bytes -= sum(size_bytes for size_bytes, _, _ in gone)
        totals.evictable_bytes -= sum(size_bytes for size_bytes, evictable, _ in gone if evictable)
        totals.gap_rows -= sum(is_gap for _, _, is_gap in gone)
        self._set("last_seq", str(totals.last_seq))
        self._set("true_unix_ms", str(totals.true_unix_ms))

    # --- boots without a clock

    def boots(self) -> dict[str, int]:
        """The boots that have got their time: id → when it began."""
        return dict(self._read("SELECT boot_id, offset_ms FROM boot"))

    def add_boot(self, boot_id: str, offset_ms: int) -> None:
        """This boot began at `offset_ms`."""
        self._connection.execute("INSERT INTO boot VALUES (?, ?)", (boot_id, offset_ms))

    def forget_unused_boots(self) -> None:
        """Delete boots of which no row is left."""
        self._connection.execute(
            "DELETE FROM boot WHERE NOT EXISTS "
            "(SELECT 1 FROM message WHERE message.boot_id = boot.boot_id AND message.boot_id IS NOT NULL)"
        )

    def boot_rows(self) -> Sequence[tuple[str, int, int, int]]:
        """(boot, lowest seq, highest seq, rows) of every boot that has rows."""
        query = "SELECT boot_id, min(seq), max(seq), count(*) FROM message WHERE boot_id IS NOT NULL GROUP BY boot_id"
        return [(boot_id, low, high, count) for boot_id, low, high, count in self._read(query)]

    def telemetry_of_boot(self, boot_id: str, limit: int) -> Sequence[int]:
        """The numbers of a boot's telemetry."""
        query = "SELECT seq FROM message WHERE boot_id = ? AND store = 'readings' ORDER BY seq LIMIT ?"
        return [seq for (seq,) in self._read(query, boot_id, limit)]

    # --- open gaps

    def gaps(self) -> Sequence[tuple[int, GapRange]]:
        """The open ranges with their ids."""
        rows = self._read("SELECT * FROM gap ORDER BY id")
        return [(gap_id, GapRange.from_row(fields)) for gap_id, *fields in rows]

    def save_gaps(self, ledger: GapLedger) -> None:
        """Write what the ledger has changed, and that its numbers are used up, which a range that melts forgets."""
        self._set("last_seq", str(self.totals.last_seq))
        for gap_id, one in ledger.unsaved():
            if one is None:
                self._connection.execute("DELETE FROM gap WHERE id = ?", (gap_id,))
                continue
            self._connection.execute(
                "INSERT OR REPLACE INTO gap VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    gap_id,
                    one.epoch,
                    one.first_seq,
                    one.last_seq,
                    one.from_unix_ms,
                    one.until_unix_ms,
                    one.batches_count,
                    one.readings_count,
                    one.cause.value,
                    one.boot_id,
                ),
            )

    def noted(self) -> int:
        """The number of the newest note (`transport.outbox_note`) whose content is in the file."""
        return int(self._meta("noted", "0"))

    def keep_noted(self, number: int) -> None:
        """The file has what that note says: its ranges, and the numbers that were used up."""
        self._set("noted", str(number))
        self._set("last_seq", str(self.totals.last_seq))

    def gap_times(self) -> tuple[int, ...]:
        """The times of the last gap records."""
        return tuple(json.loads(self._meta("gap_times", "[]")))

    def keep_gap_times(self, times: Sequence[int]) -> None:
        """Keep the newest of them."""
        self._set("gap_times", json.dumps(list(times)[-TIMES_KEPT_MAX:]))

    def save_dropped_count(self) -> None:
        """Keep the count of what was dropped."""
        self._set("dropped_count", str(self.totals.dropped_count))

    # --- inside

    def _count(self) -> Totals:
        rows, size_bytes, evictable_bytes, highest, gap_rows = self._read(
            "SELECT count(*), coalesce(sum(size_bytes), 0), coalesce(sum(size_bytes * evictable), 0), "
            "coalesce(max(seq), 0), coalesce(sum(NOT evictable AND NOT alarm AND store = 'readings'), 0) FROM message"
        )[0]
        in_gaps = self._read("SELECT coalesce(max(last_seq), 0) FROM gap WHERE epoch = ?", self.epoch)[0][0]
        newest = self._read("SELECT created_unix_ms FROM message WHERE boot_id IS NULL ORDER BY seq DESC LIMIT 1")
        return Totals(
            rows=rows,
            bytes=size_bytes,
            evictable_bytes=evictable_bytes,
            gap_rows=gap_rows,
            dropped_count=int(self._meta("dropped_count", "0")),
            last_seq=max(highest, in_gaps, int(self._meta("last_seq", "0"))),
            true_unix_ms=max(int(self._meta("true_unix_ms", "0")), newest[0][0] if newest else 0),
        )

    def _meta(self, key: str, otherwise: str) -> str:
        found = self._read("SELECT value FROM meta WHERE key = ?", key)
        return str(found[0][0]) if found else otherwise

    def _set(self, key: str, value: str) -> None:
        self._connection.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value "
            "WHERE value <> excluded.value",
            (key, value),
        )

    def _read(self, query: str, *values: object) -> list[Row]:
        rows: list[Row] = self._connection.execute(query, values).fetchall()
        return rows


def _gone(seq: int, facts: Sequence[Any], body: bytes | None, created_unix_ms: int) -> Gone:
    readings_count, from_unix_ms, until_unix_ms, boot_id = facts
    if readings_count is None:  # a row of format 1
        return Gone(seq, made_in(body or b"", created_unix_ms))
    return Gone(seq, Made(readings_count, from_unix_ms, until_unix_ms), boot_id)
