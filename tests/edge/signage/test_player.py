"""The player's pages: on loopback only, to this machine's names only, and nothing but what belongs to them."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from edge.ports import ActiveFire
from edge.signage.board import Board
from edge.signage.live import LiveBays
from edge.signage.player import PlayerServer, PortInUseError, build_app
from edge.signage.screen import Heartbeat
from runtime.clock import ManualClock
from tests.eventually import eventually_async

SHA256 = "ab" * 32
BEAT = {"showing": "standby", "item": None, "generation": 0, "painted_unix_ms": 7}


class Player:
    """A player, its heartbeats, and a client that speaks to its app without a socket."""

    def __init__(self, directory: Path) -> None:
        self.heartbeats: list[tuple[str, Heartbeat]] = []
        self.file = directory / SHA256
        self.file.write_bytes(b"\x89PNG\r\n\x1a\n picture")
        self.board = Board(
            "jungang",
            {"screen-1": "b"},
            manifest=lambda: None,
            bays=LiveBays(),
            is_fed=lambda: True,
            clock=ManualClock(),
        )
        self.app = build_app(
            self.board,
            lambda sha256: self.file if sha256 == SHA256 else None,
            lambda screen, heartbeat: self.heartbeats.append((screen, heartbeat)),
        )

    def client(self, host: str = "127.0.0.1:8611") -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=f"http://{host}")


@pytest.fixture
def player(tmp_path: Path) -> Player:
    return Player(tmp_path)


async def test_the_page_and_everything_it_loads_is_here(player: Player) -> None:
    async with player.client() as client:
        page = await client.get("/screen/screen-1")
        assert page.status_code == 200
        assert "default-src 'self'" in page.headers["content-security-policy"]
        for path in (
            "/static/player.css",
            "/static/player.js",
            "/brand/tokens.css",
            "/brand/pretendard-variable.woff2",
        ):
            assert (await client.get(path)).status_code == 200, path
        for text in (page.text, (await client.get("/static/player.js")).text):
            assert "http://" not in text
            assert "https://" not in text


async def test_a_page_elsewhere_cannot_reach_the_player_by_a_name_of_its_own(player: Player) -> None:
    for host, status in (("127.0.0.1:8611", 200), ("localhost:8611", 200), ("evil.example:8611", 400)):
        async with player.client(host) as client:
            assert (await client.get("/screen/screen-1/state")).status_code == status, host


async def test_an_unknown_screen_is_said_to_be_unknown(player: Player) -> None:
    async with player.client() as client:
        answer = await client.get("/screen/screen-9")
        assert answer.status_code == 404
        assert "screen-1" in answer.text


async def test_a_heartbeat_is_taken_from_its_own_page_only(player: Player) -> None:
    async with player.client() as client:
        path = "/screen/screen-1/heartbeat"
        assert (await client.post(path, json=BEAT)).status_code == 204
        assert (await client.post(path, json=BEAT, headers={"Origin": "http://127.0.0.1:8611"})).status_code == 204
        assert (await client.post(path, json=BEAT, headers={"Origin": "http://evil.example"})).status_code == 403
        assert (await client.post(path, json={**BEAT, "showing": "cinema"})).status_code == 422
        assert (await client.post(path, content=b"x" * 3000)).status_code == 413
    assert [(screen, beat.painted_unix_ms) for screen, beat in player.heartbeats] == [("screen-1", 7)] * 2


async def test_a_file_is_served_by_its_hash_with_its_type_and_nothing_else_is(player: Player) -> None:
    async with player.client() as client:
        answer = await client.get(f"/files/{SHA256}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
        assert "immutable" in answer.headers["cache-control"]
        for path in ("/files/" + "0" * 64, "/files/..%2f..%2fetc%2fpasswd", "/static/../player.py"):
            assert (await client.get(path)).status_code == 404, path


async def test_pages_hear_of_an_alarm_at_once_and_the_server_ends_with_streams_open(
    player: Player, free_port: int
) -> None:
    task = asyncio.create_task(PlayerServer(player.app, free_port, player.board).run())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port}", trust_env=False) as client:
        await eventually_async(lambda: _listens(free_port))
        async with client.stream("GET", "/screen/screen-1/events", timeout=5) as stream:
            lines = stream.aiter_lines()
            first = await _next_data(lines)
            assert '"fires":[]' in first
            loop = asyncio.get_running_loop()
            begun_s = loop.time()
            player.board.show_fires((ActiveFire(1, "e" * 32, "d", "c", "cam-1"),))
            assert '"zone":"c"' in await _next_data(lines)
            assert loop.time() - begun_s < 0.2
            task.cancel()
            async with asyncio.timeout(3):
                assert [line async for line in lines if line.startswith("data")] == [], "the stream ends, not breaks"
                await asyncio.gather(task, return_exceptions=True)
    assert not _listens(free_port)


async def test_a_taken_port_is_one_clear_sentence(player: Player) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        with pytest.raises(PortInUseError, match=f"player.port {port} on 127.0.0.1"):
            await PlayerServer(player.app, port, player.board).run()


async def _next_data(lines: AsyncIterator[str]) -> str:
    async for line in lines:
        if line.startswith("data: "):
            return line
    raise AssertionError("the stream ended")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
