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
        _refuse_unplayable(argument, path)
        found[name] = CameraFile(name, path)
    return tuple(found.values())


def _refuse_unplayable(argument: str, path: Path) -> None:
    """Return if at least one picture can be decoded; a clip that is cut short further on plays as far as it goes."""
    # The decoder is a big library, and most starts play no file.
    from edge.cameras.media import UnreadableMediaError, check_readable  # noqa: PLC0415 — see above

    try:
        check_readable(path)
        playable = _has_picture(path)
    except UnreadableMediaError as error:
        raise SettingsError(f"--camera {argument!r}: {error}") from error
    if not playable:
        raise SettingsError(f"--camera {argument!r}: {path} holds no picture that can be decoded")


def _has_picture(path: Path) -> bool:
    from edge.cameras.media import is_still, open_clip, read_still  # noqa: PLC0415 — as above

    if is_still(path):
        return bool(read_still(path).size)
    with open_clip(path) as clip:
        return next(iter(clip.frames), None) is not None
