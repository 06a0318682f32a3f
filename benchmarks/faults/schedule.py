"""What breaks when: drawn from a seed before anything starts, so that a seed names a history."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FIRST_AT_S = 1.0
BETWEEN_S = (0.5, 2.0)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: how long it lasts, and how many of its cards lie in a deck."""

    name: str
    hold_s: tuple[float, float]
    cards: int = 1


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault. `target` and `amount` are drawn here and mean what the fault makes of them (amount is in [0, 1))."""

    at_s: float
    kind: str
    hold_s: float
    target: int
    amount: float

    def __str__(self) -> str:
        return (
            f"{self.at_s:8.2f} s  {self.kind:<18} for {self.hold_s:5.2f} s"
            f"  target {self.target:<3} amount {self.amount:.3f}"
        )


def plan(seed: int, count: int, kinds: Sequence[Kind], *, between_s: tuple[float, float] = BETWEEN_S) -> list[Planned]:
    """`count` faults in the order of their times; faults overlap where one lasts beyond the next one's begin.

    Kinds are dealt like cards from a shuffled deck: every kind comes before any comes again, in a random order.
    """
    rng = random.Random(seed)  # noqa: S311 - a reproducible history, not a secret
    deck: list[Kind] = []
    found: list[Planned] = []
    at_s = FIRST_AT_S
    for _ in range(count):
        if not deck:
            deck = [kind for kind in kinds for _ in range(kind.cards)]
            rng.shuffle(deck)
        kind = deck.pop()
        hold_s = round(rng.uniform(*kind.hold_s), 3)
        found.append(Planned(round(at_s, 3), kind.name, hold_s, rng.randrange(1 << 16), rng.random()))
        at_s += rng.uniform(*between_s)
    return found


def by_kind(faults: Iterable[Planned]) -> str:
    """`name count` of every kind, the most frequent first."""
    counted = Counter(one.kind for one in faults)
    return ", ".join(f"{name} {count}" for name, count in sorted(counted.items(), key=lambda one: (-one[1], one[0])))
