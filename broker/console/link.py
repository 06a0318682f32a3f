"""The console's own link to the broker: while it is lost, nothing on a page is news."""

from collections.abc import Callable

from broker.console.views import LinkView
from runtime.clock import Clock
from transport.ports import Session


class Link:
    """Watches `session.connected`. Lost until first connected."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._view = LinkView(state="lost", since_unix_ms=clock.unix_ms())
        self.refusal = ""
        self._told: Callable[[LinkView], None] | None = None

    def on_change(self, callback: Callable[[LinkView], None]) -> None:
        """Call when the state changes."""
        self._told = callback

    def look(self) -> None:
        """Take note of the session's state now. To be called on the loop."""
        connected = self._session.connected
        if connected == (self._view.state == "connected"):
            return
        self.refusal = "" if connected else self.refusal
        self._view = LinkView(state="connected" if connected else "lost", since_unix_ms=self._clock.unix_ms())
        if self._told is not None:
            self._told(self._view)

    def note_refusal(self, sentence: str) -> None:
        """The broker will not have us; why is shown on the health page until it connects."""
        self.refusal = sentence

    def view(self) -> LinkView:
        """The state when last looked at, and since when."""
        return self._view
