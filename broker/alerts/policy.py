"""Who is told what, and when: the tables, and the messages that follow from a change of an incident."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import DBAPIError

from broker.alerts.texts import Place, fire_text, trouble_text
from broker.stores.database import as_retryable
from broker.stores.incident_models import DRILL, FIRE, Change, Effect, Incident, Picture, Sighting
from broker.stores.messages import NewMessage
from broker.stores.registry import Named, Recipient, Registry
from contract.ids import ID_LENGTH_MAX

NO_ZONE = "none"
TROUBLE = "trouble"
DEVICE_OFFLINE = "device-offline"
COMPONENT = "component"  # a part of the agent itself: every device has one of the same name


@dataclass(frozen=True, slots=True)
class Step:
    """Escalation: after `delay_s` without an acknowledgement everybody with this role is told."""

    name: str
    role: str
    delay_s: int
    head: str


FIRE_STEPS = (
    Step("0", "manager", 0, "화재"),
    Step("1", "deputy", 60, "화재 미확인"),
    Step("2", "merchant", 120, "화재 미확인"),
)
REOPENED_HEAD = "화재 재감지"
DRILL_HEAD = "훈련"
# Troubles that make the market blind or mute to a fire are sent; the others wait in the console.
SENT_TROUBLES = frozenset({"camera", "siren", DEVICE_OFFLINE})
LATE_TROUBLE_DELAY_S = 60  # the clearing of what is long over is behind it in the same backlog


@dataclass(frozen=True, slots=True)
class Roster:
    """A market's names and people, as the registry has them now."""

    market: Named
    zones: tuple[Named, ...] = ()
    recipients: tuple[Recipient, ...] = ()

    def zone_name(self, zone: str) -> str:
        """The zone's Korean name; one that the registry does not know keeps its id."""
        return next((one.name_ko for one in self.zones if one.id == zone), f"{zone}구역")

    def at_step(self, step: Step) -> tuple[Recipient, ...]:
        """Who is told at a step. A market without managers has everybody told at once."""
        people = tuple(one for one in self.recipients if one.role == step.role)
        return people or (self.recipients if step is FIRE_STEPS[0] else ())


@dataclass(frozen=True, slots=True)
class Composer:
    """Turns changes into messages. `roster` knows the markets, `now_unix_ms` is when messages are written."""

    rosters: dict[str, Roster] = field(default_factory=dict)
    now_unix_ms: int = 0

    def __call__(self, change: Change) -> Sequence[NewMessage]:
        """The messages of one change; none for repeats, clearings and what only the console shows."""
        seen, incident = change.sighting, change.incident
        if incident is None or isinstance(seen, Picture):
            return ()
        roster = self.rosters.get(incident.market, Roster(Named(incident.market, incident.market, incident.market)))
        if incident.severity == FIRE and change.effect is Effect.OPENED:
            return self._fire(roster, seen, incident)
        if incident.severity == FIRE and change.effect is Effect.REOPENED:
            return self._again(roster, seen, incident)
        if incident.severity == DRILL and change.effect is Effect.OPENED:
            return self._drill(roster, seen, incident)
        if change.effect in {Effect.OPENED, Effect.REOPENED} and seen.part in SENT_TROUBLES:
            return self._trouble(roster, seen, incident)
        return ()

    def _fire(self, roster: Roster, seen: Sighting, incident: Incident) -> Sequence[NewMessage]:
        place, when = _place(roster, seen), incident.decided_unix_ms or incident.opened_unix_ms
        rows: dict[str, NewMessage] = {}
        for step in FIRE_STEPS:
            text = fire_text(place, incident.code, when, late=seen.late, head=step.head)
            due = self.now_unix_ms + step.delay_s * 1000
            for person in roster.at_step(step):
                # One person, one role: without managers, step 0 has told everybody and nobody is left for later.
                rows.setdefault(person.phone, NewMessage(step.name, person.name, person.phone, text, due))
        return tuple(rows.values())

    def _drill(self, roster: Roster, seen: Sighting, incident: Incident) -> Sequence[NewMessage]:
        """Managers only, once, nobody later; a drill that arrives late is over, and tells nobody."""
        if seen.late:
            return ()
        step, when = FIRE_STEPS[0], incident.decided_unix_ms or incident.opened_unix_ms
        text = fire_text(_place(roster, seen), incident.code, when, head=DRILL_HEAD)
        people = (one for one in roster.recipients if one.role == step.role)
        return tuple(NewMessage(step.name, one.name, one.phone, text, self.now_unix_ms) for one in people)

    def _again(self, roster: Roster, seen: Sighting, incident: Incident) -> Sequence[NewMessage]:
        text = fire_text(_place(roster, seen), incident.code, seen.time_unix_ms, late=seen.late, head=REOPENED_HEAD)
        step = f"u{incident.event_count}"
        people = roster.at_step(FIRE_STEPS[0])
        return tuple(NewMessage(step, one.name, one.phone, text, self.now_unix_ms, capped=True) for one in people)

    def _trouble(self, roster: Roster, seen: Sighting, incident: Incident) -> Sequence[NewMessage]:
        """Always the same step: rising again tells only whoever was not told before."""
        if (seen.late and incident.state == "cleared") or incident.acknowledged_unix_ms is not None:
            return ()
        when = seen.time_unix_ms
        text = trouble_text(_place(roster, seen), seen.part, seen.reason, incident.code, when, late=seen.late)
        due = self.now_unix_ms + (LATE_TROUBLE_DELAY_S * 1000 if seen.late else 0)
        people = (one for one in roster.recipients if one.role == FIRE_STEPS[0].role)
        return tuple(NewMessage("t0", one.name, one.phone, text, due, capped=True) for one in people)


def trouble_kind(part: str, subject: str, device: str) -> str:
    """The kind of a trouble's incident: `<part>-<subject>`, so that two broken bays are two incidents.

    A component's name is the agent's own, so its device stands before it. Too long for an id, it is cut and ends in a
    hash of the whole, so that it still names one subject only.
    """
    whole = f"{part}-{device}-{subject}" if part == COMPONENT else f"{part}-{subject}"
    if len(whole) <= ID_LENGTH_MAX:
        return whole
    mark = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{whole[: ID_LENGTH_MAX - len(mark) - 1]}-{mark}"


def load_rosters(registry: Registry, markets: Iterable[str]) -> dict[str, Roster]:
    """The rosters of these markets, read now: a number that changed counts from the next alarm on.

    Raises:
        StoreUnavailableError: try again later.
    """
    try:
        names = {one.id: one for one in registry.markets()}
        return {
            market: Roster(
                names.get(market, Named(market, market, market)), registry.zones(market), registry.recipients(market)
            )
            for market in set(markets)
        }
    except DBAPIError as error:
        raise as_retryable(error) from error


def _place(roster: Roster, seen: Sighting) -> Place:
    zone = "" if seen.zone == NO_ZONE else roster.zone_name(seen.zone)
    return Place(roster.market.name_ko, zone, seen.subject)
