"""A provider as a process of its own that speaks Kannel's sendsms: `python -m … PORT JOURNAL SEED [TARGET]`.

Every tenth request is answered 503 and not taken. Of 3 in 100 it takes the message and lets the connection go without
a word. What it takes it writes to JOURNAL, one line of JSON in one write, before it answers; with TARGET, the address
of another sendsms, it hands the message on instead and answers what that one answers.
"""

import json
import os
import random
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from benchmarks.alert_crash.checker import Received

REFUSED_SHARE, DROPPED_SHARE = 0.10, 0.03
TARGET_S_MAX = 3.0
ACCEPTED = 202
UNAVAILABLE = 503


def read_journal(path: Path) -> list[Received]:
    """What a provider has taken so far; a half-written last line is what it died over, and counts for nothing."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [Received(**json.loads(line)) for line in lines]


class Provider:
    """Takes messages, or hands them on."""

    def __init__(self, journal: Path, target: str | None) -> None:
        self._journal = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._target = target

    def take(self, path: str) -> tuple[int, bytes] | None:
        """Take one request; the answer, or `None` where there is none because nobody knows."""
        if self._target is not None:
            return self._hand_on(f"{self._target}?{urlsplit(path).query}")
        query = parse_qs(urlsplit(path).query)
        line = json.dumps({"phone": query["to"][0], "text": query["text"][0]}) + "\n"
        os.write(self._journal, line.encode())
        return ACCEPTED, b"0: Accepted for delivery"

    def _hand_on(self, address: str) -> tuple[int, bytes] | None:
        try:
            with urllib.request.urlopen(address, timeout=TARGET_S_MAX) as answer:  # noqa: S310 — our own Kannel
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except (urllib.error.URLError, OSError) as error:
            refused = isinstance(getattr(error, "reason", None), ConnectionRefusedError)
            return (UNAVAILABLE, b"Kannel is down") if refused else None


def serve(port: int, provider: Provider, rng: random.Random) -> None:
    """Serve on loopback until killed."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            lot = rng.random()
            if lot < REFUSED_SHARE:
                self.answer(UNAVAILABLE, b"try again later")
                return
            taken = provider.take(self.path)
            if taken is None or lot < REFUSED_SHARE + DROPPED_SHARE:
                self.close_connection = True
                self.connection.close()
                return
            self.answer(*taken)

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 — the base class calls it that
            """Nothing: the journal says what counts."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    Server(("127.0.0.1", port), Handler).serve_forever()


def main(arguments: list[str]) -> None:
    """Serve as the arguments say."""
    port, journal, seed, *target = arguments
    rng = random.Random(int(seed))  # noqa: S311 — which requests fail, not a secret
    serve(int(port), Provider(Path(journal), target[0] if target else None), rng)


if __name__ == "__main__":
    main(sys.argv[1:])
