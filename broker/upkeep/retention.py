"""Retention: readings go after 30 days, their roll-ups and what happened after two years. Never before the roll-up."""

from dataclasses import dataclass

from broker.series.freshness import rolled_kind
from broker.series.ports import SeriesStore
from broker.stores.rollups import Rollups
from broker.upkeep.markets import MARKETS_KIND
from broker.upkeep.progress import Progress
from broker.upkeep.rolling import ROLLED_KINDS
from broker.upkeep.settings import RetentionSettings
from runtime.clock import Clock

DAY_MS = 86_400_000
MS_PER_S = 1000.0

RAW_KINDS = (*ROLLED_KINDS, "services")
LASTING_KINDS = (
    *(rolled_kind(kind) for kind in ROLLED_KINDS),
    MARKETS_KIND,
    "fires",
    "watches",
    "drills",
    "troubles",
    "gaps",
)


@dataclass(frozen=True, slots=True)
class _Tier:
    name: str
    kinds: tuple[str, ...]
    days: int


class Retention:
    """Removes a little a `step`, in whole days of UTC: a day that is gone is not looked at again."""

    def __init__(
        self, settings: RetentionSettings, store: SeriesStore, rollups: Rollups, clock: Clock, progress: Progress
    ) -> None:
        self._tiers = (
            _Tier("raw", RAW_KINDS, settings.raw_days),
            _Tier("lasting", LASTING_KINDS, settings.rollup_days),
        )
        self._by_us = settings.removed_by == "upkeep"
        self._store = store
        self._rollups = rollups
        self._clock = clock
        self._progress = progress
        self._gone: dict[str, int] = {}

    def step(self) -> bool:
        """Remove a little; false when nothing is left to remove now.

        Raises:
            RetryableError: call again later.
            FatalError: a person has to act; the sentence says what to do.
        """
        if not self._by_us:
            return False
        for tier in self._tiers:
            before_unix_ms = self._edge(tier)
            for kind in tier.kinds:
                if before_unix_ms > self._gone.get(kind, 0):
                    if self._store.prune([kind], before_unix_ms):
                        self._gone[kind] = before_unix_ms
                    return True
            self._progress.say({f"kept_{tier.name}_from_unix_ms": before_unix_ms})
        return False

    def _edge(self, tier: _Tier) -> int:
        """Before when this tier's samples go. A reading stays until its window is rolled up, however old it is."""
        wanted = _day(self._clock.unix_ms() - tier.days * DAY_MS)
        if tier.name != "raw":
            return wanted
        done = self._rollups.done_until()
        _, oldest_again = self._rollups.waiting()
        needed = min([*done.values(), *([] if oldest_again is None else [oldest_again])], default=None)
        # A day of what is needed stays whole, and so does what was read just before it and still held then.
        allowed = 0 if needed is None else min(wanted, _day(needed - DAY_MS // 2))
        self._progress.say({"retention_held_back_s": None if needed is None else (wanted - allowed) / MS_PER_S})
        return allowed


def _day(unix_ms: int) -> int:
    return max(0, unix_ms - unix_ms % DAY_MS)
