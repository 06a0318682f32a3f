"""The two small networks of our own: one looks at the surroundings of a region, one at the whole picture."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.crops import CROP_PX, FRAME_PX, blob_of, whole_of
from edge.cameras.ports import Picture
from runtime.errors import FatalError

MODELS = Path(__file__).parent / "models"
CROP_MODEL = "fire_crop.onnx"
FRAME_MODEL = "fire_frame.onnx"
_CLASSES = 3


@dataclass(frozen=True, slots=True)
class Looks:
    """What a network takes a picture for: probabilities of flame and of smoke. The rest is neither."""

    flame: float
    smoke: float


class FireNetworks:
    """Both networks, loaded once per process and run on one thread.

    Raises `FatalError` when a model file is missing, is not the one that was shipped, or cannot be run.
    """

    def __init__(self, folder: Path = MODELS) -> None:
        self._crop = _loaded(folder / CROP_MODEL, CROP_PX)
        self._frame = _loaded(folder / FRAME_MODEL, FRAME_PX)

    def look_at(self, crops: Sequence[Picture]) -> list[Looks]:
        """What each of some crops (`crops.crop_of`) shows."""
        return [_looks(self._crop, [crop])[0] for crop in crops]

    def look_at_whole(self, image: Picture) -> Looks:
        """What a whole picture shows."""
        return _looks(self._frame, [whole_of(image)])[0]


@cache
def shipped_networks() -> FireNetworks:
    """The networks that ship, one pair for all of a process. Raises `FatalError` as `FireNetworks` does."""
    return FireNetworks()


def _looks(net: cv2.dnn.Net, pictures: Sequence[Picture]) -> list[Looks]:
    net.setInput(blob_of(pictures))
    shares = _softmax(np.asarray(net.forward(), np.float32).reshape(len(pictures), _CLASSES))
    return [Looks(flame=float(row[1]), smoke=float(row[2])) for row in shares]


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _loaded(path: Path, side_px: int) -> cv2.dnn.Net:
    """The network in `path`, whose SHA-256 lies beside it."""
    advice = f"reinstall jangteo, or restore {path} from the release"
    digest_path = path.with_name(path.name + ".sha256")
    try:
        content, promised = path.read_bytes(), digest_path.read_text(encoding="ascii").split()[0]
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise FatalError(f"the fire camera's model cannot be read ({error}): {advice}") from error
    if hashlib.sha256(content).hexdigest() != promised:
        raise FatalError(
            f"the fire camera's model {path} is not the one that was shipped (its SHA-256 differs): {advice}"
        )
    try:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
        net.setInput(blob_of([np.zeros((side_px, side_px, 3), np.uint8)]))
        answers = np.asarray(net.forward()).size
    except cv2.error as error:
        raise FatalError(f"the fire camera's model {path} cannot be run by this OpenCV ({error}): {advice}") from error
    if answers != _CLASSES:
        raise FatalError(f"the fire camera's model {path} gives {answers} answers, not {_CLASSES}: {advice}")
    return net
