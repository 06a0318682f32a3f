"""What leaves an outbox undelivered, the oldest telemetry first: for room, for a full disk, for its age."""

from collections.abc import Sequence

from contract.telemetry import GapCause
from transport.outbox_book import OutboxBook
from transport.outbox_file import OutboxFile
from transport.outbox_rules import EVICT_BYTES_MIN, SWEEP_ROWS_MAX, Gone

EVICT_ROWS_MAX = 64


def evict(book: OutboxBook, bytes_wanted: int, cause: GapCause) -> None:
    """Lose telemetry of this size, or all there is; within a transaction."""
    freed = 0
    while freed < bytes_wanted:
        going: list[Gone] = []
        for gone, size_bytes, _ in book.tables.evictable(EVICT_ROWS_MAX):
            if freed >= bytes_wanted:
                break
            going.append(gone)
            freed += size_bytes
        if not going:
            return
        book.lose(going, cause)
        book.tables.totals.evict_from_seq = going[-1].seq


def evict_for_the_disk(book: OutboxBook, file: OutboxFile, attempt: int) -> None:
    """The first failure is mended by reusing the log; then telemetry goes, each time twice as much."""
    if attempt > 1:
        cause = GapCause.OUTBOX_FULL if file.at_bound else GapCause.DISK_FULL
        evict(book, EVICT_BYTES_MIN * 2 ** (attempt - 2), cause)


def aged(book: OutboxBook, before_unix_ms: int) -> Sequence[Gone]:
    """Telemetry made before this time, `SWEEP_ROWS_MAX` rows at most."""
    return [
        gone
        for gone, _, created in book.tables.evictable(SWEEP_ROWS_MAX)
        if book.is_timed(gone.boot_id) and book.true_unix_ms_of(created, gone.boot_id) < before_unix_ms
    ]
