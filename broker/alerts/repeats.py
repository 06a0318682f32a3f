"""Repeats: what nobody acknowledges is told again, as often as its policy says, written when it is due."""

from collections import Counter
from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from broker.alerts.policy import Composer, Composers
from broker.alerts.storm_control import OWN_MESSAGES_MAX
from broker.alerts.telling import About, text_of
from broker.alerts.texts import Style
from broker.stores.database import as_retryable, transaction
from broker.stores.incident_models import FIRE, LATE, Incident
from broker.stores.message_models import STORM, NewMessage
from broker.stores.message_writing import add_messages
from broker.stores.policies import Policies
from broker.stores.policy_models import Policy, policy_kind
from broker.stores.storms import repeats_written, subject_of, unanswered
from runtime.clock import Clock

log = structlog.get_logger(__name__)

AT_ONCE_MAX = 50


class Repeats:
    """Looks for incidents whose next repeat is due. Looking twice, or in two processes, tells nobody twice."""

    def __init__(self, engine: Engine, clock: Clock, composers: Composers) -> None:
        self._engine = engine
        self._clock = clock
        self._composers = composers

    def look(self) -> int:
        """Write the repeats that are due now; how many messages.

        Raises:
            StoreUnavailableError: nothing was written; try again.
        """
        now, written = self._clock.unix_ms(), 0
        try:
            with self._engine.connect() as connection:
                due = self._due(connection, now)
            if not due:
                return 0
            composer = self._composers({one.market for one, _ in due})
            alike = Counter((one.market, one.severity == FIRE) for one, _ in due)
            for start in range(0, len(due), AT_ONCE_MAX):
                with transaction(self._engine) as connection:
                    written += _write(connection, composer, due[start : start + AT_ONCE_MAX], alike)
        except DBAPIError as error:
            raise as_retryable(error) from error
        log.warning("alerts.repeated", incidents=len(due), messages=written)
        return written

    def _due(self, connection: Connection, now_unix_ms: int) -> Sequence[tuple[Incident, int]]:
        """What has come to another repeat, and to which."""
        waiting = unanswered(connection)
        saved = Policies(self._engine, self._clock).of_all({one.incident.market for one in waiting})
        found = []
        for one in waiting:
            policy = saved[one.incident.market].table.of(policy_kind(one.incident.kind))
            number = repeat_number(policy, one.told_unix_ms, now_unix_ms)
            if number > 0 and number > repeats_written(connection, one.incident.incident_id):
                found.append((one.incident, number))
        return found


def repeat_number(policy: Policy, told_unix_ms: int, now_unix_ms: int) -> int:
    """Which repeat an incident has come to; 0 before the first. Those that were missed are passed over."""
    if not policy.steps or not policy.repeat_every_s:
        return 0
    after_last_s = (now_unix_ms - told_unix_ms) / 1000 - policy.steps[-1].after_s
    number = int(after_last_s // policy.repeat_every_s) if after_last_s > 0 else 0
    return number if number <= policy.repeats_max else 0


def _write(
    connection: Connection,
    composer: Composer,
    due: Sequence[tuple[Incident, int]],
    alike: Mapping[tuple[str, bool], int],
) -> int:
    """A few at a time: others write between them. What was acknowledged meanwhile is left out."""
    still = {one.incident.incident_id for one in unanswered(connection, [one.incident_id for one, _ in due])}
    written = 0
    for one, number in due:
        if one.incident_id not in still:
            continue
        when = one.decided_unix_ms or one.opened_unix_ms
        about = About(one, subject_of(connection, one), when, late=one.detail == LATE)
        rows = _rows(composer, about, number, is_storm=alike[one.market, one.severity == FIRE] > OWN_MESSAGES_MAX)
        written += add_messages(connection, one.market, one.incident_id, one.code, rows, composer.now_unix_ms)
    return written


def _rows(composer: Composer, about: About, number: int, *, is_storm: bool) -> Sequence[NewMessage]:
    if not is_storm:
        return composer.repeated(about, number)
    text = text_of(about, composer.roster(about.incident.market).names, "unanswered", Style())
    return (NewMessage(f"r{number}", STORM, STORM, text, composer.now_unix_ms, channel=STORM),)
