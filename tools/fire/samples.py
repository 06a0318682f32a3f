"""Samples by chance: what is cut from which pictures, in which shares, so that no class is known by its origin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.cameras.ports import Picture
from tools.fire import cuts
from tools.fire.augment import as_a_camera_shows, in_warm_light, warmed
from tools.fire.cuts import Draw
from tools.fire.marked import CLASSES, Domain, Label, Marked, Verdict
from tools.fire.overlays import with_a_lamp, with_a_painted_thing

_TINTS: Mapping[Label, float] = {"flame": 0.12, "other": 0.3, "smoke": 0.08}


@dataclass(frozen=True, slots=True, eq=False)
class Stock:
    """The pictures that samples are cut from. `fire` show flames or smoke, `clear` show neither anywhere."""

    fire: Sequence[Marked]
    clear: Sequence[Marked]

    def only(self, domain: Domain) -> "Stock":
        """The pictures of one domain."""
        return Stock(
            [picture for picture in self.fire if picture.domain == domain],
            [picture for picture in self.clear if picture.domain == domain],
        )


_Row = tuple[str, Label, float, Sequence[Marked], Draw]
"""A recipe's name, class and share, the pictures it needs (none: left out), and how it is made."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to make samples of a class, and its share of all samples before the shares are made to sum to one."""

    name: str
    label: Label
    share: float
    draw: Draw


class Sampler:
    """Draws batches by the recipes' shares; pictures come ready for the network, square and 8-bit."""

    def __init__(self, recipes: Sequence[Recipe]) -> None:
        self._recipes = recipes
        shares = np.array([recipe.share for recipe in recipes])
        self._shares = shares / shares.sum()

    def expected(self, samples: int) -> dict[str, int]:
        """How many of so many samples each recipe makes, on average."""
        return {f"{r.label}: {r.name}": round(samples * s) for r, s in zip(self._recipes, self._shares, strict=True)}

    def batch(self, rng: Generator, size: int) -> tuple[list[Picture], NDArray[np.int64]]:
        """`size` pictures and their classes as indices of `CLASSES`."""
        chosen = [self._recipes[i] for i in rng.choice(len(self._recipes), size, p=self._shares)]
        pictures = [as_a_camera_shows(recipe.draw(rng), rng, tint=_TINTS[recipe.label]) for recipe in chosen]
        return pictures, np.array([CLASSES.index(recipe.label) for recipe in chosen], np.int64)


def crop_recipes(stock: Stock) -> list[Recipe]:
    """How the samples of the crop network are made; recipes that this stock has nothing for are left out."""
    real, rendered = stock.only("real"), stock.only("rendered")
    flames, drawn_flames = _with(real.fire, "flame"), _with(rendered.fire, "flame")
    smokes, drawn_smokes = _with(real.fire, "smoke"), _with(rendered.fire, "smoke")
    others = _with([*real.fire, *real.clear], "other")
    drawn_others = _with(rendered.clear, "other")
    beside = [*_with(real.fire, "flame", "unsure"), *real.clear]
    free, marked = cuts.free_crop(beside), cuts.marked_crop(flames, "flame")
    clear = cuts.free_crop(real.clear)
    places = cuts.either(clear, cuts.changed(clear, with_a_lamp, with_a_painted_thing, in_warm_light))
    table: tuple[_Row, ...] = (
        ("flames marked", "flame", 0.18, flames, marked),
        ("flames marked, in warm light", "flame", 0.05, flames, cuts.changed(marked, in_warm_light)),
        ("flames close up", "flame", 0.05, flames, cuts.close_up(flames)),
        ("flames added to other places", "flame", 0.06, flames and real.clear, cuts.added_flame(flames, places)),
        ("flames rendered", "flame", 0.15, drawn_flames, cuts.marked_crop(drawn_flames, "flame")),
        ("look-alikes marked", "other", 0.16, others, cuts.marked_crop(others, "other")),
        ("look-alikes rendered", "other", 0.15, drawn_others, cuts.marked_crop(drawn_others, "other")),
        ("places without flame", "other", 0.05, beside, free),
        ("places without flame, warmed", "other", 0.08, beside, cuts.changed(free, warmed)),
        ("places without flame, a lamp added", "other", 0.08, beside, cuts.changed(free, with_a_lamp)),
        ("places without flame, painted", "other", 0.07, beside, cuts.changed(free, with_a_painted_thing)),
        ("smoke marked", "smoke", 0.05, smokes, cuts.part_of_mark(smokes, "smoke")),
        ("smoke rendered", "smoke", 0.06, drawn_smokes, cuts.part_of_mark(drawn_smokes, "smoke")),
    )
    return [Recipe(name, label, share, draw) for name, label, share, pictures, draw in table if pictures]


def frame_recipes(stock: Stock) -> list[Recipe]:
    """How the samples of the whole-frame network are made; recipes that this stock has nothing for are left out."""
    real, rendered = stock.only("real"), stock.only("rendered")
    flames, drawn_flames = _with(real.fire, "flame"), _with(rendered.fire, "flame")
    smokes = [picture for picture in _with(real.fire, "smoke") if picture.of("flame")]
    drawn_smokes = [picture for picture in rendered.fire if picture.whole == "smoke"]
    window, around = cuts.window(real.clear), cuts.window_around(flames, "flame")
    table: tuple[_Row, ...] = (
        ("pictures of fire", "flame", 0.21, flames, around),
        ("pictures of fire, in warm light", "flame", 0.05, flames, cuts.changed(around, in_warm_light)),
        (
            "flames added to other pictures",
            "flame",
            0.05,
            flames and real.clear,
            cuts.added_far_flame(flames, real.clear),
        ),
        ("rendered fires", "flame", 0.13, drawn_flames, cuts.window_around(drawn_flames, "flame")),
        ("pictures without fire", "other", 0.14, real.clear, window),
        ("parts of pictures of fire beside it", "other", 0.06, flames, cuts.free_window(flames)),
        ("pictures without fire, warmed", "other", 0.09, real.clear, cuts.changed(window, warmed)),
        ("pictures without fire, a lamp added", "other", 0.06, real.clear, cuts.changed(window, with_a_lamp)),
        ("pictures without fire, painted", "other", 0.06, real.clear, cuts.changed(window, with_a_painted_thing)),
        ("rendered scenes without fire", "other", 0.14, rendered.clear, cuts.window(rendered.clear)),
        ("smoke beside the fire", "smoke", 0.03, smokes, cuts.free_window(smokes, "smoke")),
        ("rendered smoke", "smoke", 0.06, drawn_smokes, cuts.window_around(drawn_smokes, "smoke")),
    )
    return [Recipe(name, label, share, draw) for name, label, share, pictures, draw in table if pictures]


def _with(pictures: Sequence[Marked], *verdicts: Verdict) -> list[Marked]:
    return [picture for picture in pictures if picture.of(*verdicts)]
