"""Manifests, signed, and a server of their files that can be made to misbehave."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from contract.signage import FileRef, Item, Manifest, Playlist, Slot
from contract.signature import Signer

MARKET, DEVICE = "jungang", "sign-1"


def file_ref(body: bytes) -> FileRef:
    return FileRef(sha256=hashlib.sha256(body).hexdigest(), size_bytes=len(body), media_type="image/png")


def manifest(generation: int, *pictures: bytes, title: str = "설 명절", device: str = DEVICE) -> Manifest:
    """One notice a picture, or one without."""
    shown: list[bytes | None] = [*pictures] if pictures else [None]
    items = tuple(
        Item(
            item=f"n-{index}",
            kind="notice",
            title=title,
            text="안내 말씀",
            picture_sha256=None if body is None else file_ref(body).sha256,
        )
        for index, body in enumerate(shown)
    )
    return Manifest(
        market=MARKET,
        device=device,
        generation=generation,
        issued_unix_ms=1,
        files=tuple({ref.sha256: ref for ref in map(file_ref, pictures)}.values()),
        playlists=(Playlist(playlist="day", items=items),),
        slots=(Slot(slot="always", playlist="day"),),
    )


class AssetServer:
    """Serves files by hash, with ranges. `cut_bytes` ends each answer early; `lie` sends other bytes."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut_bytes: int | None = None
        self.lie = False
        self.ranges = True
        self.asked: list[str | None] = []
        self.url = ""

    def add(self, body: bytes) -> FileRef:
        ref = file_ref(body)
        self.files[ref.sha256] = body
        return ref


@contextmanager
def asset_server() -> Iterator[AssetServer]:
    assets = AssetServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            assets.asked.append(asked)
            body = assets.files.get(self.path.rpartition("/")[2])
            if body is None:
                self.send_error(404)
                return
            body = bytes(len(body)) if assets.lie else body
            begin = int(match[1]) if asked and assets.ranges and (match := re.match(r"bytes=(\d+)-", asked)) else 0
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(body) - begin))
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
            self.end_headers()
            self.wfile.write(body[begin:][: assets.cut_bytes])
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in http.server
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        assets.url = f"http://127.0.0.1:{server.server_address[1]}/assets"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield assets
        finally:
            server.shutdown()
            thread.join(5)


def new_signer() -> Signer:
    return Signer(Signer.new_private_key_hex())
