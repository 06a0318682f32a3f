"""Payloads for outboxes: bodies that do not pack small, times since boot, and gap records read back."""

import random
from collections.abc import Callable

from contract.catalog import topic_for
from contract.events import FireEvent, Phase
from contract.telemetry import BayBatch, BayReading, BayState, GapBatch, GapReading
from tests.transport.payloads import TIME_UNIX_MS
from transport.ports import Outbox

GAPS = topic_for("jungang", "edge-1", GapBatch)


def noisy(count: int = 8, *, time_unix_ms: int = TIME_UNIX_MS) -> Callable[[str, int], BayBatch]:
    """Builds a batch whose every reading carries random text: about 150 packed bytes a reading."""

    def build(epoch: str, seq: int) -> BayBatch:
        rng = random.Random(seq)
        readings = tuple(
            BayReading(
                bay=f"b-{index}",
                time_unix_ms=time_unix_ms + index,
                state=BayState.FREE,
                confidence=1.0,
                detail=f"{rng.getrandbits(900):x}",
                since_unix_ms=time_unix_ms,
            )
            for index in range(count)
        )
        return BayBatch(epoch=epoch, seq=seq, readings=readings)

    return build


def fire_at(time_unix_ms: int, *, clock_set: bool) -> Callable[[str, int], FireEvent]:
    """Builds a fire raised at this time."""
    return lambda epoch, seq: FireEvent(
        epoch=epoch,
        seq=seq,
        event_id=f"{seq:032x}",
        time_unix_ms=time_unix_ms,
        clock_set=clock_set,
        phase=Phase.RAISED,
        zone="food-row",
        camera="cam-1",
        score=0.9,
        first_seen_unix_ms=time_unix_ms - 1,
        decided_unix_ms=time_unix_ms,
    )


def take_gaps(outbox: Outbox) -> list[GapReading]:
    """Flush the open ranges, read them, and confirm them as ingest would."""
    found: list[GapReading] = []
    outbox.flush_gaps(GAPS)
    while rows := [row for row in outbox.pending(0, 100_000) if row.topic == GAPS]:
        found += [one for row in rows for one in GapBatch.from_bytes(row.body).readings]
        assert outbox.delivered(outbox.epoch, [row.seq for row in rows], "readings") == len(rows)
        outbox.flush_gaps(GAPS)
    return found


def named(gaps: list[GapReading]) -> list[int]:
    """Every number in these gap records, as often as it is in one."""
    return [
        seq
        for one in gaps
        if one.first_seq is not None and one.last_seq is not None
        for seq in range(one.first_seq, one.last_seq + 1)
    ]
