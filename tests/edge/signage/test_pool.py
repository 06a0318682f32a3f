"""The pool: whole and checked, or not there."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from edge.signage.pool import AssetFetchError, AssetPool, CorruptAssetError, PoolFullError
from tests.edge.signage.contents import AssetServer, asset_server, file_ref

BODY = os.urandom(300_000)


@pytest.fixture
def assets() -> Iterator[AssetServer]:
    with asset_server() as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as one:
        yield one


@pytest.fixture
def pool(tmp_path: Path, assets: AssetServer) -> AssetPool:
    return AssetPool(tmp_path / "files", assets.url, bytes_max=1_000_000)


async def test_a_file_is_fetched_whole(pool: AssetPool, assets: AssetServer, client: httpx.AsyncClient) -> None:
    ref = assets.add(BODY)
    assert pool.path(ref.sha256) is None
    await pool.fetch(ref, client)
    path = pool.path(ref.sha256)
    assert path is not None
    assert path.read_bytes() == BODY
    assert pool.check(ref)
    await pool.fetch(ref, client)
    assert assets.asked == [None], "a file that is there is not fetched again"


async def test_a_cut_connection_leaves_no_file_and_the_next_try_goes_on(
    pool: AssetPool, assets: AssetServer, client: httpx.AsyncClient
) -> None:
    ref = assets.add(BODY)
    assets.cut_bytes = 100_000
    with pytest.raises(AssetFetchError):
        await pool.fetch(ref, client)
    assert pool.path(ref.sha256) is None
    assets.cut_bytes = None
    await pool.fetch(ref, client)
    assert assets.asked[0] is None
    assert assets.asked[1] is not None
    assert assets.asked[1] != "bytes=0-"
    assert pool.check(ref)


async def test_a_server_without_ranges_is_read_from_the_start(
    pool: AssetPool, assets: AssetServer, client: httpx.AsyncClient
) -> None:
    ref = assets.add(BODY)
    assets.cut_bytes, assets.ranges = 100_000, False
    with pytest.raises(AssetFetchError):
        await pool.fetch(ref, client)
    assets.cut_bytes = None
    await pool.fetch(ref, client)
    assert pool.check(ref)


async def test_other_bytes_than_named_are_thrown_away(
    pool: AssetPool, assets: AssetServer, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    ref = assets.add(BODY)
    assets.lie = True
    with pytest.raises(CorruptAssetError, match="another size or hash"):
        await pool.fetch(ref, client)
    assert list((tmp_path / "files").iterdir()) == []


async def test_more_bytes_than_named_are_not_taken(
    pool: AssetPool, assets: AssetServer, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    ref = assets.add(BODY)
    small = ref.model_copy(update={"size_bytes": 1000})
    with pytest.raises(CorruptAssetError, match="more than the 1000 bytes"):
        await pool.fetch(small, client)
    assert list((tmp_path / "files").iterdir()) == []


async def test_nothing_there_is_said(pool: AssetPool, client: httpx.AsyncClient) -> None:
    with pytest.raises(AssetFetchError, match="404"):
        await pool.fetch(file_ref(b"nobody has this"), client)


def test_a_damaged_file_is_found_and_deleted(pool: AssetPool, tmp_path: Path) -> None:
    ref = file_ref(BODY)
    path = tmp_path / "files" / ref.sha256
    path.write_bytes(BODY[:-1] + b"!")
    assert not pool.check(ref)
    assert not path.exists()


def test_names_that_are_no_hash_reach_no_file(pool: AssetPool, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    for name in ("../secret", "secret", "", "A" * 64, "0" * 63):
        assert pool.path(name) is None


def test_room_is_made_from_the_longest_unused_and_never_from_what_is_in_use(pool: AssetPool, tmp_path: Path) -> None:
    refs = []
    for age, fill in enumerate(b"abc"):
        ref = file_ref(bytes([fill]) * 300_000)
        path = tmp_path / "files" / ref.sha256
        path.write_bytes(bytes([fill]) * 300_000)
        os.utime(path, (1000 + age, 1000 + age))
        refs.append(ref)
    oldest, middle, newest = refs
    (tmp_path / "files" / f"{'0' * 64}.part").write_bytes(b"left over")
    wanted = file_ref(b"w" * 350_000)
    pool.make_room([wanted], keep=[oldest.sha256])
    assert pool.path(oldest.sha256) is not None, "the oldest is in use"
    assert pool.path(middle.sha256) is None
    assert pool.path(newest.sha256) is not None
    assert not list((tmp_path / "files").glob("*.part"))


def test_what_cannot_fit_is_refused_and_nothing_in_use_goes(pool: AssetPool, tmp_path: Path) -> None:
    ref = file_ref(b"u" * 600_000)
    (tmp_path / "files" / ref.sha256).write_bytes(b"u" * 600_000)
    with pytest.raises(PoolFullError, match="the pool holds 1000000"):
        pool.make_room([file_ref(b"w" * 600_000)], keep=[ref.sha256])
    assert pool.path(ref.sha256) is not None
