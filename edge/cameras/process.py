"""One camera's process: `python -m edge.cameras.process`.

Settings come as the first line of standard input, lines go to standard output (`edge.cameras.lines`), logs to standard
error. The process ends when its input ends, so it never outlives its parent, and the kernel is asked for the same.
"""

import ctypes
import os
import signal
import sys
import threading
from collections import deque
from typing import IO

import structlog

os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

import cv2

from edge.cameras.lines import LINE, EndLine, FireLine, Line, WatchSettings
from edge.cameras.pipeline import fire_pipeline
from edge.cameras.sources.choose import choose_source
from edge.cameras.sources.port import FrameSource, SourceAbsentError, SourceEndedError, SourceLostError
from edge.cameras.watch import CameraWatch
from runtime.clock import Clock, SystemClock
from runtime.logs import configure_logs

log = structlog.get_logger(__name__)

STATUS_EVERY_S = 1.0
READ_WAIT_S = 0.5
FPS_WINDOW_STATUSES = 4
PR_SET_PDEATHSIG = 1


class LineWriter:
    """Writes whole lines from any thread. A parent that is gone ends the process."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._lock = threading.Lock()

    def __call__(self, line: Line) -> None:
        """Write and flush one line."""
        text = LINE.dump_json(line).decode()
        try:
            with self._lock:
                self._out.write(text + "\n")
                self._out.flush()
        except (BrokenPipeError, ValueError):
            os._exit(0)


class FrameRate:
    """Frames a second over the last few statuses."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque(maxlen=FPS_WINDOW_STATUSES)

    def __call__(self, now_s: float, received_count: int) -> float:
        """The rate up to `now_s`, when `received_count` frames had come in all."""
        self._marks.append((now_s, received_count))
        (first_s, first_count), elapsed_s = self._marks[0], now_s - self._marks[0][0]
        return (received_count - first_count) / elapsed_s if elapsed_s > 0 and first_s < now_s else 0.0


def main() -> None:
    """Read the settings, watch the camera, say why it ended."""
    configure_logs("camera")
    _end_with_parent()
    settings = WatchSettings.model_validate_json(sys.stdin.readline())
    structlog.contextvars.bind_contextvars(camera=settings.camera)
    threading.Thread(target=_end_with_input, name="camera-parent", daemon=True).start()
    cv2.setNumThreads(1)
    clock = SystemClock()
    write = LineWriter(sys.stdout)
    source = choose_source(settings.source, loop=settings.loop, clock=clock)
    write(watch_source(settings, source, write, clock))
    # Not through the interpreter's end: it would wait for a grab thread that hangs in a read.
    os._exit(0)


def watch_source(settings: WatchSettings, source: FrameSource, write: LineWriter, clock: Clock) -> EndLine:
    """Watch until the source has no more pictures, and say why it has none."""

    def emit(line: FireLine) -> None:
        write(line)

    watch = CameraWatch(settings, fire_pipeline(settings.fire), is_still_picture=source.is_still_picture, emit=emit)
    stop = threading.Event()
    status = threading.Thread(target=_say_status, args=(watch, source, write, clock, stop), daemon=True)
    status.start()
    try:
        source.open()
        while True:
            captured = source.read(READ_WAIT_S)
            if captured is not None:
                watch.take(captured, clock.monotonic_s)
    except SourceAbsentError as error:
        return EndLine(reason="absent", detail=str(error))
    except SourceLostError as error:
        return EndLine(reason="lost", detail=str(error))
    except SourceEndedError as error:
        return EndLine(reason="ended", detail=str(error))
    finally:
        stop.set()
        source.close()
        status.join(STATUS_EVERY_S)


def _say_status(
    watch: CameraWatch, source: FrameSource, write: LineWriter, clock: Clock, stop: threading.Event
) -> None:
    rate = FrameRate()
    while not stop.is_set():
        now_s = clock.monotonic_s()
        write(watch.status(now_s, rate(now_s, source.received_count)))
        stop.wait(STATUS_EVERY_S)


def _end_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, however it dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_with_input() -> None:
    while sys.stdin.readline():
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
