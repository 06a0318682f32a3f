"""The alerts service as a process of its own: `python -m tests.broker.alerts.run_service SETTINGS`; SIGTERM ends it."""

import signal
import sys
import threading
from pathlib import Path

from broker.alerts.running import run_alerts
from broker.alerts.settings import AlertsSettings
from runtime.logs import configure_logs
from runtime.settings_file import load_settings


def main() -> None:
    configure_logs("alerts")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _signal, _frame: stop.set())
    run_alerts(load_settings(Path(sys.argv[1]), AlertsSettings), stop)


if __name__ == "__main__":
    main()
