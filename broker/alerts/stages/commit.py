"""Commit: incidents, history and messages in one transaction; only what is committed is confirmed later."""

from dataclasses import dataclass

import structlog

from broker.alerts.counters import Counters
from broker.alerts.flow import Flow
from broker.alerts.policy import Composer, Composers
from broker.alerts.stages.decode import PART
from broker.stores.dead_letters import DeadLetter
from broker.stores.incident_models import DRILL, Change, Effect, Picture, Sighting, UnstorableError
from broker.stores.incidents import Incidents
from runtime.clock import Clock

log = structlog.get_logger(__name__)

SAID = frozenset({Effect.OPENED, Effect.ROSE, Effect.REOPENED, Effect.CONFIRMED, Effect.CLEARED})
"""The effects that the service's log has."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Writes what was seen with the messages it sends."""

    incidents: Incidents
    composers: Composers
    clock: Clock
    counters: Counters

    def __call__(self, flow: Flow) -> None:
        """Fill `changes`. What the database can never hold becomes a dead letter, one by one.

        Raises:
            StoreUnavailableError: hold the batch.
        """
        if not flow.seen:
            return
        compose = self.composers({one.market for one in flow.seen})
        try:
            flow.changes.extend(self.incidents.record(flow.seen, compose))
        except UnstorableError:
            for one in flow.seen:
                self._alone(flow, one, compose)
        for change in flow.changes:
            self._count(change)

    def _alone(self, flow: Flow, seen: Sighting | Picture, compose: Composer) -> None:
        try:
            flow.changes.extend(self.incidents.record([seen], compose))
        except UnstorableError as error:
            body = seen.body.encode() if isinstance(seen, Sighting) else seen.jpeg
            source = f"{seen.market}/{seen.device}"
            now = self.clock.unix_ms()
            flow.letters.append(DeadLetter(now, PART, "rejected", str(error), source, body, len(body)))

    def _count(self, change: Change) -> None:
        self.counters.add("events_total")
        self.counters.add("messages_due_total", change.messages_due)
        if change.effect is Effect.DUPLICATE:
            self.counters.add("duplicates_total")
        incident = change.incident
        if incident is None or change.effect not in SAID:
            return
        log.info(
            "incident.changed",
            effect=change.effect.value,
            code=incident.code,
            market=incident.market,
            zone=incident.zone,
            kind=incident.kind,
            incident_level=incident.level,
            state=incident.state,
            messages=change.messages_due,
        )
        if change.effect is Effect.OPENED:
            self.counters.add("incidents_opened_total" if incident.severity != DRILL else "drills_opened_total")
        if change.effect in {Effect.OPENED, Effect.ROSE} and incident.is_alarm and change.messages_due == 0:
            self.counters.add("incidents_without_recipients_total")
            log.error("incident.nobody-to-tell", code=incident.code, market=incident.market)
