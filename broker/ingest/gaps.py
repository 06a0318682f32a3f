"""Sequence gaps: numbers that a device has used and that never came, found across restarts and workers.

The numbers are in the central state (`broker.stores.deliveries`); this reviews them, writes the gap records and counts.
"""

import threading

import structlog

from broker.ingest.known import GAPS, OF_INGEST
from broker.series.ports import FieldValue, Sample, Series, SeriesStore
from broker.stores.gap_records import GapRecords
from broker.stores.gap_rows import Gap
from broker.stores.sequences import Sequences
from runtime.clock import Clock
from runtime.errors import PartialError

PRUNE_EVERY_S = 60.0

log = structlog.get_logger(__name__)


class GapReview:
    """Settles numbers, and writes each gap as a record of kind `gaps` and subject `ingest` of its device.

    Any number of workers may do so at once. A record is written again, over itself, when its numbers came after all
    (`filled_unix_ms`) or the device named them itself (`superseded_unix_ms`).
    """

    def __init__(self, sequences: Sequences, records: GapRecords, store: SeriesStore, clock: Clock) -> None:
        self._sequences = sequences
        self._records = records
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._pruned_s: float | None = None
        self._counters = {
            "sequence_gaps_total": 0.0,  # numbers given up
            "sequence_gaps_filled_total": 0.0,  # of those, numbers that came after all
            "sequence_numbers_named_total": 0.0,  # numbers that need not come: named by the device, or kept by alerts
            "sequence_numbers_awaited": 0.0,  # missing now, not yet given up
            "gap_records_written_total": 0.0,
        }

    def review(self) -> None:
        """Do what is due; call every few seconds.

        Raises:
            runtime.errors.RetryableError: one of the stores does not answer: call again later.
            runtime.errors.FatalError: the series store refuses us until a person has done what the sentence says.
        """
        found = self._sequences.review()
        with self._lock:
            self._counters["sequence_gaps_total"] += found.given_up_count
            self._counters["sequence_gaps_filled_total"] += found.filled_count
            self._counters["sequence_numbers_named_total"] += found.named_count
            self._counters["sequence_numbers_awaited"] = float(found.awaited_count)
        if found.given_up_count:
            log.warning("ingest.numbers_missing", numbers_count=found.given_up_count)
        self._write_records()
        now_s = self._clock.monotonic_s()
        if self._pruned_s is None or now_s - self._pruned_s >= PRUNE_EVERY_S:
            self._records.prune(self._clock.unix_ms())
            self._pruned_s = now_s

    def _write_records(self) -> None:
        while due := self._records.due():
            try:
                self._store.write([sample_of_gap(gap) for gap in due])
            except PartialError as error:  # it stays in the central state, and is not tried for ever
                log.warning("ingest.gap_record_refused", reason=str(error))
            self._records.written(due)
            with self._lock:
                self._counters["gap_records_written_total"] += len(due)

    def counters(self) -> dict[str, float]:
        """What this process found since it started."""
        with self._lock:
            return dict(self._counters)


def sample_of_gap(gap: Gap) -> Sample:
    """A gap as its record: the fields of `contract.telemetry.GapReading`, and what became of it.

    Of a device's own record only what corrects it, to be written over it: `missing_count` of its numbers had not come.
    """
    if gap.missing_count is not None:
        corrected: dict[str, FieldValue] = {"missing_count": gap.missing_count}
        if gap.filled_unix_ms is not None:
            corrected["filled_unix_ms"] = gap.filled_unix_ms
        source = gap.source
        return Sample(Series(source.market, source.device, GAPS, source.device), gap.time_unix_ms, corrected)
    fields: dict[str, FieldValue] = {
        "gap_epoch": gap.source.epoch,
        "first_seq": gap.first_seq,
        "last_seq": gap.last_seq,
        "from_unix_ms": gap.from_unix_ms,
        "until_unix_ms": gap.until_unix_ms,
        "batches_count": gap.batches_count,
        "readings_count": gap.readings_count,
        "cause": gap.cause,
    }
    if gap.filled_unix_ms is not None:
        fields["filled_unix_ms"] = gap.filled_unix_ms
    if gap.superseded_unix_ms is not None:
        fields["superseded_unix_ms"] = gap.superseded_unix_ms
    return Sample(Series(gap.source.market, gap.source.device, GAPS, OF_INGEST), gap.time_unix_ms, fields)
