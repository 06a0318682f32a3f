"""A picture with its regions marked: what every sample is cut from, wherever the picture comes from."""

from dataclasses import dataclass
from typing import Literal

from edge.cameras.ports import Picture, Region

Label = Literal["other", "flame", "smoke"]
CLASSES: tuple[Label, ...] = ("other", "flame", "smoke")
"""The networks' outputs, in this order."""

Verdict = Literal["other", "flame", "smoke", "unsure"]
Domain = Literal["real", "rendered"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A region and what a person, or the renderer, says it shows. "unsure" is kept clear of."""

    region: Region
    verdict: Verdict


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """A picture, its marks, and what it shows as a whole.

    `scene` names what is the same place or event: it stays together when pictures are split. `whole` is the class that
    the picture as a whole shows; a picture without any flame and smoke is "other" everywhere.
    """

    image: Picture
    marks: tuple[Mark, ...]
    whole: Label
    scene: str
    domain: Domain
    source: str
    smoky: bool = False
    """Whether smoke that nobody marked may be above its flames."""

    def of(self, *verdicts: Verdict) -> tuple[Region, ...]:
        """The regions with one of these verdicts."""
        return tuple(mark.region for mark in self.marks if mark.verdict in verdicts)
