"""How long a reading stands for what is: one table for the console's live view and for every mean over time."""

from collections.abc import Mapping

STALE_AFTER_S: Mapping[str, float] = {
    "cameras": 8.0,
    "bays": 25.0,
    "gates": 25.0,
    "people": 25.0,
    "screens": 25.0,
    "sirens": 25.0,
    "agents": 25.0,
}
"""By kind, after how long without a reading nothing is known any more. Agents report cameras every 2 s, screens every
5 s and everything else every 10 s at the latest: two reports may be lost, and what is left is for the way here."""

ROLLUP_STEP_MS = 300_000
"""The windows of the roll-ups: 5 minutes, counted from 1970."""

ROLLED_SUFFIX = "-5m"

LATE_AFTER_S = 60.0
"""A reading that arrives later than this marks its window to be rolled up again. It has to be less than the time that a
window is left open after its end (`broker.upkeep.settings.GRACE_S_MIN`), or a reading could fall between the two."""


def rolled_kind(kind: str) -> str:
    """What the roll-up of a kind is called: `bays` → `bays-5m`."""
    return kind + ROLLED_SUFFIX
