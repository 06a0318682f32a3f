"""Third stage: what was refused is kept, with its reason.

It stands after the write, so that a batch which the store makes us repeat leaves its letters once.
"""

from broker.ingest.work import Work
from broker.stores.dead_letters import DeadLetters


class KeepDeadLetters:
    """Stores the letters of a batch, all or none."""

    def __init__(self, dead_letters: DeadLetters) -> None:
        self._dead_letters = dead_letters

    def __call__(self, work: Work) -> None:
        """Return when the letters are kept.

        Raises:
            broker.stores.database.StoreUnavailableError: the central state does not answer: call again.
        """
        self._dead_letters.add(work.letters)
