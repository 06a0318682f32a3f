"""The fire clips of the real data, with the time of their first visible flame."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class FireClip:
    """A clip. `seconds` is its length, `first_flame_s` the time of the first frame with a visible flame."""

    path: Path
    seconds: float
    first_flame_s: float


def data_dir() -> Path:
    """The folder with real data.

    Raises:
        SystemExit: there is none; the text says how to name it.
    """
    path = Path(os.environ.get("JANGTEO_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        raise SystemExit(f"no real data at {path}: set JANGTEO_DATA to the folder that holds it")
    return path


def fire_clips() -> list[FireClip]:
    """All clips that are labelled fire, by name."""
    folder = data_dir() / "fire"
    clips = []
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["label"] == "fire" and row["kind"] == "video":
                fps = float(row["fps"])
                first = int(row["first_flame_frame"] or 0)
                clips.append(FireClip((folder / row["file"]).resolve(), int(row["frames"]) / fps, first / fps))
    return sorted(clips, key=lambda clip: clip.path.name)
