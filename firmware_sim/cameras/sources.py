"""What a simulated camera looks at: the rendered alley, or a picture or clip from a file."""

import os
import threading
import zlib
from pathlib import Path

# Read when OpenCV first opens a clip: its decoder would write to stderr by itself.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np

from firmware_sim.cameras.feed import Pictures
from firmware_sim.cameras.perspective import Image
from firmware_sim.cameras.scene import MarketScene
from runtime.errors import FatalError

SCENE_FPS = 8.0
FPS_ASSUMED, FPS_MAX = 25.0, 30.0


class UnusableSourceError(FatalError):
    """A camera's source that cannot be played; the sentence says what would be right."""


class ScenePictures:
    """The alley, with a flame that can be lit."""

    fps = SCENE_FPS

    def __init__(self, scene: MarketScene) -> None:
        self._scene = scene
        self._lock = threading.Lock()

    def next_picture(self, time_s: float) -> Image:
        """The alley at `time_s`."""
        with self._lock:
            return self._scene.frame(time_s)

    def burn(self, time_s: float, *, on: bool) -> None:
        """Light the flame at `time_s`, or put it out."""
        with self._lock:
            if on:
                self._scene.light_fire(time_s)
            else:
                self._scene.put_out()


class FilePictures:
    """A clip, again and again at its own speed (30 pictures a second at most), or a picture that stands still.

    Raises:
        UnusableSourceError: the file cannot be read as either.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():
            raise UnusableSourceError(f"{path}: there is no such file; give scene, scene:day, or a video or image file")
        self._still: Image | None = None
        if cv2.haveImageReader(str(path)):
            still = cv2.imread(str(path), cv2.IMREAD_COLOR)
            self._still = None if still is None else np.asarray(still, np.uint8)
        self._clip = cv2.VideoCapture()
        self.fps = SCENE_FPS
        if self._still is None:
            self._open()
            given = self._clip.get(cv2.CAP_PROP_FPS)
            self.fps = min(given, FPS_MAX) if given > 0.0 else FPS_ASSUMED

    def next_picture(self, time_s: float) -> Image:  # noqa: ARG002 - the port's: a file has its own pace
        """The next picture of the file."""
        if self._still is not None:
            return self._still
        decoded, picture = self._clip.read()
        if not decoded:
            self._open()
            decoded, picture = self._clip.read()
        if not decoded:
            raise UnusableSourceError(f"{self._path}: no picture in it can be decoded")
        return np.asarray(picture, np.uint8)

    def _open(self) -> None:
        self._clip.release()
        if not self._clip.open(str(self._path), cv2.CAP_FFMPEG):
            raise UnusableSourceError(f"{self._path}: neither a video nor a picture that can be decoded")


def pictures_of(source: str, name: str, seed: int) -> Pictures:
    """What `source` means: `scene` or `scene:night`, `scene:day`, or the path of a file. A scene differs by camera.

    Raises:
        UnusableSourceError: it is none of these.
    """
    kind, _, light = source.partition(":")
    if kind != "scene":
        return FilePictures(Path(source))
    try:
        return ScenePictures(MarketScene(zlib.crc32(f"{seed}/{name}".encode()), light or "night"))
    except ValueError as error:
        raise UnusableSourceError(f"camera {name}: {error}") from error
