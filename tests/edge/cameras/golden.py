"""The golden clips: rendered once, kept small, and committed, so that a change of the detector shows on the same bytes.

`python -m tests.edge.cameras.golden` renders them anew into `tests/edge/cameras/clips/`.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tools.fire.render.backgrounds import walls
from tools.fire.render.camera import Recording, camera
from tools.fire.render.flames import fire_at
from tools.fire.render.lookalikes import KINDS
from tools.fire.render.stage import Actor, Stage, stage

CLIPS = Path(__file__).parent / "clips"
BYTES_MAX = 150_000
FPS, SECONDS = 8.0, 5.0
SIZE = 320, 240
_MARGIN_PX = 16

Make = Callable[[np.random.Generator, Stage], list[Actor]]


def _burning(name: str, x: float, y: float, high: float) -> Make:
    """A fire of a kind, its foot at a place in shares of the stage, its height in shares too."""

    def make(chance: np.random.Generator, on: Stage) -> list[Actor]:
        return fire_at(chance, on, name, (x * on.width, y * on.height), high * on.height)

    return make


@dataclass(frozen=True, slots=True)
class Scene:
    """Who acts, how much light falls on the place (1 is day), the camera's gain, and the seeds of place and camera."""

    make: Make
    ambient: float
    gain: float
    seed: int
    camera_seed: int = 2


SCENES: Mapping[str, Scene] = {
    "flame_in_a_dark_stall": Scene(_burning("paper", 0.6, 0.75, 0.3), ambient=0.05, gain=2.0, seed=3),
    "neon_sign": Scene(KINDS["neon_sign"], ambient=0.05, gain=0.7, seed=27),
    "headlights": Scene(KINDS["traffic"], ambient=0.04, gain=2.0, seed=31),
    "wok_in_its_zone": Scene(_burning("pan", 0.3, 0.8, 0.35), ambient=0.3, gain=2.0, seed=6),
}


def main() -> int:
    """Render all of them; 1 when one is larger than it may be."""
    CLIPS.mkdir(exist_ok=True)
    too_large = 0
    for name in SCENES:
        path = CLIPS / f"{name}.mp4"
        _render(path, SCENES[name])
        size_bytes = path.stat().st_size
        too_large += size_bytes > BYTES_MAX
        sys.stdout.write(f"{path.name:<28} {size_bytes:>8} bytes\n")
    return 1 if too_large else 0


def _render(path: Path, scene: Scene) -> None:
    chance = np.random.default_rng(scene.seed)
    on = stage(chance, walls(chance), scene.ambient)
    while on.size != SIZE:
        on = stage(chance, walls(chance), scene.ambient)
    actors, recording = (
        scene.make(chance, on),
        Recording(camera(np.random.default_rng(scene.camera_seed)), chance, on.size),
    )
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    if not writer.isOpened():
        raise RuntimeError("this OpenCV cannot write MPEG-4")
    for index in range(round(SECONDS * FPS)):
        canvas = on.scenery.copy()
        for actor in actors:
            actor(canvas, index / FPS)
        seen = canvas[_MARGIN_PX : _MARGIN_PX + SIZE[1], _MARGIN_PX : _MARGIN_PX + SIZE[0]]
        writer.write(recording.picture(np.minimum(seen * np.float32(scene.gain), 8.0), index / FPS))
    writer.release()


if __name__ == "__main__":
    sys.exit(main())
