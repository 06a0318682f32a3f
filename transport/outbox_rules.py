"""What every outbox decides alike: which store ends a row, what may go, how bytes and age are counted."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from contract.catalog import channel_for
from contract.events import Event
from contract.payload import Payload
from contract.telemetry import GapBatch, GapCause
from contract.topics import Topic
from runtime.clock import Clock
from transport.encoding import encode
from transport.outbox_bodies import Made, is_since_boot, made_of, pack, renumbered, unpack
from transport.outbox_gaps import GapRange

BYTES_MAX_MIN = 65_536
ROW_OVERHEAD_BYTES = 64  # row id, flags, times, and the tree's own book-keeping
AGE_S_MAX = 30 * 86_400.0
SWEEP_PERIOD_S_MAX = 60.0
SWEEP_PART = 4  # a shorter age is looked at so often within it
SWEEP_ROWS_MAX = 256  # in one transaction: a log of a few hundred pages
EVICT_BYTES_MIN = 16_384
EVICT_PART = 256  # at least this part of the bound goes at once: one transaction for many puts

GAPS = channel_for(GapBatch).name
STORE_OF_CHANNEL = {"telemetry": "readings", "event": "incidents"}
"""The store whose confirmation ends a row of this channel. Nothing else travels through an outbox."""


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row on its way in; `kept` is its packed body. `evictable` rows go, oldest first, when there is no room.

    With `boot_id` its times, `created_unix_ms` among them, are milliseconds since that boot.
    """

    seq: int
    topic: Topic
    kept: bytes
    created_unix_ms: int
    alarm: bool
    made: Made
    boot_id: str | None = None

    @property
    def store(self) -> str:
        """The store that must confirm it."""
        return STORE_OF_CHANNEL[self.topic.channel]

    @property
    def is_gap(self) -> bool:
        """Whether it carries gap records."""
        return self.topic.channel == "telemetry" and self.topic.name == GAPS

    @property
    def evictable(self) -> bool:
        """Telemetry that is neither alarm nor gap record. Events are never evicted."""
        return not self.alarm and self.topic.channel == "telemetry" and not self.is_gap

    def under(self, epoch: str, seq: int) -> "NewRow":
        """The same under another number.

        Raises:
            transport.outbox_bodies.DamagedBodyError: its body cannot be read.
        """
        return replace(self, seq=seq, kept=pack(renumbered(unpack(self.kept), epoch, seq)))

    @property
    def size_bytes(self) -> int:
        """What it counts for against the bound."""
        return len(self.kept) + len(str(self.topic)) + ROW_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class Gone:
    """A telemetry row that leaves without having been delivered."""

    seq: int
    made: Made
    boot_id: str | None = None


def new_row(topic: Topic, payload: Payload, seq: int, *, alarm: bool, clock: Clock, boot_id: str | None) -> NewRow:
    """The row of a payload under its number.

    Raises:
        contract.catalog.UnknownChannelError: this payload does not travel on `topic`.
        transport.encoding.PayloadTooLargeError: it is over its channel's bound.
    """
    _, body = encode(topic, payload)
    made, created_unix_ms = made_of(payload), clock.unix_ms()
    if isinstance(payload, Event) and payload.clock_set:
        boot_id = None
    if boot_id is not None and not is_since_boot(created_unix_ms):
        created_unix_ms = made.until_unix_ms  # the clock was set while this was on its way
    if isinstance(payload, GapBatch):
        newest_unix_ms = max(one.until_unix_ms for one in payload.readings)
        created_unix_ms = max(created_unix_ms, newest_unix_ms)  # a clock that is not set yet makes no record old
    return NewRow(seq, topic, pack(body), created_unix_ms, alarm, made, boot_id)


def gaps_of(gone: Iterable[Gone], epoch: str, cause: GapCause) -> Iterator[GapRange]:
    """The rows that go, in the order of their numbers, as ranges without a delivered number inside."""
    ordered = sorted(gone, key=lambda one: one.seq)
    run: list[Gone] = ordered[:1]
    for before, one in pairwise(ordered):
        if one.seq != before.seq + 1 or one.boot_id != before.boot_id:
            yield _range(run, epoch, cause)
            run = []
        run.append(one)
    if run:
        yield _range(run, epoch, cause)


def with_time(gone: Gone, offset_ms: int | None) -> Gone:
    """The same with true times, once the offset of its boot is known."""
    if offset_ms is None:
        return gone
    made = replace(
        gone.made,
        from_unix_ms=true_unix_ms(gone.made.from_unix_ms, offset_ms),
        until_unix_ms=true_unix_ms(gone.made.until_unix_ms, offset_ms),
    )
    return Gone(gone.seq, made)


def true_unix_ms(unix_ms: int, offset_ms: int) -> int:
    """A time of a boot that began at `offset_ms`; a true time from before that boot stays."""
    return max(0, unix_ms + offset_ms) if is_since_boot(unix_ms) else unix_ms


def check_channel(topic: Topic) -> None:
    """Return if `topic` may travel through an outbox.

    Raises:
        ValueError: it carries neither telemetry nor an event: no store would ever confirm it.
    """
    if topic.channel not in STORE_OF_CHANNEL:
        raise ValueError(f"{topic}: an outbox carries telemetry and events, which a store confirms; publish this one")


def check_bounds(bytes_max: int, age_s_max: float) -> None:
    """Return if the bounds can hold a message of every kind.

    Raises:
        ValueError: they cannot.
    """
    if bytes_max < BYTES_MAX_MIN:
        raise ValueError(f"an outbox of {bytes_max} bytes is too small: give it at least {BYTES_MAX_MIN}")
    if age_s_max <= 0:
        raise ValueError(f"an outbox that keeps telemetry for {age_s_max} s keeps none: give it a time above 0")


def telemetry_bytes_max(bytes_max: int) -> int:
    """How much of the bound telemetry may fill; the rest is kept free for alarms."""
    return bytes_max - bytes_max // 4


@dataclass(frozen=True, slots=True)
class Room:
    """What has to go before a row fits: `evict_bytes` of telemetry, or it cannot fit at all."""

    evict_bytes: int
    fits: bool


def room_for(row: NewRow, total_bytes: int, evictable_bytes: int, bytes_max: int) -> Room:
    """What a row asks for in an outbox that holds so much. Where something must go, a little more goes at once."""
    kept_bytes = total_bytes - evictable_bytes
    over = total_bytes + row.size_bytes - bytes_max
    if row.evictable:
        over = max(over, evictable_bytes + row.size_bytes - telemetry_bytes_max(bytes_max))
    if over > evictable_bytes or kept_bytes + row.size_bytes > bytes_max:
        return Room(0, fits=False)
    if over <= 0:
        return Room(0, fits=True)
    return Room(min(evictable_bytes, over + min(EVICT_BYTES_MIN, bytes_max // EVICT_PART)), fits=True)


def sweep_period_s(age_s_max: float) -> float:
    """How often to look for what is too old."""
    return min(SWEEP_PERIOD_S_MAX, age_s_max / SWEEP_PART)


class AgeClock:
    """The time that age is counted by: it never runs ahead of the monotonic clock, so a jump evicts nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._from_unix_ms = 0
        self._from_s = 0.0
        self.begin()

    def begin(self) -> None:
        """Believe the wall clock as it is now: at the start, and when it has been set."""
        self._from_unix_ms, self._from_s = self._clock.unix_ms(), self._clock.monotonic_s()

    def unix_ms(self) -> int:
        """Now, or earlier."""
        passed_ms = int((self._clock.monotonic_s() - self._from_s) * 1000)
        return min(self._clock.unix_ms(), self._from_unix_ms + passed_ms)


def _range(run: Sequence[Gone], epoch: str, cause: GapCause) -> GapRange:
    return GapRange(
        epoch=epoch,
        first_seq=run[0].seq,
        last_seq=run[-1].seq,
        from_unix_ms=min(one.made.from_unix_ms for one in run),
        until_unix_ms=max(one.made.until_unix_ms for one in run),
        batches_count=len(run),
        readings_count=sum(one.made.readings_count for one in run),
        cause=cause,
        boot_id=run[0].boot_id,
    )
