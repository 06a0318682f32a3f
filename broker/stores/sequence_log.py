"""Out of the log into the ledger: the numbers that ingest appended become arrivals of their sources."""

from sqlalchemy import Connection, Engine, text

from broker.stores.database import transaction

ROWS_PER_TRANSACTION = 5000  # some 20 ms: alerts writes the same database

_UP_TO = text("SELECT max(log_id) FROM (SELECT log_id FROM arrival_log ORDER BY log_id LIMIT :rows) AS oldest")
_SQLITE = (
    # Nobody else writes meanwhile: what the three see is the same.
    text(
        "INSERT OR IGNORE INTO sequences SELECT market, device, epoch, 0, min(arrived_unix_ms) FROM arrival_log"
        " WHERE log_id <= :up_to GROUP BY market, device, epoch"
    ),
    text(
        "INSERT OR IGNORE INTO arrivals SELECT market, device, epoch, seq, arrived_unix_ms FROM arrival_log"
        " WHERE log_id <= :up_to ORDER BY market, device, epoch, seq, arrived_unix_ms"
    ),
    text("DELETE FROM arrival_log WHERE log_id <= :up_to"),
)
_POSTGRESQL = text(
    # One statement, because a row with a lower number can be committed at any moment; the locked ones are another's.
    "WITH gone AS (DELETE FROM arrival_log WHERE log_id IN"
    " (SELECT log_id FROM arrival_log ORDER BY log_id LIMIT :rows FOR UPDATE SKIP LOCKED)"
    " RETURNING market, device, epoch, seq, arrived_unix_ms),"
    " begun AS (INSERT INTO sequences SELECT market, device, epoch, 0, min(arrived_unix_ms) FROM gone"
    " GROUP BY market, device, epoch ORDER BY market, device, epoch ON CONFLICT DO NOTHING),"
    " arrived AS (INSERT INTO arrivals SELECT market, device, epoch, seq, min(arrived_unix_ms) FROM gone"
    " GROUP BY market, device, epoch, seq ORDER BY market, device, epoch, seq ON CONFLICT DO NOTHING)"
    " SELECT count(*) FROM gone"
)


def take_log(engine: Engine) -> None:
    """Take everything that is in the log, a part at a time; each part is one transaction.

    Raises:
        sqlalchemy.exc.DBAPIError: the parts before are taken, the others are still in the log.
    """
    take = _take_part_postgresql if engine.dialect.name == "postgresql" else _take_part_sqlite
    while True:
        with transaction(engine) as connection:
            if not take(connection):
                return


def _take_part_sqlite(connection: Connection) -> bool:
    up_to = connection.execute(_UP_TO, {"rows": ROWS_PER_TRANSACTION}).scalar()
    if up_to is None:
        return False
    for statement in _SQLITE:
        connection.execute(statement, {"up_to": up_to})
    return True


def _take_part_postgresql(connection: Connection) -> bool:
    return bool(connection.execute(_POSTGRESQL, {"rows": ROWS_PER_TRANSACTION}).scalar_one())
