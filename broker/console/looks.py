"""Who looked at a single picture, for the audit log: one row for each person, picture and hour."""

import threading
from collections import OrderedDict

import structlog
from sqlalchemy.exc import DBAPIError

from broker.stores.audit import Audit
from runtime.clock import Clock

log = structlog.get_logger(__name__)

HOUR_MS = 3_600_000
REMEMBERED_MAX = 10_000

_Look = tuple[str, str, str]


class Looks:
    """Writes a look down, unless the same person's at the same picture is written down in this hour already.

    At most `REMEMBERED_MAX` looks are remembered, the oldest goes: whoever is forgotten is written down once more. A
    look that cannot be written down is logged and not refused: in a fire, the picture comes first.
    """

    def __init__(self, audit: Audit, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock
        self._hours: OrderedDict[_Look, int] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, who: str, action: str, picture: str) -> None:
        """`who` looks at `picture`, from any thread; `action` as `AuditRow` has it."""
        look, hour = (who, action, picture), self._clock.unix_ms() // HOUR_MS
        if not self._is_new(look, hour):
            return
        try:
            self._audit.write(who, action, picture)
        except DBAPIError as error:
            log.warning("console.unaudited", who=who, subject=picture, reason=str(error))
            with self._lock:
                self._hours.pop(look, None)

    def _is_new(self, look: _Look, hour: int) -> bool:
        with self._lock:
            if self._hours.get(look) == hour:
                return False
            self._hours[look] = hour
            self._hours.move_to_end(look)
            if len(self._hours) > REMEMBERED_MAX:
                self._hours.popitem(last=False)
            return True
