"""The ports: what edge, ingest, alerts and console know of the bus. Implementations stand beside this file.

Two shapes, because two needs differ. A `Session` (asyncio) speaks and listens and may lose what it has read when its
process dies. A `Consumer` (a thread) acknowledges a message to the broker only after its handler has committed it.
"""

import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from contract.payload import Payload
from contract.telemetry import GapCause
from contract.topics import Topic, TopicFilter
from runtime.errors import FatalError, RetryableError

P = TypeVar("P", bound=Payload)


class NotConnectedError(RetryableError):
    """Nothing was sent: the session has no broker right now. Keep the message and try again."""


class PublishTimeoutError(RetryableError):
    """The broker did not confirm in time: it may or may not have the message. Send it again; consumers tolerate it."""


class BusSettingsError(FatalError):
    """The broker refused us for good (identity, password, protocol), or the settings cannot be used."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Where the broker is and who we are. `password` never appears in a log or in `repr`.

    With `ca_file` the link is TLS; `certificate_file` and `key_file` add a client certificate.
    """

    host: str
    port: int
    client_id: str
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    keep_alive_s: int = 8
    connect_timeout_s: float = 5.0
    publish_timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message as it came: the topic is text because it may not be one of ours, the body has not been looked at."""

    topic: str
    body: bytes
    retain: bool = False
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes when this session dies without saying goodbye."""

    topic: Topic
    payload: Payload


Handler = Callable[[Topic, P], Awaitable[None]]
"""Receives a parsed payload. Runs on the session's loop, one at a time per subscription; must not block.

Each subscription has a queue of its own, so that a slow handler delays no other one: a fire does not wait for a
download. A handler that takes longer than a minute is cancelled; one that raises is logged and counted; the session
goes on.
"""


class Session(Protocol):
    """A typed, reconnecting connection (asyncio). `run` connects and returns only by cancellation."""

    @property
    def connected(self) -> bool:
        """Whether the broker answers right now."""
        ...

    async def run(self) -> None:
        """Connect, subscribe, dispatch; reconnect with bounded back-off and jitter; end cleanly when cancelled.

        Raises:
            BusSettingsError: the broker refused us for good.
        """
        ...

    def subscribe(self, topic_filter: TopicFilter, model: type[P], handler: Handler[P]) -> None:
        """Hear `model` on `topic_filter`, now and after every reconnect.

        A body that does not parse is counted (`rejected_count`), logged at most once a minute, never handed over.
        """
        ...

    def on_connect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Call after every (re)connection, once subscriptions stand: births and retained state are said here."""
        ...

    async def publish(self, topic: Topic, payload: Payload) -> None:
        """Send with the catalogue's QoS and retain flag; return when the broker has confirmed.

        Raises:
            NotConnectedError: no broker; nothing was sent.
            PublishTimeoutError: sent, not confirmed in time.
            contract.catalog.UnknownChannelError: the payload's model does not travel on this topic.
        """
        ...

    @property
    def rejected_count(self) -> int:
        """How many bodies did not parse since the start."""
        ...


BatchHandler = Callable[[Sequence[RawMessage]], None]
"""Commits a batch, then returns. `RetryableError` makes the consumer hold the batch unacknowledged, back off and call
again with the same messages; any other exception is a defect and ends the consumer (supervision restarts it, the broker
redelivers)."""


class Publisher(Protocol):
    """What a batch handler may use to answer: publishes from the consumer's thread, without waiting for the broker."""

    def publish(self, topic: Topic, payload: Payload) -> None:
        """Queue with the catalogue's QoS; dropped when the link is down (the device resends, and is told again)."""
        ...


class Consumer(Protocol):
    """A consumer that acknowledges to the broker only after `handler` has returned, in a persistent session."""

    @property
    def connected(self) -> bool:
        """Whether the broker answers right now."""
        ...

    @property
    def publisher(self) -> Publisher:
        """For receipts."""
        ...

    def run(self, stop: threading.Event) -> None:
        """Connect and consume until `stop` is set; reconnects by itself, bounded back-off with jitter.

        Raises:
            BusSettingsError: the broker refused us for good.
        """
        ...


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """How a consumer gathers. A batch is handed over when it is full or `linger_s` old, whichever is first.

    `unacknowledged_max` is both the window told to the broker and the bound of this process's memory; it must be at
    least `batch_messages_max`. A body over `body_bytes_max` is handed over cut to that length plus one byte, so that
    the handler can count it as oversized without holding it.
    """

    filters: tuple[TopicFilter, ...]
    batch_messages_max: int = 250
    linger_s: float = 0.02
    unacknowledged_max: int = 1000
    body_bytes_max: int = 300_000
    share_group: str | None = None


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A stored message: `body` is the payload's JSON with its epoch and seq inside."""

    seq: int
    topic: Topic
    body: bytes
    created_unix_ms: int
    alarm: bool


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """How far behind a device is. `oldest_unix_ms` is absent too while the oldest row has no true time."""

    rows: int
    bytes: int
    dropped_count: int
    oldest_unix_ms: int | None
    open_gaps: int = 0


class OutboxFullError(RetryableError):
    """Not even evicting telemetry made room. Only alarms wait for room; telemetry is dropped and counted."""


class Outbox(Protocol):
    """What a device has not yet seen confirmed by the store it was meant for. Durable when `put` returns.

    Bounded in bytes and, for telemetry, in age. What goes undelivered is named in an open gap range that is stored in
    the transaction of the loss: every number is pending, delivered, or in exactly one gap record.
    """

    @property
    def epoch(self) -> str:
        """16 hex digits, drawn once when the outbox was made."""
        ...

    def put(
        self, topic: Topic, build: Callable[[str, int], Payload], *, alarm: bool, boot_id: str | None = None
    ) -> int:
        """Number (`build(epoch, seq)`), store and return the seq.

        With `boot_id` the payload's times are milliseconds since that boot, because the clock was not set: telemetry
        then waits until `settle_clock` gives it its time. An event does not wait; it says by its own `clock_set`
        whether `boot_id` counts.

        Over the bound the oldest telemetry goes first, counted in `status().dropped_count` and named by a gap record;
        alarms, events and gap records never go. Telemetry without any room uses up its number, an alarm does not.

        Raises:
            OutboxFullError: an alarm found no room at all.
        """
        ...

    def pending(
        self, after_seq: int, limit: int, *, before_seq: int | None = None, alarms_only: bool = False
    ) -> Sequence[OutboxRow]:
        """Rows not yet delivered with seq above `after_seq` and under `before_seq`, oldest first.

        Telemetry without a true time is not among them.
        """
        ...

    def first_seq_since(self, created_unix_ms: int) -> int:
        """The seq where live begins: from it on every row was stored at or after `created_unix_ms`.

        One past the last number if there is no such row.
        """
        ...

    def delivered(self, epoch: str, seqs: Sequence[int], store: str) -> int:
        """Forget what `store` ("readings" or "incidents") has confirmed; return how many rows that ended.

        Telemetry needs "readings"; an event needs "incidents". Another epoch's numbers change nothing.
        """
        ...

    def settle_clock(self, boot_id: str, offset_ms: int) -> int:
        """The clock is set: this boot began at the true time `offset_ms`. Call it once in every boot.

        Returns how many rows got their time by that. It is theirs for ever, so a row that is sent again is the same;
        a second call for a boot changes nothing. Telemetry of earlier boots that never got a time is dropped with a
        gap record (`clock-never-set`): it was made after the last true time that is known and before this boot. The
        boot that the last `put` named still waits for its own time, also when an earlier boot is settled late.
        """
        ...

    def note_lost(
        self, readings_count: int, from_unix_ms: int, until_unix_ms: int, cause: GapCause, boot_id: str | None = None
    ) -> None:
        """Name readings that were lost before they got a number. Kept in memory while the disk takes nothing."""
        ...

    def flush_gaps(self, topic: Topic) -> int:
        """Turn the open gap ranges into numbered messages that are never evicted; return how many records they hold.

        None while an earlier flush is not confirmed, so that an outage cannot fill the outbox with gap records; ranges
        of a boot without a time wait.
        """
        ...

    def status(self) -> OutboxStatus:
        """Rows, bytes, drops, age."""
        ...

    def close(self) -> None:
        """End cleanly; what is stored stays."""
        ...
