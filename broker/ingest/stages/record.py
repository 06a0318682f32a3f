"""Third stage: what arrived, what was refused and why, what devices name as missing; one transaction.

It stands after the write, so that no number counts as arrived whose readings are not stored, and before the receipts,
so that a device keeps a batch until both stores have what they need of it.
"""

from collections import Counter
from collections.abc import Iterator

from broker.ingest.known import GAPS
from broker.ingest.numbers import sender_of
from broker.ingest.refusal import RefusalKind
from broker.ingest.work import Work
from broker.stores.dead_letters import DeadLetter
from broker.stores.deliveries import Deliveries, Delivery
from broker.stores.gap_rows import Gap, NamedBy, Source
from contract.payload import BadPayloadError
from contract.telemetry import GapBatch, GapCause

STRANGERS = frozenset({RefusalKind.BAD_TOPIC.value, RefusalKind.UNKNOWN_DEVICE.value})
"""Refusals of what is nobody's: its numbers are not followed."""

_GAPS_TOPIC = f"/telemetry/{GAPS}"


class Record:
    """Keeps a batch's numbers, gaps, letters and late windows in the central state, all or none."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries

    def __call__(self, work: Work) -> None:
        """Return when it is kept.

        Raises:
            broker.stores.database.StoreUnavailableError: the central state does not answer: call again.
        """
        now = work.received_unix_ms
        delivery = Delivery(
            arrivals=[(identity.market, identity.device, epoch, seq, now) for (identity, epoch), seq in work.numbers],
            gaps=[*_refused(work.letters), *_named_by_devices(work)],
            letters=work.letters,
            dirty_windows=work.late_windows,
        )
        self._deliveries.record(delivery)


def _refused(letters: list[DeadLetter]) -> Iterator[Gap]:
    """One gap for each number of a known device of which something is in the dead letter."""
    readings: Counter[tuple[Source, int]] = Counter()
    whole: dict[tuple[Source, int], bool] = {}
    for letter in letters:
        if letter.reason_kind in STRANGERS or letter.epoch is None or letter.seq is None:
            continue
        if letter.market is None or letter.device is None:
            continue
        key = (Source(letter.market, letter.device, letter.epoch), letter.seq)
        readings[key] += letter.is_excerpt
        whole[key] = whole.get(key, False) or not letter.is_excerpt
    for (source, seq), is_whole in whole.items():
        yield Gap(
            source=source,
            named_by=NamedBy.REFUSAL,
            first_seq=seq,
            last_seq=seq,
            cause=GapCause.REFUSED.value,
            from_unix_ms=letters[0].received_unix_ms,
            until_unix_ms=letters[0].received_unix_ms,
            found_unix_ms=letters[0].received_unix_ms,
            batches_count=int(is_whole),
            readings_count=readings[source, seq],
        )


def _named_by_devices(work: Work) -> Iterator[Gap]:
    """The ranges in the gap records of this batch; the records themselves are in the series store like all readings."""
    for message in work.messages:
        identity = sender_of(message.topic) if message.topic.endswith(_GAPS_TOPIC) else None
        if identity is None:
            continue
        try:
            batch = GapBatch.from_bytes(message.body)
        except BadPayloadError:
            continue  # in the dead letter, with its number
        if (identity, batch.epoch) not in work.receipts:
            continue  # a stranger's
        for reading in batch.readings:
            if reading.device == identity.device and reading.first_seq is not None and reading.last_seq is not None:
                yield Gap(
                    source=Source(identity.market, identity.device, reading.gap_epoch),
                    named_by=NamedBy.DEVICE,
                    first_seq=reading.first_seq,
                    last_seq=reading.last_seq,
                    cause=reading.cause.value,
                    from_unix_ms=reading.from_unix_ms,
                    until_unix_ms=reading.until_unix_ms,
                    found_unix_ms=work.received_unix_ms,
                    batches_count=reading.batches_count,
                    readings_count=reading.readings_count,
                    time_unix_ms=reading.time_unix_ms,
                )
