"""Telemetry: batches of readings, one batch model per kind. Every quantity has its unit in its name."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from contract.ids import Id
from contract.payload import Count, Epoch, Payload, Seq, Share, Text, UnixMs

READINGS_PER_BATCH_MAX = 500

Live = Literal["live", "unknown"]
Verdict = Literal["quiet", "suspected", "confirmed"]


class BayState(StrEnum):
    """What a bay is, as FIWARE ParkingSpot names it."""

    FREE = "free"
    OCCUPIED = "occupied"
    UNKNOWN = "unknown"
    CLOSED = "closed"


class Reason(StrEnum):
    """Why a value is unknown. One list for every sensor, so that a page can word each once."""

    STARTING = "starting"
    NO_ECHO = "no-echo"
    FROZEN = "frozen"
    IMPOSSIBLE = "impossible"
    SENSOR_ERROR = "sensor-error"
    ABSENT = "absent"
    DEAD = "dead"
    ENDED = "ended"
    NO_HEARTBEAT = "no-heartbeat"
    STALE = "stale"
    DEVICE_OFFLINE = "device-offline"
    NEVER_REPORTED = "never-reported"
    CLOCK_UNSET = "clock-unset"
    CLOCK_SKEW = "clock-skew"
    STALLED = "stalled"
    LOOPING = "looping"  # a camera's feed repeats itself
    BLACK = "black"
    OVEREXPOSED = "overexposed"
    COVERED = "covered"
    BLURRED = "blurred"
    MOVED = "moved"  # the camera no longer looks where it did
    TOO_DARK = "too-dark"


class GapCause(StrEnum):
    """Why numbers, or readings that never got one, are not in the database."""

    OUTBOX_FULL = "outbox-full"  # over its bound in bytes: the oldest telemetry went
    OUTBOX_AGE = "outbox-age"  # older than the outbox keeps telemetry
    DISK_FULL = "disk-full"  # the disk took nothing more
    MEMORY_FULL = "memory-full"  # readings that waited for the disk: they never got a number
    OUTBOX_CORRUPT = "outbox-corrupt"  # the outbox file was damaged and begun anew
    CLOCK_NEVER_SET = "clock-never-set"  # made in a boot that ended before the clock was set: no true time exists
    NOT_ARRIVED = "not-arrived"  # ingest saw later numbers and waited long enough: nobody said why
    REFUSED = "refused"  # arrived, and lies in the dead letter with the reason


class Reading(Payload):
    """One observation of one subject at one time."""

    SUBJECT_FIELD: ClassVar[str]

    time_unix_ms: UnixMs
    reason: Reason | None = None
    detail: Text | None = None

    @property
    def subject(self) -> str:
        """The id of what was observed (the bay, the gate, …)."""
        return str(getattr(self, self.SUBJECT_FIELD))


class StatedReading(Reading):
    """A reading whose `state` may be unknown: then, and only then, `reason` says why."""

    state: str

    @model_validator(mode="after")
    def _reason_goes_with_unknown(self) -> Self:
        if (self.state == "unknown") != (self.reason is not None):
            raise ValueError("reason goes with state 'unknown', and only with it")
        return self


class BayReading(StatedReading):
    """A parking bay."""

    SUBJECT_FIELD: ClassVar[str] = "bay"

    bay: Id
    lot: Id | None = None
    state: BayState
    confidence: Share
    distance_mm: Annotated[float, Field(ge=0, le=20_000, allow_inf_nan=False)] | None = None
    since_unix_ms: UnixMs


class GateReading(StatedReading):
    """A gate of a lot: vehicles counted since the sensor's installation."""

    SUBJECT_FIELD: ClassVar[str] = "gate"

    gate: Id
    lot: Id
    state: Live
    in_count: Count
    out_count: Count


class PeopleReading(StatedReading):
    """A people counter at an entrance."""

    SUBJECT_FIELD: ClassVar[str] = "counter"

    counter: Id
    state: Live
    in_count: Count
    out_count: Count


class CameraReading(StatedReading):
    """A fire camera's own health, its last score and its verdict.

    While a drill is on, and as long as what it confirmed holds, the verdict is in `drill` and `fire` is quiet; at any
    other time `drill` is absent. A fire that burnt before a drill began stays one.
    """

    SUBJECT_FIELD: ClassVar[str] = "camera"

    camera: Id
    state: Live
    frame_age_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    fps: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = 0.0
    fire_score: Share = 0.0
    fire: Verdict = "quiet"
    drill: Verdict | None = None


class ScreenReading(StatedReading):
    """What a screen really shows, as its page reports it."""

    SUBJECT_FIELD: ClassVar[str] = "screen"

    screen: Id
    state: Live
    showing: Literal["standby", "notice", "occupancy", "evacuation", "nothing"]
    item: Id | None = None
    generation: Count = 0
    since_unix_ms: UnixMs


class SirenReading(StatedReading):
    """A siren."""

    SUBJECT_FIELD: ClassVar[str] = "siren"

    siren: Id
    state: Live
    sounding: bool
    silenced: bool = False
    since_unix_ms: UnixMs


class AgentReading(Reading):
    """The agent itself: what it costs, how far behind it is, where its time comes from, and how its board is.

    `outbox_share` is how full its outbox is of what it may hold, `disk_used_share` the disk that the outbox is on,
    `temperature_c` the processor's; each absent where the device cannot tell.
    """

    SUBJECT_FIELD: ClassVar[str] = "agent"

    agent: Id
    uptime_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    rss_bytes: Count
    cpu_share: Annotated[float, Field(ge=0, le=64, allow_inf_nan=False)]
    outbox_rows: Count
    outbox_bytes: Count
    outbox_dropped_count: Count
    outbox_oldest_age_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    clock_source: Literal["trusted", "synchronised", "rtc", "central", "unset"] | None = None
    clock_skew_ms: Annotated[float, Field(allow_inf_nan=False)] | None = None
    outbox_share: Share | None = None
    disk_used_share: Share | None = None
    temperature_c: Annotated[float, Field(ge=-100, le=200, allow_inf_nan=False)] | None = None


class GapReading(Reading):
    """A gap record: what a device had, or should have had, and the database does not get.

    Exact: `first_seq` to `last_seq` of `gap_epoch` are the telemetry numbers that are gone, none of them stored; both
    are absent where the readings never got a number. `from_unix_ms` to `until_unix_ms` is when they were made.
    `time_unix_ms` is `from_unix_ms`, or a little later where two gaps of a device would meet in one millisecond.
    """

    SUBJECT_FIELD: ClassVar[str] = "device"

    device: Id
    gap_epoch: Epoch
    first_seq: Seq | None = None
    last_seq: Seq | None = None
    from_unix_ms: UnixMs
    until_unix_ms: UnixMs
    batches_count: Count
    readings_count: Count
    cause: GapCause


class Batch(Payload):
    """Readings under one delivery number: (device, epoch, seq) names it for ever."""

    epoch: Epoch
    seq: Seq
    replayed: bool = False


class BayBatch(Batch):
    """A batch of bays readings."""

    readings: Annotated[tuple[BayReading, ...], Field(min_length=1, max_length=READINGS_PER_BATCH_MAX, strict=False)]


class GateBatch(Batch):
    """A batch of gates readings."""

    readings: Annotated[tuple[GateReading, ...], Field(min_length=1, max_length=READINGS_PER_BATCH_MAX, strict=False)]


class PeopleBatch(Batch):
    """A batch of people readings."""

    readings: Annotated[tuple[PeopleReading, ...], Field(min_length=1, max_length=READINGS_PER_BATCH_MAX, strict=False)]


class CameraBatch(Batch):
    """A batch of cameras readings."""

    readings: Annotated[tuple[CameraReading, ...], Field(min_length=1, max_length=READINGS_PER_BATCH_MAX, strict=False)]


class ScreenBatch(Batch):
    """A batch of screens readings."""

    readings: Annotated[tuple[ScreenReading, ...], Field(min_length=1, max_length=READINGS_PER_BATCH_MAX, strict=False)]


class SirenBatch(Batch):
    """A batch of sirens readings."""

    readings: Annotated[tuple[SirenReading, ...], Field(min_length=1, max_length=READINGS_PER_BATCH_MAX, strict=False)]


class AgentBatch(Batch):
    """A batch of agents readings."""

    readings: Annotated[tuple[AgentReading, ...], Field(min_length=1, max_length=READINGS_PER_BATCH_MAX, strict=False)]


class GapBatch(Batch):
    """A batch of gaps readings."""

    readings: Annotated[tuple[GapReading, ...], Field(min_length=1, max_length=READINGS_PER_BATCH_MAX, strict=False)]


AnyBatch = BayBatch | GateBatch | PeopleBatch | CameraBatch | ScreenBatch | SirenBatch | AgentBatch | GapBatch
AnyReading = (
    BayReading | GateReading | PeopleReading | CameraReading | ScreenReading | SirenReading | AgentReading | GapReading
)
