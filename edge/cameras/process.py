"""One camera's process, see `edge.cameras.child.COMMAND`.

Settings come as the first line of standard input and orders as later ones, lines go to standard output
(`edge.cameras.lines`), logs to standard error. The process ends when its input ends, so it never outlives its parent,
and the kernel is asked for the same. It takes no more memory than `DATA_BYTES_MAX` and leaves no core dump: that would
hold pictures.
"""

import ctypes
import os
import resource
import signal
import sys
import threading
from collections import deque
from typing import IO

if __name__ == "__main__":
    # Four megabytes of OpenSSL, which asyncio and hashlib load where they find it: no connection here is Python's own.
    sys.modules |= dict.fromkeys(("_ssl", "_hashlib"))  # type: ignore[arg-type]  # None is how an import is refused

import structlog
from pydantic import ValidationError

os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import cv2

from edge.cameras.lines import LINE, ORDER, EndLine, FireLine, Line, Retrying, ViewLine, WatchSettings
from edge.cameras.pipeline import fire_pipeline
from edge.cameras.reference_file import load_reference, save_reference
from edge.cameras.seeing import Seeing, SightMemory
from edge.cameras.sources.choose import choose_source
from edge.cameras.sources.port import FrameSource, SourceAbsentError, SourceEndedError, SourceLostError
from edge.cameras.sources.reconnecting import ReconnectingSource
from edge.cameras.watch import CameraWatch
from runtime.clock import Clock, SystemClock
from runtime.logs import configure_logs

log = structlog.get_logger(__name__)

STATUS_EVERY_S = 1.0
READ_WAIT_S = 0.5
FPS_WINDOW_STATUSES = 4
DATA_BYTES_MAX = 1 << 30
"""A damaged or hostile stream may promise a picture of any size: the decoder is refused the memory, and we say so."""
PR_SET_PDEATHSIG = 1
M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8
TRIM_ABOVE_BYTES = 65_536


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


class ViewWriter:
    """Writes pictures of the live view from a thread of its own: one waits at most, a newer one takes its place."""

    def __init__(self, write: LineWriter) -> None:
        self._write = write
        self._ready = threading.Condition()
        self._newest: ViewLine | None = None
        threading.Thread(target=self._run, name="camera-view", daemon=True).start()

    def __call__(self, line: ViewLine) -> None:
        """Take a picture to write, and return at once."""
        with self._ready:
            self._newest = line
            self._ready.notify()

    def _run(self) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._newest is not None)
                line, self._newest = self._newest, None
            if line is not None:
                self._write(line)


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
    _bound_memory()
    settings = WatchSettings.model_validate_json(sys.stdin.readline())
    structlog.contextvars.bind_contextvars(camera=settings.camera)
    cv2.setNumThreads(1)
    clock = SystemClock()
    write = LineWriter(sys.stdout)
    source = choose_source(settings.source, loop=settings.loop, clock=clock)
    if source.is_live:
        source = ReconnectingSource(source, clock)
    watch = build_watch(settings, source, write)
    threading.Thread(target=_hear_orders, args=(watch,), name="camera-orders", daemon=True).start()
    write(watch_source(watch, source, write, clock))
    # Not through the interpreter's end: it would wait for a grab thread that hangs in a read.
    os._exit(0)


def build_watch(settings: WatchSettings, source: FrameSource, write: LineWriter) -> CameraWatch:
    """The watch of this camera, with what is remembered of it."""
    show = ViewWriter(write)

    def emit(line: FireLine | ViewLine) -> None:
        if isinstance(line, ViewLine):
            show(line)
        else:
            write(line)

    return CameraWatch(
        settings,
        fire_pipeline(settings.fire),
        is_still_picture=source.is_still_picture,
        emit=emit,
        seeing=_seeing(settings, is_live=source.is_live),
    )


def _seeing(settings: WatchSettings, *, is_live: bool) -> Seeing:
    file = settings.reference_file
    if not is_live:
        return Seeing(SightMemory(), accept_view_after_s=float("inf"))  # another file is no camera that was moved
    if file is None:
        return Seeing(SightMemory())

    def remember(memory: SightMemory) -> None:
        save_reference(file, settings.source, memory)

    return Seeing(load_reference(file, settings.source), remember=remember)


def watch_source(watch: CameraWatch, source: FrameSource, write: LineWriter, clock: Clock) -> EndLine:
    """Watch until the source has no more pictures, and say why it has none."""
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
    except (cv2.error, MemoryError) as error:
        said = " ".join(str(error).split())[:200]
        return EndLine(reason="lost", detail=f"a picture cannot be worked on; the stream may be damaged ({said})")
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
        line = watch.status(now_s, rate(now_s, source.received_count))
        if isinstance(source, ReconnectingSource):
            why = source.why
            retrying = None if why is None else Retrying(reason=why[0], detail=why[1])
            line = line.model_copy(update={"retrying": retrying, "opening_s": source.opening_s(now_s)})
        write(line)
        stop.wait(STATUS_EVERY_S)


def _end_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, however it dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _bound_memory() -> None:
    """No core dump, no more data than `DATA_BYTES_MAX`, and what is freed goes back to the system at once."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (DATA_BYTES_MAX, DATA_BYTES_MAX))
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's; without it only the bound holds
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, TRIM_ABOVE_BYTES)
        mallopt(M_ARENA_MAX, 1)


def _hear_orders(watch: CameraWatch) -> None:
    while text := sys.stdin.readline():
        try:
            watch.order(ORDER.validate_json(text))
        except ValidationError as error:
            log.warning("camera.bad_order", detail=" ".join(str(error).split())[:200])
    os._exit(0)


if __name__ == "__main__":
    main()
