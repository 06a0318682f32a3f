"""Part status: each central part says, every few seconds, that it makes progress; silence shows."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, select

from broker.stores.database import transaction
from broker.stores.registry import upsert
from broker.stores.schema import parts
from runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class PartStatus:
    """A part as it last described itself. `state` is ok, degraded, or stale when it has gone silent."""

    part: str
    state: str
    detail: str
    age_s: float
    started_unix_ms: int
    counters: Mapping[str, float]


class Parts:
    """Reads and writes part status."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._started_unix_ms = clock.unix_ms()

    def report(
        self, part: str, state: str, counters: Mapping[str, float], *, detail: str = "", stale_after_s: float = 10.0
    ) -> None:
        """Say that `part` is there. Counters have Prometheus names without prefix, `_total` for ever-growing ones."""
        row = {
            "part": part,
            "state": state,
            "detail": detail,
            "started_unix_ms": self._started_unix_ms,
            "updated_unix_ms": self._clock.unix_ms(),
            "stale_after_s": stale_after_s,
            "counters": dict(counters),
        }
        with transaction(self._engine) as connection:
            upsert(connection, parts, [row])

    def all(self) -> tuple[PartStatus, ...]:
        """Every part that ever reported, the silent ones as stale."""
        now = self._clock.unix_ms()
        with self._engine.connect() as connection:
            rows = connection.execute(select(parts).order_by(parts.c.part)).all()
        found = []
        for row in rows:
            age_s = max(0.0, (now - row.updated_unix_ms) / 1000.0)
            state = "stale" if age_s > row.stale_after_s else row.state
            found.append(PartStatus(row.part, state, row.detail, age_s, row.started_unix_ms, row.counters))
        return tuple(found)
