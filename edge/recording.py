"""Readings and events on their way into the outbox: gathered per kind, numbered, on the disk, off the event loop."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from contract.access import DeviceIdentity
from contract.catalog import topic_for
from contract.events import Event
from contract.ids import CLOCK_FLOOR_UNIX_MS
from contract.payload import Payload
from contract.telemetry import (
    AgentBatch,
    AgentReading,
    AnyBatch,
    AnyReading,
    BayBatch,
    BayReading,
    CameraBatch,
    CameraReading,
    GapBatch,
    GapCause,
    GapReading,
    GateBatch,
    GateReading,
    PeopleBatch,
    PeopleReading,
    Reading,
    ScreenBatch,
    ScreenReading,
    SirenBatch,
    SirenReading,
)
from transport.ports import Outbox, OutboxFullError

log = structlog.get_logger(__name__)

LINGER_S = 0.1  # how long a change waits for others of its kind
BATCH_BYTES_MAX = 12_000  # fits, with its envelope, under the 20 KB that the trial broker accepts
READINGS_WAITING_MAX = 5_000
EVENTS_WAITING_MAX = 200
FULL_RETRY_S = 1.0
IDLE_S = 5.0  # so often a thread without work says that it lives
STOP_WAIT_S = 1.5

E = TypeVar("E", bound=Event)

BATCHES: dict[type[Reading], type[AnyBatch]] = {
    BayReading: BayBatch,
    GateReading: GateBatch,
    PeopleReading: PeopleBatch,
    CameraReading: CameraBatch,
    ScreenReading: ScreenBatch,
    SirenReading: SirenBatch,
    AgentReading: AgentBatch,
    GapReading: GapBatch,
}


@dataclass(frozen=True, slots=True)
class _WaitingEvent:
    model: type[Event]
    build: Callable[[str, int], Event]


@dataclass(slots=True)
class _Lost:
    """Readings that the memory had no room for."""

    from_unix_ms: int
    until_unix_ms: int
    readings_count: int = 0


class Recorder:
    """Takes readings and events from any thread without blocking; one thread of its own writes the outbox.

    A reading is on the disk at most `LINGER_S` and one write after it was reported. Waiting in memory: at most
    `READINGS_WAITING_MAX` readings, of which the oldest go, counted and named in a gap record, and
    `EVENTS_WAITING_MAX` events, which wait for a full disk to take them; beyond that the newest is dropped with an
    error in the log.

    `boot_id` names the boot while the device's clock is not set. A reading whose time is then milliseconds since boot
    is stored as such, also when the clock is set before it is written.
    """

    def __init__(
        self,
        outbox: Outbox,
        identity: DeviceIdentity,
        on_stored: Callable[[], None],
        boot_id: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._outbox = outbox
        self._identity = identity
        self._on_stored = on_stored
        self._boot_id = boot_id
        self._early_boot = boot_id()
        self._lost: dict[bool, _Lost] = {}
        self._rounds_count = 0
        self._condition = threading.Condition()
        self._readings: deque[AnyReading] = deque()
        self._events: deque[_WaitingEvent] = deque()
        self._dropped_count = 0
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def dropped_count(self) -> int:
        """Readings and events that never reached the outbox."""
        return self._dropped_count

    @property
    def rounds_count(self) -> int:
        """How often its thread has looked for work: at least every `IDLE_S`, or the disk hangs."""
        return self._rounds_count

    def start(self) -> None:
        """Begin to write."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is waiting, then end; returns within `STOP_WAIT_S`."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join(STOP_WAIT_S)
            self._thread = None

    def report(self, reading: AnyReading) -> None:
        """Take a reading (`edge.ports.Report`)."""
        with self._condition:
            if len(self._readings) >= READINGS_WAITING_MAX:
                self._lose(self._readings.popleft())
            self._readings.append(reading)
            self._condition.notify_all()

    def record(self, model: type[E], build: Callable[[str, int], E]) -> None:
        """Take an event: `build(epoch, seq)` makes it under its number. Events go before readings, without linger."""
        with self._condition:
            if len(self._events) >= EVENTS_WAITING_MAX:
                self._dropped_count += 1
                log.error("event.dropped", model=model.__name__, reason="the disk takes nothing and the memory is full")
                return
            self._events.append(_WaitingEvent(model, build))
            self._condition.notify_all()

    def _run(self) -> None:
        while not self._is_done():
            self._rounds_count += 1
            stored = self._store_events()
            self._name_lost()
            readings = self._take_readings()
            if readings:
                stored += self._store_readings(readings)
            if stored:
                self._on_stored()
            elif self._events:
                self._wait(FULL_RETRY_S)

    def _is_done(self) -> bool:
        with self._condition:
            if not self._stopping:
                self._condition.wait_for(lambda: self._readings or self._events or self._stopping, IDLE_S)
            return self._stopping and not self._readings

    def _wait(self, seconds: float) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._stopping, seconds)

    def _take_readings(self) -> list[AnyReading]:
        """What is waiting, after others had `LINGER_S` to join; at once when an event comes or at the end."""
        with self._condition:
            if self._readings and not self._stopping:
                self._condition.wait_for(lambda: bool(self._events) or self._stopping, LINGER_S)
            readings = list(self._readings)
            self._readings.clear()
            return readings

    def _store_events(self) -> int:
        stored = 0
        while self._events:
            event = self._events[0]
            try:
                self._put(event.model, event.build, self._boot_now())
            except OutboxFullError as error:
                log.error("event.waits", model=event.model.__name__, reason=str(error))  # noqa: TRY400 - the reason says it
                return stored
            with self._condition:
                self._events.popleft()
            stored += 1
        return stored

    def _store_readings(self, readings: Sequence[AnyReading]) -> int:
        boot_id, stored = self._boot_now(), 0
        early = [one for one in readings if boot_id is not None and is_early(one)]
        timed = [one for one in readings if boot_id is None or not is_early(one)]
        for chunk in chunks(early):
            stored += self._store_chunk(chunk, boot_id)
        for chunk in chunks(timed):
            stored += self._store_chunk(chunk, None)
        return stored

    def _store_chunk(self, chunk: Sequence[AnyReading], boot_id: str | None) -> int:
        model = BATCHES[type(chunk[0])]
        try:
            self._put(model, _batch_builder(model, chunk), boot_id)
        except OutboxFullError as error:
            self._dropped_count += len(chunk)
            times = [one.time_unix_ms for one in chunk]
            self._outbox.note_lost(len(chunk), min(times), max(times), GapCause.DISK_FULL, boot_id)
            log.warning("readings.dropped", kind=model.__name__, count=len(chunk), reason=str(error))
            return 0
        return 1

    def _put(self, model: type[Payload], build: Callable[[str, int], Payload], boot_id: str | None) -> None:
        topic = topic_for(self._identity.market, self._identity.device, model)
        try:
            self._outbox.put(topic, build, alarm=issubclass(model, Event), boot_id=boot_id)
        except OutboxFullError:
            raise
        except Exception:
            # It can never be stored: to keep it would block all that follow, and this thread must not end.
            self._dropped_count += 1
            log.exception("record.impossible", model=model.__name__)

    def _boot_now(self) -> str | None:
        """This boot if it began without a clock; a process does not outlive its boot."""
        self._early_boot = self._boot_id() or self._early_boot
        return self._early_boot

    def _lose(self, reading: AnyReading) -> None:
        """Under the condition: remember what there was no memory for; the thread names it."""
        self._dropped_count += 1
        lost = self._lost.setdefault(is_early(reading), _Lost(reading.time_unix_ms, reading.time_unix_ms))
        lost.readings_count += 1
        lost.from_unix_ms = min(lost.from_unix_ms, reading.time_unix_ms)
        lost.until_unix_ms = max(lost.until_unix_ms, reading.time_unix_ms)

    def _name_lost(self) -> None:
        with self._condition:
            lost, self._lost = self._lost, {}
        for early, one in lost.items():
            boot_id = self._boot_now() if early else None
            times = one.from_unix_ms, one.until_unix_ms
            self._outbox.note_lost(one.readings_count, *times, GapCause.MEMORY_FULL, boot_id)
            log.warning("readings.dropped", count=one.readings_count, reason="the disk is slower than the sensors")


def is_early(reading: AnyReading) -> bool:
    """Whether a reading's time is milliseconds since boot: no true time is so low."""
    return reading.time_unix_ms < CLOCK_FLOOR_UNIX_MS


def _batch_builder(model: type[AnyBatch], chunk: Sequence[AnyReading]) -> Callable[[str, int], Payload]:
    return lambda epoch, seq: model.model_validate({"epoch": epoch, "seq": seq, "readings": tuple(chunk)})


def chunks(readings: Sequence[AnyReading]) -> list[list[AnyReading]]:
    """The readings by kind, in their order, none over `BATCH_BYTES_MAX` together (a single one may be)."""
    open_chunks: dict[type[Reading], tuple[list[AnyReading], int]] = {}
    found: list[list[AnyReading]] = []
    for reading in readings:
        size_bytes = len(reading.model_dump_json().encode())
        chunk, so_far_bytes = open_chunks.get(type(reading), ([], BATCH_BYTES_MAX))
        if so_far_bytes + size_bytes > BATCH_BYTES_MAX:
            chunk, so_far_bytes = [], 0
            found.append(chunk)
        chunk.append(reading)
        open_chunks[type(reading)] = (chunk, so_far_bytes + size_bytes)
    return found
