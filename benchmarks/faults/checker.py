"""The checker: what the devices made, held against what the stores hold. Pure: no store is opened here.

Every reading is one of: stored once under its own time with its own values; named by a gap record or a dead letter;
or it was only in its device's memory, at most `MEMORY_S_MAX` old, when the process was killed (which is not promised).
Anything else is lost. More than one sample with a reading's number is doubled.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
        self.unnumbered_left = [gap.readings_count for gap in self.unnumbered]
        self.kills_s = sorted(record.ended_s)

    def gap_of(self, reading: Numbered, made: Made, slack_ms: int) -> Gap | None:
        """The record that names a reading: by its batch's number, or by its time in a record without numbers.

        Such a record names as many as it counts, once each: ask only for readings that are not stored.
        """
        numbered = self.numbered_gap_of(reading)
        if numbered is not None:
            return numbered
        for index, gap in enumerate(self.unnumbered):
            inside = gap.from_unix_ms - slack_ms <= made.true_unix_ms <= gap.until_unix_ms + slack_ms
            if inside and self.unnumbered_left[index] > 0:
                self.unnumbered_left[index] -= 1
                return gap
        return None

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
    found: dict[Numbered, list[Stored]] = defaultdict(list)
    for (of_device, subject), samples in own.evidence.samples.items():
        if of_device == device:
            for sample in samples:
                found[subject, sample.number].append(sample)
    for reading, made in record.made.items():
        verdict.readings += 1
        _check_reading(verdict, device, reading, made, (found.pop(reading, []), own, time_slack_ms))
    for subject, number in found:
        verdict.wrong += 1
        verdict.say(f"{device}: {subject} number {number} is stored and was never made")


def _check_reading(
    verdict: Verdict, device: str, reading: Numbered, made: Made, at_hand: tuple[list[Stored], _Device, int]
) -> None:
    samples, own, time_slack_ms = at_hand
    name = f"{device}: {reading[0]} number {reading[1]}"
    if samples:
        verdict.stored += 1
        verdict.named_though_stored += own.numbered_gap_of(reading) is not None
        if len(samples) > 1:
            verdict.doubled += 1
            verdict.say(f"{name} is stored under {sorted(one.time_unix_ms for one in samples)}")
        if not all(one.intact and own.is_time_of(reading, made, one.time_unix_ms, time_slack_ms) for one in samples):
            verdict.wrong += 1
            verdict.say(f"{name} was really made at {made.true_unix_ms} and is stored as {samples}")
    elif own.gap_of(reading, made, time_slack_ms) is not None:
        verdict.named += 1
    elif (device, *reading) in own.evidence.refused:
        verdict.refused += 1
    elif own.died_in_memory(reading, made):
        verdict.in_memory += 1
    else:
        verdict.lost += 1
        verdict.say(f"{name}, made at {made.true_unix_ms}, in {own.held.get(reading, 'no batch')}, is nowhere")


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
