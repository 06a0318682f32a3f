"""The detector that ships: colour and flicker say where to look, networks what it looks like, time what it does."""

import math
from collections.abc import Sequence

from edge.cameras.candidates import COLOURED_PX_MIN, Candidate, candidates, coloured_candidates, core_candidates
from edge.cameras.crops import crop_of
from edge.cameras.evidence import strengths
from edge.cameras.fusion import LOOKS_MIN, Seen, fused_score, signs_of
from edge.cameras.measures import evidence_of
from edge.cameras.network import FireNetworks
from edge.cameras.places import Place, Places, in_turn
from edge.cameras.ports import Detection, Frame, Region
from edge.cameras.scene import Scene, View, begun, continues, view_of
from edge.cameras.settings import FireSettings

LOOKS_MAX = 3
"""Crops that the network is shown of one frame. Thirteen regions at most are found: each is seen within a second."""

_WHOLE_EVERY_S = 0.25
_WHOLE_SMOOTHING_S = 1.0


class FlameDetector:
    """Looks at the regions that have the colour of flame, above all at those that flicker, and asks for both.

    One object serves one camera. It needs four analysed frames a second and says nothing before flicker can be told,
    about 0.4 s after a start or a cut. It remembers one scene, 3 MB at 320 x 240.
    """

    def __init__(self, settings: FireSettings, networks: FireNetworks) -> None:
        self._settings = settings
        self._networks = networks
        self._scene: Scene | None = None
        self._places = Places()
        self._whole = 0.0
        self._whole_s = -math.inf

    def reset(self) -> None:
        """Forget earlier frames: the next one shows another scene."""
        self._scene = None
        self._places = Places()
        self._whole, self._whole_s = 0.0, -math.inf

    def analyse(self, frame: Frame) -> Detection:
        """The flames in `frame`. Raises `ValueError` for an image that is not height x width x 3 of uint8."""
        view = view_of(frame, self._settings.picture_side_px, self._settings.ignored_areas)
        scene = self._scene
        if scene is None or not continues(scene.last, view):
            self.reset()
            self._scene = begun(view)
            return Detection(score=0.0)
        scene.take(view)
        found = self._candidates(scene, view)
        places = self._places.follow([one.region(view.flame.shape, 0.0) for one in found], frame.time_s)
        self._look(frame, places)
        regions = self._judged(scene, view, found, places)
        scene.last = view
        flames = sorted((r for r in regions if r.score > 0.0), key=lambda region: region.score, reverse=True)
        return Detection(score=flames[0].score if flames else 0.0, regions=tuple(flames))

    def _candidates(self, scene: Scene, view: View) -> list[Candidate]:
        flickering = candidates(scene.flickering(), COLOURED_PX_MIN)
        coloured, turns = scene.coloured(), scene.flicker.turns
        spots = core_candidates(view.core & view.flame, coloured, turns, flickering)
        return flickering + spots + coloured_candidates(coloured, turns, flickering)

    def _look(self, frame: Frame, places: Sequence[Place]) -> None:
        """Show the networks what is most urgent of this frame, and the whole of it a few times a second."""
        for place in in_turn(places, frame.time_s, LOOKS_MAX):
            (looks,) = self._networks.look_at([crop_of(frame.image, place.region)])
            place.looked(looks, frame.time_s)
        if places and frame.time_s - self._whole_s >= _WHOLE_EVERY_S:
            flame = self._networks.look_at_whole(frame.image).flame
            share = 1.0 - math.exp(-(frame.time_s - self._whole_s) / _WHOLE_SMOOTHING_S)
            self._whole += (flame - self._whole) * share
            self._whole_s = frame.time_s

    def _judged(self, scene: Scene, view: View, found: Sequence[Candidate], places: Sequence[Place]) -> list[Region]:
        regions = []
        for candidate, place in zip(found, places, strict=True):
            if place.flame is None or place.flame <= LOOKS_MIN:
                continue
            evidence = evidence_of(scene, view, candidate)
            if evidence is None:
                continue
            by_name, seen = strengths(evidence), Seen(place.flame, self._whole)
            region = candidate.region(view.flame.shape, fused_score(by_name, seen))
            regions.append(Region(region.x, region.y, region.w, region.h, region.score, signs_of(by_name, seen)))
        return regions
