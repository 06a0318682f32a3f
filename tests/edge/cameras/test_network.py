from pathlib import Path

import numpy as np
import pytest

from edge.cameras.network import CROP_MODEL, FRAME_MODEL, FireNetworks
from edge.cameras.ports import Picture
from runtime.errors import FatalError
from tests.edge.cameras.models import channel_means, write_model, write_models


def plain(side_px: int, *, channel: int) -> Picture:
    picture = np.zeros((side_px, side_px, 3), np.uint8)
    picture[:, :, channel] = 255
    return picture


def test_the_channels_reach_the_network_as_blue_green_red(tmp_path: Path) -> None:
    networks = FireNetworks(write_models(tmp_path))
    blue, green, red = networks.look_at([plain(64, channel=index) for index in range(3)])
    # the tiny model answers (blue, green, red) as (other, flame, smoke)
    raised, plain_share = float(np.e / (np.e + 2)), float(1 / (np.e + 2))
    assert (green.flame, green.smoke) == pytest.approx((raised, plain_share), abs=1e-4)
    assert (red.flame, red.smoke) == pytest.approx((plain_share, raised), abs=1e-4)
    assert (blue.flame, blue.smoke) == pytest.approx((plain_share, plain_share), abs=1e-4)


def test_a_whole_picture_of_any_size_is_looked_at(tmp_path: Path) -> None:
    networks = FireNetworks(write_models(tmp_path))
    assert networks.look_at_whole(plain(301, channel=1)[:, :77]).flame > 0.5
    assert networks.look_at([]) == []


@pytest.mark.parametrize("name", [CROP_MODEL, FRAME_MODEL])
def test_a_missing_model_says_what_to_do(tmp_path: Path, name: str) -> None:
    (write_models(tmp_path) / name).unlink()
    with pytest.raises(FatalError, match=rf"cannot be read.*reinstall jangteo, or restore .*{name}"):
        FireNetworks(tmp_path)


def test_a_missing_digest_says_what_to_do(tmp_path: Path) -> None:
    (write_models(tmp_path) / f"{CROP_MODEL}.sha256").write_text("")
    with pytest.raises(FatalError, match="reinstall jangteo"):
        FireNetworks(tmp_path)


def test_a_damaged_model_is_not_run(tmp_path: Path) -> None:
    model = write_models(tmp_path) / CROP_MODEL
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    with pytest.raises(FatalError, match=r"SHA-256 differs.*reinstall jangteo"):
        FireNetworks(tmp_path)


@pytest.mark.parametrize("content", [b"no model at all", channel_means(64, first=b"Nothing")])
def test_what_opencv_cannot_run_is_said_before_the_camera_starts(tmp_path: Path, content: bytes) -> None:
    write_model(write_models(tmp_path) / CROP_MODEL, content)
    with pytest.raises(FatalError, match="cannot be run by this OpenCV"):
        FireNetworks(tmp_path)


def test_a_model_that_answers_another_number_of_classes_is_refused(tmp_path: Path) -> None:
    write_model(write_models(tmp_path) / FRAME_MODEL, channel_means(96, first=b"Relu"))
    with pytest.raises(FatalError, match=r"gives 27648 answers.*reinstall jangteo"):
        FireNetworks(tmp_path)
