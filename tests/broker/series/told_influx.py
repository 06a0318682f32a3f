"""An InfluxDB that says of itself what a test tells it to, and keeps every body that it took."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

NO_CONTENT, BAD_REQUEST, UNAUTHORISED, UNAVAILABLE = 204, 400, 401, 503


@dataclass(slots=True)
class ToldInflux:
    """`start` is said in the way of `says`: diagnostics (1.x), uptime (2), process (1.x without rights), nothing."""

    url: str
    says: str = "diagnostics"
    start: str = "1"
    version: str = "1.8.10"
    down: bool = False
    refuses: bytes | None = None
    takes_at_most: int | None = None
    bodies: list[bytes] = field(default_factory=list)
    asked: int = 0

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        if self.down:
            return UNAVAILABLE, b"down"
        if path.startswith("/api/v2/write"):
            return self._take(body)
        if path.startswith("/ping"):
            return NO_CONTENT, b""
        self.asked += 1
        where, content = _said(self.says, self.start)
        return (200, content) if path.startswith(where) else (UNAUTHORISED, b'{"error":"not authorised"}')

    def _take(self, body: bytes) -> tuple[int, bytes]:
        if self.takes_at_most is not None and len(self.bodies) >= self.takes_at_most:
            return UNAVAILABLE, b"enough"
        self.bodies.append(body)
        if self.refuses is not None and self.refuses in body:
            return BAD_REQUEST, b'{"error":"partial write: points beyond retention policy dropped=1"}'
        return NO_CONTENT, b""


def _said(way: str, start: str) -> tuple[str, bytes]:
    """Where it is said, and in which words."""
    if way == "diagnostics":
        system = {"name": "system", "columns": ["PID", "started"], "values": [[7, start]]}
        return "/query", json.dumps({"results": [{"series": [system]}]}).encode()
    words = {"uptime": f'influxdb_uptime_seconds{{id="{start}"}} 3.5', "process": f"process_start_time_seconds {start}"}
    return ("/metrics", f"# HELP x\ngo_info 1\n{words[way]}\n".encode()) if way in words else ("/nowhere", b"")


@contextmanager
def told_influx(port: int) -> Iterator[ToldInflux]:
    """It listens on `port` of loopback."""
    told = ToldInflux(f"http://127.0.0.1:{port}")

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = told.answer(self.path, self.rfile.read(int(self.headers.get("content-length", 0))))
            self.send_response(status)
            self.send_header("x-influxdb-version", told.version)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the base class's name

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
