"""The centre watches itself: messages that reach nobody, the daily canary, providers' balances, its own disk."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError

from broker.alerts import balance, canary, disk, undeliverable
from broker.alerts.balance import BalanceWatch
from broker.alerts.canary import Canary
from broker.alerts.central_troubles import Subject, changes
from broker.alerts.disk import DiskWatch
from broker.stores.database import as_retryable
from broker.stores.incident_models import Sighting
from broker.stores.incidents import Incidents
from broker.stores.messages import Messages
from broker.stores.registry import Registry
from runtime.clock import Clock

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CentralWatch:
    """Lets the incidents say what is wrong with the centre: the incidents of `market`, or of every market if `None`.

    `record` writes sightings with their messages, `wake` has the dispatcher look. Every method raises:
        StoreUnavailableError: try again later.
    """

    incidents: Incidents
    registry: Registry
    messages: Messages
    clock: Clock
    record: Callable[[Sequence[Sighting]], None]
    wake: Callable[[], None]
    balances: BalanceWatch
    market: str | None = None
    disk_watch: DiskWatch | None = None
    canary_bird: Canary | None = None

    def undeliverable(self) -> None:
        """Messages that were given up, refused by all, or are tried in vain."""
        wrong = undeliverable.undeliverable(self.messages, self.clock.unix_ms())
        self._say(undeliverable.NAME, undeliverable.REASON, wrong)

    def balance(self) -> None:
        """Providers that run low."""
        low = self.balances.look()
        wrong = {(market, name): words for market in self._markets() for name, words in low.items()}
        self._say(balance.NAME, balance.REASON, wrong)

    def disk(self) -> None:
        """The disk under the central state, where it is on this machine."""
        try:
            words = "" if self.disk_watch is None else self.disk_watch.look()
        except OSError as error:
            log.warning("disk.unreadable", reason=str(error))
            return
        self._say(disk.NAME, disk.REASON, self._everywhere(disk.SUBJECT, words))

    def canary(self) -> None:
        """Send the day's canary if its time has come, and see whether the newest has arrived."""
        now = self.clock.unix_ms()
        if self.canary_bird is not None and self.canary_bird.send(now):
            log.info("canary.sent")
            self.wake()
        # nobody asks for one any more: what was said of the last is over
        words = "" if self.canary_bird is None else self.canary_bird.look(now)
        if words is not None:
            self._say(canary.NAME, canary.REASON, self._everywhere(canary.SUBJECT, words))

    def _everywhere(self, subject: str, words: str) -> Mapping[Subject, str]:
        return {(market, subject): words for market in self._markets()} if words else {}

    def _markets(self) -> Sequence[str]:
        if self.market is not None:
            return (self.market,)
        try:
            return [one.id for one in self.registry.markets()]
        except DBAPIError as error:
            raise as_retryable(error) from error

    def _say(self, name: str, reason: str, wrong: Mapping[Subject, str]) -> None:
        try:
            known = self.incidents.open_sightings(name)
        except DBAPIError as error:
            raise as_retryable(error) from error
        self.record(changes(name, reason, wrong, known, self.clock.unix_ms()))
