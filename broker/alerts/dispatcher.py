"""The dispatcher: takes messages that are due and hands them to a provider of their channel until one has them."""

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import structlog

from broker.alerts.counters import Counters
from broker.alerts.lease import Alone, Holding
from broker.alerts.ports import AmbiguousSendError, Notifier, Outgoing, RefusedMessageError
from broker.alerts.providers import Providers
from broker.stores.message_models import HEDGE_S
from broker.stores.messages import Message, Messages
from runtime.backoff import Backoff
from runtime.clock import Clock
from runtime.errors import RetryableError

log = structlog.get_logger(__name__)

SLOTS = 8
THREADS_PER_SLOT = 4  # tries that hang and no longer count against their slot
IDLE_S_MAX = 1.0
IDLE_S_MIN = 0.02
DELAY_S_MIN = 0.3
DELAY_S_MAX = 30.0
GIVE_UP_AFTER_S = 3600.0
AMBIGUOUS = "outcome not known: "


@dataclass(slots=True)
class _Try:
    """One try under way. After `counts_until_s` it does not hold its slot any more."""

    message_id: int
    begun_s: float
    counts_until_s: float
    provider: int | None = None


class Dispatcher:
    """Sends with at most `slots` at once; half of them are kept for fires.

    The next provider of the channel follows at once, after the last one the back-off of `DELAY_S_MIN` doubled each
    round up to `DELAY_S_MAX`. The first word of a fire that has no answer after `HEDGE_S` is given to the next provider
    while the first still has it. An ambiguous try counts as not sent: better twice than never. A message is failed when
    every provider has refused it, and after `GIVE_UP_AFTER_S` (unknown if its last try was ambiguous).

    Only while `lease` is held anything is claimed or sent. `gather` is called before each claim: it turns rows that
    are not sent themselves into messages.
    """

    def __init__(
        self,
        messages: Messages,
        notifiers: Sequence[Notifier],
        clock: Clock,
        counters: Counters,
        *,
        slots: int = SLOTS,
        lease: Holding | None = None,
        gather: Callable[[], object] = lambda: None,
    ) -> None:
        self._messages = messages
        self._providers = Providers(notifiers, clock)
        self._clock = clock
        self._counters = counters
        self._slots = slots
        self._lease = lease or Alone()
        self._gather = gather
        self._rng = random.Random()  # noqa: S311 — jitter, not a secret
        self._wake = threading.Event()
        self._lock = threading.Lock()
        # By number, not by message: while a try hangs, another try of its message may begin.
        self._tries: dict[int, _Try] = {}
        self._numbers = count()
        self._last_error = ""

    @property
    def last_error(self) -> str:
        """Why the latest try did not work; empty once one has."""
        return self._last_error

    def suspects(self) -> tuple[str, ...]:
        """The providers that are passed over now because they hang or fail."""
        return self._providers.suspects()

    def wake(self) -> None:
        """There may be something to send: look now."""
        self._wake.set()

    def busy_s(self) -> float:
        """For how long the oldest try has been under way, its mark included; 0 while nothing is sent."""
        begun_s = min((one.begun_s for one in tuple(self._tries.values())), default=None)
        return 0.0 if begun_s is None else self._clock.monotonic_s() - begun_s

    def run(self, stop: threading.Event, beat: Callable[[], None] = lambda: None) -> None:
        """Dispatch until `stop`; what is being sent then is finished first (7 s at most). `beat` is called each round.

        A round does not wait for what it sends, and at most `IDLE_S_MAX` for the next one.
        """
        trouble = Backoff(DELAY_S_MIN, DELAY_S_MAX)
        with ThreadPoolExecutor(self._slots * THREADS_PER_SLOT, thread_name_prefix="notify") as pool:
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
        if not self._lease.held:
            return False
        self._gather()
        free = self._free()
        due = self._messages.next_due_unix_ms()
        if free <= 0 or due is None or due > self._clock.unix_ms():
            return False
        reserve = self._slots // 2
        claimed = self._claim(free - reserve) if free > reserve else ()
        if not claimed:
            claimed = self._claim(min(free, reserve), fires_only=True)
        for message in claimed:
            pool.submit(self._task, message, self._begin(message))
        return bool(claimed)

    def _claim(self, limit: int, *, fires_only: bool = False) -> tuple[Message, ...]:
        hedged = self._providers.hedged()
        return self._messages.claim(limit, fires_only=fires_only, fence=self._lease.fence(), hedged=hedged)

    def _begin(self, message: Message) -> int:
        """Note a try; what still hangs with this message elsewhere has had its time. The try's number."""
        now_s, number = self._clock.monotonic_s(), next(self._numbers)
        lease_s = ((message.lease_until_unix_ms or 0) - self._clock.unix_ms()) / 1000
        counts_until_s = now_s + HEDGE_S if lease_s <= HEDGE_S else float("inf")
        with self._lock:
            hanging = [one for one in self._tries.values() if one.message_id == message.message_id]
            self._tries[number] = _Try(message.message_id, now_s, counts_until_s)
        for one in hanging:
            if one.provider is not None:
                self._providers.struck(one.provider, now_s - one.begun_s)
        if hanging:
            self._counters.add("messages_hedged_total")
        return number

    def _free(self) -> int:
        """How many tries may begin."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            counting = sum(one.counts_until_s > now_s for one in self._tries.values())
            return min(self._slots - counting, self._slots * THREADS_PER_SLOT - len(self._tries))

    def _idle_s(self) -> float:
        if not self._lease.held:
            return IDLE_S_MAX  # whoever takes the lease wakes us
        now_s = self._clock.monotonic_s()
        with self._lock:
            ends_s = [one.counts_until_s - now_s for one in self._tries.values() if one.counts_until_s > now_s]
        if len(ends_s) >= self._slots // 2:
            return max(IDLE_S_MIN, min(IDLE_S_MAX, *ends_s))  # whoever finishes wakes us
        due = self._messages.next_due_unix_ms()
        return IDLE_S_MAX if due is None else max(IDLE_S_MIN, (due - self._clock.unix_ms()) / 1000)

    def _task(self, message: Message, number: int) -> None:
        try:
            self._deliver(message, number)
        except RetryableError as error:
            # The mark is missing, the lease runs out, the message is sent again: a duplicate beats silence.
            log.warning("dispatch.mark-failed", message_id=message.message_id, reason=str(error))
        finally:
            with self._lock:
                del self._tries[number]
            self._wake.set()

    def deliver(self, message: Message) -> None:
        """One try of one claimed message, and its mark.

        Raises:
            StoreUnavailableError: the mark could not be written.
        """
        number = self._begin(message)
        try:
            self._deliver(message, number)
        finally:
            with self._lock:
                del self._tries[number]

    def _deliver(self, message: Message, number: int) -> None:
        with self._lock:
            others = [one for key, one in self._tries.items() if key != number]
            busy = {one.provider for one in others if one.message_id == message.message_id and one.provider is not None}
        index = self._providers.choose(message, busy)
        if index is None:
            self._fail(message, f"no provider for the channel {message.channel} is configured", None)
            return
        if index in busy and self._tries[number].counts_until_s < float("inf"):
            return  # everybody has it and nobody has answered: one more of the same would only make more duplicates
        self._tries[number].provider = index
        if not self._lease.held:
            return  # asleep since the claim: its lease runs out, and whoever sends now sends it
        notifier, begun_s = self._providers[index], self._clock.monotonic_s()
        try:
            outgoing = Outgoing(message.message_id, message.recipient, message.text, message.channel)
            accepted = notifier.send(outgoing)
        except RefusedMessageError as error:
            self._providers.worked(index)
            self._refused(message, index, str(error))
        except RetryableError as error:
            self._providers.struck(index, self._clock.monotonic_s() - begun_s)
            self._again(message, (AMBIGUOUS if isinstance(error, AmbiguousSendError) else "") + str(error))
        except Exception as error:  # a defect in one provider's file must not keep the others from trying
            log.exception("notifier.defect", provider=notifier.name)
            self._providers.struck(index, self._clock.monotonic_s() - begun_s)
            self._again(message, f"{AMBIGUOUS}{notifier.name}: {type(error).__name__}")
        else:
            self._providers.worked(index)
            self._providers.over(message)
            self._messages.accepted(message.message_id, notifier.name, accepted.reference)
            self._counters.add("messages_accepted_total")
            self._last_error = ""

    def _refused(self, message: Message, index: int, said: str) -> None:
        if self._providers.refused(message, index):
            self._fail(message, said, self._providers[index].name)
        else:
            self._again(message, said)

    def _fail(self, message: Message, said: str, provider: str | None) -> None:
        self._last_error = said
        self._providers.over(message)
        if self._messages.failed(message.message_id, said, provider, attempts=message.attempts):
            self._counters.add("messages_failed_total")
            log.error("message.failed", message_id=message.message_id, provider=provider, reason=said)

    def _again(self, message: Message, said: str) -> None:
        self._last_error = said
        providers = self._providers.count(message.channel)
        if self._providers.tried_for_s(message) > GIVE_UP_AFTER_S and message.attempts >= providers:
            self._give_up(message, said)
            return
        rounds, rest = divmod(message.attempts, providers)
        delay_s = 0.0
        if rest == 0:
            ceiling = min(DELAY_S_MAX, DELAY_S_MIN * 2.0 ** min(rounds - 1, 32))
            delay_s = Backoff(ceiling, ceiling, self._rng).next_delay_s()
        if not self._messages.retry(message, self._clock.unix_ms() + int(delay_s * 1000), said):
            return  # another try of it has begun, or it has arrived by another
        self._counters.add("messages_retried_total")
        log.warning(
            "message.retry",
            message_id=message.message_id,
            attempts=message.attempts,
            retry_in_s=round(delay_s, 2),
            reason=said,
        )

    def _give_up(self, message: Message, said: str) -> None:
        self._providers.over(message)
        if said.startswith(AMBIGUOUS):
            moved = self._messages.unknown(message.message_id, said, attempts=message.attempts)
        else:
            moved = self._messages.failed(message.message_id, said, attempts=message.attempts)
        if moved:
            self._counters.add("messages_failed_total")
            log.error("message.given-up", message_id=message.message_id, attempts=message.attempts, reason=said)
