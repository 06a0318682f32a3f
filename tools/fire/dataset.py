"""Everything that is learned from, split by scene into what trains and what checks."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from tools.fire.marked import Marked
from tools.fire.pictures import clear_parts
from tools.fire.samples import Stock

HELD_OUT_SHARE = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Two stocks that share no scene."""

    train: Stock
    held_out: Stock


def split(pictures: Sequence[Marked], seed: int) -> Split:
    """About 15 % of the scenes are held out, chosen by `seed`; clear parts of pictures of fire join the clear ones."""
    train = [picture for picture in pictures if not _is_held_out(picture.scene, seed)]
    held_out = [picture for picture in pictures if _is_held_out(picture.scene, seed)]
    return Split(stock(train), stock(held_out))


def stock(pictures: Sequence[Marked]) -> Stock:
    """The pictures with fire or smoke, and those (and the parts of real pictures of fire) without either."""
    fire = [picture for picture in pictures if picture.whole != "other"]
    clear = [picture for picture in pictures if picture.whole == "other"]
    clear += [part for picture in fire if picture.domain == "real" for part in clear_parts(picture)]
    return Stock(fire, clear)


def _is_held_out(scene: str, seed: int) -> bool:
    digest = hashlib.sha256(f"{seed}:{scene}".encode()).digest()
    return digest[0] < HELD_OUT_SHARE * 256
