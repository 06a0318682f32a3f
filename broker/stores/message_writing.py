"""Messages written inside their incident's transaction: each once, capped, with the link that it carries."""

from collections.abc import Sequence

from sqlalchemy import Connection, Table, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from broker.stores.acknowledge_tokens import add_token
from broker.stores.message_models import CAPPED_STEPS, HOUR_MS, OVER_UNTOLD, NewMessage, message_key
from broker.stores.schema import messages


def add_messages(
    connection: Connection,
    market: str,
    incident_id: int | None,
    code: str,
    rows: Sequence[NewMessage],
    now_unix_ms: int,
) -> int:
    """Write an incident's messages inside the caller's transaction; how many of them will be sent.

    `incident_id` is `None` for what speaks of several incidents; `code` then stands for them in the keys.
    A message whose key is there already changes nothing, but for one that was cancelled as `OVER_UNTOLD`: nobody got
    it, so it is due again as it is written now.
    """
    sent = 0
    for row in rows:
        values = {
            **new_row(row, market, now_unix_ms),
            "message_key": message_key(code, row.recipient, row.channel, row.step),
            "incident_id": incident_id,
        }
        over = row.capped and _capped_last_hour(connection, market, row, now_unix_ms) >= row.cap_per_hour
        if over:
            why = f"more than {row.cap_per_hour} updates to this recipient within an hour"
            values |= {"state": "cancelled", "error": why}
        if _insert_or_revive(connection, values) and not over:
            sent += 1
            if incident_id is not None:
                _add_link(connection, row, market, incident_id, now_unix_ms)
    return sent


def cancel_due(connection: Connection, incident_id: int, why: str, now_unix_ms: int, *, later_only: bool) -> int:
    """Cancel what is still due of an incident (`later_only`: but not what is due or tried by now); how many."""
    here = [messages.c.incident_id == incident_id]
    if later_only:
        here += [messages.c.state == "due", messages.c.due_unix_ms > now_unix_ms, messages.c.attempts == 0]
    else:
        lapsed = and_(messages.c.state == "leased", messages.c.lease_until_unix_ms < now_unix_ms)
        here.append(or_(messages.c.state == "due", lapsed))
    values = {"state": "cancelled", "error": why, "lease_until_unix_ms": None}
    return connection.execute(update(messages).where(*here).values(**values)).rowcount


def release_leased(connection: Connection) -> int:
    """Make every leased message claimable now, because whoever had them is known to be gone; how many."""
    here = update(messages).where(messages.c.state == "leased", messages.c.lease_until_unix_ms > 0)
    return connection.execute(here.values(lease_until_unix_ms=0)).rowcount


def insert_new(connection: Connection, table: Table, row: dict[str, object]) -> bool:
    """Insert a row unless one of its unique keys is there already; whether it was new. SQLite and PostgreSQL alike."""
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    # RETURNING, not a row count: psycopg has none for an insert that SQLAlchemy itself makes return its key.
    statement = insert(table).values(**row).on_conflict_do_nothing().returning(next(iter(table.primary_key)))
    return connection.execute(statement).one_or_none() is not None


def _insert_or_revive(connection: Connection, row: dict[str, object]) -> bool:
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    statement = insert(messages).values(**row)
    changes = {name: statement.excluded[name] for name in row if name != "message_key"}
    untold = and_(messages.c.state == "cancelled", messages.c.error == OVER_UNTOLD)
    written = statement.on_conflict_do_update(index_elements=[messages.c.message_key], set_=changes, where=untold)
    return connection.execute(written.returning(messages.c.message_id)).one_or_none() is not None


def _add_link(connection: Connection, row: NewMessage, market: str, incident_id: int, now_unix_ms: int) -> None:
    if row.link is not None:
        add_token(
            connection,
            row.link,
            incident_id=incident_id,
            market=market,
            recipient_name=row.recipient_name,
            recipient=row.recipient,
            now_unix_ms=now_unix_ms,
        )


def new_row(row: NewMessage, market: str, now_unix_ms: int) -> dict[str, object]:
    """A message as a row that is due, but for its key and its incident."""
    return {
        "market": market,
        "recipient_name": row.recipient_name,
        "recipient": row.recipient,
        "channel": row.channel,
        "text": row.text,
        "state": "due",
        "error": None,
        "attempts": 0,
        "created_unix_ms": now_unix_ms,
        "due_unix_ms": row.due_unix_ms,
    }


def _capped_last_hour(connection: Connection, market: str, row: NewMessage, now_unix_ms: int) -> int:
    key = messages.c.message_key
    query = select(func.count()).where(
        messages.c.market == market,
        messages.c.recipient == row.recipient,
        messages.c.channel == row.channel,
        messages.c.created_unix_ms > now_unix_ms - HOUR_MS,
        messages.c.state != "cancelled",
        or_(*(key.like(f"%:{row.channel}:{step}%") for step in CAPPED_STEPS)),
    )
    return int(connection.execute(query).scalar_one())
