"""Payloads as samples: (kind, subject, time, fields) of everything that ingest stores."""

from collections.abc import Iterator
from typing import NamedTuple

from broker.ingest.known import TROUBLES
from broker.series.ports import FieldValue, add_shares
from contract.events import FireEvent, TroubleEvent
from contract.telemetry import AnyBatch

FIRES = "fires"
EVENT_KINDS = frozenset({FIRES, TROUBLES})
_NOT_FIELDS = {"epoch", "seq", "time_unix_ms"}


class Observation(NamedTuple):
    """One sample whose series has not been looked up yet."""

    kind: str
    subject: str
    time_unix_ms: int
    fields: dict[str, FieldValue]


def of_batch(kind: str, batch: AnyBatch) -> Iterator[Observation]:
    """The readings of a batch; each equals `broker.series.ports.sample_of`, at a third of the cost."""
    # One dump for the whole batch stays inside pydantic's compiled core.
    dumped = batch.model_dump(mode="json", include={"readings"}, exclude_none=True)["readings"]
    for reading, fields in zip(batch.readings, dumped, strict=True):
        del fields["time_unix_ms"], fields[reading.SUBJECT_FIELD]
        add_shares(fields, reading)
        yield Observation(kind, reading.subject, reading.time_unix_ms, fields)


def of_fire(event: FireEvent) -> Observation:
    """A fire event under its camera, so that a dashboard can draw it as an annotation."""
    fields = event.model_dump(mode="json", exclude={*_NOT_FIELDS, "camera"}, exclude_none=True)
    return Observation(FIRES, event.camera, event.time_unix_ms, fields)


def of_trouble(event: TroubleEvent) -> Observation:
    """A trouble event under its subject; the field `kind` says what sort of part it is."""
    fields = event.model_dump(mode="json", exclude={*_NOT_FIELDS, "subject"}, exclude_none=True)
    return Observation(TROUBLES, event.subject, event.time_unix_ms, fields)
