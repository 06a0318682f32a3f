"""The audit log: who did what, when."""

from dataclasses import dataclass

from sqlalchemy import Engine, delete, func, select

from broker.stores.database import transaction
from broker.stores.schema import audit
from runtime.clock import Clock

AUDIT_ROWS_MAX = 500_000
DETAIL_LENGTH_MAX = 2000
WHO_LENGTH_MAX = 80
ACTION_LENGTH_MAX = 40
SUBJECT_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One act of a person. `action` is a short fixed word (`incident.acknowledge`), `subject` what it was done to."""

    time_unix_ms: int
    who: str
    action: str
    subject: str
    detail: str


class Audit:
    """Appends rows; over `rows_max` the oldest go."""

    def __init__(self, engine: Engine, clock: Clock, rows_max: int = AUDIT_ROWS_MAX) -> None:
        self._engine = engine
        self._clock = clock
        self._rows_max = rows_max

    def write(self, who: str, action: str, subject: str, detail: str = "") -> None:
        """Append one row, stamped now; texts over the columns' lengths are cut, NUL is replaced."""
        row = {
            "time_unix_ms": self._clock.unix_ms(),
            "who": _storable(who)[:WHO_LENGTH_MAX],
            "action": action[:ACTION_LENGTH_MAX],
            "subject": _storable(subject)[:SUBJECT_LENGTH_MAX],
            "detail": _storable(detail)[:DETAIL_LENGTH_MAX],
        }
        with transaction(self._engine) as connection:
            connection.execute(audit.insert(), [row])
            newest = connection.execute(select(func.max(audit.c.audit_id))).scalar_one()
            connection.execute(delete(audit).where(audit.c.audit_id <= newest - self._rows_max))

    def newest(self, limit: int = 100) -> tuple[AuditRow, ...]:
        """The newest `limit`, newest first."""
        query = select(audit).order_by(audit.c.audit_id.desc()).limit(limit)
        with self._engine.connect() as connection:
            return tuple(
                AuditRow(row.time_unix_ms, row.who, row.action, row.subject, row.detail)
                for row in connection.execute(query)
            )


def _storable(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
