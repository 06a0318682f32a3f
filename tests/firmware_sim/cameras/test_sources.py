from pathlib import Path

import cv2
import numpy as np
import pytest

from firmware_sim.cameras.sources import FilePictures, UnusableSourceError, pictures_of


def clip(path: Path, frames: int = 5, fps: float = 10.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), 40 * number + 20, np.uint8))
    writer.release()
    return path


def test_a_clip_plays_at_its_own_speed_and_begins_again(tmp_path: Path) -> None:
    pictures = FilePictures(clip(tmp_path / "clip.avi"))
    assert pictures.fps == pytest.approx(10.0)
    greys = [round(float(pictures.next_picture(0.0).mean())) for _ in range(7)]
    assert greys[5:] == greys[:2]
    assert greys[:5] == sorted(greys[:5])


def test_a_picture_stands_still(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "still.png"), np.full((48, 64, 3), 99, np.uint8))
    pictures = FilePictures(tmp_path / "still.png")
    assert np.array_equal(pictures.next_picture(0.0), pictures.next_picture(9.0))


@pytest.mark.parametrize("content", [b"", b"this is neither a picture nor a clip"])
def test_a_file_that_is_no_picture_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(UnusableSourceError, match=r"broken\.mp4: neither a video nor a picture"):
        FilePictures(path)


def test_an_absent_file_and_an_unknown_light_are_refused() -> None:
    with pytest.raises(UnusableSourceError, match="there is no such file; give scene"):
        pictures_of("/absent.mp4", "cam-1", 1)
    with pytest.raises(UnusableSourceError, match="camera cam-1: light 'dusk' is not known"):
        pictures_of("scene:dusk", "cam-1", 1)


def test_each_camera_of_a_site_sees_another_alley() -> None:
    one, other = (pictures_of("scene", name, 1).next_picture(0.0) for name in ("cam-1", "cam-2"))
    assert not np.array_equal(one, other)
