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

from contract.cameras import CameraZone, Point, ViewPicture
from contract.events import FireSign, Phase
from contract.telemetry import AnyReading, CameraReading, Reason
from edge.cameras import supervisor as module
from edge.cameras.child import COMMAND
from edge.cameras.settings import FireSettings
from edge.cameras.supervisor import CameraSupervisor
from edge.ports import FireDecision
from edge.settings import CameraSettings
from runtime.clock import SystemClock
from tests.edge.cameras.clips import network_camera, noise, write_clip
from tests.eventually import eventually_async

STATUS = '{"kind":"status","frame_age_s":0.1,"fps":8,"score":0.1,"fire":"%s","picture":"moving","position_s":null}'
FIRE = (
    '{"kind":"fire","fire":"%s","score":0.9,"first_seen_age_s":1.0,"position_s":2.0,"scores":[0.2,0.9],'
    '"reasons":[{"sign":"flickers","strength":0.8}],"stills":['
    '{"moment":"now","jpeg_base64":"AAAA","width_px":4,"height_px":3},'
    '{"moment":"now","jpeg_base64":"BBBB","width_px":4,"height_px":3,"private":true}]}'
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

    def __init__(
        self, source: str, command: tuple[str, ...], *, loop: bool = False, data_dir: Path | None = None
    ) -> None:
        self.pictures: list[ViewPicture] = []
        self.readings: list[CameraReading] = []
        self.decisions: list[FireDecision] = []
        fire = FireSettings(clear_after_s=1.0)
        camera = CameraSettings(name="cam-1", zone="b", source=source, loop=loop, fire=fire)
        self.supervisor = CameraSupervisor(
            camera,
            report=self.report,
            on_decision=self.decisions.append,
            clock=SystemClock(),
            command=command,
            data_dir=data_dir,
            on_view=self.pictures.append,
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
async def watching(
    source: str, command: tuple[str, ...] = COMMAND, *, loop: bool = False, data_dir: Path | None = None
) -> AsyncIterator[Watched]:
    watched = Watched(source, command, loop=loop, data_dir=data_dir)
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
        (still,) = raised.stills
        assert (still.width_px, still.height_px, len(still.jpeg), still.moment, still.private) == (
            4,
            3,
            3,
            "now",
            False,
        )
        assert [one.private for one in cleared.stills] == [True]
        assert (raised.scores, raised.reasons[0].sign, cleared.reasons) == ((0.2, 0.9), FireSign.FLICKERS, ())
        assert not raised.drill


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
        assert {one.moment for one in watched.decisions[0].stills} >= {"now"}
        assert watched.last.fire == "confirmed"


SQUARE = tuple(Point(x=x, y=y) for x, y in ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9)))
VIEW = '{"kind":"view","score":0.3,"fire":"quiet","jpeg_base64":"AAAA","width_px":4,"height_px":3}'


def listening(file: Path, *steps: str) -> tuple[str, ...]:
    """A process that writes every line it is told into `file`."""
    copy = (
        f"import threading; out = open({str(file)!r}, 'a', buffering=1)\n"
        "threading.Thread(target=lambda: [out.write(line) for line in sys.stdin], daemon=True).start()"
    )
    return scripted(copy, *steps, "time.sleep(60)")


async def test_orders_reach_the_process_and_the_one_that_takes_its_place(tmp_path: Path) -> None:
    told, mark = tmp_path / "told", tmp_path / "second"
    told.touch()
    die = f"os.path.exists({str(mark)!r}) and os._exit(3)"
    live = f"[(print({LIVE!r}, flush=True), time.sleep(0.05), {die}) for _ in range(999)]"
    async with watching("0", listening(told, live)) as watched:
        await eventually_async(lambda: watched.last.state == "live")
        assert '"kind":"clock","offset_ms":' in told.read_text()
        watched.supervisor.start_view(60.0)
        watched.supervisor.start_drill(60.0)
        watched.supervisor.accept_view()
        watched.supervisor.use_zones((CameraZone(name="stove", kind="cooking", points=SQUARE),), 540)
        await eventually_async(lambda: '"name":"stove"' in told.read_text())
        assert '"kind":"view","lasts_s":60.0' in told.read_text()
        assert '"kind":"accept-view"' in told.read_text()
        told.write_text("")
        mark.touch()
        await eventually_async(lambda: Reason.DEAD in watched.reasons)
        mark.unlink()
        await eventually_async(lambda: '"kind":"drill"' in told.read_text())
        assert '"kind":"view"' in told.read_text()


async def test_a_view_is_handed_on_and_is_no_reading() -> None:
    async with watching("0", scripted(say(VIEW, LIVE), WAIT)) as watched:
        await eventually_async(lambda: watched.pictures)
        assert (watched.pictures[0].camera, watched.pictures[0].score, watched.pictures[0].drill) == (
            "cam-1",
            0.3,
            False,
        )


async def test_a_fire_in_a_drill_is_one_from_raised_to_cleared_and_real_when_it_burns_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "DRILL_ENDS_WITHIN_S", 0.3)
    mark = tmp_path / "go"
    burning = (STATUS % "confirmed").replace('"score":0.1', '"score":0.9')
    begin = f"while not os.path.exists({str(mark)!r}): time.sleep(0.02); print({LIVE!r}, flush=True)"
    burn = f"[(print({burning!r}, flush=True), time.sleep(0.05)) for _ in range(9999)]"
    async with watching("0", scripted(begin, say(FIRE % "confirmed"), burn)) as watched:
        await eventually_async(lambda: watched.last.state == "live")
        watched.supervisor.start_drill(60.0)
        mark.touch()
        await eventually_async(lambda: watched.decisions)
        assert [(one.phase, one.drill) for one in watched.decisions] == [(Phase.RAISED, True)]
        await eventually_async(lambda: (watched.last.fire, watched.last.drill) == ("quiet", "confirmed"))
        watched.supervisor.stop_drill()
        await eventually_async(lambda: len(watched.decisions) == 3)
        await eventually_async(lambda: (watched.last.fire, watched.last.drill) == ("confirmed", None))
        assert all(one.fire == "quiet" for one in watched.readings if one.drill is not None)
        drill, over, real = watched.decisions
        assert (over.phase, over.drill, over.event_id) == (Phase.CLEARED, True, drill.event_id)
        assert (real.phase, real.drill, bool(real.stills)) == (Phase.RAISED, False, True)
        assert real.event_id != drill.event_id


async def test_a_drill_is_in_the_readings_from_its_beginning_to_its_end() -> None:
    async with watching("0", scripted(say(STATUS % "suspected"), WAIT)) as watched:
        await eventually_async(lambda: (watched.last.fire, watched.last.drill) == ("suspected", None))
        watched.supervisor.start_drill(60.0)
        assert (watched.last.fire, watched.last.drill) == ("quiet", "suspected")
        watched.supervisor.stop_drill()
        assert (watched.last.fire, watched.last.drill) == ("suspected", None)


async def test_a_fire_that_burnt_before_a_drill_stays_one_and_its_view_says_no_drill(tmp_path: Path) -> None:
    told, over = tmp_path / "told", tmp_path / "over"
    told.touch()
    burning = say(FIRE % "confirmed", STATUS % "confirmed", VIEW)
    wait = f"while not os.path.exists({str(over)!r}): time.sleep(0.02); print({VIEW!r}, flush=True)"
    async with watching("0", listening(told, burning, wait, say(FIRE % "quiet", VIEW))) as watched:
        await eventually_async(lambda: watched.decisions and watched.last.fire == "confirmed")
        watched.supervisor.start_drill(60.0)
        assert (watched.last.fire, watched.last.drill) == ("confirmed", None)
        shown = len(watched.pictures)
        await eventually_async(lambda: len(watched.pictures) > shown)
        assert not watched.pictures[-1].drill
        await eventually_async(lambda: '"kind":"drill","lasts_s":0.0' in told.read_text())
        over.touch()
        await eventually_async(lambda: watched.pictures[-1].drill)
        assert [(one.phase, one.drill) for one in watched.decisions] == [(Phase.RAISED, False), (Phase.CLEARED, False)]
        await eventually_async(lambda: '"kind":"drill","lasts_s":5' in told.read_text())


async def test_a_camera_that_cannot_see_is_unknown_and_ends_no_fire_of_another_process(tmp_path: Path) -> None:
    mark = tmp_path / "second"
    covered = LIVE.replace('"position_s"', '"cannot_see":{"reason":"covered","detail":"a hand"},"position_s"')
    burn = f"print({FIRE % 'confirmed'!r}, flush=True), open({str(mark)!r}, 'w').close(), os._exit(9)"
    first = f"os.path.exists({str(mark)!r}) or ({burn})"
    blind = f"[(print({covered!r}, flush=True), time.sleep(0.05)) for _ in range(60)]"
    quiet = f"[(print({LIVE!r}, flush=True), time.sleep(0.1)) for _ in range(600)]"
    async with watching("0", scripted(first, blind, quiet)) as watched:
        await eventually_async(lambda: watched.last.reason is Reason.COVERED)
        assert watched.last.state == "unknown"
        await eventually_async(lambda: watched.last.state == "live")
        assert [one.phase for one in watched.decisions] == [Phase.RAISED]
        await eventually_async(lambda: len(watched.decisions) == 2)


async def test_the_live_view_of_a_real_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SILENT_S_MAX", 10.0)
    with network_camera() as camera:
        async with watching(camera.address) as watched:
            await eventually_async(
                lambda: watched.last.state != "unknown" or watched.last.reason is not Reason.STARTING
            )
            watched.supervisor.start_view(30.0)
            await eventually_async(lambda: len(watched.pictures) >= 2)
            assert watched.pictures[0].width_px == 160


async def test_eight_cameras_report_at_once_and_one_that_is_killed_comes_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "SILENT_S_MAX", 20.0)
    clip = write_clip(tmp_path / "stall.avi", [noise(i) for i in range(30)], fps=5.0)
    watched = [Watched(str(clip), COMMAND, loop=True) for _ in range(8)]
    tasks = [asyncio.create_task(one.supervisor.run()) for one in watched]
    try:
        await eventually_async(lambda: len([w for w in watched if w.readings and w.last.fps > 0]) == 8, within_s=60)
        assert len(children()) == 8
        victim = children()[3]
        victim.kill()
        await eventually_async(lambda: sum(Reason.DEAD in one.reasons for one in watched) == 1)
        struck = next(one for one in watched if Reason.DEAD in one.reasons)
        await eventually_async(lambda: struck.last.fps > 0 and struck.last.reason is not Reason.DEAD, within_s=60)
        assert sum(Reason.DEAD in one.reasons for one in watched) == 1
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert children() == []
