"""The port of the series store: what ingest writes to, upkeep keeps in bounds and the console reads from."""

from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple, Protocol

from broker.series.buckets import Bucket
from contract.telemetry import AnyReading, BayReading, BayState, Reading, StatedReading

FieldValue = float | int | bool | str


class Series(NamedTuple):
    """What a value belongs to. `kind` is the telemetry name (bays, gates, …), `subject` the bay, gate, ….

    A named tuple, as `Sample` is, because ingest makes and looks up hundreds of thousands a second.
    """

    market: str
    device: str
    kind: str
    subject: str


class Sample(NamedTuple):
    """A series' fields at one time. The same series and time written again overwrites: a resend changes nothing.

    With `fields` of type `broker.series.shapes.ShapedFields` the contract has vetted the sample already.
    """

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
        """The newest sample of every series of the market; roll-ups are left out."""
        ...

    def range(
        self, series: Series, field: str, from_unix_ms: int, until_unix_ms: int
    ) -> Sequence[tuple[int, FieldValue]]:
        """(time_unix_ms, value) from `from_unix_ms` until before `until_unix_ms`, oldest first."""
        ...

    def downsampled(
        self, series: Series, field: str, from_unix_ms: int, until_unix_ms: int, step_ms: int, hold_ms: int
    ) -> Sequence[Bucket]:
        """Means of a number or flag in steps from `from_unix_ms` until before `until_unix_ms`, weighed by time.

        `broker.series.buckets` says how. A bucket in which nothing is known is left out; a text field has none.

        Raises:
            ValueError: `step_ms` or `hold_ms` is less than 1.
        """
        ...

    def scan(self, market: str, kind: str, from_unix_ms: int, until_unix_ms: int) -> Generator[Sample]:
        """Every sample of a kind in a market, series after series, each oldest first, as they are read.

        Half-open like `range`. A scan that is not read to its end has to be closed.
        """
        ...

    def newest(self, kind: str, since_unix_ms: int) -> Mapping[Series, int]:
        """The newest time of every series of a kind that has a sample at or after `since_unix_ms`, over all markets."""
        ...

    def prune(self, kinds: Sequence[str], before_unix_ms: int) -> bool:
        """Remove some of what these kinds have from before `before_unix_ms`; true when nothing of it is left.

        A call takes so little that whoever writes meanwhile hardly waits; what is removed first is not defined.

        Raises:
            runtime.errors.FatalError: this server removes nothing on request; the sentence says what to set instead.
        """
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
