"""Wake: the dispatcher looks at once, nobody waits for a poll."""

from collections.abc import Callable
from dataclasses import dataclass

from broker.alerts.flow import Flow


@dataclass(frozen=True, slots=True)
class Wake:
    """Calls `dispatch` when the batch has made messages due."""

    dispatch: Callable[[], None]

    def __call__(self, flow: Flow) -> None:
        """Wake it if there is anything to send."""
        if any(change.messages_due for change in flow.changes):
            self.dispatch()
