"""Between a consumer's network thread and its handler: what has arrived, whether the link stands, why it ended."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import structlog

from runtime.errors import RetryableError
from transport.mqtt_connection import raise_if_refused
from transport.ports import BrokerSettings, BusSettingsError, ConsumerSettings, RawMessage

log = structlog.get_logger(__name__)

WAIT_STEP_S = 0.1
QUIET_PARTS = 4  # a quarter of the linger without a message is quiet


class ConnectionEndedError(RetryableError):
    """The link to the broker is gone; whatever was not acknowledged comes again on the next one."""


class Received(NamedTuple):
    """A message and the packet id under which this connection must acknowledge it."""

    mid: int
    qos: int
    message: RawMessage


class ConsumerQueue:
    """What one connection has brought. The network thread adds, establishes and ends; the handler's thread takes.

    Its bound is kept by whoever reads the network: see `room`.
    """

    def __init__(self, consumer: ConsumerSettings) -> None:
        self._consumer = consumer
        self._waiting: deque[Received] = deque()
        self._changed = threading.Condition()
        self._established = threading.Event()
        self._error: RetryableError | BusSettingsError | None = None

    @property
    def alive(self) -> bool:
        """Whether the broker answers and the subscriptions stand."""
        return self._established.is_set() and self._error is None

    @property
    def ended(self) -> bool:
        """Whether the link is gone."""
        return self._error is not None

    @property
    def room(self) -> int:
        """How many messages may still be added; zero or less says: do not read the network."""
        return self._consumer.unacknowledged_max - len(self._waiting)

    def establish(self) -> None:
        """The broker answers and the subscriptions stand."""
        with self._changed:
            self._established.set()
            self._changed.notify_all()

    def end(self, error: RetryableError | BusSettingsError) -> None:
        """The link is gone; the first reason stays."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def add(self, messages: Sequence[Received]) -> None:
        """Append what has arrived."""
        with self._changed:
            was_empty = not self._waiting
            self._waiting.extend(messages)
            if was_empty or self._batch_is_full():
                self._changed.notify_all()

    def wait_until_established(self, timeout_s: float) -> bool:
        """False when nothing has happened in that time.

        Raises:
            ConnectionEndedError: the link is gone.
            BusSettingsError: the broker refused us for good.
        """
        with self._changed:
            answered = self._changed.wait_for(lambda: self._established.is_set() or self.ended, timeout_s)
        self._raise_if_ended()
        return answered

    def next_batch(self, stop: threading.Event) -> Sequence[Received]:
        """Up to `batch_messages_max` messages: when full, when `linger_s` old, or when the broker has gone quiet.

        A broker whose own window is smaller than the batch sends nothing more until we acknowledge; lingering on would
        cost a linger for each of its windows. Empty when `stop` was set first.

        Raises:
            ConnectionEndedError: the link is gone.
            BusSettingsError: a subscription was refused.
        """
        with self._changed:
            while not self._waiting:
                self._raise_if_ended()
                if stop.is_set():
                    return ()
                self._changed.wait(WAIT_STEP_S)
            self._linger()
            self._raise_if_ended()
            size = min(len(self._waiting), self._consumer.batch_messages_max)
            return [self._waiting.popleft() for _ in range(size)]

    def wait(self, stop: threading.Event, delay_s: float) -> bool:
        """Wait `delay_s`; False at once when stopped or when the link is gone: then the batch comes again."""
        deadline_s = time.monotonic() + delay_s
        with self._changed:
            while not stop.is_set() and not self.ended:
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    return True
                self._changed.wait_for(lambda: self.ended, min(WAIT_STEP_S, left_s))
        return False

    def _linger(self) -> None:
        for _ in range(QUIET_PARTS):
            arrived = len(self._waiting)
            self._changed.wait_for(self._batch_is_full, self._consumer.linger_s / QUIET_PARTS)
            if self._batch_is_full() or len(self._waiting) == arrived:
                return

    def _batch_is_full(self) -> bool:
        return len(self._waiting) >= self._consumer.batch_messages_max or self.ended

    def _raise_if_ended(self) -> None:
        if self._error is not None:
            raise self._error


def serve_until_established(thread: threading.Thread, queue: ConsumerQueue, settings: BrokerSettings) -> None:
    """Start a connection's network thread and wait until it stands.

    Raises:
        ConnectionEndedError: the link is gone, or there was no answer in time.
        BusSettingsError: the broker refused us for good.
    """
    where = f"broker {settings.host}:{settings.port}"
    thread.start()
    if not queue.wait_until_established(settings.connect_timeout_s):
        raise ConnectionEndedError(f"{where}: no answer within {settings.connect_timeout_s} s")
    log.info("consumer.connected", broker=where, client_id=settings.client_id)


def filters_of(consumer: ConsumerSettings) -> list[str]:
    """The filters as the broker hears them, shared where the consumer is one of a group."""
    prefix = "" if consumer.share_group is None else f"$share/{consumer.share_group}/"
    return [f"{prefix}{one}" for one in consumer.filters]


def refused(settings: BrokerSettings, code: int, words: str) -> RetryableError | BusSettingsError:
    """What a refused connection means."""
    try:
        raise_if_refused(settings, code)
    except BusSettingsError as error:
        return error
    return ConnectionEndedError(f"broker {settings.host}:{settings.port}: refused: {words}")


def subscription_refused(settings: BrokerSettings, words: str) -> BusSettingsError:
    """What a refused subscription means: the access rules are not ours."""
    return BusSettingsError(f"broker {settings.host}:{settings.port} refused a subscription: {words}")
