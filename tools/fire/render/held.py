"""What a hand holds and carries about: a burning lighter, candle or piece of paper, or a lamp, or nothing at all.

Both sorts share the hand, the way it goes and what stands behind (skin, a pale wall), so that none of these tells a
flame from what is none.
"""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.fire.render.blaze import Place
from tools.fire.render.chance import happens
from tools.fire.render.flames import Fire, Flame, extent, flame
from tools.fire.render.light import Canvas, Light, cover, ink, lamp, paint
from tools.fire.render.shining import brightness, lamp_colour, scaled, spot
from tools.fire.render.stage import Actor, Mark, Stage
from tools.fire.render.things import SKIN_INKS, warm_ink

_BURNS = ("lighter", "candle", "licks", "paper")
_BURNS_SHARES = (0.5, 0.25, 0.15, 0.1)
_THINGS = ("lamp", "painted", "nothing")
_THINGS_SHARES = (0.6, 0.2, 0.2)
_PALE_INK = (210, 218, 224)
_DARK_LEVELS = (0.003, 0.06)


@dataclass(frozen=True, slots=True)
class Way:
    """How a hand goes to and fro: two swings each way, in pixels and turns of a radian a second."""

    across: tuple[tuple[float, float, float], ...]
    down: tuple[tuple[float, float, float], ...]

    def at(self, time_s: float) -> tuple[float, float]:
        """How far from its middle it is, in pixels."""
        x, y = (
            sum(far * math.sin(pace * time_s + phase) for far, pace, phase in swings)
            for swings in (self.across, self.down)
        )
        return x, y


def held_flame(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """A small flame in a hand: pale and burnt out, or coloured; before a face, a pale wall or whatever there is."""
    name = str(chance.choice(_BURNS, p=_BURNS_SHARES))
    high_px = float(np.exp(chance.uniform(np.log(7.0), np.log(on.height * 0.3))))
    (x, y), way, hand = spot(chance, on, 0.25), _way(chance, on), _Hand(chance, on, high_px)
    burns = _pale(chance, flame(chance, name)) if happens(chance, 0.5) else flame(chance, name)
    _, high = extent(name, burns.layers[0].seed)
    fire = Fire(
        on,
        burns,
        Place(x, y, high_px / high / 1.5 * float(chance.uniform(0.8, 1.6)), high_px / high, 0.0),
        seed=int(chance.integers(1 << 30)),
        unrest=float(chance.uniform(0.0, 0.3)),
        way=way.at,
    )

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        dx, dy = way.at(time_s)
        hand.paint(canvas, (x + dx, y + dy))
        return fire(canvas, time_s)

    return [*_behind(chance, on, (x, y)), act]


def held_thing(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """A hand that holds a lamp (a torch, a telephone, a bulb), something warm-coloured, or a lighter that is out."""
    size = float(np.exp(chance.uniform(np.log(2.0), np.log(on.height * 0.08))))
    (x, y), way, hand = spot(chance, on, 0.25), _way(chance, on), _Hand(chance, on, 4.0 * size)
    thing, warm = str(chance.choice(_THINGS, p=_THINGS_SHARES)), scaled(warm_ink(chance), on.ambient)
    colour = scaled(lamp_colour(chance, warm=happens(chance, 0.6)), brightness(chance))
    halo, tall, turn = (float(part) for part in chance.uniform((0.02, 0.6, 0.0), (0.6, 3.0, 0.5)))

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        dx, dy = way.at(time_s)
        at = x + dx, y + dy - size
        hand.paint(canvas, (x + dx, y + dy))
        if thing == "lamp":
            seen = 1.0 - turn * (0.5 + 0.5 * math.sin(1.7 * time_s))  # a torch that turns away looks smaller
            lamp(canvas, at, max(1.0, size * seen), colour, halo)
        elif thing == "painted":
            mask = np.zeros(canvas.shape[:2], np.uint8)
            cv2.ellipse(
                mask, _px(at), (max(1, round(size)), max(1, round(size * tall))), 0, 0, 360, 255, -1, cv2.LINE_AA
            )
            paint(canvas, mask, warm)
        wide = 2.0 * size
        return [Mark("lookalike", (at[0] - wide, at[1] - wide, at[0] + wide, at[1] + wide))]

    return [*_behind(chance, on, (x, y)), act]


def _pale(chance: np.random.Generator, burns: Flame) -> Flame:
    """The same flame of clean gas: bright and nearly white within, warm only where it is thin."""
    core = float(chance.uniform(0.25, 0.85)), float(chance.uniform(0.65, 0.95)), 1.0
    return replace(burns, core=core, strength=burns.strength * float(chance.uniform(1.0, 4.0)))


class _Hand:
    """A fist with what it holds on to, below a point."""

    def __init__(self, chance: np.random.Generator, on: Stage, high_px: float) -> None:
        self._size = float(np.clip(high_px * chance.uniform(0.4, 2.0), 5.0, on.height * 0.2))
        self._skin = scaled(ink(*SKIN_INKS[int(chance.integers(len(SKIN_INKS)))]), on.ambient)
        self._body: Light = scaled(warm_ink(chance), on.ambient * float(chance.uniform(*_DARK_LEVELS)) * 8.0)
        self._tall = float(chance.uniform(0.1, 0.6))
        self._fingers = int(chance.integers(2, 5))
        self._arm = float(chance.uniform(-1.2, 1.2))

    def paint(self, canvas: Canvas, at: tuple[float, float]) -> None:
        """The hand whose holding ends at `at`."""
        size, (x, y) = self._size, at
        body = np.zeros(canvas.shape[:2], np.uint8)
        thick = max(2, round(0.25 * size))
        cv2.line(body, _px(at), _px((x, y + (self._tall + 0.6) * size)), 255, thick, cv2.LINE_AA)
        paint(canvas, body, self._body)
        skin = np.zeros(canvas.shape[:2], np.uint8)
        middle = x + 0.2 * size, y + (self._tall + 0.7) * size
        cv2.line(
            skin, _px(middle), _px((x + self._arm * 4.0 * size, y + 5.0 * size)), 255, max(3, round(size)), cv2.LINE_AA
        )
        for finger in range(self._fingers):
            low = y + (self._tall + 0.35 * finger) * size
            across = round(0.6 * size), max(1, round(0.22 * size))
            cv2.ellipse(skin, _px((x, low + 0.2 * size)), across, 0, 0, 360, 255, -1, cv2.LINE_AA)
        shade = cv2.GaussianBlur(skin, (0, 0), max(1.0, size / 5.0)).astype(np.float32) / 255.0
        cover(canvas, skin.astype(np.float32) / 255.0, shade[:, :, None] * np.array(self._skin, np.float32))


def _behind(chance: np.random.Generator, on: Stage, at: tuple[float, float]) -> list[Actor]:
    """A pale wall, and a face or a bare arm, each at times."""
    wall = happens(chance, 0.35)
    pale = scaled(ink(*(int(level) for level in chance.normal(_PALE_INK, 12.0).clip(120, 250))), on.ambient)
    face = happens(chance, 0.45)
    skin = scaled(ink(*SKIN_INKS[int(chance.integers(len(SKIN_INKS)))]), on.ambient)
    size = on.height * float(chance.uniform(0.1, 0.3))
    aside, up = (float(part) for part in chance.normal(0.0, 0.6, 2))
    middle = at[0] + aside * size, at[1] + (up - 0.4) * size

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        del time_s
        if wall:
            canvas += np.float32(0.85) * (np.array(pale, np.float32) - canvas)
        if face:
            mask = np.zeros(canvas.shape[:2], np.uint8)
            cv2.ellipse(mask, _px(middle), (round(0.75 * size), round(size)), 0, 0, 360, 255, -1, cv2.LINE_AA)
            shade = cv2.GaussianBlur(mask, (0, 0), max(1.0, size / 5.0)).astype(np.float32) / 255.0
            cover(canvas, mask.astype(np.float32) / 255.0, shade[:, :, None] * np.array(skin, np.float32))
            dark = scaled(skin, 0.2)
            for eye in (-0.3, 0.3):
                place = middle[0] + eye * size, middle[1] - 0.2 * size
                paint(canvas, _disc(canvas, place, 0.09 * size), dark)
            paint(canvas, _disc(canvas, (middle[0], middle[1] + 0.5 * size), 0.15 * size), scaled(skin, 0.6))
        return []

    return [act]


def _disc(canvas: Canvas, at: tuple[float, float], radius: float) -> NDArray[np.uint8]:
    mask = np.zeros(canvas.shape[:2], np.uint8)
    cv2.ellipse(mask, _px(at), (max(1, round(1.6 * radius)), max(1, round(radius))), 0, 0, 360, 255, -1, cv2.LINE_AA)
    return mask


def _way(chance: np.random.Generator, on: Stage) -> Way:
    """Held still but for a tremble, or carried to and fro over a third of the picture."""
    far = on.height * float(np.exp(chance.uniform(np.log(0.004), np.log(0.3))))

    def swings() -> tuple[tuple[float, float, float], ...]:
        slow = far * float(chance.uniform(0.3, 1.0)), float(chance.uniform(0.5, 4.0)), float(chance.uniform(0.0, 6.28))
        fast = 0.15 * far, float(chance.uniform(4.0, 14.0)), float(chance.uniform(0.0, 6.28))
        return slow, fast

    return Way(swings(), swings())


def _px(at: tuple[float, float]) -> tuple[int, int]:
    return round(at[0]), round(at[1])
