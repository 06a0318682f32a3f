"""Put on PYTHONPATH, it lets ingest's reporter hang once in a running market, and hurries those who watch it.

Python imports a module of this name in every process. The hang comes when the file that `HANG_INGEST` names is there.
"""

import os
import sys
import threading
from pathlib import Path

SILENT_S_MAX = 12.0  # time for alerts to see that ingest is silent, before the watchdog ends it
STALE_AFTER_S = 3.0
PATIENCE_S = 1.0


def _hang_ingest(flag: Path) -> None:
    from broker.ingest import service  # noqa: PLC0415 - only in the process that it is for
    from broker.ingest.reporter import Reporter  # noqa: PLC0415 - only in the process that it is for
    from broker.stores.parts import Parts  # noqa: PLC0415 - only in the process that it is for

    service.REPORTER_SILENT_S_MAX = SILENT_S_MAX
    assert Parts.report.__kwdefaults__ is not None
    Parts.report.__kwdefaults__["stale_after_s"] = STALE_AFTER_S
    real = Reporter.report

    def report(self: Reporter) -> None:
        try:
            flag.unlink()
        except FileNotFoundError:  # it need not hang now
            real(self)
        else:
            threading.Event().wait()

    Reporter.report = report  # type: ignore[method-assign] # it is what hangs


def _hurry_alerts() -> None:
    from broker.alerts import stalled  # noqa: PLC0415 - only in the process that it is for

    stalled.PATIENCE_S = PATIENCE_S


if "HANG_INGEST" in os.environ and "ingest" in sys.orig_argv:
    _hang_ingest(Path(os.environ["HANG_INGEST"]))
elif "HANG_INGEST" in os.environ and "alerts" in sys.orig_argv:
    _hurry_alerts()
