"""What is left at providers that are paid in advance: running low is a trouble before messages are refused."""

from collections.abc import Sequence

import structlog

from broker.alerts.ports import Balanced, Notifier
from runtime.errors import RetryableError

log = structlog.get_logger(__name__)

NAME = "balance"
REASON = "balance-low"


class BalanceWatch:
    """Remembers what each provider said last: one that does not answer now is believed what it said."""

    def __init__(self, notifiers: Sequence[Notifier]) -> None:
        self._notifiers = tuple(notifiers)
        self._low: dict[str, str] = {}

    def look(self) -> dict[str, str]:
        """The providers that run low, with the words for it, by name; at most 7 s for each."""
        for notifier in self._notifiers:
            if isinstance(notifier, Balanced):
                self._ask(notifier.name, notifier)
        return dict(self._low)

    def _ask(self, name: str, notifier: Balanced) -> None:
        try:
            balance = notifier.balance()
        except RetryableError as error:
            log.warning("balance.unknown", provider=name, reason=str(error))
            return
        self._low.pop(name, None)
        if balance.low:
            self._low[name] = f"{balance.amount:,.0f} {balance.unit} left at {name}"
