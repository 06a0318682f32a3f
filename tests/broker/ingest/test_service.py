"""Ingest's start, in a process of its own: the garbage collector's settings are the process's."""

import subprocess
import sys
from pathlib import Path

from sqlalchemy import Engine

SCRIPT = """
import gc, sys, threading, time
from pathlib import Path
from broker.ingest.service import run_ingest
from broker.ingest.settings import IngestSettings
from broker.series.ports import Series
from runtime.steady_heap import YOUNG_MAX

folder, port = Path(sys.argv[1]), int(sys.argv[2])
settings = IngestSettings.model_validate({
    "broker": {"host": "127.0.0.1", "port": port, "username": "ingest", "password_file": folder / "password"},
    "database_url": f"sqlite:///{folder}/central.db",
    "series": {"kind": "embedded", "path": folder / "series.db"},
})
stop = threading.Event()
ingest = threading.Thread(target=run_ingest, args=(settings, stop), daemon=True)
ingest.start()
until_s = time.monotonic() + 30
while gc.get_threshold()[0] != YOUNG_MAX and time.monotonic() < until_s and ingest.is_alive():
    time.sleep(0.02)
assert gc.get_threshold()[0] == YOUNG_MAX, "the heap was never settled"
young = [one for one in gc.get_objects() if isinstance(one, Series)]
stop.set()
ingest.join()
assert young == [], "the registry is among what the collector leaves alone"
"""


def test_the_registry_is_read_and_the_heap_settled_before_the_first_message(
    engine: Engine, tmp_path: Path, free_port: int
) -> None:
    assert engine.url.database == str(tmp_path / "central.db")
    password = tmp_path / "password"
    password.write_text("secret", encoding="utf-8")
    password.chmod(0o600)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(free_port)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "registry.read" in done.stdout
