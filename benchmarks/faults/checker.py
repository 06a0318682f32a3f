"""The checker: what the devices made, held against what the stores hold. Pure: no store is opened here.

Every reading is one of: stored once under its own time with its own values; named by a gap record or a dead letter;
or it was only in its device's memory, at most `MEMORY_S_MAX` old, when the process was killed (which is not promised).
Anything else is lost. More than one sample with a reading's number is doubled.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush, heapreplace

from benchmarks.faults.journal import Alarm, Made, Numbered, Record

MEMORY_S_MAX = 2.0
TIME_SLACK_MS = 2_500
SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class Stored:
    """A sample as the store holds it: when, which number, and whether its other value is the right one."""

    time_unix_ms: int
    number: int
    intact: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """A gap record as the store holds it."""

    device: str
    epoch: str
    cause: str
    first_seq: int | None
    last_seq: int | None
    from_unix_ms: int
    until_unix_ms: int
    batches_count: int
    readings_count: int
    by_ingest: bool = False


@dataclass(slots=True)
class Evidence:
    """What was found: samples by (device, subject), gap records, refused readings, alarms."""

    samples: Mapping[tuple[str, str], Sequence[Stored]]
    gaps: Sequence[Gap] = ()
    refused: frozenset[tuple[str, str, int]] = frozenset()
    alarms: Mapping[str, frozenset[Alarm]] = field(default_factory=dict)


@dataclass(slots=True)
class Verdict:
    """The counts, and a sentence for each of the first things that are wrong."""

    readings: int = 0
    stored: int = 0
    named: int = 0
    refused: int = 0
    in_memory: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    alarms: int = 0
    alarms_stored: int = 0
    alarms_in_memory: int = 0
    gaps: int = 0
    gaps_readings: int = 0
    gaps_wrong: int = 0
    named_though_stored: int = 0
    sentences: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.doubled or self.wrong or self.gaps_wrong or self.alarms_lost)

    @property
    def alarms_lost(self) -> int:
        """Alarms that an outbox held and that are not in the incidents."""
        return self.alarms - self.alarms_stored - self.alarms_in_memory

    def say(self, sentence: str) -> None:
        """Keep a sentence, up to `SHOWN_MAX`."""
        if len(self.sentences) < SHOWN_MAX:
            self.sentences.append(sentence)


def check(records: Mapping[str, Record], evidence: Evidence, *, time_slack_ms: int = TIME_SLACK_MS) -> Verdict:
    """Hold every device's journal against the evidence. `time_slack_ms`: how far a device's clock may be off."""
    verdict = Verdict(gaps=len(evidence.gaps), gaps_readings=sum(gap.readings_count for gap in evidence.gaps))
    for device, record in records.items():
        gaps = [gap for gap in evidence.gaps if gap.device == device]
        _check_readings(verdict, device, record, _Device(record, gaps, evidence), time_slack_ms)
        _check_gaps(verdict, record, [gap for gap in gaps if gap.first_seq is not None and not gap.by_ingest])
        _check_alarms(verdict, device, record, evidence.alarms.get(device, frozenset()))
    return verdict


class _Device:
    """A device's evidence, arranged for looking up one reading at a time."""

    def __init__(self, record: Record, gaps: Sequence[Gap], evidence: Evidence) -> None:
        self.evidence = evidence
        self.held: dict[Numbered, list[tuple[str, int]]] = defaultdict(list)
        self.times: dict[Numbered, set[int]] = defaultdict(set)
        for batch in record.held:
            for reading, time_unix_ms in zip(batch.readings, batch.times, strict=True):
                self.held[reading].append((batch.epoch, batch.seq))
                if batch.boot_id is None:
                    self.times[reading].add(time_unix_ms)
        self.numbered = [gap for gap in gaps if gap.first_seq is not None]
        self.unnumbered = [gap for gap in gaps if gap.first_seq is None]
        self.kills_s = sorted(record.ended_s)

    def unnamed(self, missing: Iterable[tuple[Numbered, Made]], slack_ms: int) -> Iterator[tuple[Numbered, Made]]:
        """What is left of readings that nothing names by number, when each record without numbers names its count.

        Such a record names readings of its time, as many as it counts, and nobody knows which. So each reading, oldest
        first, goes to the record that ends first: if any assignment names them all, this one does.
        """
        waiting = sorted(self.unnumbered, key=lambda gap: gap.from_unix_ms, reverse=True)
        begun: list[tuple[int, int]] = []  # until when, how many more: a heap
        for reading, made in sorted(missing, key=lambda one: one[1].true_unix_ms):
            while waiting and waiting[-1].from_unix_ms - slack_ms <= made.true_unix_ms:
                gap = waiting.pop()
                heappush(begun, (gap.until_unix_ms + slack_ms, gap.readings_count))
            while begun and (begun[0][0] < made.true_unix_ms or begun[0][1] == 0):
                heappop(begun)
            if begun:
                heapreplace(begun, (begun[0][0], begun[0][1] - 1))
            else:
                yield reading, made

    def numbered_gap_of(self, reading: Numbered) -> Gap | None:
        """The record that names a reading by its batch's number."""
        for epoch, seq in self.held.get(reading, ()):
            for gap in self.numbered:
                if gap.epoch == epoch and (gap.first_seq or 0) <= seq <= (gap.last_seq or 0):
                    return gap
        return None

    def is_time_of(self, reading: Numbered, made: Made, time_unix_ms: int, slack_ms: int) -> bool:
        """Whether it can be this reading's: the one that the outbox took, and near the real one."""
        taken = self.times.get(reading)
        return (taken is None or time_unix_ms in taken) and abs(time_unix_ms - made.true_unix_ms) <= slack_ms

    def died_in_memory(self, reading: Numbered, made: Made) -> bool:
        """Whether no `put` had returned for it, and its process was killed right after it was made."""
        if reading in self.held:
            return False
        return any(0 <= killed_s - made.made_s <= MEMORY_S_MAX for killed_s in self.kills_s)


def _check_readings(verdict: Verdict, device: str, record: Record, own: _Device, time_slack_ms: int) -> None:
    found = _by_number(own.evidence, device)
    missing: list[tuple[Numbered, Made]] = []
    for reading, made in record.made.items():
        verdict.readings += 1
        samples = found.pop(reading, [])
        if samples:
            _check_stored(verdict, f"{device}: {_name(reading)}", samples, (reading, made, own, time_slack_ms))
        elif own.numbered_gap_of(reading) is not None:
            verdict.named += 1
        elif (device, *reading) in own.evidence.refused:
            verdict.refused += 1
        elif own.died_in_memory(reading, made):  # no record counts it: it must use up no place in one
            verdict.in_memory += 1
        else:
            missing.append((reading, made))
    verdict.named += len(missing)
    for reading, made in own.unnamed(missing, time_slack_ms):
        verdict.named -= 1
        verdict.lost += 1
        batches = own.held.get(reading, "no batch")
        verdict.say(f"{device}: {_name(reading)}, made at {made.true_unix_ms}, in {batches}, is nowhere")
    for subject, number in found:
        verdict.wrong += 1
        verdict.say(f"{device}: {subject} number {number} is stored and was never made")


def _by_number(evidence: Evidence, device: str) -> dict[Numbered, list[Stored]]:
    found: dict[Numbered, list[Stored]] = defaultdict(list)
    for (of_device, subject), samples in evidence.samples.items():
        if of_device == device:
            for sample in samples:
                found[subject, sample.number].append(sample)
    return found


def _check_stored(
    verdict: Verdict, name: str, samples: list[Stored], about: tuple[Numbered, Made, _Device, int]
) -> None:
    reading, made, own, time_slack_ms = about
    verdict.stored += 1
    verdict.named_though_stored += own.numbered_gap_of(reading) is not None
    if len(samples) > 1:
        verdict.doubled += 1
        verdict.say(f"{name} is stored under {sorted(one.time_unix_ms for one in samples)}")
    if not all(one.intact and own.is_time_of(reading, made, one.time_unix_ms, time_slack_ms) for one in samples):
        verdict.wrong += 1
        verdict.say(f"{name} was really made at {made.true_unix_ms} and is stored as {samples}")


def _name(reading: Numbered) -> str:
    return f"{reading[0]} number {reading[1]}"


def _check_gaps(verdict: Verdict, record: Record, gaps: Sequence[Gap]) -> None:
    """A device's own numbered records name each number once, and count the readings that the numbers stood for.

    A batch whose `put` was cut off by a kill may be on the disk and not in the journal: so many may be counted more.
    """
    unheld = len(record.made) - len({reading for batch in record.held for reading in batch.readings})
    counts: dict[tuple[str, int], int] = {(batch.epoch, batch.seq): len(batch.readings) for batch in record.held}
    last: dict[str, int] = {}
    for gap in sorted(gaps, key=lambda one: (one.epoch, one.first_seq or 0)):
        first_seq, last_seq = gap.first_seq or 0, gap.last_seq or 0
        in_range = sum(counts.get((gap.epoch, seq), 0) for seq in range(first_seq, last_seq + 1))
        if not in_range <= gap.readings_count <= in_range + unheld:
            verdict.gaps_wrong += 1
            verdict.say(f"{gap} counts {gap.readings_count} readings, its numbers stood for {in_range}")
        if first_seq <= last.get(gap.epoch, 0):
            verdict.gaps_wrong += 1
            verdict.say(f"{gap} names numbers that another record names, too")
        last[gap.epoch] = max(last_seq, last.get(gap.epoch, 0))


def _check_alarms(verdict: Verdict, device: str, record: Record, stored: frozenset[Alarm]) -> None:
    for alarm, made_s in record.alarms_made.items():
        verdict.alarms += 1
        if alarm in stored:
            verdict.alarms_stored += 1
        elif alarm not in record.alarms_held and _died_waiting(record, made_s):
            verdict.alarms_in_memory += 1
        else:
            verdict.say(f"{device}: alarm {alarm} is not in the incidents")


def _died_waiting(record: Record, made_s: float) -> bool:
    """Whether an alarm made at `made_s` can have been in memory (a full disk lets it wait there) at the next kill.

    Alarms go to the disk in their order: one that was made later and held before that kill says that it cannot.
    """
    killed_s = min((one for one in record.ended_s if one >= made_s), default=None)
    if killed_s is None:
        return False
    return not any(made_s < record.alarms_made[later] < killed_s for later in record.alarms_held)
