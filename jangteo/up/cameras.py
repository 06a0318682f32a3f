"""`--camera NAME=FILE`: a video or image file as a camera's picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jangteo.site import SiteSettings
from runtime.errors import SettingsError


@dataclass(frozen=True, slots=True)
class CameraFile:
    """A file that plays, over and over, as the picture of a camera."""

    camera: str
    file: Path


def camera_files(arguments: Sequence[str], site: SiteSettings, *, simulate: bool) -> tuple[CameraFile, ...]:
    """Read the `--camera` arguments.

    Raises:
        SettingsError: not NAME=FILE, no such camera, no such file, or a camera named twice.
    """
    known = [camera.name for block in site.devices for camera in block.cameras]
    found: dict[str, CameraFile] = {}
    for argument in arguments:
        name, separator, file = argument.partition("=")
        if not separator or not name or not file:
            raise SettingsError(
                f"--camera {argument!r}: write it as NAME=FILE; this market's cameras: {', '.join(known)}"
            )
        if not simulate:
            raise SettingsError("--camera plays a file in the simulated market: leave --no-sim out")
        if name not in known:
            raise SettingsError(f"--camera {argument!r}: no camera {name!r}; this market's cameras: {', '.join(known)}")
        if name in found:
            raise SettingsError(f"--camera {argument!r}: camera {name!r} is given twice")
        path = Path(file).resolve()
        if not path.is_file():
            raise SettingsError(f"--camera {argument!r}: there is no file {path}")
        found[name] = CameraFile(name, path)
    return tuple(found.values())
