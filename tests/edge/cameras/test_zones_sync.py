"""The zones that the console draws: taken when signed and newer, kept over restarts, reported."""

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from contract.access import DeviceIdentity
from contract.cameras import CameraZone, CameraZones, Point, SignedZonePlan, ZonePlan, ZonesReport
from contract.signature import Signer, Verifier
from contract.topics import Topic, TopicFilter
from edge.cameras.zones_sync import ZonesSync
from runtime.clock import ManualClock
from tests.eventually import eventually_async
from transport.memory_bus import MemoryBus

IDENTITY = DeviceIdentity("jungang", "fire-1")
SIGNER = Signer(Signer.new_private_key_hex())
SQUARE = tuple(Point(x=x, y=y) for x, y in ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9)))
STOVE = CameraZone(name="stove", kind="cooking", points=SQUARE)


class ZonedCamera:
    def __init__(self) -> None:
        self.told: list[tuple[tuple[CameraZone, ...], int]] = []

    def use_zones(self, zones: tuple[CameraZone, ...], utc_offset_minutes: int) -> None:
        self.told.append((zones, utc_offset_minutes))


class Rig:
    def __init__(self, file: Path, bus: MemoryBus) -> None:
        self.cameras = {"cam-1": ZonedCamera(), "cam-2": ZonedCamera()}
        self.session, self.console = bus.session(IDENTITY.username), bus.session("console")
        verifier = Verifier(SIGNER.public_key_hex)
        self.sync = ZonesSync(self.session, IDENTITY, verifier, self.cameras, ManualClock(), file)
        self.reports: list[ZonesReport] = []
        self.console.subscribe(TopicFilter(channel="reported", name="zones"), ZonesReport, self._on_report)

    async def _on_report(self, _topic: Topic, report: ZonesReport) -> None:
        self.reports.append(report)

    async def send(self, signed: SignedZonePlan) -> ZonesReport:
        count = len(self.reports)
        await self.console.publish(Topic("jungang", "fire-1", "desired", "zones"), signed)
        await eventually_async(lambda: len(self.reports) > count)
        return self.reports[-1]


@asynccontextmanager
async def rig(file: Path, bus: MemoryBus | None = None) -> AsyncIterator[Rig]:
    made = Rig(file, bus or MemoryBus())
    tasks = [asyncio.create_task(one.run()) for one in (made.console, made.session)]
    await eventually_async(lambda: made.reports)
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def plan(generation: int, *, device: str = "fire-1", signer: Signer = SIGNER) -> SignedZonePlan:
    return signer.sign_zone_plan(
        ZonePlan(
            market="jungang",
            device=device,
            generation=generation,
            issued_unix_ms=1,
            cameras=(CameraZones(camera="cam-1", zones=(STOVE,)),),
        )
    )


async def test_a_plan_is_used_kept_and_reported_and_a_camera_left_out_has_none(tmp_path: Path) -> None:
    file = tmp_path / "zones.json"
    async with rig(file) as made:
        assert (made.reports[0].generation, made.reports[0].state) == (0, "active")
        report = await made.send(plan(3))
        assert (report.generation, report.state) == (3, "active")
        assert made.cameras["cam-1"].told == [((STOVE,), 540)]
        assert made.cameras["cam-2"].told == [((), 540)]
        await made.send(plan(3))
        assert len(made.cameras["cam-1"].told) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    async with rig(file) as later:
        assert later.reports[0].generation == 3
        assert later.cameras["cam-1"].told == [((STOVE,), 540)]


async def test_what_is_old_or_not_ours_changes_nothing_and_says_why(tmp_path: Path) -> None:
    async with rig(tmp_path / "zones.json") as made:
        await made.send(plan(5))
        for signed, words in (
            (plan(4), "generation 4 is older"),
            (plan(6, signer=Signer(Signer.new_private_key_hex())), "signature"),
            (plan(6, device="fire-2"), "fire-2"),
        ):
            report = await made.send(signed)
            assert (report.generation, report.state) == (5, "rejected")
            assert words in report.reason
        assert len(made.cameras["cam-1"].told) == 1


async def test_a_kept_plan_that_was_altered_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "zones.json"
    file.write_text(plan(3).model_copy(update={"plan_json": plan(4).plan_json}).model_dump_json())
    async with rig(file) as made:
        assert made.reports[0].generation == 0
        assert made.cameras["cam-1"].told == []


async def test_a_disk_that_takes_nothing_does_not_keep_zones_from_holding(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    async with rig(tmp_path / "file" / "zones.json") as made:
        assert (await made.send(plan(1))).generation == 1
        assert made.cameras["cam-1"].told
