"""RTSP against a real server (GStreamer's): start, drop, hang, return; and what of it is asked for."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest

from edge.cameras.sources import newest, reconnecting, stream
from edge.cameras.sources.reconnecting import ReconnectingSource
from edge.cameras.sources.stream import OPTIONS_VARIABLE, StreamSource
from runtime.clock import SystemClock
from tests.absent import absent
from tests.eventually import eventually

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("rtsp_server.py")
PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); gi.require_version('Gst', '1.0')"
PACKAGES = "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly"
CLOCK = SystemClock()


class RtspServer:
    """The server's process and what it has said."""

    def __init__(self, port: int) -> None:
        self.popen = subprocess.Popen([PYTHON, str(SCRIPT), str(port)], stdout=subprocess.PIPE, text=True)
        self.said: Queue[str] = Queue()
        self.reader = Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.said.put(line.strip())

    def end(self) -> None:
        self.popen.kill()
        self.popen.wait(5)
        self.reader.join(5)
        assert self.popen.stdout is not None
        self.popen.stdout.close()


@contextmanager
def serving(port: int) -> Iterator[RtspServer]:
    server = RtspServer(port)
    try:
        assert server.said.get(timeout=20) == "ready"
        yield server
    finally:
        server.end()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", PROBE], capture_output=True, check=False).returncode:
        absent(f"no RTSP server: install {PACKAGES}")
    monkeypatch.setenv(OPTIONS_VARIABLE, "")
    monkeypatch.setattr(stream, "OPEN_TIMEOUT_MS", 4_000)
    monkeypatch.setattr(stream, "READ_TIMEOUT_MS", 1_000)
    monkeypatch.setattr(newest, "_MISS_S_MAX", 0.5)
    monkeypatch.setattr(reconnecting, "RETRY_DELAY_S_MAX", 0.5)


def test_a_camera_that_is_dropped_and_one_that_hangs_come_back(free_port: int) -> None:
    source = ReconnectingSource(StreamSource(f"rtsp://127.0.0.1:{free_port}/cam", CLOCK), CLOCK)

    def reason() -> str | None:
        source.read(0.1)
        return source.why[0] if source.why else None

    try:
        eventually(lambda: reason() == "absent", what="nobody there yet")
        with serving(free_port):
            eventually(lambda: source.read(0.5), within_s=30, what="the first picture")
            assert source.why is None
        eventually(lambda: reason() in {"lost", "absent"}, what="the drop")
        with serving(free_port) as server:
            eventually(lambda: source.read(0.5), within_s=30, what="a picture after the drop")
            server.popen.send_signal(signal.SIGSTOP)
            eventually(lambda: reason() == "lost", what="the stall")
            server.popen.send_signal(signal.SIGCONT)
            eventually(lambda: source.read(0.5), within_s=30, what="a picture after the stall")
    finally:
        source.close()


def test_pictures_arrive_as_they_are_made_and_sound_is_not_asked_for(free_port: int) -> None:
    with serving(free_port) as server:
        source = StreamSource(f"rtsp://127.0.0.1:{free_port}/cam", CLOCK)
        eventually(lambda: _opens(source), within_s=30, what="an open stream")
        for _ in range(30):
            eventually(lambda: source.read(1.0), what="a picture")
        source.close()
        asked = [server.said.get(timeout=1) for _ in range(server.said.qsize())]
        assert asked == ["setup /cam/stream=0"]


def _opens(source: StreamSource) -> bool:
    source.open()
    return True
