"""Every source keeps the port's promises; then each one's own."""

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cameras.ports import Frame
from edge.cameras.sources.choose import choose_source
from edge.cameras.sources.image_file import FPS, ImageFileSource
from edge.cameras.sources.lag import LAG_S_MAX, Lag
from edge.cameras.sources.newest import NewestFrame
from edge.cameras.sources.picamera import PicameraSource
from edge.cameras.sources.port import Captured, FrameSource, SourceAbsentError, SourceEndedError, SourceLostError
from edge.cameras.sources.reconnecting import TRIES_MAX, ReconnectingSource
from edge.cameras.sources.stream import OPTIONS_VARIABLE, StreamSource, without_password
from edge.cameras.sources.v4l2 import V4l2Source
from edge.cameras.sources.video_file import VideoFileSource
from runtime.clock import SystemClock
from tests.edge.cameras.clips import SteppedTime, network_camera, noise, write_clip
from tests.eventually import eventually

CLOCK = SystemClock()


@pytest.fixture(params=["video", "image", "stream"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FrameSource]:
    if request.param == "video":
        clip = write_clip(tmp_path / "clip.avi", [noise(i) for i in range(10)], fps=25)
        yield choose_source(str(clip), loop=True, clock=CLOCK)
    elif request.param == "image":
        cv2.imwrite(str(tmp_path / "still.png"), noise(1))
        yield choose_source(str(tmp_path / "still.png"), loop=False, clock=CLOCK)
    else:
        with network_camera() as camera:
            stream = choose_source(camera.address, loop=False, clock=CLOCK)
            yield stream
            stream.close()


def test_a_source_gives_pictures_with_their_times(source: FrameSource) -> None:
    before_s = CLOCK.monotonic_s()
    source.open()
    taken = play(source, 3)
    assert all(one.frame.image.dtype == np.uint8 and one.frame.image.ndim == 3 for one in taken)
    assert all(before_s <= one.arrived_s <= CLOCK.monotonic_s() for one in taken)
    assert [one.frame.time_s for one in taken] == sorted(one.frame.time_s for one in taken)
    assert source.received_count >= 3
    source.close()
    source.close()


def test_reading_never_waits_longer_than_asked(source: FrameSource) -> None:
    source.open()
    begun_s = time.monotonic()
    for _ in range(5):
        source.read(0.01)
    assert time.monotonic() - begun_s < 1.0
    source.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/no/such/clip.mp4", "no such file"),
        ("63", "there is no /dev/video63"),
        ("http://127.0.0.1:9/cam.mjpg", "gives no video"),
        ("rtsp://operator:secret@127.0.0.1:9/cam", "gives no video"),
    ],
)
def test_what_is_not_there_is_said_to_be_absent_without_secrets(
    text: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OPTIONS_VARIABLE, "rtsp_transport;tcp")
    source = choose_source(text, loop=False, clock=CLOCK)
    with pytest.raises(SourceAbsentError, match=words) as caught:
        source.open()
    assert "secret" not in str(caught.value)


def test_the_setting_chooses_the_source(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "p.jpg"), noise(1))
    kinds = {
        "0": V4l2Source,
        "rtsp://camera/1": StreamSource,
        "https://camera/1": StreamSource,
        "picamera:1": PicameraSource,
        str(tmp_path / "p.jpg"): ImageFileSource,
        str(tmp_path / "not-there.mp4"): VideoFileSource,
    }
    for text, kind in kinds.items():
        assert isinstance(choose_source(text, loop=False, clock=CLOCK), kind), text


def test_a_password_does_not_show() -> None:
    assert without_password("rtsp://a:b@camera:554/x?y=1") == "rtsp://…@camera:554/x?y=1"


def play(source: FrameSource, count: int) -> list[Captured]:
    taken = (eventually(lambda: source.read(1.0), what="a frame") for _ in range(count))
    return [one for one in taken if one is not None]


def test_a_clip_plays_at_its_own_rate_and_says_where_it_is(tmp_path: Path) -> None:
    clip, time_ = write_clip(tmp_path / "c.avi", [noise(i) for i in range(20)], fps=10), SteppedTime()
    source = VideoFileSource(clip, loop=False, clock=time_.clock, sleep=time_.sleep)
    source.open()
    taken = play(source, 20)
    assert [one.position_s for one in taken] == pytest.approx([i / 10 for i in range(20)])
    assert sum(time_.slept_s) == pytest.approx(1.9)
    with pytest.raises(SourceEndedError, match="over and does not loop"):
        source.read(1.0)


def test_a_looping_clip_begins_anew_with_media_time_going_back(tmp_path: Path) -> None:
    clip, time_ = write_clip(tmp_path / "c.avi", [noise(i) for i in range(5)], fps=10), SteppedTime()
    source = VideoFileSource(clip, loop=True, clock=time_.clock, sleep=time_.sleep)
    source.open()
    media_s = [one.frame.time_s for one in play(source, 12)]
    assert media_s == pytest.approx([0, 0.1, 0.2, 0.3, 0.4] * 2 + [0, 0.1])


def test_a_late_reader_gets_the_frame_of_now_not_a_queue(tmp_path: Path) -> None:
    clip, time_ = write_clip(tmp_path / "c.avi", [noise(i) for i in range(40)], fps=10), SteppedTime()
    source = VideoFileSource(clip, loop=False, clock=time_.clock, sleep=time_.sleep)
    source.open()
    source.read(1.0)
    time_.clock.advance(3.0)
    late = source.read(1.0)
    assert late is not None
    assert late.position_s == pytest.approx(2.5, abs=0.11)


def count_frames(source: FrameSource) -> int:
    count = 0
    while True:
        try:
            count += source.read(5.0) is not None
        except SourceEndedError:
            return count


def test_a_truncated_clip_plays_what_is_there(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "c.avi", [noise(i) for i in range(40)], fps=10).read_bytes()
    frames = []
    for name, body in {"whole": whole, "cut": whole[: len(whole) * 6 // 10]}.items():
        (tmp_path / f"{name}.avi").write_bytes(body)
        time_ = SteppedTime()
        source = VideoFileSource(tmp_path / f"{name}.avi", loop=False, clock=time_.clock, sleep=time_.sleep)
        source.open()
        frames.append(count_frames(source))
    assert 10 < frames[1] < frames[0] == 40


def test_a_file_that_is_no_video_is_absent(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    with pytest.raises(SourceAbsentError, match=r"notes\.mp4"):
        choose_source(str(tmp_path / "notes.mp4"), loop=True, clock=CLOCK).open()


def test_an_image_is_shown_again_and_again_and_says_that_it_is_still(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "still.png"), noise(1))
    time_ = SteppedTime()
    source = ImageFileSource(tmp_path / "still.png", clock=time_.clock, sleep=time_.sleep)
    source.open()
    taken = play(source, 9)
    assert source.is_still_picture
    assert time_.clock.monotonic_s() == pytest.approx(8 / FPS)
    assert all(one.frame.image is taken[0].frame.image for one in taken)


class ScriptedCapture:
    """A capture that gives pictures as fast as it is asked, then nothing more."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.released = False

    def read(self) -> tuple[bool, object]:
        self.left -= 1
        return (True, noise(self.left)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.released = True


def test_of_a_live_camera_only_the_newest_picture_is_kept() -> None:
    capture = ScriptedCapture(50)
    newest = NewestFrame(capture, CLOCK)
    eventually(lambda: capture.released, what="the capture at its end")
    last = newest.read(1.0)
    assert last is not None
    assert last.frame.index == 49
    with pytest.raises(SourceLostError):
        newest.read(0.01)


def test_a_stream_that_hangs_leaves_the_reader_free_and_a_closed_one_is_lost() -> None:
    with network_camera() as camera:
        source = StreamSource(camera.address, CLOCK)
        source.open()
        eventually(lambda: source.read(0.5), what="a picture")
        camera.pause.set()
        eventually(lambda: source.read(0.1) is None, what="no more pictures")
        camera.stop.set()

        def lost() -> bool:
            try:
                source.read(0.1)
            except SourceLostError:
                return True
            return False

        eventually(lost, what="the end of the stream")
        source.close()


class PiModule:
    """What the sources use of the module picamera2, as its manual describes it."""

    def __init__(self, pictures: int) -> None:
        self.left = pictures
        self.closed = threading.Event()
        self.configured: dict[str, object] = {}

    def Picamera2(self, camera_num: int) -> "PiModule":  # noqa: N802 - the name in picamera2
        if camera_num > 0:
            raise IndexError("list index out of range")
        return self

    def create_video_configuration(self, *, main: dict[str, object], buffer_count: int) -> dict[str, object]:
        return {"main": main, "buffer_count": buffer_count}

    def configure(self, configuration: dict[str, object]) -> None:
        self.configured = configuration

    def start(self) -> None:
        assert self.configured

    def capture_array(self, name: str) -> object:
        assert name == "main"
        self.left -= 1
        if self.left < 0:
            self.closed.wait(10)
        return noise(self.left)

    def close(self) -> None:
        self.closed.set()


def test_a_raspberry_pis_own_camera_gives_pictures_and_its_absence_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    module = PiModule(30)
    monkeypatch.setitem(sys.modules, "picamera2", module)
    source = choose_source("picamera", loop=False, clock=CLOCK)
    source.open()
    assert play(source, 1)[0].frame.image.shape == noise(0).shape
    assert source.received_count >= 1
    module.closed.set()
    source.close()
    with pytest.raises(SourceAbsentError, match="camera 1 of this Raspberry Pi does not start"):
        choose_source("picamera:1", loop=False, clock=CLOCK).open()
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(SourceAbsentError, match="sudo apt install python3-picamera2"):
        choose_source("picamera", loop=False, clock=CLOCK).open()


def test_a_stream_that_falls_behind_is_given_up() -> None:
    why: list[str | None] = [None, None, "its pictures came 2.5 s late"]
    newest = NewestFrame(ScriptedCapture(50), CLOCK, lambda _arrived_s: why.pop(0))
    with pytest.raises(SourceLostError, match="late"):
        eventually(lambda: newest.read(0.2) is None)
    newest.close()


def test_lag_is_what_a_picture_is_later_than_the_quickest_one_was() -> None:
    lag = Lag()
    assert [round(lag(at, at + 0.3), 6) for at in (0.0, 1.0, 2.0)] == [0.0, 0.0, 0.0]
    assert lag(3.0, 6.3) == pytest.approx(3.0, abs=0.01)
    assert lag(6.5, 6.8) == pytest.approx(0.0, abs=0.01)


def test_the_clock_of_a_camera_may_drift() -> None:
    lag = Lag()
    assert max(lag(at * 0.9995, float(at)) for at in range(86_400)) < 0.1
    slow = Lag()
    assert max(slow(at * 0.9, float(at)) for at in range(60)) > LAG_S_MAX


class ScriptedSource:
    """A source that does at each opening and reading what the script says."""

    is_still_picture = False
    is_live = True

    def __init__(self, script: str) -> None:
        self.script = list(script)
        self.received_count = 0
        self.closed_count = 0

    def open(self) -> None:
        self.received_count = 0
        if self.script.pop(0) == "a":
            raise SourceAbsentError("nobody answers")

    def read(self, wait_s: float) -> Captured | None:
        del wait_s
        step = self.script.pop(0)
        if step == "l":
            raise SourceLostError("it broke off")
        if step == ".":
            return None
        self.received_count += 1
        return Captured(Frame(noise(1), 0.0, 0), 0.0)

    def close(self) -> None:
        self.closed_count += 1


def why(source: ReconnectingSource) -> tuple[str, str] | None:
    return source.why


def test_a_live_source_is_opened_again_with_growing_pauses_and_says_why_it_is_away() -> None:
    inside, time_ = ScriptedSource("oppl" + "aa" + "o.p"), SteppedTime()
    source = ReconnectingSource(inside, time_.clock, sleep=time_.sleep)
    source.open()
    taken = [source.read(60.0) for _ in range(2)]
    assert all(one is not None for one in taken)
    assert why(source) is None
    assert source.read(60.0) is None
    assert why(source) == ("lost", "it broke off")
    pauses_s = []
    for _ in range(2):
        begun_s = time_.clock.monotonic_s()
        assert source.read(60.0) is None
        pauses_s.append(time_.clock.monotonic_s() - begun_s)
        assert source.read(60.0) is None
        assert why(source) == ("absent", "nobody answers")
        assert source.opening_s(time_.clock.monotonic_s()) is None
    assert 0.0 < pauses_s[0] <= 0.5 < pauses_s[1] + 0.01 <= 1.01
    assert source.read(60.0) is None
    assert source.read(60.0) is None
    assert source.opening_s(time_.clock.monotonic_s() + 4.0) == pytest.approx(4.0)
    assert why(source) is not None
    assert source.read(60.0) is not None
    assert (why(source), source.opening_s(99.0), source.received_count) == (None, None, 3)


def test_it_gives_up_after_many_tries_so_that_a_fresh_process_begins() -> None:
    time_ = SteppedTime()
    source = ReconnectingSource(ScriptedSource("a" * 100), time_.clock, sleep=time_.sleep)

    def read_for_ever() -> None:
        for _ in range(10 * TRIES_MAX):
            source.read(60.0)

    with pytest.raises(SourceAbsentError, match="nobody answers"):
        read_for_ever()
    assert 300 < time_.clock.monotonic_s() < 700
