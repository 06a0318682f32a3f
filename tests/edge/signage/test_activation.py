"""A signed manifest becomes what is shown: all at once, or not at all."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from contract.signage import SignedManifest
from contract.signature import Signer, Verifier
from edge.signage import activation as module
from edge.signage.activation import Activation
from edge.signage.pool import AssetPool
from runtime.clock import ManualClock
from tests.edge.signage.contents import DEVICE, MARKET, AssetServer, asset_server, manifest, new_signer
from tests.eventually import eventually_async

PICTURE, OTHER = b"\x89PNG one" * 9000, b"\x89PNG two" * 9000


@pytest.fixture
def assets() -> Iterator[AssetServer]:
    with asset_server() as server:
        yield server


@pytest.fixture
def signer() -> Signer:
    return new_signer()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FETCH_DELAY_S_MIN", 0.01)
    monkeypatch.setattr(module, "FETCH_DELAY_S_MAX", 0.05)


def make(directory: Path, assets: AssetServer, signer: Signer, bytes_max: int = 10_000_000) -> Activation:
    return Activation(
        directory,
        verifier=Verifier(signer.public_key_hex),
        market=MARKET,
        device=DEVICE,
        pool=AssetPool(directory / "files", assets.url, bytes_max=bytes_max),
        clock=ManualClock(),
        on_change=lambda: None,
    )


@asynccontextmanager
async def running(activation: Activation) -> AsyncIterator[Activation]:
    async with httpx.AsyncClient(trust_env=False) as client:
        await activation.load()
        task = asyncio.create_task(activation.run(client))
        try:
            yield activation
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def shown(activation: Activation) -> int:
    return activation.active.generation if activation.active else 0


async def test_it_is_shown_when_all_of_it_is_there(tmp_path: Path, assets: AssetServer, signer: Signer) -> None:
    assets.add(PICTURE)
    async with running(make(tmp_path, assets, signer)) as activation:
        activation.offer(signer.sign_manifest(manifest(1, PICTURE)))
        assert activation.report().state == "fetching"
        await eventually_async(lambda: shown(activation) == 1)
        assert (activation.report().state, activation.report().generation) == ("active", 1)


async def test_half_of_it_is_never_shown_and_the_last_good_one_stays(
    tmp_path: Path, assets: AssetServer, signer: Signer
) -> None:
    assets.add(PICTURE)
    async with running(make(tmp_path, assets, signer)) as activation:
        activation.offer(signer.sign_manifest(manifest(1, PICTURE)))
        await eventually_async(lambda: shown(activation) == 1)
        assets.add(OTHER)
        assets.cut_bytes = 10
        activation.offer(signer.sign_manifest(manifest(2, PICTURE, OTHER)))
        await eventually_async(lambda: len(assets.asked) > 4)
        report = activation.report()
        assert (shown(activation), report.state, report.wanted_generation) == (1, "fetching", 2)
        assert "bytes" in report.reason or "fetched" in report.reason
        assets.cut_bytes = None
        await eventually_async(lambda: shown(activation) == 2)


@pytest.mark.parametrize("fault", ["altered", "other-key", "other-device", "older", "same-number"])
async def test_what_must_not_be_shown_is_rejected_with_the_reason(
    tmp_path: Path, assets: AssetServer, signer: Signer, fault: str
) -> None:
    good = signer.sign_manifest(manifest(5))
    bad: dict[str, SignedManifest] = {
        "altered": signer.sign_manifest(manifest(6)).model_copy(
            update={"manifest_json": manifest(6, title="가짜").model_dump_json()}
        ),
        "other-key": new_signer().sign_manifest(manifest(6)),
        "other-device": signer.sign_manifest(manifest(6, device="sign-2")),
        "older": signer.sign_manifest(manifest(4)),
        "same-number": signer.sign_manifest(manifest(5, title="다른 말")),
    }
    async with running(make(tmp_path, assets, signer)) as activation:
        activation.offer(good)
        await eventually_async(lambda: shown(activation) == 5)
        activation.offer(bad[fault])
        report = activation.report()
        assert (report.state, report.generation) == ("rejected", 5)
        assert report.reason
        activation.offer(good)
        assert activation.report().state == "active"
        assert activation.active == manifest(5)


async def test_it_is_shown_again_after_a_restart_with_no_server_at_all(
    tmp_path: Path, assets: AssetServer, signer: Signer
) -> None:
    assets.add(PICTURE)
    async with running(make(tmp_path, assets, signer)) as activation:
        activation.offer(signer.sign_manifest(manifest(1, PICTURE)))
        await eventually_async(lambda: shown(activation) == 1)
    assets.files.clear()
    async with running(make(tmp_path, assets, signer)) as again:
        assert shown(again) == 1
        again.offer(signer.sign_manifest(manifest(1, PICTURE)))
        assert again.report().state == "active"


async def test_an_older_one_is_refused_after_a_restart_too_even_before_loading(
    tmp_path: Path, assets: AssetServer, signer: Signer
) -> None:
    async with running(make(tmp_path, assets, signer)) as activation:
        activation.offer(signer.sign_manifest(manifest(7)))
        await eventually_async(lambda: shown(activation) == 7)
    again = make(tmp_path, assets, signer)
    again.offer(signer.sign_manifest(manifest(6)))
    assert again.report().state == "rejected"


async def test_an_unfinished_fetch_goes_on_after_a_restart(tmp_path: Path, assets: AssetServer, signer: Signer) -> None:
    async with running(make(tmp_path, assets, signer)) as activation:
        activation.offer(signer.sign_manifest(manifest(1, PICTURE)))
        await eventually_async(lambda: len(assets.asked) > 0)
    assets.add(PICTURE)
    async with running(make(tmp_path, assets, signer)) as again:
        await eventually_async(lambda: shown(again) == 1)


async def test_a_stored_manifest_that_was_tampered_with_is_not_shown(
    tmp_path: Path, assets: AssetServer, signer: Signer
) -> None:
    async with running(make(tmp_path, assets, signer)) as activation:
        activation.offer(signer.sign_manifest(manifest(1, title="원래 말")))
        await eventually_async(lambda: shown(activation) == 1)
    for name in ("active", "wanted"):
        path = tmp_path / f"{name}.json"
        path.write_text(path.read_text(encoding="utf-8").replace("원래 말", "가짜 말"), encoding="utf-8")
    async with running(make(tmp_path, assets, signer)) as again:
        assert again.active is None


async def test_a_file_damaged_on_the_disk_falls_back_and_is_fetched_again(
    tmp_path: Path, assets: AssetServer, signer: Signer
) -> None:
    assets.add(PICTURE)
    damaged = assets.add(OTHER)
    async with running(make(tmp_path, assets, signer)) as activation:
        activation.offer(signer.sign_manifest(manifest(1, PICTURE)))
        await eventually_async(lambda: shown(activation) == 1)
        activation.offer(signer.sign_manifest(manifest(2, OTHER)))
        await eventually_async(lambda: shown(activation) == 2)
    (tmp_path / "files" / damaged.sha256).write_bytes(b"rotten")
    kept = assets.files.pop(damaged.sha256)
    async with running(make(tmp_path, assets, signer)) as again:
        assert shown(again) == 1
        assert again.report().wanted_generation == 2
        assets.add(kept)
        await eventually_async(lambda: shown(again) == 2)


async def test_a_newer_offer_takes_over_from_one_that_cannot_be_fetched(
    tmp_path: Path, assets: AssetServer, signer: Signer
) -> None:
    async with running(make(tmp_path, assets, signer)) as activation:
        activation.offer(signer.sign_manifest(manifest(1, OTHER)))
        await eventually_async(lambda: len(assets.asked) > 1)
        activation.offer(signer.sign_manifest(manifest(2)))
        await eventually_async(lambda: shown(activation) == 2)


async def test_what_the_pool_cannot_hold_is_rejected(tmp_path: Path, assets: AssetServer, signer: Signer) -> None:
    assets.add(PICTURE)
    async with running(make(tmp_path, assets, signer, bytes_max=1000)) as activation:
        activation.offer(signer.sign_manifest(manifest(1, PICTURE)))
        await eventually_async(lambda: activation.report().state == "rejected")
        assert "the pool holds 1000" in activation.report().reason
        activation.offer(signer.sign_manifest(manifest(2)))
        await eventually_async(lambda: shown(activation) == 2)
