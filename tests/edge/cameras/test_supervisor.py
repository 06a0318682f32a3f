"""The supervisor: with scripted processes for what a camera can do to it, and with the real one."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from contract.events import Phase
from contract.telemetry import AnyReading, CameraReading, Reason
from edge.cameras import supervisor as module
from edge.cameras.settings import FireSettings
from edge.cameras.supervisor import COMMAND, CameraSupervisor
from edge.ports import FireDecision
from edge.settings import CameraSettings
from runtime.clock import SystemClock
from tests.edge.cameras.clips import network_camera
from tests.eventually import eventually_async

STATUS = (
    '{"kind":"status","frame_age_s":0.1,"fps":8,"score":0.1,"fire":"%s","picture":"moving","dark":false,'
    '"position_s":null}'
)
FIRE = (
    '{"kind":"fire","fire":"%s","score":0.9,"first_seen_age_s":1.0,"position_s":2.0,"still_base64":"AAAA",'
    '"width_px":4,"height_px":3}'
)
LIVE = STATUS % "quiet"
WAIT = "sys.stdin.read()"


def say(*lines: str) -> str:
    return f"print({chr(10).join(lines)!r}, flush=True)"


def scripted(*steps: str) -> tuple[str, ...]:
    """A process that reads its settings, then does `steps`."""
    body = "\n".join(["import sys, time, os", "sys.stdin.readline()", *steps])
    return (sys.executable, "-S", "-c", body)


class Watched:
    """A supervisor and what it reported and decided."""

    def __init__(self, source: str, command: tuple[str, ...], *, loop: bool = False) -> None:
        self.readings: list[CameraReading] = []
        self.decisions: list[FireDecision] = []
        fire = FireSettings(clear_after_s=1.0)
        camera = CameraSettings(name="cam-1", zone="b", source=source, loop=loop, fire=fire)
        self.supervisor = CameraSupervisor(
            camera, report=self.report, on_decision=self.decisions.append, clock=SystemClock(), command=command
        )

    def report(self, reading: AnyReading) -> None:
        assert isinstance(reading, CameraReading)
        self.readings.append(reading)

    @property
    def last(self) -> CameraReading:
        return self.readings[-1]

    @property
    def reasons(self) -> list[Reason | None]:
        return [reading.reason for reading in self.readings]


@asynccontextmanager
async def watching(source: str, command: tuple[str, ...] = COMMAND, *, loop: bool = False) -> AsyncIterator[Watched]:
    watched = Watched(source, command, loop=loop)
    task = asyncio.create_task(watched.supervisor.run())
    try:
        yield watched
    finally:
        task.cancel()
        async with asyncio.timeout(3):
            await asyncio.gather(task, return_exceptions=True)


# The servers of other tests' fixtures are children of this process too.
before: set[psutil.Process] = set()


def children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if one not in before]


@pytest.fixture(autouse=True)
def only_mine() -> None:
    before.clear()
    before.update(psutil.Process().children())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESTART_DELAY_S_MAX", 0.1)
    monkeypatch.setattr(module, "RESTART_DELAY_S_MIN", 0.05)
    monkeypatch.setattr(module, "REPORT_EVERY_S", 0.1)
    monkeypatch.setattr(module, "SILENT_S_MAX", 0.5)


async def test_a_live_camera_is_reported_at_once_and_again_and_again() -> None:
    async with watching("0", scripted(say(LIVE), "time.sleep(0.2)", say(LIVE), WAIT)) as watched:
        await eventually_async(lambda: sum(r.state == "live" for r in watched.readings) >= 3)
        assert watched.readings[0].reason is Reason.STARTING
        assert watched.last.fire_score == pytest.approx(0.1)


async def test_a_process_that_dies_is_dead_until_the_next_one_is_live(tmp_path: Path) -> None:
    mark = tmp_path / "second"
    once = f"os.path.exists({str(mark)!r}) or (open({str(mark)!r}, 'w').close(), os._exit(7))"
    async with watching("0", scripted(say(LIVE), once, say(LIVE), WAIT)) as watched:
        await eventually_async(lambda: Reason.DEAD in watched.reasons)
        await eventually_async(lambda: watched.last.state == "live")


async def test_a_silent_process_is_ended_and_started_again() -> None:
    async with watching("0", scripted(say(LIVE), "time.sleep(60)")) as watched:
        await eventually_async(lambda: any("said nothing" in (r.detail or "") for r in watched.readings))
        await eventually_async(lambda: [r.state for r in watched.readings].count("live") > 1)


async def test_lines_that_are_none_are_passed_over() -> None:
    async with watching("0", scripted(say("no line", '{"kind":"status"}', LIVE), WAIT)) as watched:
        await eventually_async(lambda: watched.last.state == "live")


async def test_a_fire_is_raised_and_cleared_under_one_id_with_its_still_and_place() -> None:
    steps = (say(LIVE, FIRE % "confirmed"), "time.sleep(0.2)", say(FIRE % "quiet", LIVE), WAIT)
    async with watching("clip.mp4", scripted(*steps)) as watched:
        await eventually_async(lambda: len(watched.decisions) == 2)
        raised, cleared = watched.decisions
        assert (raised.phase, cleared.phase) == (Phase.RAISED, Phase.CLEARED)
        assert raised.event_id == cleared.event_id
        assert (raised.zone, raised.camera, raised.media_position_s) == ("b", "cam-1", 2.0)
        assert raised.decided_unix_ms - raised.first_seen_unix_ms == 1000
        assert raised.still is not None
        assert (raised.still.width_px, raised.still.height_px, len(raised.still.jpeg)) == (4, 3, 3)


async def test_a_process_that_dies_in_a_fire_does_not_end_it(tmp_path: Path) -> None:
    mark = tmp_path / "second"
    burn = f"print({FIRE % 'confirmed'!r}, flush=True), open({str(mark)!r}, 'w').close(), os._exit(9)"
    first = f"os.path.exists({str(mark)!r}) or ({burn})"
    quiet = f"[(print({LIVE!r}, flush=True), time.sleep(0.2)) for _ in range(100)]"
    async with watching("0", scripted(first, quiet)) as watched:
        await eventually_async(lambda: watched.last.state == "live" and mark.exists())
        assert [one.phase for one in watched.decisions] == [Phase.RAISED]
        assert watched.last.fire == "confirmed"
        await eventually_async(lambda: len(watched.decisions) == 2)
        assert watched.decisions[1].phase is Phase.CLEARED
        assert watched.decisions[1].event_id == watched.decisions[0].event_id


async def test_a_file_that_is_over_stays_ended_and_is_not_played_again() -> None:
    end = '{"kind":"end","reason":"ended","detail":"clip.mp4 is over and does not loop"}'
    async with watching("clip.mp4", scripted(say(LIVE, end))) as watched:
        await eventually_async(lambda: watched.last.reason is Reason.ENDED)
        count = len(watched.readings)
        await eventually_async(lambda: len(watched.readings) >= count + 3)
        assert not any(reading.state == "live" for reading in watched.readings[count:])
        assert children() == []


async def test_when_cancelled_the_process_is_gone() -> None:
    async with watching("0", scripted(say(LIVE), "time.sleep(60)")) as watched:
        await eventually_async(lambda: watched.last.state == "live")
        assert len(children()) == 1
    assert children() == []


async def test_the_real_process_comes_back_when_it_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENT_S_MAX", 10.0)
    with network_camera() as camera:
        async with watching(camera.address) as watched:
            await eventually_async(lambda: watched.last.state == "live")
            victim = children()[0]
            os.kill(victim.pid, signal.SIGKILL)
            await eventually_async(lambda: watched.last.reason is Reason.DEAD)
            await eventually_async(lambda: watched.last.state == "live")
            assert children()[0].pid != victim.pid


async def test_a_real_absent_camera_is_unknown_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENT_S_MAX", 10.0)
    async with watching("63") as watched:
        await eventually_async(lambda: watched.last.reason is Reason.ABSENT)
        assert "/dev/video63" in (watched.last.detail or "")


async def test_a_real_fire_clip_is_decided(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENT_S_MAX", 10.0)
    async with watching(str(data_dir / "fire/videos/fire/bonfire_dark.mp4"), loop=True) as watched:
        await eventually_async(lambda: watched.decisions, within_s=15)
        assert watched.decisions[0].phase is Phase.RAISED
        assert watched.decisions[0].still is not None
        assert watched.last.fire == "confirmed"
