"""Stored rows as they are handed out: unpacked, checked, with true times."""

from collections.abc import Sequence

from contract.topics import Topic
from transport.outbox_bodies import DamagedBodyError, unpack, with_true_times
from transport.outbox_book import OutboxBook
from transport.outbox_tables import StoredRow
from transport.ports import OutboxRow


def given(found: Sequence[StoredRow], book: OutboxBook) -> tuple[list[OutboxRow], list[int]]:
    """Rows as they are handed out, without telemetry that has no time, and the numbers of those that are damaged."""
    rows, damaged = [], []
    for one in found:
        topic = Topic.parse(one.topic)
        if topic.channel == "telemetry" and not book.is_timed(one.boot_id):
            continue
        try:
            body = unpack(one.kept)
        except DamagedBodyError:  # named by the caller
            damaged.append(one.seq)
            continue
        created_unix_ms, offset_ms = one.created_unix_ms, book.offset_ms(one.boot_id)
        if offset_ms is not None:
            body = with_true_times(body, offset_ms)
            created_unix_ms = book.true_unix_ms_of(created_unix_ms, one.boot_id)
        rows.append(OutboxRow(one.seq, topic, body, created_unix_ms, one.alarm))
    return rows, damaged


def first_seq_since(created_unix_ms: int, book: OutboxBook) -> int:
    """The first of the newest rows that were all stored at or after a time; one past the last if there is none."""
    found = book.last_seq + 1
    for seq, created, boot_id in book.tables.newest_first():
        if book.is_timed(boot_id) and book.true_unix_ms_of(created, boot_id) < created_unix_ms:
            break
        found = seq
    return found


def oldest_unix_ms(book: OutboxBook) -> int | None:
    """When the oldest row was stored; `None` without rows or while nobody knows."""
    oldest = book.tables.oldest()
    return book.true_unix_ms_of(*oldest) if oldest is not None and book.is_timed(oldest[1]) else None
