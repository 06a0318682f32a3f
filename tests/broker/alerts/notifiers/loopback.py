"""A provider on loopback: answers as a test tells it, and remembers what it was asked."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"


HANG, DROP = "hang", "drop"
Behaviour = Answer | str


def in_json(value: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode())


@dataclass(slots=True)
class Loopback:
    """`answer` makes the usual answer; what is put into `next` comes first. `HANG` keeps the caller waiting,
    `DROP` reads the request, lets `answer` act on it, and closes without a word: accepted, and the reply lost.
    """

    answer: Callable[[Request], Answer]
    next: deque[Behaviour] = field(default_factory=deque)
    requests: list[Request] = field(default_factory=list)
    let_go: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go.set()
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def behave(self, request: Request) -> Behaviour:
        self.requests.append(request)
        behaviour = self.next.popleft() if self.next else self.answer(request)
        if behaviour == DROP:
            self.answer(request)
        if behaviour == HANG:
            self.let_go.wait(30)
        return behaviour

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # header and body are two writes: the second would wait 40 ms
            timeout = 30

            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                behaviour = stub.behave(Request(self.command, self.path, headers, self.rfile.read(length)))
                if not isinstance(behaviour, Answer):
                    self.close_connection = True
                    return
                self.send_response(behaviour.status)
                self.send_header("Content-Type", behaviour.content_type)
                self.send_header("Content-Length", str(len(behaviour.body)))
                self.end_headers()
                self.wfile.write(behaviour.body)

            do_GET = do_POST = handle_any  # noqa: N815 — http.server's names

            def log_message(self, *_args: object) -> None:
                """The test remembers the requests itself."""

        return Handler


@contextmanager
def loopback(answer: Callable[[Request], Answer] = lambda _request: Answer()) -> Iterator[Loopback]:
    with Loopback(answer) as stub:
        yield stub
