from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from jangteo.site import load_site
from jangteo.up.cameras import camera_files
from runtime.errors import SettingsError

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "config" / "example-site.yaml"


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[str, str], Path]:
    """The example with one text replaced."""

    def change(old: str, new: str) -> Path:
        text = EXAMPLE.read_text(encoding="utf-8")
        assert old in text
        file = tmp_path / "site.yaml"
        file.write_text(text.replace(old, new, 1), encoding="utf-8")
        return file

    return change


def test_the_example_is_a_market_with_twelve_bays_cameras_screens_and_sirens() -> None:
    entry = load_site(EXAMPLE).entry()
    kinds = [one.kind for one in entry.subjects]
    assert kinds.count("bays") == 12
    assert {"gates", "people", "cameras", "screens", "sirens", "agents"} <= set(kinds)
    assert entry.market.name_ko == "중앙시장"


def test_a_market_that_asks_for_privacy_asks_it_of_every_camera_and_of_the_centre(
    changed: Callable[[str, str], Path],
) -> None:
    usual = load_site(EXAMPLE)
    assert not usual.entry().private_stills
    site = load_site(changed("id: jungang", "private_stills: true, id: jungang"))
    assert site.entry().private_stills
    cameras = [camera for block in site.devices for camera in block.cameras]
    assert len(cameras) == len([camera for block in usual.devices for camera in block.cameras]) > 1
    assert all(camera.private_stills for camera in cameras)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("trigger_pin: 4, echo_pin: 5", "triger_pin: 4, echo_pin: 5", "did you mean 'trigger_pin'?"),
        ("trigger_pin: 4, echo_pin: 5", "trigger_pin: 4, echo_pin: 40", "BCM number from 2 to 27"),
        ("trigger_pin: 4, echo_pin: 5", "trigger_pin: 6, echo_pin: 5", "pin 6 is used twice"),
        ("zone: east-gate, source", "zone: west-gate, source", "'west-gate', which is not in zones"),
        ("lot: main, in_pin", "lot: other, in_pin", "'other', which is not in lots"),
        ("name: gate-cam", "name: alley-cam", "a name stands once in a market"),
        ("device: alley-1", "device: parking-1", "device 'parking-1' is there twice"),
        ("kind: gate-loop", "kind: gate-loup", "gate-loop"),
        ("id: jungang", "id: 중앙", "market.id"),
        ("phone: 010-0000-0001", "phone: none", "recipients[0].phone"),
    ],
)
def test_a_mistake_is_a_sentence_with_file_key_and_remedy(
    changed: Callable[[str, str], Path], old: str, new: str, said: str
) -> None:
    file = changed(old, new)
    with pytest.raises(SettingsError) as error:
        load_site(file)
    assert str(file) in str(error.value)
    assert said in str(error.value)


def test_a_camera_argument_names_a_camera_and_a_file_that_exist(tmp_path: Path) -> None:
    site = load_site(EXAMPLE)
    clip = tmp_path / "clip.png"
    cv2.imwrite(str(clip), np.zeros((8, 8, 3), np.uint8))
    note = tmp_path / "note.mp4"
    note.write_text("not a video")
    assert camera_files([f"alley-cam={clip}"], site, simulate=True)[0].file == clip
    for argument, said in (
        ("alley-cam", "write it as NAME=FILE"),
        (f"nowhere={clip}", "no camera 'nowhere'; this market's cameras: alley-cam, gate-cam"),
        ("alley-cam=missing.mp4", "there is no such file"),
        (f"alley-cam={tmp_path}", "not a file"),
        (f"alley-cam={note}", "decoded"),
    ):
        with pytest.raises(SettingsError, match=said):
            camera_files([argument], site, simulate=True)
    with pytest.raises(SettingsError, match="given twice"):
        camera_files([f"alley-cam={clip}", f"alley-cam={clip}"], site, simulate=True)
    with pytest.raises(SettingsError, match="leave --no-sim out"):
        camera_files([f"alley-cam={clip}"], site, simulate=False)
