"""The outbox's door: whatever enters is on one scale of time, and nothing of this boot stays on another one.

Readings and events are made in many threads, and some of their times are kept for long (a bay is occupied *since*). The
clock may be set between the making and the storing. Here, at the one place that everything passes on its way to the
disk, it is decided for each message whether its times are true or milliseconds since boot.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

import structlog
from pydantic import BaseModel

from contract.events import Event
from contract.payload import Payload
from contract.telemetry import AnyBatch, AnyReading, GapBatch, GapCause
from contract.topics import Topic
from edge.timekeeping import DeviceClock
from edge.timescale import JUMP_MS, QUANTUM_MS
from runtime.errors import RetryableError
from transport.ports import Outbox, OutboxRow, OutboxStatus

log = structlog.get_logger(__name__)

ASKED_MAX = 2048
TIME_SUFFIX = "_unix_ms"

M = TypeVar("M", bound=BaseModel)


class SettlingOutbox:
    """An `Outbox` in front of another one; all but `put` goes through as it is.

    `put` brings a payload to the scale that counts now and decides `boot_id` itself. What is owed to a boot whose clock
    was set (`DeviceClock.owed`) is settled before anything else is stored. Two readings of one subject never have the
    same time, or the later one would overwrite the other: it is moved by `QUANTUM_MS`.

    Remembers when the last `ASKED_MAX` numbers were stored: a receipt for one was said after that.
    """

    def __init__(self, inner: Outbox, clock: DeviceClock) -> None:
        self._inner = inner
        self._clock = clock
        self._lock = threading.Lock()
        self._asked_s: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._last_unix_ms: dict[tuple[str, str], int] = {}

    @property
    def epoch(self) -> str:
        """The outbox's."""
        return self._inner.epoch

    def put(
        self,
        topic: Topic,
        build: Callable[[str, int], Payload],
        *,
        alarm: bool,
        boot_id: str | None = None,  # noqa: ARG002 - the port's; what it would say may be over by now
    ) -> int:
        """As `transport.ports.Outbox.put`."""
        asked_s = self._clock.monotonic_s()

        def dated(epoch: str, seq: int) -> Payload:
            self._ask(epoch, seq, asked_s)
            return self._dated(build(epoch, seq))

        with self._lock:
            counting_from = self._clock.boot_id  # before `owed`: what is stored as set comes after what was settled
            if self._clock.owed:
                self._try_to_settle()
            return self._inner.put(topic, dated, alarm=alarm, boot_id=counting_from)

    def settle(self) -> int:
        """Give what waits for it its true time; return how many messages that were.

        Raises:
            RetryableError: the disk does not take it now; it is still owed.
        """
        with self._lock:
            return self._settle()

    def asked_s(self, epoch: str, seqs: Sequence[int]) -> float | None:
        """When the newest of these numbers was stored, by the monotonic clock; forgets them. None: not remembered."""
        found = [self._asked_s.pop((epoch, seq), None) for seq in seqs]
        return max((one for one in found if one is not None), default=None)

    def pending(
        self, after_seq: int, limit: int, *, before_seq: int | None = None, alarms_only: bool = False
    ) -> Sequence[OutboxRow]:
        """As `transport.ports.Outbox.pending`."""
        return self._inner.pending(after_seq, limit, before_seq=before_seq, alarms_only=alarms_only)

    def first_seq_since(self, created_unix_ms: int) -> int:
        """As `transport.ports.Outbox.first_seq_since`."""
        return self._inner.first_seq_since(created_unix_ms)

    def delivered(self, epoch: str, seqs: Sequence[int], store: str) -> int:
        """As `transport.ports.Outbox.delivered`."""
        return self._inner.delivered(epoch, seqs, store)

    def settle_clock(self, boot_id: str, offset_ms: int) -> int:
        """As `transport.ports.Outbox.settle_clock`; `settle` knows by itself what to call it with."""
        return self._inner.settle_clock(boot_id, offset_ms)

    def note_lost(
        self, readings_count: int, from_unix_ms: int, until_unix_ms: int, cause: GapCause, boot_id: str | None = None
    ) -> None:
        """As `transport.ports.Outbox.note_lost`."""
        self._inner.note_lost(readings_count, from_unix_ms, until_unix_ms, cause, boot_id)

    def flush_gaps(self, topic: Topic) -> int:
        """As `transport.ports.Outbox.flush_gaps`."""
        return self._inner.flush_gaps(topic)

    def status(self) -> OutboxStatus:
        """As `transport.ports.Outbox.status`."""
        return self._inner.status()

    def close(self) -> None:
        """As `transport.ports.Outbox.close`."""
        self._inner.close()

    def _try_to_settle(self) -> None:
        try:
            self._settle()
        except RetryableError as error:
            log.warning("clock.settling_waits", reason=str(error))

    def _settle(self) -> int:
        settled = 0
        for boot_id, offset_ms in self._clock.owed:
            count = self._inner.settle_clock(boot_id, offset_ms)
            self._clock.settle_done(boot_id)
            log.info("clock.settled", messages=count, boot_id=boot_id)
            settled += count
        return settled

    def _ask(self, epoch: str, seq: int, asked_s: float) -> None:
        self._asked_s[epoch, seq] = asked_s
        while len(self._asked_s) > ASKED_MAX:
            self._asked_s.popitem(last=False)

    def _dated(self, payload: Payload) -> Payload:
        """The payload on the scale of now. Once the clock is set, no time in it counts from boot any more."""
        is_set = self._clock.boot_id is None
        if isinstance(payload, Event):
            dated = self._placed(payload) if is_set else payload
            return dated if dated.clock_set is is_set else dated.model_copy(update={"clock_set": is_set})
        if isinstance(payload, AnyBatch) and not isinstance(payload, GapBatch):
            readings = tuple(self._apart(self._placed(one) if is_set else one) for one in payload.readings)
            return payload.model_copy(update={"readings": readings})
        return payload

    def _placed(self, model: M) -> M:
        """A model with every time settled; the same one where nothing changes."""
        moved = {}
        for name in _time_fields(type(model)):
            unix_ms = getattr(model, name)
            if unix_ms is not None and (true_unix_ms := self._clock.settled(unix_ms)) != unix_ms:
                moved[name] = true_unix_ms
        return model.model_copy(update=moved) if moved else model

    def _apart(self, reading: AnyReading) -> AnyReading:
        """A reading at a time of its own; a clock that was set back by more than `JUMP_MS` is followed."""
        subject = (reading.SUBJECT_FIELD, reading.subject)
        last_unix_ms, unix_ms = self._last_unix_ms.get(subject), reading.time_unix_ms
        if last_unix_ms is not None and 0 <= last_unix_ms - unix_ms <= JUMP_MS:
            unix_ms = last_unix_ms + QUANTUM_MS
        self._last_unix_ms[subject] = unix_ms
        return reading if unix_ms == reading.time_unix_ms else reading.model_copy(update={"time_unix_ms": unix_ms})


@cache
def _time_fields(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(name for name in model.model_fields if name.endswith(TIME_SUFFIX))
