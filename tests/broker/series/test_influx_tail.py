"""The tail's files: what is kept, what a kill leaves, what a bound drops, who holds which."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.series.influx_tail import TAILS_MAX, Tail, TailPlace, abandoned_tails, claim_tail
from runtime.errors import FatalError

SERVER = "http://127.0.0.1:8086 jangteo"
BODIES = [b"bays,device=pi-1 x=1 1", b"", b"two\nlines\n# 5\n", "시장".encode(), b"x" * 5000]


@contextmanager
def held(folder: Path, server: str = SERVER, bytes_max: int = 1_000_000) -> Iterator[Tail]:
    tail = claim_tail(TailPlace(folder, bytes_max), server)
    try:
        yield tail
    finally:
        tail.close()


def bodies_of(tail: Tail) -> list[bytes]:
    reader = tail.reader()
    found = list(iter(reader.next, None))
    reader.close()
    return found


def segments(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.lp"))


def test_what_is_appended_comes_back_in_order_and_after_a_restart(tmp_path: Path) -> None:
    with held(tmp_path) as tail:
        for body in BODIES:
            tail.append(body)
        assert bodies_of(tail) == BODIES
    with held(tmp_path) as tail:
        tail.append(b"later")
        assert bodies_of(tail) == [*BODIES, b"later"]
        assert tail.bytes_count == sum(path.stat().st_size for path in segments(tmp_path))


def test_a_segment_can_be_read_by_anything_that_reads_line_protocol(tmp_path: Path) -> None:
    with held(tmp_path) as tail:
        tail.append(b"a x=1 1\na x=2 2")
    assert segments(tmp_path)[0].read_bytes() == b"# 15\na x=1 1\na x=2 2\n"


def test_a_reader_goes_on_with_what_was_added_meanwhile(tmp_path: Path) -> None:
    with held(tmp_path, bytes_max=16 * 60) as tail:
        reader = tail.reader()
        assert reader.next() is None
        tail.append(b"1" * 40)
        assert reader.next() == b"1" * 40
        assert reader.next() is None
        tail.append(b"2" * 10)
        tail.append(b"3" * 40)  # a segment of its own
        assert (reader.next(), reader.next(), reader.next()) == (b"2" * 10, b"3" * 40, None)
        reader.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=400).filter(lambda one: b"\0" not in one), max_size=60), st.integers(1, 4000))
def test_the_bound_holds_and_the_newest_are_kept(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes], bytes_max: int
) -> None:
    folder = tmp_path_factory.mktemp("tail")
    with held(folder, bytes_max=bytes_max) as tail:
        for body in bodies:
            tail.append(body)
            on_disk = sum(path.stat().st_size for path in segments(folder))
            assert tail.bytes_count == on_disk
            assert on_disk <= max(bytes_max, len(body) + len(b"# %d\n\n" % len(body)))
        found = bodies_of(tail)
        assert found == bodies[len(bodies) - len(found) :]
        room = bytes_max - bytes_max // 16 - 410  # a whole segment goes at a time, and the next body may need it all
        assert sum(map(len, found)) >= min(sum(map(len, bodies)), room - 10 * len(found))


def test_a_segment_that_is_dropped_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    with held(tmp_path, bytes_max=1600) as tail:
        for number in range(8):
            tail.append(b"%d" % number * 40)
        reader = tail.reader()
        assert reader.next() == b"0" * 40
        for number in range(100):
            tail.append(b"%03d" % number * 10)
        assert reader.next() == b"1" * 40
        assert len(list(iter(reader.next, None))) > 10
        reader.close()


@pytest.mark.parametrize("cut", [1, 2, 5, 12, 13])
def test_a_torn_end_loses_the_torn_body_alone(tmp_path: Path, cut: int) -> None:
    with held(tmp_path) as tail:
        tail.append(b"first")
        tail.append(b"second")
    path = segments(tmp_path)[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut] if cut < 12 else whole[: len(b"# 5\nfirst\n") + 13 - cut])
    with held(tmp_path) as tail:
        tail.append(b"third")
        assert bodies_of(tail) == [b"first", b"third"]


@pytest.mark.parametrize("damage", [b"\0" * 12, b"# 99999\n", b"# x\nab\n", b"# 3\na\0c\n", b"rubbish without end"])
def test_what_a_power_cut_may_leave_is_passed_over(tmp_path: Path, damage: bytes) -> None:
    with held(tmp_path) as tail:
        tail.append(b"first")
    with segments(tmp_path)[0].open("ab") as file:
        file.write(damage)
    with held(tmp_path) as tail:
        tail.append(b"later")
        assert bodies_of(tail) == [b"first", b"later"]


def test_a_writer_that_is_killed_leaves_everything_it_had_appended(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom broker.series.influx_tail import TailPlace, claim_tail\n"
        "tail = claim_tail(TailPlace(Path(sys.argv[1])), sys.argv[2])\nnumber = 0\n"
        "while True:\n    tail.append(b'%d' % number * 500)\n    print(number, flush=True)\n    number += 1\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script, tmp_path, SERVER], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = [child.stdout.readline() for _ in range(200)]
    child.kill()
    said += child.stdout.readlines()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    numbers = [int(one) for one in said if one.endswith("\n")]
    with held(tmp_path) as tail:
        found = bodies_of(tail)
        assert tail.folder.name == "1"
    assert found[: len(numbers)] == [b"%d" % number * 500 for number in numbers]
    assert len(found) <= len(numbers) + 1


@pytest.mark.parametrize("written", [1, 7, 300])
def test_a_full_disk_leaves_the_tail_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int) -> None:
    with held(tmp_path) as tail:
        tail.append(b"first")
        with monkeypatch.context() as full:
            full.setattr(os, "writev", lambda descriptor, parts: os.write(descriptor, b"".join(parts)[:written]))
            with pytest.raises(OSError, match="No space left"):
                tail.append(b"s" * 400)
        tail.append(b"third")
        assert bodies_of(tail) == [b"first", b"third"]
        assert tail.bytes_count == sum(path.stat().st_size for path in segments(tmp_path))


def test_a_tail_has_one_holder_and_belongs_to_one_server(tmp_path: Path) -> None:
    with held(tmp_path) as first, held(tmp_path) as second, held(tmp_path, "elsewhere jangteo") as third:
        assert [one.folder.name for one in (first, second, third)] == ["1", "2", "3"]
        assert list(abandoned_tails(TailPlace(tmp_path), SERVER)) == []
        second.append(b"left behind")
    with held(tmp_path) as first:
        assert first.folder.name == "1"
        found = [(one.folder.name, bodies_of(one)) for one in abandoned_tails(TailPlace(tmp_path), SERVER)]
        assert found == [("2", [b"left behind"])]
        with held(tmp_path) as again:
            assert again.folder.name == "2"


def test_the_known_starts_survive_and_are_bounded(tmp_path: Path) -> None:
    with held(tmp_path) as tail:
        assert not tail.knows("start 1")
        for number in range(1, 21):
            tail.note_start(f"start {number}")
    with held(tmp_path) as tail:
        assert (tail.knows("start 20"), tail.knows("start 5"), tail.knows("start 4")) == (True, True, False)


def test_a_state_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    with held(tmp_path) as tail:
        tail.append(b"whose?")
    (tmp_path / "1" / "state.json").write_text("{", encoding="utf-8")
    with held(tmp_path) as tail:
        assert (tail.folder.name, bodies_of(tail)) == ("2", [])
    assert len(segments(tmp_path)) == 1


def test_what_is_cleared_is_gone(tmp_path: Path) -> None:
    with held(tmp_path) as tail:
        tail.append(b"one")
        tail.clear()
        assert (tail.bytes_count, segments(tmp_path)) == (0, [])
        tail.append(b"two")
        assert bodies_of(tail) == [b"two"]


def test_only_its_owner_reads_a_tail(tmp_path: Path) -> None:
    with held(tmp_path / "tails") as tail:
        tail.append(b"one")
        modes = {path.stat().st_mode & 0o077 for path in (tail.folder, *segments(tmp_path))}
        assert modes == {0}


def test_a_folder_that_cannot_be_used_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(FatalError, match=r"file: the tail .* name another folder in tail_dir, or set tail_bytes_max"):
        claim_tail(TailPlace(tmp_path / "file"), SERVER)


def test_more_holders_than_tails_are_refused(tmp_path: Path) -> None:
    tails = [claim_tail(TailPlace(tmp_path), SERVER) for _ in range(TAILS_MAX)]
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FatalError, match="all 64 tails are held"):
        claim_tail(TailPlace(tmp_path), SERVER)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    for tail in tails:
        tail.close()
