"""Refuse: what could not be taken is stored as dead letters before anything is acknowledged."""

from broker.alerts.counters import Counters
from broker.alerts.flow import Flow
from broker.stores.dead_letters import DeadLetters

SAME_WITHIN_S = 60.0


class Refuse:
    """Stores and counts the batch's dead letters. Another alerts service hears the same: each is stored once."""

    def __init__(self, dead_letters: DeadLetters, counters: Counters) -> None:
        self._dead_letters = dead_letters
        self._counters = counters

    def __call__(self, flow: Flow) -> None:
        """Store them.

        Raises:
            StoreUnavailableError: hold the batch.
        """
        self._dead_letters.add_once(flow.letters, SAME_WITHIN_S)
        for letter in flow.letters:
            self._counters.add("dead_letters_total")
            self._counters.add(f"dead_letters_{letter.reason_kind.replace('-', '_')}_total")
