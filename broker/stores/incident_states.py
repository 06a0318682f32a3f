"""An incident's states and what may lead from one to another, as one table. Pure: the store does the writing."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where in its life an incident is."""

    RAISED = "raised"  # somebody sees it, nobody takes care of it
    ACKNOWLEDGED = "acknowledged"  # somebody sees it, somebody takes care of it
    CLEARED = "cleared"  # nobody sees it any more; whether anybody took care of it is a matter of its own
    CLOSED = "closed"  # over for good


ACTIVE = frozenset({State.RAISED, State.ACKNOWLEDGED})
"""The states of what is still seen."""


class Action(StrEnum):
    """What leads from one state to another, as `incident_log` has it. `REPEAT` is logged only with news in it."""

    RAISE = "raise"
    REPEAT = "repeat"
    RISE = "rise"
    ACKNOWLEDGE = "acknowledge"
    CLEAR = "clear"
    REOPEN = "reopen"
    CLOSE = "close"


class Level(StrEnum):
    """How sure it is: a watch is told to nobody by default, an alarm to everybody whom the policy names."""

    WATCH = "watch"
    ALARM = "alarm"

    @property
    def rank(self) -> int:
        """The higher the surer."""
        return 0 if self is Level.WATCH else 1


@dataclass(frozen=True, slots=True)
class Standing:
    """A state, and whether an acknowledgement stands: a cleared or closed incident may lack one."""

    state: State
    is_acknowledged: bool


RAISED = Standing(State.RAISED, is_acknowledged=False)
ACKNOWLEDGED = Standing(State.ACKNOWLEDGED, is_acknowledged=True)
CLEARED = Standing(State.CLEARED, is_acknowledged=False)
CLEARED_ACKNOWLEDGED = Standing(State.CLEARED, is_acknowledged=True)
CLOSED = Standing(State.CLOSED, is_acknowledged=False)
CLOSED_ACKNOWLEDGED = Standing(State.CLOSED, is_acknowledged=True)

BEGINS: Mapping[Action, Standing] = MappingProxyType({Action.RAISE: RAISED})
"""How an incident comes into being."""

TABLE: Mapping[Standing, Mapping[Action, Standing]] = MappingProxyType(
    {
        RAISED: {
            Action.REPEAT: RAISED,
            Action.RISE: RAISED,
            Action.ACKNOWLEDGE: ACKNOWLEDGED,
            Action.CLEAR: CLEARED,
        },
        ACKNOWLEDGED: {
            Action.REPEAT: ACKNOWLEDGED,
            Action.RISE: RAISED,  # what somebody took care of was less than what it is now
            Action.CLEAR: CLEARED_ACKNOWLEDGED,
        },
        CLEARED: {
            Action.REPEAT: CLEARED,  # what comes out of order changes nothing
            Action.RISE: CLEARED,
            Action.ACKNOWLEDGE: CLOSED_ACKNOWLEDGED,  # nothing burns and somebody has looked
            Action.REOPEN: RAISED,
            Action.CLOSE: CLOSED,
        },
        CLEARED_ACKNOWLEDGED: {
            Action.REPEAT: CLEARED_ACKNOWLEDGED,
            Action.RISE: CLEARED,
            Action.REOPEN: ACKNOWLEDGED,
            Action.CLOSE: CLOSED_ACKNOWLEDGED,
        },
        CLOSED: {
            Action.ACKNOWLEDGE: CLOSED_ACKNOWLEDGED,  # who looked late is written down; closed it stays
        },
        CLOSED_ACKNOWLEDGED: {},
    }
)
"""From which standing which action leads where. What is not named changes nothing."""


def after(standing: Standing, action: Action) -> Standing | None:
    """Where an action leads from here; `None` if it has no place here and nothing may be written."""
    return TABLE[standing].get(action)


def closes_by_itself(standing: Standing, level: Level, *, must_be_seen: bool) -> bool:
    """Whether what is cleared closes after its window without anybody's word.

    `must_be_seen` is for a fire: as an alarm it waits, cleared, until somebody says that they have looked.
    """
    if standing.state is not State.CLEARED:
        return False
    return standing.is_acknowledged or level is Level.WATCH or not must_be_seen
