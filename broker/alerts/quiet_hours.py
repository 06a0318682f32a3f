"""Quiet hours: what may wait is due when they end."""

from broker.alerts.texts import KOREA
from broker.stores.registry import Recipient

MINUTE_MS = 60_000
DAY_MS = 1440 * MINUTE_MS
OFFSET_MS = int(KOREA.utcoffset(None).total_seconds() * 1000)


def released(person: Recipient, due_unix_ms: int) -> int:
    """When a message that is due then may go to this person: at once, or at the end of their quiet hours.

    The hours are Korean time, from the first minute to before the last, over midnight if they begin later than they
    end. Hours that begin when they end are none.
    """
    begins, ends = person.quiet_from_minute, person.quiet_to_minute
    if begins is None or ends is None or begins == ends:
        return due_unix_ms
    into_day_ms = (due_unix_ms + OFFSET_MS) % DAY_MS
    since_begin_ms = (into_day_ms - begins * MINUTE_MS) % DAY_MS
    length_ms = (ends - begins) * MINUTE_MS % DAY_MS
    return due_unix_ms if since_begin_ms >= length_ms else due_unix_ms + length_ms - since_begin_ms
