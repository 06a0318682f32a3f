"""The dispatcher: takes messages that are due and hands them to a provider until one has them."""

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from broker.alerts.counters import Counters
from broker.alerts.ports import AmbiguousSendError, Notifier, Outgoing, RefusedMessageError
from broker.stores.messages import Message, Messages
from runtime.backoff import Backoff
from runtime.clock import Clock
from runtime.errors import RetryableError

log = structlog.get_logger(__name__)

SLOTS = 8
IDLE_S_MAX = 1.0
DELAY_S_MIN = 0.3
DELAY_S_MAX = 30.0
GIVE_UP_AFTER_S = 3600.0
AMBIGUOUS = "outcome not known: "


class Dispatcher:
    """Sends with at most `slots` at once; half of them are kept for fires.

    Try n of a message goes to provider n modulo their number: the next provider follows at once, after the last one
    the back-off of `DELAY_S_MIN` doubled each round up to `DELAY_S_MAX`. An ambiguous try counts as not sent: better
    twice than never. After `GIVE_UP_AFTER_S`
    a message is failed, or unknown if its last try was ambiguous.
    """

    def __init__(
        self,
        messages: Messages,
        notifiers: Sequence[Notifier],
        clock: Clock,
        counters: Counters,
        slots: int = SLOTS,
    ) -> None:
        self._messages = messages
        self._notifiers = tuple(notifiers)
        self._clock = clock
        self._counters = counters
        self._slots = slots
        self._rng = random.Random()  # noqa: S311 — jitter, not a secret
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._sending = 0
        # By thread, not by message: the lease of a try that hangs runs out, and another try of its message begins.
        self._begun_s: dict[int, float] = {}
        self._last_error = ""

    @property
    def last_error(self) -> str:
        """Why the latest try did not work; empty once one has."""
        return self._last_error

    def wake(self) -> None:
        """There may be something to send: look now."""
        self._wake.set()

    def busy_s(self) -> float:
        """For how long the oldest try has been under way, its mark included; 0 while nothing is sent."""
        begun_s = min(tuple(self._begun_s.values()), default=None)
        return 0.0 if begun_s is None else self._clock.monotonic_s() - begun_s

    def run(self, stop: threading.Event, beat: Callable[[], None] = lambda: None) -> None:
        """Dispatch until `stop`; what is being sent then is finished first (7 s at most). `beat` is called each round.

        A round does not wait for what it sends, and at most `IDLE_S_MAX` for the next one.
        """
        trouble = Backoff(DELAY_S_MIN, DELAY_S_MAX)
        with ThreadPoolExecutor(self._slots, thread_name_prefix="notify") as pool:
            while not stop.is_set():
                beat()
                self._wake.clear()
                try:
                    wait_s = 0.0 if self._round(pool) else self._idle_s()
                    trouble.reset()
                except RetryableError as error:
                    wait_s = trouble.next_delay_s()
                    log.warning("dispatch.store-unavailable", reason=str(error), retry_in_s=round(wait_s, 1))
                if wait_s > 0:
                    self._wake.wait(min(wait_s, IDLE_S_MAX))

    def _round(self, pool: ThreadPoolExecutor) -> bool:
        """Claim for the free slots and start sending; whether anything was claimed."""
        with self._lock:
            free = self._slots - self._sending
        due = self._messages.next_due_unix_ms()
        if free <= 0 or due is None or due > self._clock.unix_ms():
            return False
        reserve = self._slots // 2
        claimed = self._messages.claim(free - reserve) if free > reserve else ()
        if not claimed:
            claimed = self._messages.claim(min(free, reserve), fires_only=True)
        with self._lock:
            self._sending += len(claimed)
        for message in claimed:
            pool.submit(self._task, message)
        return bool(claimed)

    def _idle_s(self) -> float:
        with self._lock:
            if self._sending >= self._slots // 2:
                return IDLE_S_MAX  # whoever finishes wakes us
        due = self._messages.next_due_unix_ms()
        return IDLE_S_MAX if due is None else max(0.005, (due - self._clock.unix_ms()) / 1000)

    def _task(self, message: Message) -> None:
        thread = threading.get_ident()
        self._begun_s[thread] = self._clock.monotonic_s()
        try:
            self.deliver(message)
        except RetryableError as error:
            # The mark is missing, the lease runs out, the message is sent again: a duplicate beats silence.
            log.warning("dispatch.mark-failed", message_id=message.message_id, reason=str(error))
        finally:
            del self._begun_s[thread]
            with self._lock:
                self._sending -= 1
            self._wake.set()

    def deliver(self, message: Message) -> None:
        """One try of one claimed message, and its mark.

        Raises:
            StoreUnavailableError: the mark could not be written.
        """
        notifier = self._notifiers[(message.attempts - 1) % len(self._notifiers)]
        try:
            accepted = notifier.send(Outgoing(message.message_id, message.recipient, message.text))
        except RefusedMessageError as error:
            self._refused(message, notifier, str(error))
        except AmbiguousSendError as error:
            self._again(message, AMBIGUOUS + str(error))
        except RetryableError as error:
            self._again(message, str(error))
        except Exception as error:  # a defect in one provider's file must not keep the others from trying
            log.exception("notifier.defect", provider=notifier.name)
            self._again(message, f"{AMBIGUOUS}{notifier.name}: {type(error).__name__}")
        else:
            self._messages.accepted(message.message_id, notifier.name, accepted.reference)
            self._counters.add("messages_accepted_total")
            self._last_error = ""

    def _refused(self, message: Message, notifier: Notifier, said: str) -> None:
        if message.attempts < len(self._notifiers):
            self._again(message, said)
            return
        self._last_error = said
        self._messages.failed(message.message_id, said, notifier.name)
        self._counters.add("messages_failed_total")
        log.error("message.failed", message_id=message.message_id, provider=notifier.name, reason=said)

    def _again(self, message: Message, said: str) -> None:
        self._last_error = said
        now = self._clock.unix_ms()
        if now - message.created_unix_ms > GIVE_UP_AFTER_S * 1000 and message.attempts >= len(self._notifiers):
            self._give_up(message, said)
            return
        rounds, rest = divmod(message.attempts, len(self._notifiers))
        delay_s = 0.0
        if rest == 0:
            ceiling = min(DELAY_S_MAX, DELAY_S_MIN * 2.0 ** min(rounds - 1, 32))
            delay_s = Backoff(ceiling, ceiling, self._rng).next_delay_s()
        self._messages.retry(message.message_id, now + int(delay_s * 1000), said)
        self._counters.add("messages_retried_total")
        log.warning(
            "message.retry",
            message_id=message.message_id,
            attempts=message.attempts,
            retry_in_s=round(delay_s, 2),
            reason=said,
        )

    def _give_up(self, message: Message, said: str) -> None:
        if said.startswith(AMBIGUOUS):
            self._messages.unknown(message.message_id, said)
        else:
            self._messages.failed(message.message_id, said)
        self._counters.add("messages_failed_total")
        log.error("message.given-up", message_id=message.message_id, attempts=message.attempts, reason=said)
