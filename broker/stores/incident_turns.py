"""Which turn an open incident takes by a sighting: pure, over its row and who sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Row

from broker.stores.incident_models import DRILL, FIRE, Effect, Sighting
from broker.stores.incident_moves import Move
from broker.stores.incident_rows import Sight
from broker.stores.incident_states import ACTIVE, Action, Level, State
from contract.events import Phase

CONFIRMED_BY_CAMERAS = 2
"""So many cameras that only watch make an alarm together."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a sighting does: its effect, the moves in their order, and values besides. `cameras` as in `Change`."""

    effect: Effect
    moves: tuple[Move, ...] = ()
    values: Mapping[str, object] = field(default_factory=dict)
    cameras: int = 0


def is_usual(row: Row[tuple[object, ...]], seen: Sighting) -> bool:
    """Whether it only goes on: then nothing is decided, and no history read."""
    return seen.phase is Phase.ONGOING and row.state in ACTIVE and Level(seen.level).rank <= Level(row.level).rank


def turn_of(row: Row[tuple[object, ...]], seen: Sighting, effect: Effect, sight: Sight) -> Turn:
    """The turn. `effect` is opened or repeated, `sight` counts this sighting already."""
    level = _level(row, seen, sight)
    rises = level.rank > Level(row.level).rank
    reopens = bool(sight.seeing) and row.state == State.CLEARED
    clears = not sight.seeing and row.state in ACTIVE
    joins = _joins(seen, effect, sight) and not (rises or reopens or clears)
    wanted = ((reopens, Action.REOPEN), (rises, Action.RISE), (clears, Action.CLEAR), (joins, Action.REPEAT))
    values: dict[str, object] = {"level": level.value} if rises else {}
    if reopens or clears:
        values["cleared_unix_ms"] = seen.time_unix_ms if clears else None
    ended = seen.phase is Phase.CLEARED and not sight.seeing
    effects = (
        (effect is Effect.OPENED, Effect.OPENED),
        (rises, Effect.ROSE),
        (reopens, Effect.REOPENED),
        (ended, Effect.CLEARED),
        (joins, Effect.CONFIRMED),
        (True, effect),
    )
    return Turn(
        next(one for holds, one in effects if holds),
        tuple(Move(action, detail=sight.names) for holds, action in wanted if holds),
        values,
        len(sight.reports_of),
    )


def _level(row: Row[tuple[object, ...]], seen: Sighting, sight: Sight) -> Level:
    """The level from now on: it never falls. Cameras of one zone that watch at the same time confirm each other."""
    level = Level(row.level)
    if seen.phase is Phase.CLEARED:
        return level
    if seen.severity == FIRE and len(sight.seeing) >= CONFIRMED_BY_CAMERAS:
        level = Level.ALARM
    return max(level, Level(seen.level), key=lambda one: one.rank)


def _joins(seen: Sighting, effect: Effect, sight: Sight) -> bool:
    """Whether a further camera sees for the first time what others have seen."""
    if effect is Effect.OPENED or seen.phase is not Phase.RAISED or seen.severity not in {FIRE, DRILL}:
        return False
    return len(sight.reports_of) > 1 and sight.reports_of.get((seen.device, seen.subject)) == 1
