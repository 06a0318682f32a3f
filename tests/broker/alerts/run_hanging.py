"""Alerts as a process in which a thread hangs once: `python -m tests.broker.alerts.run_hanging SETTINGS PLACE FLAG`.

Whichever thread comes first to `PLACE` when the file `FLAG` is there takes it away and hangs for good. The watchdog's
limits are `LIMIT_S`, so that nobody waits for minutes.
"""

import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from broker.alerts import running
from broker.alerts.dispatcher import Dispatcher
from broker.alerts.notifiers.spool import Spool
from broker.alerts.service import REPORT_EVERY_S, Service
from broker.stores.incidents import Incidents
from tests.broker.alerts.run_service import main

LIMIT_S = 2.0
PLACES: Mapping[str, tuple[type, str]] = {
    "batch": (Incidents, "record"),
    "dispatch": (Dispatcher, "_round"),
    "send": (Spool, "send"),
    "watch": (Service, "report"),
}
"""Where it hangs, by the name that the watchdog has for it."""


def hang_once(place: str, flag: Path) -> None:
    """Let `place` hang at its next call after `flag` was made."""
    owner, name = PLACES[place]
    real: Callable[..., Any] = getattr(owner, name)

    def perhaps(*arguments: object, **options: object) -> Any:  # noqa: ANN401 - whatever the real one answers
        try:
            flag.unlink()
        except FileNotFoundError:  # it need not hang now
            return real(*arguments, **options)
        threading.Event().wait()
        return None

    setattr(owner, name, perhaps)


if __name__ == "__main__":
    for limit in ("LOOP_S_MAX", "BATCH_S_MAX", "SEND_S_MAX"):
        setattr(running, limit, {"LOOP_S_MAX": LIMIT_S + REPORT_EVERY_S}.get(limit, LIMIT_S))
    hang_once(sys.argv[2], Path(sys.argv[3]))
    main()
