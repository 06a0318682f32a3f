"""The simulated cameras of one site, on loopback: `GET /<camera>.mjpg`, and faults and flames by `POST`.

`python -m firmware_sim.cameras.server --port 9000 --camera cam-1=scene --camera cam-2=clip.mp4 --seed 7`
`curl -X POST 'http://127.0.0.1:9000/cam-1/flame?on=true'`
"""

import argparse
import json
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import cv2
import structlog

from contract.ids import check_id
from firmware_sim.cameras.feed import DeadCameraError, Feed, TooManyWatchersError
from firmware_sim.cameras.sources import ScenePictures, pictures_of
from runtime.errors import FatalError
from runtime.logs import configure_logs

log = structlog.get_logger(__name__)

HOST = "127.0.0.1"
BOUNDARY = "jangteo-frame"
SEND_TIMEOUT_S = 5.0
EXIT_BAD_INPUT = 2


class _RefusedError(Exception):
    """A request that cannot be served, with its status and one sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class _SimulatedCamera:
    """A feed, and the flame in it where it can have one."""

    def __init__(self, name: str, source: str, seed: int) -> None:
        self._pictures = pictures_of(source, name, seed)
        self.feed = Feed(name, self._pictures)

    def flame(self, on: bool) -> None:
        if not isinstance(self._pictures, ScenePictures):
            raise _RefusedError(HTTPStatus.CONFLICT, f"camera {self.feed.name} plays a file: only a scene can burn")
        self._pictures.burn(self.feed.time_s(), on=on)

    def freeze(self, on: bool) -> None:
        self.feed.frozen = on

    def kill(self, on: bool) -> None:
        self.feed.dead = on


_ACTIONS = {"flame": _SimulatedCamera.flame, "freeze": _SimulatedCamera.freeze, "dead": _SimulatedCamera.kill}


class CameraServer(ThreadingHTTPServer):
    """Serves `cameras` (name to source, see `pictures_of`) on `port` of loopback; 0 lets the system choose.

    One thread a watcher; who does not take a picture within 5 s is dropped.

    Raises:
        UnusableSourceError: a source cannot be played.
        OSError: the port is in use.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, cameras: Mapping[str, str], seed: int) -> None:
        self.cameras = {name: _SimulatedCamera(name, source, seed) for name, source in cameras.items()}
        super().__init__((HOST, port), _Handler)
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Serve from a thread."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name="sim-cameras", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End every stream and release the port."""
        for camera in self.cameras.values():
            camera.feed.close()
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A watcher that goes away is everyday; anything else is logged."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            log.error("sim.camera_request_failed", client=str(client_address), request=repr(request), exc_info=error)


class _Handler(BaseHTTPRequestHandler):
    server: CameraServer
    timeout = SEND_TIMEOUT_S

    def do_GET(self) -> None:
        self._serve(self._get)

    def do_POST(self) -> None:
        self._serve(self._post)

    def _serve(self, answer: Callable[[str], None]) -> None:
        try:
            self._check_local()
            answer(urlsplit(self.path).path.strip("/"))
        except _RefusedError as refusal:
            self._json(refusal.status, {"error": str(refusal)})

    def _check_local(self) -> None:
        """A page of another site must not reach the cameras through the visitor's browser."""
        own = {f"{name}:{self.server.port}" for name in (HOST, "localhost")}
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host not in own:
            raise _RefusedError(
                HTTPStatus.FORBIDDEN, f"Host {host!r} is not this server: use {HOST}:{self.server.port}"
            )
        if origin is not None and origin not in {f"http://{one}" for one in own}:
            raise _RefusedError(HTTPStatus.FORBIDDEN, f"requests from pages of {origin} are not served")

    def _get(self, path: str) -> None:
        name, dot, kind = path.rpartition(".")
        if not path:
            self._json(HTTPStatus.OK, {"cameras": [self._state(camera) for camera in self.server.cameras.values()]})
        elif dot and kind == "mjpg":
            self._stream(self._camera(name).feed)
        elif dot and kind == "jpg":
            self._single(self._camera(name).feed)
        else:
            raise _RefusedError(HTTPStatus.NOT_FOUND, f"nothing at /{path}: use /, /CAMERA.mjpg or /CAMERA.jpg")

    def _post(self, path: str) -> None:
        name, _, verb = path.partition("/")
        camera = self._camera(name)
        if verb not in _ACTIONS:
            raise _RefusedError(
                HTTPStatus.NOT_FOUND, f"/{path} is no action: use /CAMERA/{{{'|'.join(_ACTIONS)}}}?on=true"
            )
        given = parse_qs(urlsplit(self.path).query).get("on", ["true"])[-1]
        if given not in {"true", "false"}:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, f"on={given} is neither true nor false")
        _ACTIONS[verb](camera, given == "true")
        log.info("sim.camera_action", camera=name, action=verb, on=given == "true")
        self._json(HTTPStatus.OK, self._state(camera))

    def _camera(self, name: str) -> _SimulatedCamera:
        camera = self.server.cameras.get(name)
        if camera is None:
            raise _RefusedError(HTTPStatus.NOT_FOUND, f"no camera {name!r}: there is {', '.join(self.server.cameras)}")
        return camera

    def _state(self, camera: _SimulatedCamera) -> dict[str, object]:
        feed = camera.feed
        return {"camera": feed.name, "frozen": feed.frozen, "dead": feed.dead, "watchers": feed.watchers}

    def _stream(self, feed: Feed) -> None:
        with self._watching(feed) as pictures:
            # Pictures are small and each must leave at once.
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            for picture in pictures:
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.wfile.write(head.encode() + picture + b"\r\n")

    def _single(self, feed: Feed) -> None:
        with self._watching(feed) as pictures:
            picture = next(pictures, None)
        if picture is None:
            raise _RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, f"camera {feed.name} gives no picture")
        self._answer(HTTPStatus.OK, "image/jpeg", picture)

    @contextmanager
    def _watching(self, feed: Feed) -> Iterator[Iterator[bytes]]:
        try:
            with feed.watch() as pictures:
                yield pictures
        except (DeadCameraError, TooManyWatchersError) as error:
            raise _RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error

    def _json(self, status: HTTPStatus, content: Mapping[str, object]) -> None:
        self._answer(status, "application/json", json.dumps(content).encode())

    def _answer(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
        """Requests are everyday: said at debug level only."""
        log.debug("sim.camera_request", line=format % args)


def parse_cameras(given: Sequence[str]) -> dict[str, str]:
    """Camera names and their sources from `NAME=SOURCE` arguments.

    Raises:
        FatalError: one is not of that form, a name is no id or is given twice, or there is none.
    """
    cameras: dict[str, str] = {}
    for one in given:
        name, equals, source = one.partition("=")
        if not equals or not source:
            raise FatalError(f"--camera {one}: write NAME=scene, NAME=scene:day or NAME=FILE")
        try:
            check_id(name, "camera")
        except ValueError as error:
            raise FatalError(f"--camera {one}: {error}") from error
        if name in cameras:
            raise FatalError(f"--camera {one}: there is a camera {name} already; give each its own name")
        cameras[name] = source
    if not cameras:
        raise FatalError("no camera given: add --camera NAME=scene")
    return cameras


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C. The first line of standard output is `{"port": N}`; 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m firmware_sim.cameras.server", description=__doc__)
    parser.add_argument("--port", type=int, default=9000, help="port on loopback; 0: a free one")
    parser.add_argument(
        "--camera", action="append", default=[], metavar="NAME=SOURCE", help="scene, scene:day or a file"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed renders the same alleys")
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    try:
        server = CameraServer(options.port, parse_cameras(options.camera), options.seed)
    except (FatalError, OSError, OverflowError) as error:
        sys.stderr.write(f"{error}\n" if isinstance(error, FatalError) else f"port {options.port}: {error}\n")
        return EXIT_BAD_INPUT
    configure_logs("sim-cameras")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    server.start()
    sys.stdout.write(json.dumps({"port": server.port}) + "\n")
    sys.stdout.flush()
    log.info("sim.cameras_listening", port=server.port, cameras=list(server.cameras))
    stopped.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
