"""A provider that speaks Kannel's sendsms, inside the test: says who sent what, and hangs for whom it is told to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

HANG_S_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Taken:
    """An SMS, and by which user of the provider it came."""

    username: str
    recipient: str
    text: str


@dataclass(slots=True)
class SendsmsStub:
    """What has come, in order. Requests of a user in `hanging` are noted in `held` and get no answer until it goes."""

    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    held: list[Taken] = field(default_factory=list)
    hanging: set[str] = field(default_factory=set)
    _let_go: threading.Event = field(default_factory=threading.Event)

    def hang(self, username: str) -> None:
        """Answer this user nothing from now on."""
        self._let_go.clear()
        self.hanging.add(username)

    def let_go(self) -> None:
        """Answer everybody, those who wait included: what was held is taken then."""
        self.hanging.clear()
        self._let_go.set()

    def take(self, one: Taken) -> bool:
        """Take it; whether there is an answer."""
        if one.username in self.hanging:
            self.held.append(one)
            if not self._let_go.wait(HANG_S_MAX):
                return False
        self.taken.append(one)
        return True

    def settings(self, username: str, password_file: str, receipts_port: int) -> dict[str, object]:
        """The notifier block of one of its users."""
        return {
            "kind": "kannel",
            "url": f"http://127.0.0.1:{self.port}/cgi-bin/sendsms",
            "username": username,
            "password_file": password_file,
            "sender": "0212345678",
            "receipts_port": receipts_port,
        }


@contextmanager
def running_stub() -> Iterator[SendsmsStub]:
    """The stub on a free port from here to the end of the `with`."""
    stub = SendsmsStub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            if stub.take(Taken(query["username"], query["to"], query["text"])):
                body = b"0: Accepted for delivery"
                self.send_response(202)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class calls it that
            """Nothing: the test looks at `taken`."""

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:  # the service was killed: nobody reads the answer
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stub.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield stub
    finally:
        stub.let_go()
        server.shutdown()
        thread.join(10)
        server.server_close()
