import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from firmware_sim.cameras.server import CameraServer, main, parse_cameras
from runtime.errors import FatalError
from tests.eventually import eventually


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CameraServer]:
    still = tmp_path_factory.mktemp("cameras") / "still.png"
    cv2.imwrite(str(still), np.full((48, 64, 3), 99, np.uint8))
    made = CameraServer(0, {"cam-1": "scene", "cam-2": str(still)}, seed=1)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def client(server: CameraServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=5.0) as made:
        yield made


def test_opencv_reads_the_stream_at_once_and_without_a_backlog(server: CameraServer) -> None:
    feed = server.cameras["cam-1"].feed
    began_s = time.monotonic()
    capture = cv2.VideoCapture(f"http://127.0.0.1:{server.port}/cam-1.mjpg", cv2.CAP_FFMPEG)
    assert capture.isOpened()
    for _ in range(3):
        decoded, picture = capture.read()
        assert decoded
        assert picture is not None
        assert picture.shape == (360, 640, 3)
    assert time.monotonic() - began_s < 3.0
    # A flame that is lit now is in the picture that is read next but one, at the latest.
    feed_time_s = feed.time_s()
    started_s = time.monotonic()
    assert capture.read()[0]
    assert capture.read()[0]
    assert time.monotonic() - started_s < 0.6
    assert feed.time_s() - feed_time_s < 0.6
    capture.release()
    eventually(lambda: feed.watchers == 0, what="the stream ends when the reader goes")


def flame_px(jpeg: bytes) -> int:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    blue, red = picture[:, :, 0].astype(np.int16), picture[:, :, 2].astype(np.int16)
    return int(((red > 235) & (red - blue > 120)).sum())


def test_a_flame_is_lit_and_put_out(client: httpx.Client) -> None:
    before = flame_px(client.get("/cam-1.jpg").content)
    assert client.post("/cam-1/flame?on=true").status_code == 200
    eventually(lambda: flame_px(client.get("/cam-1.jpg").content) > before + 60, what="a flame in the picture")
    assert client.post("/cam-1/flame?on=false").status_code == 200
    eventually(lambda: flame_px(client.get("/cam-1.jpg").content) < before + 60, what="no flame in the picture")


def test_a_dead_camera_answers_503_until_revived(client: httpx.Client) -> None:
    state = client.post("/cam-2/dead?on=true").json()
    assert state == {"camera": "cam-2", "frozen": False, "dead": True, "watchers": 0}
    assert client.get("/cam-2.mjpg").status_code == 503
    client.post("/cam-2/dead?on=false")
    assert client.get("/cam-2.jpg").headers["content-type"] == "image/jpeg"


def test_a_frozen_camera_repeats_its_picture(client: httpx.Client) -> None:
    client.post("/cam-1/freeze?on=true")
    first = eventually(lambda: (a := client.get("/cam-1.jpg").content) == client.get("/cam-1.jpg").content and a)
    assert client.get("/cam-1.jpg").content == first
    client.post("/cam-1/freeze?on=false")
    eventually(lambda: client.get("/cam-1.jpg").content != first)


@pytest.mark.parametrize(
    ("method", "path", "status", "sentence"),
    [
        ("GET", "/cam-9.mjpg", 404, "no camera 'cam-9': there is cam-1, cam-2"),
        ("GET", "/etc/passwd", 404, "use /, /CAMERA.mjpg or /CAMERA.jpg"),
        ("POST", "/cam-1/explode", 404, "use /CAMERA/{flame|freeze|dead}?on=true"),
        ("POST", "/cam-1/flame?on=perhaps", 400, "on=perhaps is neither true nor false"),
        ("POST", "/cam-2/flame", 409, "only a scene can burn"),
    ],
)
def test_what_cannot_be_served_says_what_would_be_right(
    client: httpx.Client, method: str, path: str, status: int, sentence: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_pages_of_other_sites_cannot_reach_it(client: httpx.Client, headers: dict[str, str]) -> None:
    assert client.post("/cam-1/flame?on=true", headers=headers).status_code == 403


def test_the_list_names_every_camera(client: httpx.Client) -> None:
    assert [one["camera"] for one in client.get("/").json()["cameras"]] == ["cam-1", "cam-2"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "no camera given"),
        (["cam-1"], "write NAME=scene"),
        (["Cam 1=scene"], "is not an id"),
        (["cam-1=scene", "cam-1=scene"], "there is a camera cam-1 already"),
    ],
)
def test_bad_camera_arguments_are_refused(given: list[str], sentence: str) -> None:
    with pytest.raises(FatalError, match=sentence):
        parse_cameras(given)


def test_a_port_in_use_and_an_absent_file_end_it_with_a_sentence(
    capsys: pytest.CaptureFixture[str], server: CameraServer, tmp_path: Path
) -> None:
    still = tmp_path / "still.png"
    cv2.imwrite(str(still), np.zeros((8, 8, 3), np.uint8))
    assert main(["--port", str(server.port), "--camera", f"cam-1={still}"]) == 2
    assert f"port {server.port}: " in capsys.readouterr().err
    assert main(["--port", "0", "--camera", "cam-1=/absent.mp4"]) == 2
    assert "/absent.mp4: there is no such file" in capsys.readouterr().err


def test_the_command_serves_until_it_is_told_to_stop() -> None:
    argv = [
        sys.executable,
        "-m",
        "firmware_sim.cameras.server",
        "--port",
        "0",
        "--camera",
        "cam-1=scene",
        "--seed",
        "3",
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        with httpx.stream("GET", f"http://127.0.0.1:{port}/cam-1.mjpg", timeout=5.0) as stream:
            assert b"image/jpeg" in next(stream.iter_raw())
            process.send_signal(signal.SIGTERM)
            assert process.wait(5.0) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
