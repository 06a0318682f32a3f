"""Gathering: what a storm held back becomes one summarising message for each recipient."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from broker.alerts.policy import Composer, Composers
from broker.alerts.quiet_hours import released
from broker.alerts.storm_control import FIRE_HOLD_S, OTHER_HOLD_S
from broker.alerts.telling import NO_ZONE, About
from broker.alerts.texts import Item, Style, part_words, storm_text
from broker.stores.database import as_retryable, transaction
from broker.stores.incident_models import FIRE
from broker.stores.message_models import SMS, NewMessage
from broker.stores.message_writing import add_messages
from broker.stores.registry import Recipient
from broker.stores.storms import Waiting, mark_gathered, subject_of, waiting, waiting_markets
from runtime.clock import Clock
from runtime.errors import RetryableError

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Reader:
    """One recipient of a summary, and what it names for them, each incident once."""

    address: str
    channel: str
    person: Recipient | None
    waiting: dict[str, Waiting] = field(default_factory=dict)


class Storms:
    """Gathers what is due. Two processes at once gather each row once."""

    def __init__(self, engine: Engine, clock: Clock, composers: Composers) -> None:
        self._engine = engine
        self._clock = clock
        self._composers = composers

    def gather(self) -> int:
        """Turn what is due into messages; how many were written. A defect here is logged, and stops nothing else.

        Raises:
            StoreUnavailableError: nothing was written; try again.
        """
        now = self._clock.unix_ms()
        try:
            with self._engine.connect() as connection:
                if not waiting_markets(connection, now):
                    return 0
            with transaction(self._engine) as connection:
                return self._gather(connection, now)
        except DBAPIError as error:
            raise as_retryable(error) from error
        except RetryableError:
            raise
        except Exception:  # the dispatcher goes on: what has messages of its own must go out
            log.exception("storm.defect")
            return 0

    def _gather(self, connection: Connection, now_unix_ms: int) -> int:
        groups: dict[tuple[str, bool], list[Waiting]] = {}
        for is_fire, hold_s in ((True, FIRE_HOLD_S), (False, OTHER_HOLD_S)):
            for one in waiting(connection, now_unix_ms, int(hold_s * 1000), fires=is_fire):
                groups.setdefault((one.incident.market, is_fire), []).append(one)
        if not groups:
            return 0
        composer = self._composers({market for market, _ in groups})
        return sum(
            self._tell(connection, composer, market, rows, now_unix_ms, is_fire=is_fire)
            for (market, is_fire), rows in groups.items()
        )

    def _tell(
        self,
        connection: Connection,
        composer: Composer,
        market: str,
        rows: Sequence[Waiting],
        now_unix_ms: int,
        *,
        is_fire: bool,
    ) -> int:
        code = f"storm-{'fire' if is_fire else 'other'}-{market}-{now_unix_ms}"
        ids = [one.message_id for one in rows]
        if len({one.incident.incident_id for one in rows}) == 1:
            written = sum(_alone(connection, composer, one, now_unix_ms) for one in rows)
        else:
            subjects = {} if is_fire else {one.message_id: subject_of(connection, one.incident) for one in rows}
            readers = _readers(composer, rows)
            messages = [_summary(composer, market, reader, subjects, now_unix_ms) for reader in readers]
            written = add_messages(connection, market, None, code, messages, now_unix_ms)
        mark_gathered(connection, ids, code, now_unix_ms)
        log.warning("storm.gathered", market=market, fire=is_fire, incidents=len(rows), messages=written)
        return written


def _alone(connection: Connection, composer: Composer, one: Waiting, now_unix_ms: int) -> int:
    """Nothing came to gather it with: it has its own messages after all."""
    incident = one.incident
    about = About(incident, subject_of(connection, incident), incident.decided_unix_ms or incident.opened_unix_ms)
    rows = composer.step_rows(about, one.step)
    return add_messages(connection, incident.market, incident.incident_id, incident.code, rows, now_unix_ms)


def _readers(composer: Composer, rows: Sequence[Waiting]) -> Sequence[_Reader]:
    """Everybody whom one of the steps tells, each with the incidents that concern them."""
    found: dict[tuple[str, str], _Reader] = {}
    for one in rows:
        people, channels = composer.whom(one.incident, one.step)
        for channel in channels:
            for person in people if channel == SMS else (None,):
                address = channel if person is None else person.phone
                reader = found.setdefault((address, channel), _Reader(address, channel, person))
                reader.waiting.setdefault(one.incident.code, one)
    return tuple(found.values())


def _summary(
    composer: Composer, market: str, reader: _Reader, subjects: Mapping[int, str], now_unix_ms: int
) -> NewMessage:
    rows = tuple(reader.waiting.values())
    is_fire, person = rows[0].incident.severity == FIRE, reader.person
    roster = composer.roster(market)
    policies = [roster.policy(one.incident) for one in rows]
    style = Style("ko" if person is None else person.language, composer.unicode)
    items = [Item(_what(composer, one, subjects.get(one.message_id, ""), style), one.incident.code) for one in rows]
    opened = min(one.incident.opened_unix_ms for one in rows)
    head = "fire-storm" if is_fire else "trouble-storm"
    text = storm_text(roster.names.of_market(style.language), head, items, opened, style=style)
    may_wait = person is not None and all(one.quiet_hours == "holds" for one in policies)
    return NewMessage(
        "s0",
        reader.address if person is None else person.name,
        reader.address,
        text,
        released(person, now_unix_ms) if may_wait and person is not None else now_unix_ms,
        # what a fire's first word says is never held back; later ones and troubles are updates
        capped=not (is_fire and any(one.step == "0" for one in rows)),
        channel=reader.channel,
        cap_per_hour=max(one.cap_per_hour for one in policies),
    )


def _what(composer: Composer, one: Waiting, subject: str, style: Style) -> str:
    """What a summary calls an incident: a fire's zone, a trouble's part."""
    incident = one.incident
    if incident.severity == FIRE and incident.zone != NO_ZONE:
        names = composer.roster(incident.market).names
        return names.of_zone(incident.zone, style.language, unicode=style.unicode)
    return part_words(About(incident, subject, 0).part, subject, style.language, unicode=style.unicode)
