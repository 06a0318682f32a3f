"""Which provider has a message next: in the settings' order, past those that were just asked, refused it or hang.

A provider that took long in vain, or failed `STRIKES` times in a row, is passed over for `SUSPECT_S`; then one message
finds out whether it works again. When all are under suspicion, they are asked in their order all the same.
"""

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from broker.alerts.ports import Collecting, Notifier, Receipting
from broker.stores.carrier import form_of
from broker.stores.message_models import CANARY_KEY, HEDGE_S
from broker.stores.messages import Message
from runtime.clock import Clock

SUSPECT_S = 30.0
STRIKES = 3
LONG_S = HEDGE_S / 2
REMEMBERED_MAX = 10_000
DAY_MS = 86_400_000


@dataclass(slots=True)
class _Tried:
    """What became of one message so far: the provider that was asked last, and those that will never take it."""

    last: int
    since_s: float
    refused: set[int] = field(default_factory=set)


class Providers:
    """The notifiers by channel, and what is known of them. For several threads.

    It remembers at most `REMEMBERED_MAX` messages that are not out yet; of an older one it forgets who was asked.
    """

    def __init__(self, notifiers: Sequence[Notifier], clock: Clock) -> None:
        self._notifiers = tuple(notifiers)
        self._clock = clock
        self._lock = threading.Lock()
        self._strikes = [0] * len(self._notifiers)
        self._suspect_until_s = [float("-inf")] * len(self._notifiers)
        self._tried: OrderedDict[int, _Tried] = OrderedDict()

    def __getitem__(self, index: int) -> Notifier:
        """The notifier with this number."""
        return self._notifiers[index]

    def count(self, channel: str) -> int:
        """How many there are for a channel."""
        return len(self._of(channel))

    def channels(self) -> frozenset[str]:
        """Every channel that somebody sends on."""
        return frozenset(channel for one in self._notifiers for channel in one.channels)

    def hedged(self) -> frozenset[str]:
        """The channels on which a second provider can be asked while the first hangs."""
        return frozenset(channel for channel in self.channels() if self.count(channel) > 1)

    def suspects(self) -> tuple[str, ...]:
        """The names of those that are passed over now."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            return tuple(
                one.name for one, until_s in zip(self._notifiers, self._suspect_until_s, strict=True) if until_s > now_s
            )

    def choose(self, message: Message, busy: Collection[int] = ()) -> int | None:
        """The number of the provider that is asked now, which is noted; `None` if its channel has none.

        `busy` are those that have this message already and have not answered yet.
        """
        here = self._in_turn(message)
        if not here:
            return None
        now_s, is_wide = self._clock.monotonic_s(), form_of(message.text).kind == "ucs2"
        with self._lock:
            tried = self._tried.pop(message.message_id, None) or _Tried(-1, now_s)
            start = here.index(tried.last) + 1 if tried.last in here else 0
            turn = [*here[start:], *here[:start]]
            wide_first = is_wide and tried.last < 0  # afterwards anybody: letters that are missing beat silence
            # of equals the first, whose turn it is
            tried.last = min(
                turn,
                key=lambda one: (
                    one in busy,
                    one in tried.refused,
                    self._suspect_until_s[one] > now_s,
                    wide_first and not self._notifiers[one].carries_unicode,
                ),
            )
            self._tried[message.message_id] = tried
            if len(self._tried) > REMEMBERED_MAX:
                self._tried.popitem(last=False)
            return tried.last

    def tried_for_s(self, message: Message) -> float:
        """For how long this process has tried to get it out."""
        with self._lock:
            tried = self._tried.get(message.message_id)
        return 0.0 if tried is None else self._clock.monotonic_s() - tried.since_s

    def worked(self, index: int) -> None:
        """It answered as it should."""
        with self._lock:
            self._strikes[index] = 0
            self._suspect_until_s[index] = float("-inf")

    def struck(self, index: int, took_s: float) -> None:
        """It did not take a message; after `took_s`, which may still go on."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            self._strikes[index] += STRIKES if took_s >= LONG_S else 1
            if self._strikes[index] >= STRIKES:
                self._suspect_until_s[index] = now_s + SUSPECT_S

    def refused(self, message: Message, index: int) -> bool:
        """It will never take this message; whether by now all of its channel have said so."""
        with self._lock:
            tried = self._tried.setdefault(message.message_id, _Tried(index, self._clock.monotonic_s()))
            tried.refused.add(index)
            return tried.refused.issuperset(self._of(message.channel))

    def over(self, message: Message) -> None:
        """The message needs nobody any more: forget it."""
        with self._lock:
            self._tried.pop(message.message_id, None)

    def _in_turn(self, message: Message) -> tuple[int, ...]:
        """Who may be asked for it; a canary only those that give receipts, each day beginning with another."""
        here = self._of(message.channel)
        if not message.message_key.startswith(CANARY_KEY):
            return here
        here = tuple(one for one in here if gives_receipts(self._notifiers[one]))
        first = message.created_unix_ms // DAY_MS % max(1, len(here))
        return (*here[first:], *here[:first])

    def _of(self, channel: str) -> tuple[int, ...]:
        return tuple(index for index, one in enumerate(self._notifiers) if channel in one.channels)


def gives_receipts(notifier: Notifier) -> bool:
    """Whether its provider says when a message has arrived."""
    return isinstance(notifier, Receipting | Collecting)
