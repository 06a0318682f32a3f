"""Every look-alike by name: what might be taken for a flame, and is none."""

from collections.abc import Callable, Mapping

import numpy as np

from tools.fire.render import lamps, signs, things
from tools.fire.render.chance import happens
from tools.fire.render.held import held_thing
from tools.fire.render.shining import spot
from tools.fire.render.smoke import plume
from tools.fire.render.stage import Actor, Stage

Make = Callable[[np.random.Generator, Stage], list[Actor]]


def steam(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """White steam from a wok or a pot, in the light of a lamp at times."""
    foot = spot(chance, on, 0.2)
    high = on.height * float(chance.uniform(0.2, 1.0))
    cloud = plume(chance, on, str(chance.choice(("thin", "billows", "drifting"))), foot, high, steam=True)
    return [*(lamps.bulbs(chance, on) if happens(chance, 0.5) else []), cloud]


def wet_ground(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """Lamps above and their wavering image on wet ground or metal."""
    return [*lamps.bulbs(chance, on), *lamps.glints(chance, on), *lamps.glints(chance, on)]


def nothing(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """Only the place, with people at times."""
    return things.people(chance, on) if happens(chance, 0.5) else []


KINDS: Mapping[str, Make] = {
    "neon_sign": signs.neon_sign,
    "running_text": signs.running_text,
    "chain": signs.chain,
    "panel": signs.panel,
    "screen": signs.screen,
    "lanterns": lamps.lanterns,
    "traffic": lamps.traffic,
    "beacon": lamps.beacon,
    "bulbs": lamps.bulbs,
    "heater": lamps.heater,
    "dial": lamps.dial,
    "low_sun": lamps.low_sun,
    "glints": lamps.glints,
    "welding": lamps.welding,
    "tubes": lamps.tubes,
    "cloth": things.cloth,
    "waved": things.waved,
    "warm_people": things.warm_people,
    "fruit": things.fruit,
    "warm_goods": things.warm_goods,
    "hands": things.hands,
    "held": held_thing,
    "steam": steam,
    "wet_ground": wet_ground,
    "nothing": nothing,
}
