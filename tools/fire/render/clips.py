"""Rendered clips: flames, smoke, and what looks like them, each from a seeded generator of chance and a background."""

from collections.abc import Iterator

import numpy as np

from edge.cameras.ports import Picture
from tools.fire.render.backgrounds import Backgrounds
from tools.fire.render.burning import PLUMES
from tools.fire.render.chance import happens
from tools.fire.render.flames import debris, fire_at
from tools.fire.render.held import held_flame
from tools.fire.render.lookalikes import KINDS
from tools.fire.render.smoke import plume
from tools.fire.render.stage import Actor, Stage, film, stage
from tools.fire.render.things import people
from tools.fire.sequence import Sequence

__all__ = ["KINDS", "flame_sequence", "other_sequence", "sequences", "smoke_sequence"]

FLAME_SHARE, SMOKE_SHARE = 0.45, 0.1

_LARGE_PX = 160.0
_NAMES = ("paper", "wood", "cloth", "wall", "windy", "licks", "pan", "lighter", "candle", "held")
_NAME_SHARES = (0.15, 0.18, 0.1, 0.11, 0.09, 0.09, 0.08, 0.05, 0.05, 0.1)


def flame_sequence(chance: np.random.Generator, background: Picture) -> Sequence:
    """A fire of some kind and size, from 7 pixels to larger than the picture, with smoke at times."""
    on = stage(chance, background)
    name = _NAMES[int(chance.choice(len(_NAMES), p=_NAME_SHARES))]
    if name == "held":
        return film(chance, on, [*_company(chance, on), *held_flame(chance, on), *_passers(chance, on)], name, "flame")
    small = name in {"lighter", "candle"}
    high = _height(chance, on, small=small)
    foot = _foot(chance, on, high)
    actors: list[Actor] = []
    if not small and happens(chance, 0.45):
        actors.append(_smoke(chance, on, foot, high))
    actors += fire_at(chance, on, name, foot, high)
    for _ in range(_more(chance, high, small=small)):
        away = float(chance.normal(0.0, 1.2)) * high, float(chance.normal(0.0, 0.08)) * high
        actors += fire_at(
            chance, on, name, (foot[0] + away[0], foot[1] + away[1]), high * float(chance.uniform(0.3, 1.0))
        )
    if not small and happens(chance, 0.2):
        actors.append(_smoke(chance, on, foot, high))
    return film(chance, on, [*_company(chance, on), *actors, *_passers(chance, on)], name, "flame")


def smoke_sequence(chance: np.random.Generator, background: Picture) -> Sequence:
    """Smoke without a flame."""
    on = stage(chance, background)
    name = str(chance.choice(list(PLUMES)))
    high = on.height * float(chance.uniform(0.25, 1.3))
    foot = _foot(chance, on, high * 0.6)
    actors: list[Actor] = [*_company(chance, on), plume(chance, on, name, foot, high), *_passers(chance, on)]
    return film(chance, on, actors, name, "smoke")


def other_sequence(chance: np.random.Generator, background: Picture, kind: str | None = None) -> Sequence:
    """No fire: a look-alike of `kind` (one of `KINDS`, any if None), with others beside it at times.

    Raises:
        KeyError: there is no such kind.
    """
    on = stage(chance, background)
    name = kind or str(chance.choice(list(KINDS)))
    actors = [*KINDS[name](chance, on), *_company(chance, on), *_passers(chance, on)]
    return film(chance, on, actors, name, "other")


def sequences(seed: int, count: int, backgrounds: Backgrounds) -> Iterator[Sequence]:
    """`count` clips, mixed; the one of each number is the same whenever seed and backgrounds are."""
    for number in range(count):
        chance = np.random.default_rng((seed, number))
        background, dice = backgrounds(chance), chance.random()
        if dice < FLAME_SHARE:
            yield flame_sequence(chance, background)
        elif dice < FLAME_SHARE + SMOKE_SHARE:
            yield smoke_sequence(chance, background)
        else:
            yield other_sequence(chance, background)


def _company(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """What else there is: another look-alike or two in a third of the clips."""
    names = list(KINDS)
    count = int(chance.choice((0, 1, 2), p=(0.65, 0.25, 0.1)))
    company = [actor for _ in range(count) for actor in KINDS[str(chance.choice(names))](chance, on)]
    return [*company, *debris(chance, on)] if happens(chance, 0.15) else company


def _passers(chance: np.random.Generator, on: Stage) -> list[Actor]:
    return people(chance, on) if happens(chance, 0.15) else []


def _height(chance: np.random.Generator, on: Stage, *, small: bool) -> float:
    """Pixels: from a far fire of 7 to one larger than the picture, one in three below 40; small flames to a third."""
    if small or happens(chance, 0.35):
        return float(np.exp(chance.uniform(np.log(7.0), np.log(on.height * 0.3 if small else 40.0))))
    if happens(chance, 0.1):
        return on.height * float(chance.uniform(0.8, 1.8))
    return float(np.exp(chance.uniform(np.log(30.0), np.log(on.height * 0.85))))


def _foot(chance: np.random.Generator, on: Stage, high: float) -> tuple[float, float]:
    x = on.width * float(chance.uniform(0.12, 0.88))
    low = on.height - 16.0 + 0.25 * max(0.0, high - 0.6 * on.height)
    return x, float(chance.uniform(min(high + 16.0, low - 4.0), low))


def _more(chance: np.random.Generator, high: float, *, small: bool) -> int:
    """How many more flames burn beside the first."""
    if small or high > _LARGE_PX or happens(chance, 0.5):
        return 0
    return int(chance.integers(1, 7))


def _smoke(chance: np.random.Generator, on: Stage, foot: tuple[float, float], high: float) -> Actor:
    name = str(chance.choice(("billows", "drifting", "billows", "bank")))
    return plume(chance, on, name, (foot[0], foot[1] - 0.4 * high), high * float(chance.uniform(1.2, 3.5)))
