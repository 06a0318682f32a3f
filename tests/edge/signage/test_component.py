"""Signage as the agent runs it: from the bus to the page's state, and back as reports."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest

from contract.telemetry import BayState, Reason
from edge.signage.player import PortInUseError
from tests.edge.signage.contents import AssetServer, asset_server, manifest
from tests.edge.signage.devices import SignDevice
from tests.eventually import eventually_async

PICTURE = b"\x89PNG picture" * 5000


@pytest.fixture
def assets() -> Iterator[AssetServer]:
    with asset_server() as server:
        yield server


@pytest.fixture
async def device(tmp_path: Path, free_port: int, assets: AssetServer) -> AsyncIterator[SignDevice]:
    async with SignDevice(tmp_path, free_port, assets.url).running() as running:
        await eventually_async(lambda: running.reports, what="the report at the start")
        yield running


async def state(device: SignDevice) -> dict[str, object]:
    async with httpx.AsyncClient(trust_env=False) as client:
        return cast("dict[str, object]", (await client.get(f"{device.url}/state")).json())


async def test_a_pushed_manifest_is_fetched_shown_and_reported(device: SignDevice, assets: AssetServer) -> None:
    assets.add(PICTURE)
    await device.push(manifest(1, PICTURE))
    await eventually_async(lambda: device.reports[-1].state == "active" and device.reports[-1].generation == 1)
    assert [report.state for report in device.reports][:2] == ["active", "fetching"]
    shown = await state(device)
    assert (shown["generation"], shown["playlist"]) == (1, "day")


async def test_a_tampered_manifest_is_rejected_and_never_in_the_state(device: SignDevice) -> None:
    signed = device.signer.sign_manifest(manifest(1))
    forged = signed.model_copy(update={"manifest_json": manifest(1, title="가짜").model_dump_json()})
    await device.push_signed(forged)
    await eventually_async(lambda: device.reports[-1].state == "rejected")
    assert "signature" in device.reports[-1].reason
    assert (await state(device))["items"] == []


async def test_bays_of_the_market_are_on_the_page(device: SignDevice) -> None:
    await device.bays(BayState.FREE, BayState.UNKNOWN, BayState.OCCUPIED)
    lots: list[dict[str, object]] = []
    async with asyncio.timeout(5):
        while not lots:
            lots = cast("list[dict[str, object]]", (await state(device))["lots"])
    lot = lots[0]
    assert (lot["lot"], lot["free"], lot["unknown"], lot["total"]) == ("parking-1", 1, 1, 3)


async def test_an_alarm_is_in_the_state_at_once_and_gone_when_clear(device: SignDevice) -> None:
    event_id = device.fire()
    assert [fire["zone"] for fire in cast("list[dict[str, str]]", (await state(device))["fires"])] == ["c"]
    device.clear(event_id)
    assert (await state(device))["fires"] == []


async def test_a_heartbeat_becomes_a_reading(device: SignDevice) -> None:
    assert device.readings[0].reason is Reason.STARTING
    beat = {"showing": "standby", "item": None, "generation": 0, "painted_unix_ms": 1234}
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.post(f"{device.url}/heartbeat", json=beat)
    last = device.readings[-1]
    assert (last.state, last.showing, last.since_unix_ms) == ("live", "standby", 1234)


async def test_a_lost_broker_is_in_the_state_and_the_report_is_said_again_at_every_connection(
    device: SignDevice,
) -> None:
    count = len(device.reports)
    assert (await state(device))["is_fed"]
    device.bus.go_down()
    await eventually_async(lambda: not device.session.connected)
    assert not (await state(device))["is_fed"]
    device.bus.come_up()
    await eventually_async(lambda: len(device.reports) > count)
    assert (await state(device))["is_fed"]


async def test_a_taken_port_ends_it_with_the_sentence_and_not_a_group(device: SignDevice, tmp_path: Path) -> None:
    second = SignDevice(tmp_path / "second", device.settings.player.port, device.settings.assets_url)
    with pytest.raises(PortInUseError, match="cannot be used"):
        await second.signage.run()
