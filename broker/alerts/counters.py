"""Counters of the alerts process, told to the part status."""

import threading
from collections.abc import Mapping

COUNTED = (
    "events_total",
    "duplicates_total",
    "incidents_opened_total",
    "drills_opened_total",
    "incidents_without_recipients_total",
    "presence_total",
    "messages_due_total",
    "messages_accepted_total",
    "messages_delivered_total",
    "messages_failed_total",
    "messages_retried_total",
    "messages_hedged_total",
    "dead_letters_total",
    "receipts_refused_total",
    "replies_total",
    "replies_refused_total",
    "acknowledged_by_reply_total",
    "acknowledged_by_button_total",
    "told_by_devices_total",
    "terms_total",
)


class Counters:
    """Named numbers that only grow, for several threads. Every name of `COUNTED` is there from the start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, float] = dict.fromkeys(COUNTED, 0.0)

    def add(self, name: str, count: float = 1) -> None:
        """Let one grow."""
        with self._lock:
            self._values[name] = self._values.get(name, 0.0) + count

    def all(self) -> Mapping[str, float]:
        """All of them now."""
        with self._lock:
            return dict(self._values)
