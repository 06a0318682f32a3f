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
    """How far behind a device is."""

    rows: int
    bytes: int
    dropped_count: int
    oldest_unix_ms: int | None


class OutboxFullError(RetryableError):
    """Not even evicting telemetry made room. Only alarms wait for room; telemetry is dropped and counted."""


class Outbox(Protocol):
    """What a device has not yet seen confirmed by the store it was meant for. Durable when `put` returns."""

    @property
    def epoch(self) -> str:
        """16 hex digits, drawn once when the outbox was made."""
        ...

    def put(self, topic: Topic, build: Callable[[str, int], Payload], *, alarm: bool) -> int:
        """Number (`build(epoch, seq)`), store and return the seq.

        Over the bound the oldest telemetry goes first, counted in `status().dropped_count`; alarms never go.

        Raises:
            OutboxFullError: an alarm found no room at all.
        """
        ...

    def pending(self, after_seq: int, limit: int, *, alarms_only: bool = False) -> Sequence[OutboxRow]:
        """Rows not yet delivered with seq above `after_seq`, oldest first."""
        ...

    def delivered(self, epoch: str, seqs: Sequence[int], store: str) -> int:
        """Forget what `store` ("readings" or "incidents") has confirmed; return how many rows that ended.

        Telemetry needs "readings"; an event needs "incidents". Another epoch's numbers change nothing.
        """
        ...

    def status(self) -> OutboxStatus:
        """Rows, bytes, drops, age."""
        ...

    def close(self) -> None:
        """End cleanly; what is stored stays."""
        ...
