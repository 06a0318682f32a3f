"""Presence: births and last wills go to the registry."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from broker.alerts.counters import Counters
from broker.alerts.flow import Flow, Heard
from broker.stores.database import as_retryable
from broker.stores.registry import Registry
from contract.presence import Presence
from runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class NotePresence:
    """Keeps the registry's device states. `changed` is called when any device's state was written.

    A last will was composed when its device connected, so its time says nothing about the end: being offline counts
    from when it was heard here, and hearing the same again (it is retained) does not start it anew.
    """

    registry: Registry
    clock: Clock
    counters: Counters
    changed: Callable[[], None]

    def __call__(self, flow: Flow) -> None:
        """Write what was heard.

        Raises:
            StoreUnavailableError: hold the batch.
        """
        heard = [one for one in flow.heard if isinstance(one.payload, Presence)]
        if not heard:
            return
        try:
            states = {(one.market, one.device): one.state for one in self.registry.devices()}
            for one in heard:
                self._note(one, states)
        except DBAPIError as error:
            raise as_retryable(error) from error
        self.counters.add("presence_total", len(heard))
        self.changed()

    def _note(self, heard: Heard, states: dict[tuple[str, str], str]) -> None:
        presence, key = heard.payload, (heard.identity.market, heard.identity.device)
        assert isinstance(presence, Presence)  # noqa: S101 — narrows what `__call__` has chosen
        if presence.state == "offline":
            if states.get(key) == "offline":
                return
            presence = presence.model_copy(update={"time_unix_ms": self.clock.unix_ms()})
        self.registry.note_presence(heard.identity, presence)
        states[key] = presence.state
