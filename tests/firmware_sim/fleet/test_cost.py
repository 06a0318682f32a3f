import os
import socket
import sys
from pathlib import Path

import pytest

from firmware_sim.fleet.cost import cost_of, listener_pids
from tests.absent import absent

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")


def test_a_process_costs_memory_and_time_and_an_absent_one_nothing() -> None:
    own = cost_of([os.getpid()])
    assert own is not None
    assert own.rss_bytes > 1_000_000
    assert own.cpu_s > 0
    assert own.written_bytes >= 0
    assert cost_of([]) is None
    assert cost_of([2**22 + 1]) is None
    twice = cost_of([os.getpid(), os.getpid()])
    assert twice is not None
    assert twice.rss_bytes >= 1.9 * own.rss_bytes


def test_what_is_written_to_the_disk_is_counted(tmp_path: Path) -> None:
    before = cost_of([os.getpid()])
    with (tmp_path / "file").open("wb") as file:
        file.write(b"x" * 1_000_000)
        file.flush()
        os.fsync(file.fileno())
    after = cost_of([os.getpid()])
    assert before is not None
    assert after is not None
    if (tmp_path / "file").stat().st_blocks and after.written_bytes == before.written_bytes:
        absent("this folder is in memory: nothing is written to a disk")
    assert after.written_bytes - before.written_bytes >= 1_000_000


def test_who_listens_on_a_port_is_found() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert os.getpid() not in listener_pids(port), "bound, but it does not listen yet"
        server.listen()
        assert os.getpid() in listener_pids(port)
