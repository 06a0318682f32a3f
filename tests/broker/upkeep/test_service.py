"""Upkeep as a process: beside another writer of the same file, killed at any moment, and what it says of itself."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from broker.series.embedded import EmbeddedSeriesStore
from broker.series.freshness import STALE_AFTER_S
from broker.series.ports import Sample, Series
from broker.stores.parts import Parts, PartStatus
from broker.stores.stalls import Stalls
from broker.upkeep.service import PART, assemble, run_upkeep
from broker.upkeep.settings import UpkeepSettings
from contract.access import DeviceIdentity
from contract.presence import Presence
from runtime.clock import SystemClock
from runtime.errors import SettingsError
from runtime.settings_file import load_settings
from tests.broker.upkeep.conftest import BAY, ROLLED_BAY, House, W
from tests.eventually import eventually

ROOT = Path(__file__).resolve().parents[3]
_SERVE = """
import signal, sys, threading
from pathlib import Path
from jangteo.upkeep import serve
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
serve(Path(sys.argv[1]), stop)
"""


@pytest.fixture
def config(house: House, tmp_path: Path) -> Path:
    path = tmp_path / "upkeep.yaml"
    settings = json.loads(house.settings.model_dump_json()) | {"canary_every_s": 5, "canary_age_s_max": 30}
    path.write_text(json.dumps(settings), encoding="utf-8")
    return path


@contextmanager
def process(config: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", _SERVE, str(config)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as one:
        try:
            yield one
        finally:
            one.send_signal(signal.SIGTERM)
            words = one.communicate(timeout=20)[1]
    assert "Traceback" not in words, words


def status(house: House) -> PartStatus | None:
    parts = Parts(house.engine, SystemClock()).all()
    return next((one for one in parts if one.part == PART), None)


def test_it_rolls_up_beside_ingest_and_is_killed_at_any_moment(house: House, config: Path, tmp_path: Path) -> None:
    now = time.time_ns() // 1_000_000
    begin = now - now % W - 30 * W
    store = EmbeddedSeriesStore(tmp_path / "series.db")
    subjects = [BAY._replace(subject=f"a-{number:02}") for number in range(20)]
    for moment in range(begin, begin + 30 * W, 20_000):
        store.write([Sample(one, moment, {"occupied": 1.0, "known": 1.0}) for one in subjects])
    for market in ("jungang", "nambu"):
        house.rollups.note_done(market, begin)

    for _ in range(2):
        with process(config) as one:
            goes_on(house)
            os.kill(one.pid, signal.SIGKILL)
    with process(config):
        written, slowest_s = 0, 0.0
        while not caught_up(house) or written < 20:
            begun_s = time.monotonic()
            store.write([Sample(one, now + written, {"occupied": 0.0}) for one in subjects])
            slowest_s, written = max(slowest_s, time.monotonic() - begun_s), written + 1
        eventually(lambda: (one := status(house)) is not None and one.state == "ok", within_s=20)
    assert slowest_s < 5.0
    with closing(store.scan("jungang", "bays-5m", 0, now)) as samples:
        rolled = {(one.series.subject, one.time_unix_ms): one.fields for one in samples}
    closed = (house.rollups.done_until()["jungang"] - begin) // W
    assert len(rolled) >= 20 * (closed - 1)
    for fields in (rolled[one.subject, begin + window * W] for one in subjects for window in range(closed - 1)):
        assert fields["occupied_mean"] == 1
        assert fields["covered_s"] == 300
    store.close()


def goes_on(house: House) -> None:
    before = house.rollups.done_until()["jungang"]
    eventually(lambda: house.rollups.done_until()["jungang"] > before or caught_up(house), within_s=20)


def caught_up(house: House) -> bool:
    now = time.time_ns() // 1_000_000
    return min(house.rollups.done_until().values()) >= now - 2 * W - 120_000


def test_it_says_that_a_device_is_stalled_and_draws_the_parts(house: House, config: Path, tmp_path: Path) -> None:
    since = time.time_ns() // 1_000_000 - 60_000
    said = {"state": "online", "epoch": "0" * 16, "time_unix_ms": since, "agent_version": "1", "started_unix_ms": since}
    house.registry.note_presence(DeviceIdentity("jungang", "pi-1"), Presence.model_validate(said))
    store = EmbeddedSeriesStore(tmp_path / "series.db")
    Parts(house.engine, SystemClock()).report("ingest", "ok", {"readings_total": 7.0})
    with process(config):
        eventually(lambda: [one.identity.device for one in Stalls(house.engine).all()] == ["pi-1"], within_s=20)
        eventually(lambda: (one := status(house)) is not None and one.counters.get("canary_ok") == 0.0, within_s=20)
        agent = Series("jungang", "pi-1", "agents", "pi-1")
        store.write([Sample(agent, time.time_ns() // 1_000_000, {"uptime_s": 1.0})])
        eventually(lambda: Stalls(house.engine).all() == (), within_s=20)
        eventually(lambda: store.latest("central") != (), within_s=20)
    (ingest, *_) = [one for one in store.latest("central") if one.series.subject == "ingest"]
    assert (ingest.fields["state"], ingest.fields["readings_total"]) == ("ok", 7)
    store.close()


def test_a_store_that_cannot_be_used_degrades_the_part_and_nothing_else(house: House) -> None:
    house.settings.series.path.write_bytes(b"no database at all" * 100)  # type: ignore[union-attr]  # the embedded store's
    stop = threading.Event()
    thread = threading.Thread(target=run_upkeep, args=(house.settings, stop))
    thread.start()
    try:
        eventually(lambda: (one := status(house)) is not None and "move it away" in one.detail, within_s=20)
        one = status(house)
        assert one is not None
        assert one.state == "degraded"
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


def test_a_defect_ends_the_service_so_that_supervision_starts_it_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("broker.upkeep.canary.Canary.look", defect)
    with pytest.raises(ZeroDivisionError):
        run_upkeep(house.settings, threading.Event())


def test_settings_of_the_parts_agree(house: House) -> None:
    upkeep = assemble(house.settings, house.clock)
    assert upkeep.settings.canary_age_s_max > 5 * 10 + STALE_AFTER_S["agents"], "an agent speaks every 10 s"
    assert upkeep.settings.grace_s * 1000 < W
    assert upkeep.store.latest("jungang") == ()
    assert ROLLED_BAY.kind == "bays-5m"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"grace_s": 60}, "grace_s: found '60', expected at least 90"),
        ({"retention": {"raw_days": 0}}, "raw_days: found '0', expected at least 1"),
        ({"canary_age_s_max": 5}, "canary_age_s_max: found '5', expected at least 30"),
        ({"retension": {}}, "did you mean 'retention'"),
    ],
)
def test_a_mistake_in_the_settings_is_one_sentence(
    house: House, config: Path, wrong: dict[str, object], words: str
) -> None:
    config.write_text(json.dumps(json.loads(house.settings.model_dump_json()) | wrong), encoding="utf-8")
    with pytest.raises(SettingsError, match=words):
        load_settings(config, UpkeepSettings)
