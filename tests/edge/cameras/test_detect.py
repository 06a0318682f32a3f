import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from structlog.testing import capture_logs

from edge.cameras.detect import UnreadableMediaError, detect_file, format_line
from edge.cameras.settings import FireSettings
from tests.edge.cameras import scenes

SETTINGS = FireSettings()
KEYS = ["file", "frames", "fps", "alarm", "first_alarm_s", "score_max", "ms_per_frame"]


def write_clip(path: Path, draw: scenes.Draw, seconds: float) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), scenes.FPS, (scenes.WIDTH, scenes.HEIGHT))
    for frame in scenes.scene(draw, seconds):
        writer.write(frame.image)
    writer.release()
    return path


@pytest.fixture(scope="module")
def flame_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "flame.avi", scenes.Flame(), 5.0)


def test_a_clip_of_a_flame(flame_clip: Path) -> None:
    result = detect_file(flame_clip, SETTINGS)
    assert result.alarm
    assert result.first_alarm_s is not None
    assert 1.0 <= result.first_alarm_s <= 4.0
    assert (result.frames, result.fps) == (63, 12.5)
    assert 0.5 <= result.score_max <= 1.0
    assert result.ms_per_frame > 0.0


def test_a_clip_without_a_flame(tmp_path: Path) -> None:
    result = detect_file(write_clip(tmp_path / "cloth.avi", scenes.orange_cloth, 4.0), SETTINGS)
    assert not result.alarm
    assert result.first_alarm_s is None


def test_the_keys_are_exactly_those_of_the_command(flame_clip: Path) -> None:
    assert list(json.loads(detect_file(flame_clip, SETTINGS).model_dump_json())) == KEYS


def test_a_still(tmp_path: Path) -> None:
    *_, last = scenes.scene(scenes.Flame(), 1.0)
    cv2.imwrite(str(tmp_path / "flame.png"), last.image)
    result = detect_file(tmp_path / "flame.png", SETTINGS)
    assert (result.frames, result.fps, result.alarm, result.first_alarm_s) == (1, 0.0, True, 0.0)
    cv2.imwrite(str(tmp_path / "stall.jpg"), scenes.picture(scenes.stall()))
    quiet = detect_file(tmp_path / "stall.jpg", SETTINGS)
    assert (quiet.frames, quiet.alarm, quiet.first_alarm_s) == (1, False, None)


def test_a_clip_cut_short_is_analysed_as_far_as_it_goes_and_said_so(flame_clip: Path, tmp_path: Path) -> None:
    whole = flame_clip.read_bytes()
    (tmp_path / "cut.avi").write_bytes(whole[: len(whole) * 7 // 10])
    with capture_logs() as logs:
        result = detect_file(tmp_path / "cut.avi", SETTINGS)
    assert result.alarm
    assert 30 < result.frames < 63
    (entry,) = logs
    assert entry["event"] == "media.truncated"
    assert entry["frames"] == result.frames
    assert entry["frames_promised"] == 63


def test_a_still_cut_short_is_said_so(tmp_path: Path) -> None:
    encoded = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8))[1]
    (tmp_path / "cut.jpg").write_bytes(encoded.tobytes()[:9000])
    with capture_logs() as logs:
        detect_file(tmp_path / "cut.jpg", SETTINGS)
    assert [entry["event"] for entry in logs] == ["media.truncated"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("absent.mp4", None, "there is no such file"),
        ("empty.mp4", b"", "the file is empty"),
        ("text.mp4", b"no video at all\n", "decoded"),
        ("head.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF", "decoded"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(
    tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableMediaError, match=sentence) as caught:
        detect_file(path, SETTINGS)
    assert str(path) in str(caught.value)


def test_a_folder_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnreadableMediaError, match="not a file"):
        detect_file(tmp_path, SETTINGS)


def test_the_decoder_says_nothing_of_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "noise.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 20)
    with pytest.raises(UnreadableMediaError):
        detect_file(tmp_path / "noise.mp4", SETTINGS)
    assert capfd.readouterr() == ("", "")


def test_the_lines_for_a_person_are_aligned(flame_clip: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "stall.png"), scenes.picture(scenes.stall()))
    alarm = format_line(detect_file(flame_clip, SETTINGS))
    quiet = format_line(detect_file(tmp_path / "stall.png", SETTINGS))
    assert alarm.startswith("FIRE ")
    assert quiet.startswith("quiet")
    assert alarm.index(str(flame_clip)) == quiet.index(str(tmp_path))


@pytest.mark.parametrize(
    "clip", ["yard_trash.mp4", "paper_dark_1.mp4", "suv_1.mp4", "house_dusk_1.mp4", "garden_wood.mp4"]
)
def test_real_fires_are_found(data_dir: Path, clip: str) -> None:
    assert detect_file(data_dir / "fire" / "videos" / "fire" / clip, SETTINGS).alarm


@pytest.mark.parametrize(
    "clip",
    ["orange_cloth_2.mp4", "red_bag_office_2.mp4", "motorbike_theft_1.mp4", "night_street1.avi", "road_day_2.mp4"],
)
def test_real_look_alikes_are_not(data_dir: Path, clip: str) -> None:
    assert not detect_file(data_dir / "fire" / "videos" / "nofire" / clip, SETTINGS).alarm
