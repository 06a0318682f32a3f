"""Told: a device could not reach the centre and has told people by its own modem; they are not told again."""

from dataclasses import dataclass

import structlog

from broker.alerts.counters import Counters
from broker.alerts.flow import Flow
from broker.alerts.stages.recognise import true_time
from broker.stores.told import DeviceTellings, DeviceTold
from contract.events import ToldEvent
from runtime.clock import Clock

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """Keeps what devices told.

    It stands before the commit: what came with its fire, or before it, withdraws the fire's first word in the
    transaction that writes it.
    """

    tellings: DeviceTellings
    clock: Clock
    counters: Counters

    def __call__(self, flow: Flow) -> None:
        """Take the batch's events of this kind.

        Raises:
            StoreUnavailableError: hold the batch.
        """
        for heard in flow.heard:
            event = heard.payload
            if not isinstance(event, ToldEvent):
                continue
            told = DeviceTold(
                market=heard.identity.market,
                device=heard.identity.device,
                epoch=event.epoch,
                seq=event.seq,
                event_id=event.event_id,
                time_unix_ms=true_time(event.time_unix_ms, self.clock.unix_ms()),
                body=event.model_dump_json(),
            )
            withdrawn = self.tellings.note(told)
            self.counters.add("told_by_devices_total", len(event.phones))
            log.warning(
                "incident.told-by-device",
                market=told.market,
                device=told.device,
                event_id=told.event_id,
                people=len(event.phones),
                withdrawn=withdrawn,
            )
