"""The port of the series store: what ingest writes to and the console reads from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from contract.telemetry import AnyReading, BayReading, BayState, Reading, StatedReading

FieldValue = float | int | bool | str


@dataclass(frozen=True, slots=True, order=True)
class Series:
    """What a value belongs to. `kind` is the telemetry name (bays, gates, …), `subject` the bay, gate, …."""

    market: str
    device: str
    kind: str
    subject: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A series' fields at one time. The same series and time written again overwrites: a resend changes nothing."""

    series: Series
    time_unix_ms: int
    fields: Mapping[str, FieldValue]


class SeriesStore(Protocol):
    """Readings over time. Safe for one writer and many readers in other processes."""

    def write(self, samples: Sequence[Sample]) -> None:
        """Store all; durable when it returns.

        Raises:
            runtime.errors.RetryableError: nothing or part is stored; write the same again later.
            runtime.errors.PartialError: `rejected` names what the store will never take (index into `samples`); the
                others are stored.
            runtime.errors.FatalError: the store refuses us (credentials, database): a person has to act.
        """
        ...

    def latest(self, market: str) -> Sequence[Sample]:
        """The newest sample of every series of the market."""
        ...

    def range(
        self, series: Series, field: str, from_unix_ms: int, until_unix_ms: int
    ) -> Sequence[tuple[int, FieldValue]]:
        """(time_unix_ms, value) from `from_unix_ms` until before `until_unix_ms`, oldest first."""
        ...

    def close(self) -> None:
        """Release connections and files."""
        ...


def sample_of(market: str, device: str, kind: str, reading: AnyReading) -> Sample:
    """A reading as a sample: its set fields but subject and time, enumerations as text, and its shares."""
    fields = reading.model_dump(mode="json", exclude={"time_unix_ms", reading.SUBJECT_FIELD}, exclude_none=True)
    add_shares(fields, reading)
    return Sample(Series(market, device, kind, reading.subject), reading.time_unix_ms, fields)


def add_shares(fields: dict[str, FieldValue], reading: Reading) -> None:
    """Add the numbers that a dashboard can average.

    `known` (1 or 0) for what can be unknown, and `occupied` (1 or 0) for a bay while it is known: an unknown bay has no
    `occupied`, it is neither.
    """
    if isinstance(reading, StatedReading):
        fields["known"] = float(reading.state != "unknown")
    if isinstance(reading, BayReading) and reading.state in {BayState.FREE, BayState.OCCUPIED}:
        fields["occupied"] = float(reading.state is BayState.OCCUPIED)
