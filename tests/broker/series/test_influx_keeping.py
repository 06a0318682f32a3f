"""What InfluxDB acknowledged and then lost is there again: a real server on a full disk, and every way to notice."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.faults.disk import SmallDisk
from broker.series import influx_keeping
from broker.series.influx import InfluxSeriesStore
from broker.series.influx_keeping import Turns
from broker.series.influx_tail import TAIL_BYTES_MAX, TailPlace
from broker.series.ports import Sample, Series
from runtime.errors import FatalError, RetryableError
from tests.absent import absent
from tests.broker.series.told_influx import ToldInflux, told_influx
from tests.eventually import eventually
from tests.influx_fixtures import InfluxServer, running_influx

T0 = 1_767_225_600_000
BAY = Series("jungang", "pi-1", "bays", "bay-1")


@pytest.fixture(autouse=True)
def _asks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influx_keeping, "ASK_EVERY_S", 0.05)


@contextmanager
def store_at(
    server: InfluxServer | ToldInflux, bucket: str, folder: Path, bytes_max: int = TAIL_BYTES_MAX
) -> Iterator[InfluxSeriesStore]:
    token = server.token if isinstance(server, InfluxServer) else "token"
    store = InfluxSeriesStore(server.url, token, "jangteo", bucket, timeout_s=5, tail=TailPlace(folder, bytes_max))
    try:
        yield store
    finally:
        store.close()


def samples(start: int, count: int = 1) -> list[Sample]:
    return [Sample(BAY, T0 + number, {"x": number}) for number in range(start, start + count)]


def numbers(store: InfluxSeriesStore) -> list[object]:
    return [value for _, value in store.range(BAY, "x", T0, T0 + 100_000)]


def times_of(bodies: list[bytes]) -> list[int]:
    return [int(body.rpartition(b" ")[2]) - T0 for body in bodies]


@contextmanager
def influx_on_a_small_disk(folder: Path) -> Iterator[tuple[InfluxServer, SmallDisk]]:
    folder.mkdir()
    disk = SmallDisk(folder, 64_000_000)
    if not disk.mount():
        absent("a disk that can be full is a tmpfs, which only root may mount")
    try:
        with running_influx(folder) as server:
            yield server, disk
    finally:
        disk.free()
        disk.unmount()


def until_refused(store: InfluxSeriesStore, words: str) -> int:
    """Write until InfluxDB says that; a hundred at a time, because nginx itself needs the disk for larger requests."""
    for before in range(0, 50_000, 100):
        try:
            store.write(samples(before, 100))
        except RetryableError as error:
            assert words in str(error)  # noqa: PT017 - how many came before it is what is asked for
            return before
    raise AssertionError("everything was taken")


def after_a_full_disk(server: InfluxServer, disk: SmallDisk, store: InfluxSeriesStore) -> int:
    """A write-ahead log whose last entry is torn, and 1,000 points behind it; how many were acknowledged before."""
    disk.fill()
    before = until_refused(store, "no space left")
    disk.free()
    server.stop()
    server.start()
    store.write(samples(before, 1000))
    return before


@pytest.mark.parametrize("bytes_max", [TAIL_BYTES_MAX, 0])
def test_what_was_acknowledged_after_a_full_disk_is_there_again_after_a_kill(tmp_path: Path, bytes_max: int) -> None:
    with influx_on_a_small_disk(tmp_path / "disk") as (server, disk):
        bucket = server.new_bucket()
        with store_at(server, bucket, tmp_path / "tail", bytes_max) as store:
            store.write(samples(0, 100))
            before = after_a_full_disk(server, disk, store)
            for _ in range(2):  # the write-ahead log has the same hole after every start
                server.stop()
                server.start()
                if bytes_max:
                    eventually(lambda: numbers(store) == list(range(before + 1000)), what="all is there again")
                else:  # what it is for: without the tail InfluxDB 1.6 has lost them
                    assert numbers(store) == list(range(before))


def test_ingest_and_influxdb_killed_together_lose_nothing(influx_server: InfluxServer, tmp_path: Path) -> None:
    bucket = influx_server.new_bucket()
    with store_at(influx_server, bucket, tmp_path) as store:
        store.write(samples(0, 100))
    lose(influx_server, bucket)
    with store_at(influx_server, bucket, tmp_path) as store:
        assert numbers(store) == []
        store.write(samples(100))
        eventually(lambda: numbers(store) == list(range(101)), what="all is there again")


def test_a_start_between_two_writes_is_noticed(influx_server: InfluxServer, tmp_path: Path) -> None:
    bucket = influx_server.new_bucket()
    with store_at(influx_server, bucket, tmp_path) as store:
        store.write(samples(0, 12_345))
        lose(influx_server, bucket)
        eventually(lambda: len(numbers(store)) == 12_345, what="all is there again, though nothing was written since")


def test_what_a_writer_that_is_gone_had_written_is_written_again_by_another(
    influx_server: InfluxServer, tmp_path: Path
) -> None:
    bucket = influx_server.new_bucket()
    with store_at(influx_server, bucket, tmp_path) as store, store_at(influx_server, bucket, tmp_path) as gone:
        store.write(samples(0, 10))
        gone.write(samples(10, 10))
        gone.close()
        lose(influx_server, bucket)
        eventually(lambda: numbers(store) == list(range(20)), what="all of both is there again")


def lose(server: InfluxServer, bucket: str) -> None:
    """Start anew without any reading, as after a write-ahead log that could not be read."""
    server.query(f'DROP DATABASE "{bucket}"')
    server.query(f'CREATE DATABASE "{bucket}"')
    server.stop()
    server.start()


@pytest.mark.parametrize("says", ["diagnostics", "uptime", "process"])
def test_all_is_written_again_once_for_every_start(free_port: int, tmp_path: Path, says: str) -> None:
    with told_influx(free_port) as told, store_at(told, "b", tmp_path) as store:
        told.says = says
        for number in range(5):
            store.write(samples(number))
        eventually(lambda: told.asked > 5)
        assert len(told.bodies) == 5  # the first start that is seen has lost nothing
        told.start = "2"
        eventually(lambda: len(told.bodies) == 10)
        asked = told.asked
        eventually(lambda: told.asked > asked + 5)
        assert times_of(told.bodies) == [0, 1, 2, 3, 4] * 2


def test_servers_that_answer_in_turn_are_each_written_to_once(free_port: int, tmp_path: Path) -> None:
    with told_influx(free_port) as told, store_at(told, "b", tmp_path) as store:
        store.write(samples(0))
        for start in "1212121212":
            told.start, asked = start, told.asked
            eventually(lambda asked=asked: told.asked > asked + 1)  # type: ignore[misc]  # a default binds the loop's value
        assert times_of(told.bodies) == [0, 0]


def test_a_start_that_is_known_is_known_to_the_next_process(free_port: int, tmp_path: Path) -> None:
    with told_influx(free_port) as told:
        for number in range(3):
            with store_at(told, "b", tmp_path) as store:
                before = told.asked
                store.write(samples(number))
                eventually(lambda before=before: told.asked > before + 2)  # type: ignore[misc]  # as above
        assert times_of(told.bodies) == [0, 1, 2]


def test_a_server_that_does_not_say_is_written_to_again_after_every_outage(free_port: int, tmp_path: Path) -> None:
    with told_influx(free_port) as told, store_at(told, "b", tmp_path) as store:
        told.says = "nothing"
        store.write(samples(0))
        eventually(lambda: told.asked > 4)
        store.write(samples(1))
        before = len(told.bodies)
        told.down = True
        with pytest.raises(RetryableError, match="503"):
            store.write(samples(2))
        told.down = False
        eventually(lambda: len(told.bodies) == before + 2)
        asked = told.asked
        eventually(lambda: told.asked > asked + 4)
        assert times_of(told.bodies)[before:] == [0, 1]


def test_no_tail_is_kept_for_influxdb_3(free_port: int, tmp_path: Path) -> None:
    with told_influx(free_port) as told, store_at(told, "b", tmp_path) as store:
        told.version = "3.2.1"
        store.write(samples(0))
        eventually(lambda: not list(tmp_path.rglob("*.lp")), what="the tail is cleared")
        store.write(samples(1))
        told.start = "2"
        assert times_of(told.bodies) == [0, 1]
        assert not list(tmp_path.rglob("*.lp"))


def test_writing_again_that_was_cut_short_begins_anew(free_port: int, tmp_path: Path) -> None:
    with told_influx(free_port) as told:
        with store_at(told, "b", tmp_path) as store:
            for number in range(5):
                store.write(samples(number))
            eventually(lambda: told.asked > 2)
            told.bodies.clear()
            told.start, told.takes_at_most = "2", 3
            eventually(lambda: len(told.bodies) == 3)
        told.bodies.clear()
        told.takes_at_most = None
        with store_at(told, "b", tmp_path) as store:
            store.write(samples(5))
            eventually(lambda: len(told.bodies) >= 7)
            assert sorted(set(times_of(told.bodies))) == [0, 1, 2, 3, 4, 5]


def test_what_was_corrected_meanwhile_stays_corrected(free_port: int, tmp_path: Path) -> None:
    """Writes go on beside the writing again; the newer value of a time is the last that the server gets."""
    with told_influx(free_port) as told, store_at(told, "b", tmp_path) as store:
        for number in range(50):
            store.write(samples(number))
        eventually(lambda: told.asked > 2)
        told.start = "2"
        before = len(told.bodies)
        eventually(lambda: len(told.bodies) > before)
        for number in reversed(range(50)):  # those whose turn comes last are corrected first
            store.write([Sample(BAY, T0 + number, {"x": -1.0})])
        told_count = eventually(lambda: told.asked > 3 and len(told.bodies))
        asked = told.asked
        eventually(lambda: told.asked > asked + 2)
        assert len(told.bodies) >= told_count
        last = dict(zip(times_of(told.bodies), told.bodies, strict=True))
        assert all(b"x=-1.0" in body for body in last.values())


def test_what_has_gone_out_of_retention_does_not_stop_the_rest(free_port: int, tmp_path: Path) -> None:
    with told_influx(free_port) as told, store_at(told, "b", tmp_path) as store:
        for number in range(3):
            store.write(samples(number))
        eventually(lambda: told.asked > 2)
        told.bodies.clear()
        told.refuses, told.start = b"x=1 ", "2"
        eventually(lambda: times_of(told.bodies) == [0, 1, 2])


def test_what_the_server_refused_is_not_kept(free_port: int, tmp_path: Path) -> None:
    with told_influx(free_port) as told, store_at(told, "b", tmp_path) as store:
        told.refuses = b"x=1 "
        store.write(samples(0))
        with pytest.raises(Exception, match="beyond retention"):
            store.write(samples(1))
        (segment,) = tmp_path.rglob("*.lp")
        assert b"x=1 " not in segment.read_bytes()


def test_nothing_is_confirmed_that_cannot_be_kept(
    free_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with told_influx(free_port) as told, store_at(told, "b", tmp_path) as store:
        store.write(samples(0))
        with monkeypatch.context() as full:
            full.setattr(os, "writev", lambda descriptor, parts: os.write(descriptor, parts[0]))
            with pytest.raises(RetryableError, match=r"cannot be kept .*: make room"):
                store.write(samples(1))
        store.write(samples(1))


def test_a_folder_that_cannot_be_used_is_said_at_the_first_write(free_port: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with (
        told_influx(free_port) as told,
        store_at(told, "b", tmp_path / "file") as store,
        pytest.raises(FatalError, match="name another folder in tail_dir"),
    ):
        store.write(samples(0))


def test_what_only_reads_keeps_nothing(influx_server: InfluxServer, tmp_path: Path) -> None:
    with store_at(influx_server, influx_server.new_bucket(), tmp_path) as store:
        assert numbers(store) == []
        assert list(tmp_path.iterdir()) == []


def test_nobody_has_two_turns_while_another_waits() -> None:
    turns, order, ready = Turns(), list[str](), threading.Event()

    def other() -> None:
        ready.set()
        with turns():
            order.append("other")

    thread = threading.Thread(target=other)
    with turns():
        thread.start()
        ready.wait(5)
        eventually(turns._door.locked)  # it stands in the door
    for _ in range(3):
        with turns():
            order.append("own")
    thread.join(5)
    assert order == ["other", "own", "own", "own"]
