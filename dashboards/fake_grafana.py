"""A Grafana that does not exist: the part of its HTTP API that `dashboards.pushing` uses, on a loopback port.

It behaves as Grafana 11's documentation and sources say: health without a token, 401 with a wrong one, 404 and 412 with
their `status`, versions that count up, a save that names an old version is refused, provisioned dashboards cannot be
saved. It draws nothing. What it does has never been compared with a real Grafana.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BODY_BYTES_MAX = 4_000_000

Json = dict[str, Any]  # documents with whatever keys a dashboard has
Answer = tuple[int, object]


@dataclass
class FakeGrafana:
    """Its state. `before_save` is called before each save: where a test lets somebody else come between."""

    token: str
    datasources: dict[str, Json] = field(default_factory=dict)
    folders: dict[str, Json] = field(default_factory=dict)
    dashboards: dict[str, tuple[Json, str]] = field(default_factory=dict)
    provisioned: set[str] = field(default_factory=set)
    forbidden: set[str] = field(default_factory=set)
    before_save: Callable[[], None] = lambda: None
    saves_count: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def serving(self) -> Iterator["FakeGrafana"]:
        """Listen on a free loopback port."""
        grafana = self

        class Handler(_Handler):
            state = grafana

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="fake-grafana")
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def answer(self, method: str, path: str, authorization: str | None, body: Json) -> Answer:
        """What Grafana answers to a request."""
        if path == "/api/health":
            return HTTPStatus.OK, {"database": "ok", "version": "11.6.7", "commit": "none"}
        if not path.startswith("/api/"):
            return HTTPStatus.NOT_FOUND, {"message": "Not found"}
        if authorization != f"Bearer {self.token}":
            return HTTPStatus.UNAUTHORIZED, {"message": "Invalid API key"}
        room, _, name = path.removeprefix("/api/").partition("/")
        if room in self.forbidden:
            return HTTPStatus.FORBIDDEN, {"message": f"You'll need additional permissions: {room}:read"}
        return self._post(room, name, body) if method == "POST" else self._get(room, name.removeprefix("uid/"))

    def _get(self, room: str, uid: str) -> Answer:
        if room == "dashboards":
            return self._show(uid)
        rooms = {
            "datasources": (self.datasources, "Data source not found"),
            "folders": (self.folders, "folder not found"),
        }
        held, otherwise = rooms.get(room, ({}, "Not found"))
        return (HTTPStatus.OK, held[uid]) if uid in held else (HTTPStatus.NOT_FOUND, {"message": otherwise})

    def _post(self, room: str, name: str, body: Json) -> Answer:
        match room, name:
            case "folders", "":
                return self._make_folder(body)
            case "dashboards", "db":
                return self._save(body)
        return HTTPStatus.NOT_FOUND, {"message": "Not found"}

    def _make_folder(self, body: Json) -> Answer:
        if not body.get("title"):
            return HTTPStatus.BAD_REQUEST, {"message": "folder title cannot be empty"}
        if body["uid"] in self.folders:
            return HTTPStatus.CONFLICT, {"message": "a folder with the same uid already exists"}
        self.folders[body["uid"]] = {"id": len(self.folders) + 1, "version": 1, **body}
        return HTTPStatus.OK, self.folders[body["uid"]]

    def _show(self, uid: str) -> Answer:
        if uid not in self.dashboards:
            return HTTPStatus.NOT_FOUND, {"message": "Dashboard not found"}
        dashboard, folder = self.dashboards[uid]
        meta = {"folderUid": folder, "provisioned": uid in self.provisioned, "version": dashboard["version"]}
        return HTTPStatus.OK, {"dashboard": dashboard, "meta": meta}

    def _save(self, body: Json) -> Answer:
        self.before_save()
        dashboard, folder = body["dashboard"], body.get("folderUid", "")
        uid, title = dashboard.get("uid"), dashboard.get("title")
        if folder and folder not in self.folders:
            return HTTPStatus.BAD_REQUEST, {"message": "folder not found"}
        if uid in self.provisioned:
            return HTTPStatus.BAD_REQUEST, {"message": "Cannot save provisioned dashboard"}
        there, _ = self.dashboards.get(uid, (None, ""))
        if there is not None and dashboard.get("version") != there["version"] and not body.get("overwrite"):
            message = "The dashboard has been changed by someone else"
            return HTTPStatus.PRECONDITION_FAILED, {"status": "version-mismatch", "message": message}
        if any(
            other["title"] == title and key != uid and held == folder for key, (other, held) in self.dashboards.items()
        ):
            message = "A dashboard with the same name in the folder already exists"
            return HTTPStatus.PRECONDITION_FAILED, {"status": "name-exists", "message": message}
        version = there["version"] + 1 if there is not None else 1
        number = there["id"] if there is not None else len(self.dashboards) + 1
        self.dashboards[uid] = ({**dashboard, "id": number, "version": version, "schemaVersion": 41}, folder)
        self.saves_count += 1
        return HTTPStatus.OK, {"id": number, "uid": uid, "status": "success", "version": version, "url": f"/d/{uid}"}


class _Handler(BaseHTTPRequestHandler):
    state: FakeGrafana
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._respond("GET", {})

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if length > BODY_BYTES_MAX:
            self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"message": "Request body too large"})
            return
        self._respond("POST", json.loads(self.rfile.read(length) or b"{}"))

    def _respond(self, method: str, body: Json) -> None:
        self._send(*self.state.answer(method, self.path, self.headers.get("Authorization"), body))

    def _send(self, status: int, answer: object) -> None:
        encoded = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing: a request's line could hold what nobody should read."""
