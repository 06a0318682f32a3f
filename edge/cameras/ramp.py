"""A measure turned into the strength of one kind of evidence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Ramp(Generic[E]):
    """0 at `none_at`, 1 at `full_at`, straight between them; either may be the larger."""

    name: str
    measure: Callable[[E], float]
    none_at: float
    full_at: float

    def __call__(self, evidence: E) -> float:
        """The strength 0..1 of this kind of evidence."""
        return self.of(self.measure(evidence))

    def of(self, measured: float) -> float:
        """The strength 0..1 of a measure that has been taken already."""
        share = (measured - self.none_at) / (self.full_at - self.none_at)
        return min(1.0, max(0.0, share))
