"""Changes somewhere in a JSON document: what a fuzzer that only knows bytes takes for ever to come upon."""

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Place: TypeAlias = "tuple[dict[str, Json], str] | tuple[list[Json], int]"

STRANGE: Sequence[Json] = (
    None, True, False, 0, -1, 1, 2**31, 2**53, 2**53 + 1, 2**63, -(2**63), 10**400, 0.0, -0.0, 1e308, 5e-324, 0.5,
    float("nan"), float("inf"), "", " ", "\0", "\n", "\u2028", "\ud800", "장터", "x" * 600, "-", "a/b", "+", "#",
    "$SYS", "0", "1", "NaN", "true", "0123456789abcdef", [], {}, [[]], {"": {}},
)  # fmt: skip


def mutated(content: Json, rng: random.Random) -> Json:
    """`content` with one change; it is changed in place where it has places."""
    places = list(_places(content))
    if not places:
        return _strange(rng)
    rng.choice(CHANGES)(rng.choice(places), rng)
    return content


def _places(content: Json) -> Iterator[Place]:
    if isinstance(content, dict):
        for name, value in content.items():
            yield content, name
            yield from _places(value)
    elif isinstance(content, list):
        for index, value in enumerate(content):
            yield content, index
            yield from _places(value)


def _strange(rng: random.Random) -> Json:
    return copy.deepcopy(rng.choice(STRANGE))


def _get(place: Place) -> Json:
    return place[0][place[1]]  # type: ignore[index]  # a key for a dict, an index for a list


def _set(place: Place, value: Json) -> None:
    place[0][place[1]] = value  # type: ignore[index]  # as above


def _replace(place: Place, rng: random.Random) -> None:
    _set(place, _strange(rng))


def _drop(place: Place, _rng: random.Random) -> None:
    del place[0][place[1]]  # type: ignore[arg-type]  # a key for a dict, an index for a list


def _wrap(place: Place, rng: random.Random) -> None:
    _set(place, rng.choice([[_get(place)], {"inside": _get(place)}]))


def _as_text(place: Place, _rng: random.Random) -> None:
    _set(place, str(_get(place)))


def _nudge(place: Place, rng: random.Random) -> None:
    value = _get(place)
    if isinstance(value, int | float):
        _set(place, value + rng.choice([-1, 1, 0.5, 10**6, -(10**12)]))
    elif isinstance(value, str):
        at = rng.randrange(len(value) + 1)
        _set(place, value[:at] + rng.choice(["", "x", "\n", "\0", "é", "0"]) + value[at + rng.randrange(2) :])
    elif isinstance(value, list) and value:
        value.extend(value[: rng.randrange(1, 4)])


def _rename(place: Place, rng: random.Random) -> None:
    holder, name = place
    if isinstance(holder, dict) and isinstance(name, str):
        holder[rng.choice([f"{name}x", name.upper(), "epoch", "seq", "time_unix_ms", "readings"])] = holder.pop(name)


def _add(place: Place, rng: random.Random) -> None:
    holder = place[0]
    if isinstance(holder, dict):
        holder[rng.choice(["added_later", "subject", "market", "time", "_field"])] = _strange(rng)
    else:
        holder.append(_strange(rng))


Change = Callable[[Place, random.Random], None]
CHANGES: Sequence[Change] = (_replace, _replace, _drop, _wrap, _as_text, _nudge, _nudge, _rename, _add)
