"""What devices told people by their own modems: kept once, and the centre's first word to the same people withdrawn."""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Row, select, update
from sqlalchemy.exc import DBAPIError

from broker.stores.database import as_retryable, transaction
from broker.stores.message_models import RANK, SMS, message_key
from broker.stores.message_writing import insert_new
from broker.stores.schema import incident_events, incidents, messages
from contract.events import ToldEvent

TOLD = "told"  # the event's name in the history
FIRST_STEP = "0"
PROVIDER_LENGTH_MAX = 40
WITHDRAWN_FROM = tuple(state for state, rank in RANK.items() if rank < RANK["accepted"])


@dataclass(frozen=True, slots=True)
class DeviceTold:
    """One such event as the centre understood it: `event_id` is the fire's, `device` whose modem it was."""

    market: str
    device: str
    epoch: str
    seq: int
    event_id: str
    time_unix_ms: int
    body: str


class DeviceTellings:
    """Keeps them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def note(self, told: DeviceTold) -> int:
        """Keep it, and mark the first word to these people as told where the fire's incident is there already.

        It may come before its fire: then `mark_told` does that in the transaction in which the incident begins. A
        resend changes nothing. Returns how many messages were marked.

        Raises:
            StoreUnavailableError: nothing was written; try again.
        """
        row: dict[str, object] = {
            "market": told.market,
            "device": told.device,
            "epoch": told.epoch,
            "seq": told.seq,
            "event_id": told.event_id,
            "name": TOLD,
            "subject": None,
            "phase": None,
            "time_unix_ms": told.time_unix_ms,
            "body": told.body,
        }
        events = incident_events.c
        fire = (events.market == told.market, events.event_id == told.event_id, events.phase.is_not(None))
        try:
            with transaction(self._engine) as connection:
                insert_new(connection, incident_events, row)
                owner = select(events.incident_id).where(*fire, events.incident_id.is_not(None)).distinct()
                found = connection.execute(owner).scalars().all()
                return sum(mark_told(connection, int(one)) for one in found if one is not None)
        except DBAPIError as error:
            raise as_retryable(error) from error


def mark_told(connection: Connection, incident_id: int) -> int:
    """Mark an incident's first word to those whom a device has told, inside the caller's transaction; how many.

    The later steps stay as they are. What a provider has taken already, or refused, stays too.
    """
    events, mine = incident_events.c, incident_events.alias()
    here = select(mine.c.event_id).where(mine.c.incident_id == incident_id, mine.c.phase.is_not(None))
    incident = connection.execute(select(incidents).where(incidents.c.incident_id == incident_id)).one()
    query = select(incident_events).where(
        events.market == incident.market, events.name == TOLD, events.event_id.in_(here)
    )
    marked = 0
    for row in connection.execute(query.order_by(events.time_unix_ms)).all():
        marked += _mark(connection, row, incident.incident_id, incident.code)
    return marked


def _mark(connection: Connection, told: Row[tuple[object, ...]], incident_id: int, code: str) -> int:
    same = (
        incident_events.c.market == told.market,
        incident_events.c.device == told.device,
        incident_events.c.epoch == told.epoch,
        incident_events.c.seq == told.seq,
    )
    connection.execute(update(incident_events).where(*same).values(incident_id=incident_id))
    phones = ToldEvent.from_bytes(told.body.encode()).phones
    keys = [message_key(code, phone, SMS, FIRST_STEP) for phone in phones]
    values = {
        "state": "accepted",
        "provider": f"edge:{told.device}"[:PROVIDER_LENGTH_MAX],
        "provider_reference": told.event_id,
        "accepted_unix_ms": told.time_unix_ms,
        "lease_until_unix_ms": None,
        "error": None,
    }
    to_send = (
        messages.c.incident_id == incident_id,
        messages.c.message_key.in_(keys),
        messages.c.state.in_(WITHDRAWN_FROM),
    )
    return connection.execute(update(messages).where(*to_send).values(**values)).rowcount
