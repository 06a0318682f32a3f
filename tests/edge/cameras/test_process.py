"""The real process of one camera, from outside: its lines, its end."""

import os
import resource
import signal
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

import numpy as np
import psutil

from edge.cameras.child import COMMAND
from edge.cameras.lines import LINE, EndLine, FireLine, Line, StatusLine, WatchSettings
from edge.cameras.settings import FireSettings
from tests.conftest import ROOT
from tests.edge.cameras.clips import network_camera, noise, write_clip
from tests.eventually import eventually


class CameraProcess:
    """A process and its lines so far."""

    def __init__(self, settings: WatchSettings) -> None:
        self.popen = subprocess.Popen(COMMAND, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines: Queue[Line] = Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        assert self.popen.stdin is not None
        self.popen.stdin.write(settings.model_dump_json() + "\n")
        self.popen.stdin.flush()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for text in self.popen.stdout:
            self.lines.put(LINE.validate_json(text))

    def next_line(self, within_s: float = 15.0) -> Line:
        return self.lines.get(timeout=within_s)

    def first(self, kind: type[Line], within_lines: int = 30) -> Line:
        for _ in range(within_lines):
            line = self.next_line()
            if isinstance(line, kind):
                return line
        raise AssertionError(f"no {kind.__name__} in {within_lines} lines")

    def end(self) -> None:
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.popen.stdin.close()
        self.popen.wait(5)
        self.reader.join(5)
        self.popen.stdout.close()


@contextmanager
def running(source: str, *, loop: bool = False) -> Iterator[CameraProcess]:
    process = CameraProcess(WatchSettings(camera="cam-1", source=source, loop=loop, fire=FireSettings()))
    try:
        yield process
    finally:
        process.end()


def test_a_fire_clip_raises_a_decision_at_once(data_dir: Path) -> None:
    with running(str(data_dir / "fire/videos/fire/bonfire_dark.mp4")) as process:
        fire = process.first(FireLine)
        assert isinstance(fire, FireLine)
        assert fire.fire == "confirmed"
        assert fire.stills[-1].moment == "now"
        assert fire.scores
        assert fire.position_s is not None
        status = process.first(StatusLine)
        assert isinstance(status, StatusLine)
        assert status.fire == "confirmed"


def test_a_clip_that_is_over_says_so_and_the_process_ends(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "short.avi", [noise(i) for i in range(3)])
    with running(str(clip)) as process:
        end = process.first(EndLine)
        assert isinstance(end, EndLine)
        assert end.reason == "ended"
        assert process.popen.wait(5) == 0


def test_an_absent_camera_ends_the_process_with_a_sentence() -> None:
    with running("/no/such/clip.mp4") as process:
        end = process.first(EndLine)
        assert isinstance(end, EndLine)
        assert end.reason == "absent"
        assert "/no/such/clip.mp4" in end.detail


def test_while_a_read_hangs_the_age_of_the_last_picture_grows() -> None:
    with network_camera() as camera, running(camera.address) as process:

        def age_s() -> float | None:
            try:
                line = process.next_line(1.5)
            except Empty:
                return None
            return line.frame_age_s if isinstance(line, StatusLine) else None

        eventually(lambda: (age_s() or 9.0) < 0.5, what="a fresh picture")
        camera.pause.set()
        eventually(lambda: (age_s() or 0.0) > 1.5, what="an old picture")


def test_the_process_ends_when_its_input_does() -> None:
    with network_camera() as camera, running(camera.address) as process:
        process.first(StatusLine)
        assert process.popen.stdin is not None
        process.popen.stdin.close()
        assert process.popen.wait(3) == 0


def test_a_killed_parent_takes_the_process_with_it() -> None:
    script = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen({COMMAND!r}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)\n"
        "child.stdin.write(sys.stdin.readline().encode()); child.stdin.flush()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with network_camera() as camera:
        settings = WatchSettings(camera="cam-1", source=camera.address)
        with subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as parent:
            assert parent.stdin is not None
            assert parent.stdout is not None
            parent.stdin.write(settings.model_dump_json() + "\n")
            parent.stdin.flush()
            child = psutil.Process(int(parent.stdout.readline()))
            os.kill(parent.pid, signal.SIGKILL)
            eventually(
                lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, what="the end of the child"
            )


def test_a_damaged_file_is_played_as_far_as_it_goes_or_refused_with_a_sentence(data_dir: Path, tmp_path: Path) -> None:
    whole = (data_dir / "fire/videos/fire/yard_trash.mp4").read_bytes()
    for seed in range(4):
        rng = np.random.default_rng(seed)
        body = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(0 if seed % 2 else 4096, len(body), 400)
        body[places] = rng.integers(0, 256, places.size)
        file = tmp_path / f"damaged-{seed}.mp4"
        file.write_bytes(body.tobytes())
        with running(str(file)) as process:
            end = process.first(EndLine, within_lines=60)
            assert isinstance(end, EndLine)
            assert len(end.detail) > 20
            assert process.popen.wait(5) == 0


def test_a_picture_too_large_for_this_device_is_refused_with_a_sentence(tmp_path: Path) -> None:
    huge = tmp_path / "huge.png"
    huge.write_bytes(png_that_promises(19_000, 19_000))
    with running(str(huge)) as process:
        end = process.first(EndLine)
        assert isinstance(end, EndLine)
        assert "a picture cannot be worked on" in end.detail
        assert process.popen.wait(5) == 0


def test_a_process_takes_little_memory_and_leaves_no_core() -> None:
    with network_camera() as camera, running(camera.address) as process:
        process.first(StatusLine)
        seen = psutil.Process(process.popen.pid)
        eventually(lambda: resource.prlimit(seen.pid, resource.RLIMIT_CORE) == (0, 0), what="no core dumps")
        eventually(lambda: any(live(line) for line in [process.next_line()]), what="a picture")
        assert seen.memory_info().rss < 120 * 2**20


def live(line: Line) -> bool:
    return isinstance(line, StatusLine) and line.frame_age_s is not None


def png_that_promises(width_px: int, height_px: int) -> bytes:
    """A grey picture whose header promises a size of which the data hold one line."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(3 * width_px + 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
