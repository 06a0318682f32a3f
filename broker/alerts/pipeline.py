"""The alerts pipeline: the order of its stages, in one literal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broker.alerts.counters import Counters
from broker.alerts.flow import Flow, Stage
from broker.alerts.policy import Composers
from broker.alerts.stages.commit import Commit
from broker.alerts.stages.confirm import Confirm
from broker.alerts.stages.decode import Decode
from broker.alerts.stages.presence import NotePresence
from broker.alerts.stages.press import Press
from broker.alerts.stages.recognise import Recognise
from broker.alerts.stages.refuse import Refuse
from broker.alerts.stages.told import Told
from broker.alerts.stages.wake import Wake
from broker.stores.dead_letters import DeadLetters
from broker.stores.incidents import Incidents
from broker.stores.presses import Presses
from broker.stores.registry import Registry
from broker.stores.told import DeviceTellings
from runtime.clock import Clock
from transport.ports import Publisher, RawMessage


@dataclass(frozen=True, slots=True)
class Stores:
    """The central state, as alerts uses it."""

    registry: Registry
    incidents: Incidents
    dead_letters: DeadLetters
    presses: Presses
    tellings: DeviceTellings


class Pipeline:
    """A consumer's batch handler: when it returns, everything in the batch is in a store."""

    def __init__(  # noqa: PLR0913 — what the stages work with
        self,
        stores: Stores,
        clock: Clock,
        counters: Counters,
        *,
        composers: Composers,
        publisher: Callable[[], Publisher],
        dispatch: Callable[[], None],
        presence_changed: Callable[[], None],
        stale_after_s: float,
    ) -> None:
        self._stages: tuple[Stage, ...] = (
            Decode(stores.registry, clock),
            Recognise(clock, stale_after_s),
            Told(stores.tellings, clock, counters),
            Commit(stores.incidents, composers, clock, counters),
            Press(stores.incidents, stores.presses, clock, counters),
            Wake(dispatch),
            NotePresence(stores.registry, clock, counters, presence_changed),
            Refuse(stores.dead_letters, counters),
            Confirm(publisher, clock),
        )
        self._clock = clock
        self._begun_s: float | None = None

    def __call__(self, messages: Sequence[RawMessage]) -> None:
        """Take one batch.

        Raises:
            StoreUnavailableError: nothing may be acknowledged; the same batch again later, what is done already stays.
        """
        flow = Flow(messages)
        self._begun_s = self._clock.monotonic_s()
        try:
            for stage in self._stages:
                stage(flow)
        finally:
            self._begun_s = None

    def busy_s(self) -> float:
        """For how long it has been at one try of a batch; 0 while it waits, be it for messages or for another try."""
        begun_s = self._begun_s
        return 0.0 if begun_s is None else self._clock.monotonic_s() - begun_s
