import json
from pathlib import Path

import pytest

from firmware_sim import truth
from firmware_sim.truth import TruthLog


def test_a_full_log_takes_no_more_and_stays_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "BYTES_MAX", 250)
    log = TruthLog(tmp_path / "truth.jsonl")
    for number in range(10):
        log.write(number, 2 * number, "a-01", occupied=True, fault=None)
    lines = (tmp_path / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    assert 1 <= len(lines) < 5
    assert json.loads(lines[0]) == {
        "time_unix_ms": 0,
        "sim_unix_ms": 0,
        "bay": "a-01",
        "occupied": True,
        "fault": None,
    }
