"""The detector that ships: colour and flicker say where to look, networks what it looks like, time what it does."""

import math
from collections.abc import Sequence
from dataclasses import replace

from edge.cameras.candidates import (
    COLOURED_PX_MIN,
    Candidate,
    Spot,
    burnt_out_spots,
    candidates,
    coloured_candidates,
    core_candidates,
)
from edge.cameras.carried import Carried, SpotsFollowed
from edge.cameras.crops import crop_of
from edge.cameras.evidence import Evidence, appearances, strengths
from edge.cameras.fusion import LOOKS_MIN, Seen, carried_score, fused_score, signs_of
from edge.cameras.measures import appearance_of, evidences_of
from edge.cameras.network import FireNetworks
from edge.cameras.places import Place, Places, in_turn
from edge.cameras.ports import Detection, Frame, Region
from edge.cameras.scene import Scene, View, begun, continues, view_of
from edge.cameras.settings import FireSettings

LOOKS_MAX = 3
"""Looks at one frame, crops or the whole of it. Thirteen regions at most are found: each is seen within a second."""

MEASURED_MAX = 6
"""Regions whose evidence is measured in whole in one frame: of more that flicker, those that look most like flame."""

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
        self._spots = SpotsFollowed()
        self._whole = 0.0
        self._whole_s = -math.inf

    def reset(self) -> None:
        """Forget earlier frames: the next one shows another scene."""
        self._scene = None
        self._places = Places()
        self._spots = SpotsFollowed()
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
        spots = burnt_out_spots(view.core & view.flame)
        carried = list(zip(spots, self._spots.follow(spots, frame.time_s), strict=True))
        found = _candidates(scene, spots)
        places = self._places.follow([one.region(view.flame.shape, 0.0) for one in found], frame.time_s)
        self._look(frame, places)
        regions = self._judged(scene, view, list(zip(found, places, strict=True)), carried)
        scene.last = view
        flames = sorted((r for r in regions if r.score > 0.0), key=lambda region: region.score, reverse=True)
        return Detection(score=flames[0].score if flames else 0.0, regions=tuple(flames))

    def _look(self, frame: Frame, places: Sequence[Place]) -> None:
        """Show the networks what is most urgent of this frame, and the whole of it a few times a second."""
        is_whole_due = bool(places) and frame.time_s - self._whole_s >= _WHOLE_EVERY_S
        for place in in_turn(places, frame.time_s, LOOKS_MAX - is_whole_due):
            (looks,) = self._networks.look_at([crop_of(frame.image, place.region)])
            place.looked(looks, frame.time_s)
        if is_whole_due:
            flame = self._networks.look_at_whole(frame.image).flame
            share = 1.0 - math.exp(-(frame.time_s - self._whole_s) / _WHOLE_SMOOTHING_S)
            self._whole += (flame - self._whole) * share
            self._whole_s = frame.time_s

    def _judged(
        self,
        scene: Scene,
        view: View,
        found: Sequence[tuple[Candidate, Place]],
        carried: Sequence[tuple[Spot, Carried]],
    ) -> list[Region]:
        """The regions that look like flame at all, each with the score of what burns in its place, or is carried."""
        looked_at = [
            (Seen(place.flame, self._whole), candidate)
            for candidate, place in found
            if place.flame is not None and place.flame > LOOKS_MIN
        ]
        looked_at.sort(key=lambda one: -one[0].region)
        evidences = evidences_of(scene, view, [candidate for _, candidate in looked_at], MEASURED_MAX)
        regions = []
        for (seen, candidate), evidence in zip(looked_at, evidences, strict=True):
            judged = [_burning(view, candidate, evidence, seen)]
            judged += [_carried(view, candidate, way, seen) for spot, way in carried if spot.within(candidate)]
            regions.append(max(judged, key=lambda region: region.score))
        return regions


def _candidates(scene: Scene, spots: Sequence[Spot]) -> list[Candidate]:
    flickering = candidates(scene.flickering(), COLOURED_PX_MIN)
    coloured, turns = scene.coloured(), scene.flicker.turns
    cores = core_candidates(spots, coloured, turns, flickering)
    return flickering + cores + coloured_candidates(coloured, turns, flickering)


def _burning(view: View, candidate: Candidate, evidence: Evidence | None, seen: Seen) -> Region:
    """The region with the score of what burns in its place; 0 where some kind of evidence is not there at all."""
    region = candidate.region(view.flame.shape, 0.0)
    if evidence is None:
        return region
    by_name = strengths(evidence)
    return replace(region, score=fused_score(by_name, seen), signs=signs_of(by_name, seen))


def _carried(view: View, candidate: Candidate, way: Carried, seen: Seen) -> Region:
    """The region with the score of a spot within it that burns and is carried."""
    region = candidate.region(view.flame.shape, 0.0)
    if carried_score({}, way, seen) <= 0.0:
        return region
    appearance = appearance_of(view, candidate)
    if appearance is None:
        return region
    by_name = appearances(appearance)
    return replace(region, score=carried_score(by_name, way, seen), signs=signs_of(by_name, seen, way))
