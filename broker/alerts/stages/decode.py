"""Decode: topic, size, sender and body; what cannot be taken becomes a dead letter with its reason."""

import json

from sqlalchemy.exc import DBAPIError

from broker.alerts.flow import Flow, Heard, Number
from broker.stores.database import as_retryable
from broker.stores.dead_letters import DeadLetter
from broker.stores.registry import Registry
from contract.access import DeviceIdentity
from contract.catalog import UnknownChannelError, channel_of
from contract.events import Event
from contract.ids import CLOCK_FLOOR_UNIX_MS, BadIdError
from contract.payload import BadPayloadError
from contract.presence import Presence
from contract.topics import BadTopicError, Topic
from runtime.clock import Clock
from transport.ports import RawMessage

PART = "alerts"
REFRESH_S = 5.0
STRANGERS_MAX = 1000
EPOCH_LENGTH = 16
SEQ_MAX = 2**53


class Decode:
    """Knows the enrolled devices; looks again every 5 s, and at once for a stranger it has not asked about since."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._enrolled: frozenset[DeviceIdentity] = frozenset()
        self._strangers: set[DeviceIdentity] = set()
        self._looked_s: float | None = None

    def __call__(self, flow: Flow) -> None:
        """Fill `heard`, `letters`, and the numbers of bodies that go to the dead letters."""
        for message in flow.messages:
            try:
                flow.heard.append(self._read(message))
            except _RefusedError as refused:
                flow.letters.append(self._letter(message, refused))
                if refused.sender is not None:
                    flow.confirmed.extend(_number(refused.sender, message.body))

    def _read(self, message: RawMessage) -> Heard:
        try:
            topic = Topic.parse(message.topic)
            row = channel_of(topic)
        except (BadTopicError, BadIdError, UnknownChannelError) as error:
            raise _RefusedError("bad-topic", str(error)) from error
        identity = DeviceIdentity(topic.market, topic.device)
        if not self._is_enrolled(identity):
            raise _RefusedError("unknown-device", f"device {topic.device} of market {topic.market} is not enrolled")
        if len(message.body) > row.bytes_max:
            raise _RefusedError("oversized", f"over {row.bytes_max} bytes for {row.path}", identity)
        try:
            payload = row.model.from_bytes(message.body)
        except BadPayloadError as error:
            raise _RefusedError("malformed", str(error), identity) from error
        if not isinstance(payload, Event | Presence):
            raise _RefusedError("bad-topic", f"{row.path} is not for {PART}")
        return Heard(identity, dated(payload, self._clock.unix_ms()), message.topic, message.body, message.retain)

    def _is_enrolled(self, identity: DeviceIdentity) -> bool:
        now = self._clock.monotonic_s()
        old = self._looked_s is None or now - self._looked_s >= REFRESH_S
        if old:
            self._strangers.clear()
        fresh_stranger = identity not in self._enrolled and identity not in self._strangers
        if old or (fresh_stranger and len(self._strangers) < STRANGERS_MAX):
            try:
                self._enrolled = self._registry.identities()
            except DBAPIError as error:
                raise as_retryable(error) from error
            self._looked_s = now if old else self._looked_s
            if identity not in self._enrolled:
                self._strangers.add(identity)
        return identity in self._enrolled

    def _letter(self, message: RawMessage, refused: "_RefusedError") -> DeadLetter:
        return DeadLetter(
            self._clock.unix_ms(), PART, refused.kind, str(refused), message.topic, message.body, len(message.body)
        )


class _RefusedError(Exception):
    """Leaves `_read` early; becomes a dead letter in `__call__`."""

    def __init__(self, kind: str, reason: str, sender: DeviceIdentity | None = None) -> None:
        super().__init__(reason)
        self.kind = kind
        self.sender = sender


def dated(payload: Event | Presence, now_unix_ms: int) -> Event | Presence:
    """What a device said that did not know the time: now, and all else as long ago as its own clock had counted.

    A time that is true all the same (of a fire that the device remembers from before it was restarted) stays, unless
    it lies after now.
    """
    is_set = payload.clock_set if isinstance(payload, Event) else payload.time_unix_ms >= CLOCK_FLOOR_UNIX_MS
    if is_set:
        return payload
    began_unix_ms = now_unix_ms - payload.time_unix_ms

    def true_time(unix_ms: int) -> int:
        counts_from_boot = unix_ms < CLOCK_FLOOR_UNIX_MS
        return min(max(0, unix_ms + began_unix_ms) if counts_from_boot else unix_ms, now_unix_ms)

    names = [name for name in type(payload).model_fields if name.endswith("_unix_ms")]
    times = {name: true_time(getattr(payload, name)) for name in names}
    return payload.model_copy(update=times | {"time_unix_ms": now_unix_ms})


def _number(sender: DeviceIdentity, body: bytes) -> list[Number]:
    """The delivery number of a body that is otherwise unusable: without a receipt its device would resend for ever."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return []
    epoch, seq = (found.get("epoch"), found.get("seq")) if isinstance(found, dict) else (None, None)
    if not isinstance(epoch, str) or len(epoch) != EPOCH_LENGTH or set(epoch) - set("0123456789abcdef"):
        return []
    if not isinstance(seq, int) or isinstance(seq, bool) or not 1 <= seq <= SEQ_MAX:
        return []
    return [Number(sender, epoch, seq)]
