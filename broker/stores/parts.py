"""Part status: each central part says, every few seconds, that it makes progress; silence shows."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, delete, select

from broker.stores.database import transaction, upsert
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

    def forget(self, part: str) -> bool:
        """Forget a part that is retired; whether it was known. One that still runs is back with its next report."""
        with transaction(self._engine) as connection:
            return connection.execute(delete(parts).where(parts.c.part == part)).rowcount > 0

    def forget_older_than(self, silent_s: float) -> tuple[str, ...]:
        """Forget the parts that have been silent for longer than that while another of their kind speaks; their names.

        The last of its kind stays, stale: nobody took over from it, so it is missed and not retired.
        """
        now = self._clock.unix_ms()
        before = now - int(silent_s * 1000)
        with self._engine.connect() as connection:
            rows = connection.execute(select(parts.c.part, parts.c.updated_unix_ms).order_by(parts.c.part)).all()
        speaking = {kind_of(row.part) for row in rows if row.updated_unix_ms >= before}
        names = tuple(row.part for row in rows if row.updated_unix_ms < before and kind_of(row.part) in speaking)
        if names:  # seldom: nobody writes for nothing
            with transaction(self._engine) as connection:
                connection.execute(delete(parts).where(parts.c.part.in_(names), parts.c.updated_unix_ms < before))
        return names


def kind_of(part: str) -> str:
    """What a part does, whichever instance it is: `ingest` of `ingest-w3`."""
    return part.partition("-")[0]
