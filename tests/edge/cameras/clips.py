"""Small clips and a camera on the network, made on the spot."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.ports import Picture
from runtime.clock import ManualClock

HEIGHT_PX, WIDTH_PX = 120, 160


def noise(seed: int, level: int = 90) -> Picture:
    """A grey picture with a camera's noise."""
    grain = np.random.default_rng(seed).integers(0, 25, (HEIGHT_PX, WIDTH_PX, 3))
    return np.asarray(grain + level, np.uint8)


def write_clip(path: Path, pictures: list[Picture], fps: float = 10.0) -> Path:
    """A Motion-JPEG clip: every frame stands for itself, so that equal pictures stay bit-identical."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (WIDTH_PX, HEIGHT_PX))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


class SteppedTime:
    """A clock that only moves when something sleeps: files play as fast as they decode."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.slept_s: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.clock.advance(seconds)


class NetworkCamera:
    """A Motion-JPEG camera on loopback. `pause` makes it hang with the connection open."""

    def __init__(self, picture: Callable[[int], Picture]) -> None:
        self.picture = picture
        self.pause = threading.Event()
        self.stop = threading.Event()
        self.address = ""

    def stream(self, write: Callable[[bytes], object]) -> None:
        index = 0
        while not self.stop.is_set():
            if self.pause.is_set():
                self.stop.wait(0.02)
                continue
            jpeg: NDArray[np.uint8] = cv2.imencode(".jpg", self.picture(index))[1]
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {jpeg.size}\r\n\r\n"
            write(head.encode() + jpeg.tobytes() + b"\r\n")
            index += 1
            self.stop.wait(0.04)


@contextmanager
def network_camera(picture: Callable[[int], Picture] = noise) -> Iterator[NetworkCamera]:
    camera = NetworkCamera(picture)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            try:
                camera.stream(self.wfile.write)
            except ConnectionError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
            del format, args

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

    socketserver.TCPServer.allow_reuse_address = True
    with Server(("127.0.0.1", 0), Handler) as server:
        camera.address = f"http://127.0.0.1:{server.server_address[1]}/cam.mjpg"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield camera
        finally:
            camera.stop.set()
            server.shutdown()
            thread.join(5)
