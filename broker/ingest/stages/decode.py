"""First stage: topic, device, size, model, subject, clock. What fails goes to the dead letter with its reason.

Telemetry takes a quick way (`broker.ingest.samples.BatchForm`), all or nothing for each message. What does not fit
there is judged by the contract's models, reading by reading; they alone refuse.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from operator import itemgetter
from typing import cast

from pydantic_core import to_json

from broker.ingest.known import KnownSeries
from broker.ingest.refusal import RefusalKind, RefusedError
from broker.ingest.samples import EVENT_KINDS, Arrivals, Observation, batch_forms, of_batch, of_fire, of_trouble
from broker.ingest.work import Work
from broker.series.freshness import LATE_AFTER_S, ROLLUP_STEP_MS
from broker.series.ports import Sample, Series
from contract.access import DeviceIdentity
from contract.catalog import Channel, Role, UnknownChannelError, channel_of
from contract.events import FireEvent, TroubleEvent
from contract.ids import CLOCK_FLOOR_UNIX_MS
from contract.payload import BadPayloadError, Epoch, Payload, Seq
from contract.telemetry import AnyBatch
from contract.topics import BadTopicError, Topic

CLOCK_AHEAD_MS_MAX = 300_000
LATE_MS = int(LATE_AFTER_S * 1000)
SUBJECTS_KEPT_MS = 5_000  # a subject that was taken out of the registry is taken for at most so much longer
TELEMETRY = "telemetry"

_TIME = itemgetter("time_unix_ms")
_NUMBERS_IN_FRONT = re.compile(rb'\s*\{\s*"epoch"\s*:\s*"([0-9a-f]{16})"\s*,\s*"seq"\s*:\s*([1-9][0-9]{0,14})\s*,')


class _Numbered(Payload):
    epoch: Epoch
    seq: Seq


class _Subjects(dict[str, Series | None]):
    """The series of one device's subjects of one kind, each asked for once; unknown ones are asked for every time."""

    def __init__(self, known: KnownSeries, identity: DeviceIdentity, kind: str) -> None:
        super().__init__()
        self._ask = partial(known.series, identity, kind)

    def __missing__(self, subject: str) -> Series | None:
        series = self._ask(subject)
        if series is not None:
            self[subject] = series
        return series


class Decode:
    """Turns messages into samples. Never raises for what is in a message, whatever its bytes.

    A message that a known device sent and that can never become readings is receipted all the same if its epoch and
    seq can be read: it is in the dead letter, and without a receipt the device would send it for ever. A message from
    an unknown device is not: once the device is enrolled, its next attempt is stored.

    An event from before the device's clock was set gets the time of its arrival.
    """

    def __init__(self, known: KnownSeries) -> None:
        self._known = known
        self._forms = batch_forms()
        self._arrivals = Arrivals()
        self._subjects: dict[str, _Subjects] = {}  # by topic; bounded by the registry
        self._subjects_since_unix_ms = 0

    def __call__(self, work: Work) -> None:
        """Fill samples, letters, receipts, numbers and the windows of late readings.

        Raises:
            broker.stores.database.StoreUnavailableError: the registry could never be read yet.
        """
        self._known.begin()
        if not 0 <= work.received_unix_ms - self._subjects_since_unix_ms < SUBJECTS_KEPT_MS:
            self._subjects.clear()
            self._subjects_since_unix_ms = work.received_unix_ms
        for index, message in enumerate(work.messages):
            try:
                identity, row = self._admit(message.topic)
                if not self._take_quickly(work, index, identity, row):
                    self._take(work, index, identity, row)
            except RefusedError as refused:
                work.refuse(index, refused.kind, refused.reason)

    def _admit(self, text: str) -> tuple[DeviceIdentity, Channel]:
        identity, row = _address(text)
        if not self._known.has_device(identity):
            reason = f"device {identity.device!r} of market {identity.market!r} is not enrolled"
            raise RefusedError(RefusalKind.UNKNOWN_DEVICE, reason)
        return identity, row

    def _take_quickly(self, work: Work, index: int, identity: DeviceIdentity, row: Channel) -> bool:
        """Take a whole batch of readings at once; false, and nothing done, if any part of it needs a closer look."""
        body = work.messages[index].body
        form = self._forms.get(row.name) if row.channel == TELEMETRY else None
        batch = form.read(body) if form is not None and len(body) <= row.bytes_max else None
        if form is None or batch is None:
            return False
        readings, received_unix_ms = batch["readings"], work.received_unix_ms
        times = cast("list[int]", list(map(_TIME, readings)))
        newest_unix_ms = max(times)
        if min(times) < CLOCK_FLOOR_UNIX_MS or newest_unix_ms - received_unix_ms > CLOCK_AHEAD_MS_MAX:
            return False
        samples = form.samples(readings, self._subjects_of(work.messages[index].topic, identity, row).__getitem__)
        if samples is None:
            return False
        _note(work, identity, row, batch["epoch"], batch["seq"])
        work.samples += samples
        work.origins += [index] * len(samples)
        _note_late(work, identity.market, times, all_of_them=batch["replayed"])
        if not batch["replayed"] and newest_unix_ms > (work.newest_live_unix_ms or 0):
            work.newest_live_unix_ms = newest_unix_ms
        return True

    def _subjects_of(self, topic: str, identity: DeviceIdentity, row: Channel) -> _Subjects:
        subjects = self._subjects.get(topic)
        if subjects is None:
            subjects = self._subjects[topic] = _Subjects(self._known, identity, row.name)
        return subjects

    def _take(self, work: Work, index: int, identity: DeviceIdentity, row: Channel) -> None:
        body = work.messages[index].body
        try:
            payload = _parse(row, body)
        except RefusedError:
            numbered = _numbers_in(body)
            if numbered is not None:
                _note(work, identity, row, *numbered)
            raise
        _note(work, identity, row, payload.epoch, payload.seq)
        live = not getattr(payload, "replayed", False)
        for observation in self._observations(work, identity, row, payload):
            self._keep(work, index, identity, observation, live=live)

    def _keep(self, work: Work, index: int, identity: DeviceIdentity, observation: Observation, *, live: bool) -> None:
        kind, subject, time_unix_ms, fields = observation
        ahead_ms = time_unix_ms - work.received_unix_ms
        series = self._known.series(identity, kind, subject)
        if series is None:
            reason = f"device {identity.device!r} of market {identity.market!r} has no {kind} subject {subject!r}"
            work.refuse(index, RefusalKind.UNKNOWN_SUBJECT, reason, _excerpt(observation))
        elif ahead_ms > CLOCK_AHEAD_MS_MAX or time_unix_ms < CLOCK_FLOOR_UNIX_MS:
            how = f"{ahead_ms / 60_000:.1f} min ahead of the central clock" if ahead_ms > 0 else "before 2025"
            reason = f"time_unix_ms {time_unix_ms} is {how}: the device's clock is wrong"
            work.refuse(index, RefusalKind.CLOCK, reason, _excerpt(observation))
        else:
            if series.subject != subject:
                fields["reported_subject"] = subject  # "subject" is the series' tag: a store may refuse both
            work.samples.append(Sample(series, time_unix_ms, fields))
            work.origins.append(index)
            if kind not in EVENT_KINDS:
                _note_late(work, identity.market, (time_unix_ms,), all_of_them=not live)
            if live and time_unix_ms > (work.newest_live_unix_ms or 0):
                work.newest_live_unix_ms = time_unix_ms

    def _observations(
        self, work: Work, identity: DeviceIdentity, row: Channel, payload: AnyBatch | FireEvent | TroubleEvent
    ) -> Iterator[Observation]:
        if isinstance(payload, FireEvent):
            yield of_fire(self._arrivals.settled(identity, payload, work.received_unix_ms))
        elif isinstance(payload, TroubleEvent):
            yield of_trouble(self._arrivals.settled(identity, payload, work.received_unix_ms))
        else:
            yield from of_batch(row.name, payload)


@lru_cache(maxsize=65_536)
def _address(text: str) -> tuple[DeviceIdentity, Channel]:
    try:
        topic = Topic.parse(text)
        row = channel_of(topic)
    except (BadTopicError, UnknownChannelError) as error:
        raise RefusedError(RefusalKind.BAD_TOPIC, str(error)) from error
    if Role.INGEST not in row.readers:
        raise RefusedError(RefusalKind.BAD_TOPIC, f"channel {row.path} is not for ingest")
    return DeviceIdentity(topic.market, topic.device), row


def _parse(row: Channel, body: bytes) -> AnyBatch | FireEvent | TroubleEvent:
    if len(body) > row.bytes_max:
        raise RefusedError(RefusalKind.OVERSIZED, f"larger than the {row.bytes_max} bytes of {row.path}")
    try:
        payload = row.model.from_bytes(body)
    except BadPayloadError as error:
        raise RefusedError(RefusalKind.MALFORMED, str(error)) from error
    if not isinstance(payload, AnyBatch | FireEvent | TroubleEvent):
        raise RefusedError(RefusalKind.BAD_TOPIC, f"ingest has no place for {row.path}")
    return payload


def _note(work: Work, identity: DeviceIdentity, row: Channel, epoch: str, seq: int) -> None:
    work.numbers.append(((identity, epoch), seq))
    if row.channel == TELEMETRY:  # events are receipted by alerts, which decides when they are safe
        work.receipts[identity, epoch].append(seq)


def _note_late(work: Work, market: str, times: Sequence[int], *, all_of_them: bool) -> None:
    late_unix_ms = work.received_unix_ms - LATE_MS
    if all_of_them or min(times) < late_unix_ms:
        late = times if all_of_them else [one for one in times if one < late_unix_ms]
        work.late_windows.update((market, one - one % ROLLUP_STEP_MS) for one in late)


def _numbers_in(body: bytes) -> tuple[str, int] | None:
    """Epoch and seq of a body that is not valid, perhaps cut, if they can be read."""
    match = _NUMBERS_IN_FRONT.match(body)
    if match is not None:
        return match[1].decode(), int(match[2])
    try:
        numbered = _Numbered.from_bytes(body)
    except BadPayloadError:
        return None
    return numbered.epoch, numbered.seq


def _excerpt(observation: Observation) -> bytes:
    """The refused reading alone; the others of its message are stored."""
    return to_json(observation._asdict())
