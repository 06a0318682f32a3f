"""The devices' journals: what was made, written down before it was reported, and what an outbox said it holds.

A line is written with one system call, so a kill -9 leaves whole lines. It is not fsynced: processes are killed here,
the machine is not.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

READING, HELD, ALARM, ALARM_HELD, END = "r", "h", "a", "ah", "end"

Numbered = tuple[str, int]
"""(subject, number): names a reading of a device for ever."""

Alarm = tuple[str, str]
"""(event_id, phase)."""


@dataclass(frozen=True, slots=True)
class Made:
    """A reading as it was made, and when really: by the real machine's wall clock and by its monotonic one."""

    kind: str
    true_unix_ms: int
    made_s: float


@dataclass(frozen=True, slots=True)
class Held:
    """A batch whose `put` returned: from then on it may not be lost unnamed.

    `times` are the readings' own, as the outbox took them; with `boot_id` they count from that boot.
    """

    epoch: str
    seq: int
    readings: tuple[Numbered, ...]
    times: tuple[int, ...]
    boot_id: str | None = None


@dataclass(slots=True)
class Record:
    """A device's whole journal."""

    made: dict[Numbered, Made] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    alarms_made: dict[Alarm, float] = field(default_factory=dict)
    alarms_held: set[Alarm] = field(default_factory=set)
    ended_s: list[float] = field(default_factory=list)


class Journal:
    """Appends to a device's journal."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def reading(self, subject: str, number: int, made: Made) -> None:
        """Before a reading is reported."""
        self._write(READING, subject, number, made.kind, made.true_unix_ms, made.made_s)

    def held(self, batch: Held) -> None:
        """After an outbox's `put` of telemetry returned."""
        self._write(HELD, batch.epoch, batch.seq, batch.readings, batch.times, batch.boot_id)

    def alarm(self, alarm: Alarm) -> None:
        """Before an event is recorded."""
        self._write(ALARM, *alarm, time.monotonic())

    def alarm_held(self, alarm: Alarm) -> None:
        """After an outbox's `put` of an event returned."""
        self._write(ALARM_HELD, *alarm)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _write(self, *values: object) -> None:
        os.write(self._descriptor, json.dumps(values, separators=(",", ":")).encode() + b"\n")


def note_end(path: Path, ended_s: float) -> None:
    """Note from outside that the device's process was killed at `ended_s` (`time.monotonic`, one clock for all)."""
    journal = Journal(path)
    journal._write(END, ended_s)  # noqa: SLF001 - the same file's
    journal.close()


def read_journal(path: Path) -> Record:
    """Everything a device wrote down."""
    record = Record()
    for kind, *values in _lines(path):
        if kind == READING:
            subject, number, of_kind, true_unix_ms, made_s = values
            record.made[subject, number] = Made(of_kind, true_unix_ms, made_s)
        elif kind == HELD:
            epoch, seq, readings, times, boot_id = values
            named = tuple((subject, number) for subject, number in readings)
            record.held.append(Held(epoch, seq, named, tuple(times), boot_id))
        elif kind == ALARM:
            record.alarms_made[values[0], values[1]] = values[2]
        elif kind == ALARM_HELD:
            record.alarms_held.add((values[0], values[1]))
        else:
            record.ended_s.append(values[0])
    return record


def _lines(path: Path) -> Iterator[list]:  # type: ignore[type-arg]  # rows of mixed JSON values
    if not path.exists():
        return
    with path.open(encoding="ascii") as file:
        for line in file:
            yield json.loads(line)
