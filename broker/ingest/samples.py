"""Payloads as samples: (kind, subject, time, fields) of everything that ingest stores."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple, TypedDict, TypeVar, cast, get_args

from pydantic import ValidationError
from pydantic_core import to_json

from broker.ingest.known import TROUBLES
from broker.series.dict_form import NoDictFormError, Vetting, dict_form, rules_of, vetting_of
from broker.series.ports import FieldValue, Sample, Series, add_shares, sample_of
from broker.series.shapes import Shape, ShapedFields
from contract.access import DeviceIdentity
from contract.catalog import CATALOG
from contract.events import FireEvent, TroubleEvent
from contract.ids import UNIX_MS_MAX
from contract.payload import Payload
from contract.telemetry import AnyBatch, AnyReading

FIRES = "fires"
WATCHES, DRILLS = "watches", "drills"  # kinds of their own: whatever counts or draws fires counts and draws neither
EVENT_KINDS = frozenset({FIRES, WATCHES, DRILLS, TROUBLES})
ARRIVALS_KEPT_MAX = 4096

_NOT_FIELDS = {"epoch", "seq", "time_unix_ms"}
_NOT_FIRE_FIELDS = {
    *_NOT_FIELDS,
    "camera",
    "level",
    "reasons",
    "scores",
}  # the level is the kind; lists are in the history
_BY_STATE = frozenset({"_reason_goes_with_unknown"})
"""Rules of readings that hold for all or none of those with the same state and the same absent fields."""

_Event = TypeVar("_Event", FireEvent, TroubleEvent)
_Reading = dict[str, FieldValue | None]
_Values = Callable[[_Reading], tuple[FieldValue, ...]]


class Observation(NamedTuple):
    """One sample whose series has not been looked up yet."""

    kind: str
    subject: str
    time_unix_ms: int
    fields: dict[str, FieldValue]


class PlainBatch(TypedDict):
    """A batch as a dictionary; `readings` have every field of their model, `None` where it is absent."""

    epoch: str
    seq: int
    replayed: bool
    readings: list[_Reading]


@dataclass(frozen=True, slots=True)
class _Look:
    """What readings with the same state and the same absent fields have in common; `pick` gives the varying values."""

    shape: Shape
    pick: _Values
    vetted: bool

    def fields(self, reading: _Reading) -> Mapping[str, FieldValue]:
        """For a look with text that a store has to check: a dictionary of its own."""
        return {**dict(zip(self.shape.names, self.pick(reading), strict=True)), **dict(self.shape.constants)}


class BatchForm:
    """The quick way from a body to samples, for one kind of telemetry.

    It takes less than the model does (`None` means: ask the model, which says what is wrong), never more, and its
    samples equal `broker.series.ports.sample_of`: the first reading of each look is made by both the contract's model
    and `sample_of`, and what they say of it holds for all others that look the same.

    Raises:
        NoDictFormError: the model has something that this way would overlook.
    """

    def __init__(self, kind: str, model: type[Payload]) -> None:
        self._kind = kind
        self._validator = dict_form(model)
        self._reading: type[AnyReading] = get_args(model.model_fields["readings"].annotation)[0]
        overlooked = rules_of(model) | (rules_of(self._reading) - _BY_STATE)
        if overlooked:
            raise NoDictFormError(f"{model.__name__} has rules that only the model knows: {sorted(overlooked)}")
        self._vetting = vetting_of(self._reading)
        optional = [name for name, field in self._reading.model_fields.items() if field.default is None]
        self._optional = itemgetter(*optional)
        self._looks: dict[tuple[object, ...], _Look] = {}  # bounded: by states times absent fields

    def read(self, body: bytes) -> PlainBatch | None:
        """The body's content, or `None` if it is not (quite) what the model wants."""
        try:
            return cast("PlainBatch", self._validator.validate_json(body))
        except ValidationError:  # the thorough way reads it again, and refuses in words
            return None

    def samples(self, readings: Sequence[_Reading], series_of: Callable[[str], Series | None]) -> list[Sample] | None:
        """A sample of each reading; `None` if one breaks a rule or has no series."""
        subject_field, optional, looks = self._reading.SUBJECT_FIELD, self._optional, self._looks
        new, sample_type = tuple.__new__, Sample  # half the cost of calling `Sample`
        made: list[Sample] = []
        for reading in readings:
            look = looks.get((reading.get("state"), *map(type, optional(reading)))) or self._learn(reading)
            series = series_of(reading[subject_field])  # type: ignore[arg-type]  # an id, by the model
            if look is None or series is None:
                return None
            fields = ShapedFields(look.shape, look.pick(reading)) if look.vetted else look.fields(reading)
            made.append(new(sample_type, (series, reading["time_unix_ms"], fields)))
        return made

    def _learn(self, reading: _Reading) -> _Look | None:
        try:
            model = self._reading.model_validate_json(to_json(reading))
        except ValidationError:  # the same
            return None
        fields = sample_of("m", "d", self._kind, model).fields
        names = tuple(name for name in fields if name in reading)
        constants = tuple((name, value) for name, value in fields.items() if name not in reading)
        words = frozenset(name for name in names if self._vetting[name] is Vetting.WORD)
        vetted = all(self._vetting[name] is not Vetting.LOOSE for name in names)
        look = _Look(Shape(self._kind, names, words, constants), _getter(names), vetted)
        self._looks[(reading.get("state"), *map(type, self._optional(reading)))] = look
        return look


def _getter(names: Sequence[str]) -> _Values:
    """The values of these fields; `itemgetter` makes a tuple from two names on."""
    if len(names) > 1:
        return cast("_Values", itemgetter(*names))
    return lambda reading: cast("tuple[FieldValue, ...]", tuple(reading[name] for name in names))


def batch_forms() -> Mapping[str, BatchForm]:
    """The quick forms by telemetry name; a kind that has none is read by its model alone."""
    forms = {}
    for row in CATALOG:
        if row.channel == "telemetry":
            try:
                forms[row.name] = BatchForm(row.name, row.model)
            except NoDictFormError:
                continue  # tests/broker/ingest/test_samples.py says which kinds may be here
    return forms


def of_batch(kind: str, batch: AnyBatch) -> Iterator[Observation]:
    """The readings of a batch; each equals `broker.series.ports.sample_of`, at a third of the cost."""
    # One dump for the whole batch stays inside pydantic's compiled core.
    dumped = batch.model_dump(mode="json", include={"readings"}, exclude_none=True)["readings"]
    for reading, fields in zip(batch.readings, dumped, strict=True):
        del fields["time_unix_ms"], fields[reading.SUBJECT_FIELD]
        add_shares(fields, reading)
        yield Observation(kind, reading.subject, reading.time_unix_ms, fields)


def of_fire(event: FireEvent) -> Observation:
    """A fire event under its camera, so that a dashboard can draw it; a drill and a watch are of other kinds."""
    fields = event.model_dump(mode="json", exclude=_NOT_FIRE_FIELDS, exclude_none=True)
    kind = DRILLS if event.drill else WATCHES if event.level == "watch" else FIRES
    return Observation(kind, event.camera, event.time_unix_ms, fields)


def of_trouble(event: TroubleEvent) -> Observation:
    """A trouble event under its subject; the field `kind` says what sort of part it is."""
    fields = event.model_dump(mode="json", exclude={*_NOT_FIELDS, "subject"}, exclude_none=True)
    return Observation(TROUBLES, event.subject, event.time_unix_ms, fields)


class Arrivals:
    """Gives events that were made before the device's clock was set the time of their arrival.

    A batch that is tried again, or an event that is sent again, keeps the first time as long as it is among the last
    `ARRIVALS_KEPT_MAX` such events: the same event is then the same sample.
    """

    def __init__(self) -> None:
        self._arrived: OrderedDict[tuple[DeviceIdentity, str, int], int] = OrderedDict()

    def settled(self, source: DeviceIdentity, event: _Event, received_unix_ms: int) -> _Event:
        """The event with `time_unix_ms` at its arrival and its other times as far from it as they were."""
        if event.clock_set:
            return event
        arrived_unix_ms = self._arrived.setdefault((source, event.epoch, event.seq), received_unix_ms)
        if len(self._arrived) > ARRIVALS_KEPT_MAX:
            self._arrived.popitem(last=False)
        shift_ms = arrived_unix_ms - event.time_unix_ms
        times = {
            name: min(max(0, getattr(event, name) + shift_ms), UNIX_MS_MAX)
            for name in type(event).model_fields
            if name.endswith("_unix_ms")
        }
        return event.model_copy(update=times)
