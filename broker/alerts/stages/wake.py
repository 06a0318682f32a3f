"""Wake: the dispatcher looks at once, nobody waits for a poll."""

from collections.abc import Callable
from dataclasses import dataclass

from broker.alerts.flow import Flow


@dataclass(frozen=True, slots=True)
class Wake:
    """Calls `dispatch` after every batch that has seen something.

    Also when all of it was known already: another alerts service may have been first to commit it, and its messages are
    for this one to send.
    """

    dispatch: Callable[[], None]

    def __call__(self, flow: Flow) -> None:
        """Wake it if there may be anything to send."""
        if flow.changes:
            self.dispatch()
