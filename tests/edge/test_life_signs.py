"""What a device says of itself."""

import asyncio
import os
from pathlib import Path

import pytest

from contract.telemetry import AgentBatch
from edge.life_signs import LifeSigns, agent_version, disk_used_share, rss_bytes, settings_sha256, temperature_c
from edge.recording import Recorder
from runtime.clock import SystemClock
from tests.edge.device import settings
from tests.eventually import eventually_async
from transport.memory_outbox import MemoryOutbox


async def test_the_agent_reports_what_it_costs_and_how_far_behind_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.life_signs.PERIOD_S", 0.05)
    device, outbox = settings(tmp_path), MemoryOutbox(bytes_max=1_000_000)
    device.data_dir.mkdir(parents=True, exist_ok=True)
    recorder = Recorder(outbox, device.identity, lambda: None)
    recorder.start()
    task = asyncio.create_task(LifeSigns(device, outbox, recorder, SystemClock()).run())

    await eventually_async(lambda: len(outbox.pending(0, 10)) >= 2)
    reading = AgentBatch.from_bytes(outbox.pending(0, 10)[1].body).readings[0]
    assert reading.agent == "fire-1"
    assert reading.rss_bytes > 10_000_000
    assert reading.outbox_rows >= 1
    assert reading.uptime_s > 0
    assert reading.outbox_share == round(reading.outbox_bytes / device.outbox.bytes_max, 4)
    assert reading.disk_used_share == pytest.approx(disk_used_share(tmp_path), abs=0.05)
    task.cancel()
    await asyncio.wait([task])
    recorder.stop()


def test_equal_settings_have_an_equal_name_and_others_another(tmp_path: Path) -> None:
    assert settings_sha256(settings(tmp_path)) == settings_sha256(settings(tmp_path))
    assert settings_sha256(settings(tmp_path)) != settings_sha256(
        settings(tmp_path, screens=[{"name": "s", "zone": "a"}])
    )


def test_the_will_says_offline_under_the_outbox_s_epoch(tmp_path: Path) -> None:
    device, outbox = settings(tmp_path), MemoryOutbox(bytes_max=1_000_000)

    will = LifeSigns(device, outbox, Recorder(outbox, device.identity, lambda: None), SystemClock()).will()

    assert str(will.topic) == "market/v1/jungang/fire-1/status/presence"
    assert will.payload.model_dump(include={"state", "epoch"}) == {"state": "offline", "epoch": outbox.epoch}


def test_memory_is_of_this_process_and_the_version_fits_the_contract() -> None:
    assert rss_bytes() % os.sysconf("SC_PAGE_SIZE") == 0
    assert 0 < len(agent_version()) <= 40


def test_how_full_the_disk_is_counts_what_others_than_root_may_use(tmp_path: Path) -> None:
    share, found = disk_used_share(tmp_path), os.statvfs(tmp_path)
    assert share is not None
    assert 0 < share <= 1
    used = found.f_blocks - found.f_bfree
    assert share == pytest.approx(used / (used + found.f_bavail), abs=0.01)
    assert disk_used_share(tmp_path / "nothing" / "here") is None


@pytest.mark.parametrize(
    ("said", "celsius"), [("48312\n", 48.3), ("-5000", -5.0), ("", None), ("hot", None), ("999999999", None)]
)
def test_a_temperature_is_what_the_board_says_or_nothing(tmp_path: Path, said: str, celsius: float | None) -> None:
    (tmp_path / "temp").write_text(said)
    assert temperature_c(tmp_path / "temp") == celsius
    assert temperature_c(tmp_path / "no-such-board") is None
