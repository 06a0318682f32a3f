"""The real process of one camera, from outside: its lines, its end."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

import psutil

from edge.cameras.lines import LINE, EndLine, FireLine, Line, StatusLine, WatchSettings
from edge.cameras.settings import FireSettings
from tests.conftest import ROOT
from tests.edge.cameras.clips import network_camera, noise, write_clip
from tests.eventually import eventually

COMMAND = [sys.executable, "-m", "edge.cameras.process"]


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
        assert fire.still_base64 is not None
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
