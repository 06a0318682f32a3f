"""The first detector: flame colour and flicker, region by region, without learned weights."""

from edge.cameras.candidates import candidates
from edge.cameras.evidence import flame_score
from edge.cameras.measures import evidence_of
from edge.cameras.ports import Detection, Frame
from edge.cameras.scene import Scene, begun, continues, view_of
from edge.cameras.settings import FireSettings


class ColourFlickerDetector:
    """Flame colour, then per-pixel flicker within it, then the evidence of each flickering region.

    One object serves one camera. It needs four analysed frames a second and says nothing in the first half second
    after a start or a cut. The detector that ships adds trained networks to it; the benchmark compares the two.
    """

    def __init__(self, settings: FireSettings) -> None:
        self._settings = settings
        self._scene: Scene | None = None

    def reset(self) -> None:
        """Forget earlier frames: the next one shows another scene."""
        self._scene = None

    def analyse(self, frame: Frame) -> Detection:
        """The flames in `frame`. Raises `ValueError` for an image that is not height x width x 3 of uint8."""
        view = view_of(frame, self._settings.picture_side_px, self._settings.ignored_areas)
        scene = self._scene
        if scene is None or not continues(scene.last, view):
            self._scene = begun(view)
            return Detection(score=0.0)
        scene.take(view)
        regions = []
        for candidate in candidates(scene.flickering()):
            evidence = evidence_of(scene, view, candidate)
            if evidence is not None:
                regions.append(candidate.region(view.flame.shape, flame_score(evidence)))
        scene.last = view
        flames = sorted((r for r in regions if r.score > 0.0), key=lambda region: region.score, reverse=True)
        return Detection(score=flames[0].score if flames else 0.0, regions=tuple(flames))
