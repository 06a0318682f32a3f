"""Press: somebody held a device's button, so that fires of its market are taken care of."""

from dataclasses import dataclass

import structlog

from broker.alerts.counters import Counters
from broker.alerts.flow import Flow, Heard, Number
from broker.alerts.stages.recognise import true_time
from broker.stores.incidents import Incidents
from broker.stores.presses import Pressed, Presses
from contract.events import AcknowledgeEvent
from runtime.clock import Clock

log = structlog.get_logger(__name__)

WAIT_FOR_FIRES_S = 120.0  # longer than a device waits before it sends what is unconfirmed again


@dataclass(frozen=True, slots=True)
class Press:
    """Acknowledges what a press stands for.

    A press may overtake a fire that it names: for `WAIT_FOR_FIRES_S` it is not confirmed then, and comes again.
    """

    incidents: Incidents
    presses: Presses
    clock: Clock
    counters: Counters

    def __call__(self, flow: Flow) -> None:
        """Take the batch's presses, after its fires.

        Raises:
            StoreUnavailableError: hold the batch.
        """
        for heard in flow.heard:
            event = heard.payload
            if not isinstance(event, AcknowledgeEvent):
                continue
            if not self._take(pressed(heard, event, self.clock.unix_ms())):
                flow.confirmed.remove(Number(heard.identity, event.epoch, event.seq))

    def _take(self, press: Pressed) -> bool:
        """Whether the press is dealt with; false if it has to come again."""
        if self.presses.is_known(press):
            self.counters.add("duplicates_total")
            return True
        who = f"{press.button} ({press.device})"
        for incident_id in self.presses.incidents_of(press):
            done = self.incidents.acknowledge(incident_id, who, "button")
            if done.is_first:
                self.counters.add("acknowledged_by_button_total")
                log.warning("incident.acknowledged", code=done.incident.code, market=press.market, via="button")
        age_s = (self.clock.unix_ms() - press.time_unix_ms) / 1000
        if age_s < WAIT_FOR_FIRES_S and press.before_unix_ms is not None:
            missing = self.presses.unheard_of(press.market, press.fires)
            if missing:
                log.info("press.waits", market=press.market, device=press.device, fires=sorted(missing))
                return False
        self.presses.keep(press)
        return True


def pressed(heard: Heard, event: AcknowledgeEvent, now_unix_ms: int) -> Pressed:
    """A press event as the store takes it. A time that cannot be true says nothing of what began before it."""
    time_unix_ms = true_time(event.time_unix_ms, now_unix_ms)
    knows_time = event.clock_set and time_unix_ms == event.time_unix_ms
    return Pressed(
        market=heard.identity.market,
        device=heard.identity.device,
        epoch=event.epoch,
        seq=event.seq,
        event_id=event.event_id,
        button=event.button,
        zone=event.zone,
        fires=event.fires,
        time_unix_ms=time_unix_ms,
        before_unix_ms=min(time_unix_ms, now_unix_ms) if knows_time else None,
        body=event.model_dump_json(),
    )
