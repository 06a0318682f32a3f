"""Fields of samples that look alike: their names are held once, so that a store prepares its statement once.

A `ShapedFields` behaves as the mapping it stands for. It is only made of what a contract model has accepted and no
store can refuse (numbers within bounds, flags, words that need no escaping), for a series and a time that fit too:
stores need not check it again.
"""

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from dataclasses import dataclass

from broker.series.ports import FieldValue


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What samples of one look have in common.

    `names` are the fields whose values differ, in the order in which a sample holds them; `words` those of them that
    are text; `constants` the fields that have the same value in all of them. Two shapes are equal only if they are one.
    """

    kind: str
    names: tuple[str, ...]
    words: frozenset[str]
    constants: tuple[tuple[str, FieldValue], ...]


class ShapedFields(Mapping[str, FieldValue]):
    """The fields of one sample: `held[i]` belongs to `shape.names[i]`."""

    __slots__ = ("_named", "held", "shape")

    _named: dict[str, FieldValue]

    def __init__(self, shape: Shape, held: tuple[FieldValue, ...]) -> None:
        self.shape = shape
        self.held = held

    def named(self) -> dict[str, FieldValue]:
        """The same as a dictionary, made when it is first asked for."""
        try:
            return self._named
        except AttributeError:
            self._named = dict(zip(self.shape.names, self.held, strict=True))
            self._named.update(self.shape.constants)
            return self._named

    def __getitem__(self, name: str) -> FieldValue:
        return self.named()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.named())

    def __len__(self) -> int:
        return len(self.shape.names) + len(self.shape.constants)

    def __repr__(self) -> str:
        return repr(self.named())

    def keys(self) -> KeysView[str]:
        """The names; here and below a dictionary's own views, which are faster than a mapping's."""
        return self.named().keys()

    def values(self) -> ValuesView[FieldValue]:
        """The values."""
        return self.named().values()

    def items(self) -> ItemsView[str, FieldValue]:
        """The pairs."""
        return self.named().items()
