"""A central part that hangs, and does not die: it becomes a trouble, is started again, and the trouble is over."""

import os
from pathlib import Path

import pytest

from benchmarks.running_market import ROOT, RunningMarket

pytestmark = pytest.mark.server

HANGING = ROOT / "tests" / "e2e" / "hanging"


def troubles(market: RunningMarket) -> dict[str, str]:
    return {one["kind"]: one["state"] for one in market.api("markets/jungang/incidents")}


def test_ingest_that_hangs_is_said_started_again_and_said_to_be_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / "hang"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(HANGING), str(ROOT))))
    monkeypatch.setenv("HANG_INGEST", str(flag))
    with RunningMarket(tmp_path / "var", ["--no-sim"]) as market:
        market.until(lambda: market.http.get("/healthz").json()["status"] == "ok", 30.0, "every part is well")
        before = {name: one.pid for name, one in market.processes().items()}
        assert troubles(market) == {}
        flag.touch()
        market.until(lambda: troubles(market) == {"part-stalled-ingest": "raised"}, 20.0, "the trouble")
        assert market.processes()["ingest"].pid == before["ingest"], "it hangs, and has not died"
        market.until(lambda: troubles(market) == {"part-stalled-ingest": "cleared"}, 30.0, "the trouble is over")
        market.until(lambda: market.http.get("/healthz").json()["status"] == "ok", 10.0, "every part is well again")
        after = {name: one.pid for name, one in market.processes().items()}
        assert {name for name, pid in after.items() if pid != before[name]} == {"ingest"}
        died = [line for line in market.output.splitlines() if "process.died" in line]
        assert len(died) == 1
        assert "70" in died[0]
        log = (market.data / "logs" / "ingest.log").read_text(encoding="utf-8")
        assert "watchdog.stalled" in log
        assert "hanging/sitecustomize.py" in log, "the stacks say where it hung"
