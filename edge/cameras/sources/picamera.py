"""A Raspberry Pi's own camera (CSI), through picamera2: `source: "picamera"`, or `"picamera:1"` for the second one."""

import importlib
from typing import Protocol, cast

from edge.cameras.sources.newest import LiveSource, NewestFrame
from edge.cameras.sources.port import SourceAbsentError
from runtime.clock import Clock

SCHEME = "picamera"
SIZE_PX = (1280, 720)
MISSING = (
    "the module picamera2 is not there: install it with 'sudo apt install python3-picamera2' and make the virtual "
    "environment with --system-site-packages, or use a V4L2 or network camera"
)


class _Camera(Protocol):
    """What `picamera2.Picamera2` is to us."""

    def create_video_configuration(self, *, main: dict[str, object], buffer_count: int) -> object: ...

    def configure(self, configuration: object) -> None: ...

    def start(self) -> None: ...

    def capture_array(self, name: str) -> object: ...

    def close(self) -> None: ...


class _Module(Protocol):
    """What the module `picamera2` is to us."""

    def Picamera2(self, camera_num: int) -> _Camera: ...  # noqa: N802 - the name in picamera2


class _PicameraCapture:
    """A started camera as a capture."""

    def __init__(self, camera: _Camera) -> None:
        self._camera = camera

    def read(self) -> tuple[bool, object]:
        """The next picture; libcamera keeps none back that is older."""
        return True, self._camera.capture_array("main")

    def release(self) -> None:
        """Let the camera go."""
        self._camera.close()


class PicameraSource(LiveSource):
    """Frames of a CSI camera, the newest one only. Video alone: a CSI camera has no microphone."""

    def __init__(self, index: int, clock: Clock) -> None:
        super().__init__(clock)
        self._index = index

    @property
    def name(self) -> str:
        """Which of the board's cameras."""
        return f"the camera {self._index} of this Raspberry Pi"

    def start(self) -> NewestFrame:
        """Start the camera.

        Raises:
            SourceAbsentError: no picamera2, no camera, or it is in use.
        """
        try:
            module = cast("_Module", importlib.import_module("picamera2"))
        except ImportError as error:
            raise SourceAbsentError(MISSING) from error
        try:
            camera = module.Picamera2(self._index)
            # libcamera's RGB888 lies in memory as blue, green, red.
            main: dict[str, object] = {"size": SIZE_PX, "format": "RGB888"}
            camera.configure(camera.create_video_configuration(main=main, buffer_count=2))
            camera.start()
        except (RuntimeError, IndexError, OSError) as error:
            raise SourceAbsentError(
                f"{self.name} does not start ({error}): is its ribbon cable in, and is nothing else using it?"
            ) from error
        return NewestFrame(_PicameraCapture(camera), self._clock)
