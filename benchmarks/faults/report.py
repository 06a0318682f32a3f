"""A history in words: what was injected, and the verdict last."""

from collections.abc import Iterator

from benchmarks.faults.history import History
from benchmarks.faults.schedule import by_kind


def lines(history: History) -> Iterator[str]:
    """The report, the sentences about what is wrong first, the counts last."""
    verdict = history.verdict
    yield from verdict.sentences
    for name, codes in history.ended_by_themselves.items():
        yield f"{name} ended by itself {len(codes)} times, exit codes {codes[:10]}"
    if history.undrained:
        yield f"not drained: {history.undrained}"
    yield f"devices: {history.options.devices}"
    yield f"store: {history.options.store}"
    yield f"readings: {verdict.readings} made, {verdict.stored} stored, {verdict.refused} in the dead letter"
    yield f"faults injected: {len(history.injected)} of {len(history.planned)} ({by_kind(history.injected)})"
    yield f"lost: {verdict.lost}"
    yield f"doubled: {verdict.doubled}"
    yield f"wrong value or time: {verdict.wrong}"
    yield (
        f"gap records: {verdict.gaps} (naming {verdict.gaps_readings} readings; {verdict.named} not stored, "
        f"{verdict.named_though_stored} stored all the same); wrong: {verdict.gaps_wrong}"
    )
    yield (f"only in memory at a kill (not promised): {verdict.in_memory} readings, {verdict.alarms_in_memory} alarms")
    yield f"alarms: {verdict.alarms_stored} stored of {verdict.alarms - verdict.alarms_in_memory}"
    yield f"seed: {history.seed}"
    yield f"duration: {history.faults_s:.0f} s of faults, {history.drain_s:.1f} s until everything was confirmed"
