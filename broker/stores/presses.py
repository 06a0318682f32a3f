"""Presses of a device's button: each kept once in the history, and which incidents it stands for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, and_, exists, or_, select
from sqlalchemy.exc import DBAPIError

from broker.stores.database import as_retryable, transaction
from broker.stores.incident_models import DRILL, FIRE
from broker.stores.message_writing import insert_new
from broker.stores.schema import incident_events, incidents

PRESS = "acknowledge"  # the event's name in the history
ACKNOWLEDGED_MAX = 200


@dataclass(frozen=True, slots=True)
class Pressed:
    """One press as the centre understood it.

    `before_unix_ms`: it stands for what began until then; `None` when the device did not know the time, then for the
    `fires` that it named alone. `zone`: only there.
    """

    market: str
    device: str
    epoch: str
    seq: int
    event_id: str
    button: str
    zone: str | None
    fires: tuple[str, ...]
    time_unix_ms: int
    before_unix_ms: int | None
    body: str


class Presses:
    """Reads and keeps presses."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def is_known(self, pressed: Pressed) -> bool:
        """Whether this press was kept before: a resend, with nothing left to do.

        Raises:
            StoreUnavailableError: try again later.
        """
        row = incident_events.c
        same = and_(
            row.market == pressed.market,
            row.device == pressed.device,
            row.epoch == pressed.epoch,
            row.seq == pressed.seq,
        )
        try:
            with self._engine.connect() as connection:
                return bool(connection.execute(select(exists().where(same))).scalar_one())
        except DBAPIError as error:
            raise as_retryable(error) from error

    def incidents_of(self, pressed: Pressed) -> Sequence[int]:
        """The fires and drills that nobody has acknowledged and that the press stands for, oldest first.

        Raises:
            StoreUnavailableError: try again later.
        """
        row, events = incidents.c, incident_events.c
        named = exists().where(
            events.incident_id == row.incident_id,
            events.market == pressed.market,
            events.event_id.in_(pressed.fires),
        )
        here = [
            row.market == pressed.market,
            row.severity.in_((FIRE, DRILL)),
            row.acknowledged_unix_ms.is_(None),
            row.state != "closed",
        ]
        if pressed.zone is not None:
            here.append(row.zone == pressed.zone)
        begun = [] if pressed.before_unix_ms is None else [row.opened_unix_ms <= pressed.before_unix_ms]
        query = select(row.incident_id).where(*here, or_(named, *begun)).order_by(row.incident_id)
        try:
            with self._engine.connect() as connection:
                return tuple(connection.execute(query.limit(ACKNOWLEDGED_MAX)).scalars())
        except DBAPIError as error:
            raise as_retryable(error) from error

    def unheard_of(self, market: str, event_ids: Collection[str]) -> frozenset[str]:
        """Those of these fires that have not arrived here yet.

        Raises:
            StoreUnavailableError: try again later.
        """
        if not event_ids:
            return frozenset()
        row = incident_events.c
        query = select(row.event_id).where(row.market == market, row.event_id.in_(event_ids)).distinct()
        try:
            with self._engine.connect() as connection:
                return frozenset(event_ids) - frozenset(connection.execute(query).scalars())
        except DBAPIError as error:
            raise as_retryable(error) from error

    def keep(self, pressed: Pressed) -> None:
        """Write the press into the history, so that its number is known and a resend does nothing.

        Raises:
            StoreUnavailableError: not written; try again.
        """
        row: dict[str, object] = {
            "market": pressed.market,
            "device": pressed.device,
            "epoch": pressed.epoch,
            "seq": pressed.seq,
            "event_id": pressed.event_id,
            "name": PRESS,
            "subject": pressed.button,
            "phase": None,
            "time_unix_ms": pressed.time_unix_ms,
            "body": pressed.body,
        }
        try:
            with transaction(self._engine) as connection:
                insert_new(connection, incident_events, row)
        except DBAPIError as error:
            raise as_retryable(error) from error
