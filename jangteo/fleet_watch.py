"""Watching a fleet run: the live line, and the figures at its end."""

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from firmware_sim.fleet.cost import Cost, cost_of
from firmware_sim.fleet.figures import Lags
from firmware_sim.fleet.fleet import Fleet

LOAD = "load"
CENTRAL = ("broker", "ingest", "store")
WINDOWS_MAX = 200_000
QUARTERS = 4

PidsOf = Callable[[str], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Part:
    """What a process cost over the run: cores used and bytes written to disks a second, memory at the begin, …."""

    cores: float
    written_bytes_per_s: float
    rss_first_bytes: int
    rss_last_bytes: int
    rss_max_bytes: int


@dataclass(frozen=True, slots=True)
class FleetFigures:
    """A run in numbers. Readings, unless the name says otherwise; lag is from a reading to its receipt heard."""

    markets: int
    stalls: int
    period_s: float
    sessions: int
    batch: int
    seconds: float
    made: int
    receipted: int
    dropped: int
    unreceipted: int
    resent_batches: int
    refused_batches: int
    disconnections: int
    restarts: int
    readings_per_s: float
    batches_per_s: float
    lag_p50_ms: float | None
    lag_p99_ms: float | None
    lag_max_ms: float
    lag_p99_ms_first_quarter: float | None
    lag_p99_ms_last_quarter: float | None
    load_late_p99_ms: float | None
    rounds_missed: int
    cores: int
    parts: dict[str, Part] = field(default_factory=dict)
    store_bytes: int = 0
    stored: int | None = None
    wrong_series: int | None = None
    first_wrong: str = ""

    @property
    def lost(self) -> int:
        """Readings that are not proven to be in the database."""
        missing = 0 if self.stored is None else max(0, self.made - self.stored)
        return max(self.dropped + self.unreceipted, missing)

    @property
    def all_there(self) -> bool:
        """Whether nothing is lost."""
        return self.lost == 0 and not self.wrong_series

    @property
    def central_cores(self) -> float:
        """Cores that broker, ingest and store used together."""
        return sum(part.cores for name, part in self.parts.items() if name in CENTRAL)


class Watch:
    """Measures from its making until `figures`. `line` is called every few seconds."""

    def __init__(self, fleet: Fleet, pids_of: PidsOf, restarts: Callable[[], int], now_s: float) -> None:
        self._fleet = fleet
        self._pids_of = pids_of
        self._restarts = restarts
        self._begin_s = self._looked_s = now_s
        self._lags = Lags()
        self._p99_ms: list[float] = []
        self._costs: dict[str, list[Cost]] = {}
        self._spent: dict[str, float] = {}
        self._before = (0, 0)
        self._look()

    def line(self, now_s: float) -> str:
        """What happened since the last line."""
        passed_s = max(now_s - self._looked_s, 1e-6)
        self._looked_s = now_s
        counters, waiting = self._fleet.counters, self._fleet.waiting()
        window, counters.lags = counters.lags, Lags()
        self._lags.merge(window)
        p99_ms = window.percentile_ms(0.99)
        if p99_ms is not None and len(self._p99_ms) < WINDOWS_MAX:
            self._p99_ms.append(p99_ms)
        sent, receipted = counters.sent - self._before[0], counters.receipted - self._before[1]
        self._before = (counters.sent, counters.receipted)
        spent = self._look()
        shares = "  ".join(f"{name} {100 * spent[name] / passed_s:.0f}%" for name in (*CENTRAL, LOAD) if name in spent)
        rss = "  ".join(f"{name} {costs[-1].rss_bytes / 1e6:.0f}" for name, costs in self._costs.items())
        return (
            f"{now_s - self._begin_s:6.0f} s  sent {sent / passed_s:,.0f}/s  receipted {receipted / passed_s:,.0f}/s"
            f"  lag p50 {_ms(window.percentile_ms(0.5))} p99 {_ms(p99_ms)}"
            f"  behind {waiting.readings:,} ({waiting.oldest_s:.1f} s)  connected {waiting.connected}"
            f"  | of a core: {shares}  | MB: {rss}"
        )

    def figures(self, now_s: float) -> FleetFigures:
        """The run so far. Call `line` once more before, so that nothing is left out."""
        fleet, counters = self._fleet, self._fleet.counters
        plan, seconds = fleet.plan, max(now_s - self._begin_s, 1e-6)
        quarter = len(self._p99_ms) // QUARTERS
        return FleetFigures(
            markets=plan.markets,
            stalls=plan.stalls,
            period_s=plan.period_s,
            sessions=plan.sessions_count,
            batch=plan.batch,
            seconds=seconds,
            made=counters.made,
            receipted=counters.receipted,
            dropped=counters.dropped,
            unreceipted=fleet.waiting().readings,
            resent_batches=counters.resent_batches,
            refused_batches=counters.refused_batches,
            disconnections=counters.disconnections,
            restarts=self._restarts(),
            readings_per_s=counters.made / seconds,
            batches_per_s=plan.batches_per_s,
            lag_p50_ms=self._lags.percentile_ms(0.5),
            lag_p99_ms=self._lags.percentile_ms(0.99),
            lag_max_ms=self._lags.max_ms,
            lag_p99_ms_first_quarter=_median(self._p99_ms[:quarter]),
            lag_p99_ms_last_quarter=_median(self._p99_ms[-quarter:] if quarter else ()),
            load_late_p99_ms=counters.late.percentile_ms(0.99),
            rounds_missed=counters.rounds_missed,
            cores=os.cpu_count() or 1,
            parts={name: _part(costs, self._spent[name], seconds) for name, costs in self._costs.items()},
        )

    def _look(self) -> dict[str, float]:
        """CPU seconds of each process since the last look. One that was restarted counts from its new begin."""
        spent: dict[str, float] = {}
        for name in (*CENTRAL, LOAD):
            cost = cost_of((os.getpid(),) if name == LOAD else self._pids_of(name))
            if cost is None:
                continue
            costs = self._costs.setdefault(name, [])
            if costs:
                before = costs[-1].cpu_s if cost.cpu_s >= costs[-1].cpu_s else 0.0
                spent[name] = cost.cpu_s - before
            self._spent[name] = self._spent.get(name, 0.0) + spent.get(name, 0.0)
            if len(costs) < WINDOWS_MAX:
                costs.append(cost)
            else:
                costs[-1] = cost
        return spent


def summary(figures: FleetFigures) -> str:
    """The last lines of a run."""
    one, names = figures, [name for name in (*CENTRAL, LOAD) if name in figures.parts]
    size = f"{one.markets} markets x {one.stalls} stalls, a reading each every {one.period_s:g} s"
    made = f"made {one.made:,} ({one.readings_per_s:,.0f}/s)  receipted {one.receipted:,}"
    gone = f"dropped by outboxes {one.dropped:,}  without receipt {one.unreceipted:,}"
    batches = f"{one.batches_per_s:,.0f}/s  resent {one.resent_batches:,}  refused {one.refused_batches:,}"
    ends = f"connections lost {one.disconnections:,}  parts restarted {one.restarts}"
    lag = f"p50 {_ms(one.lag_p50_ms)}  p99 {_ms(one.lag_p99_ms)}  max {_ms(one.lag_max_ms)}"
    quarters = f"first quarter {_ms(one.lag_p99_ms_first_quarter)}, last quarter {_ms(one.lag_p99_ms_last_quarter)}"
    lines = [
        f"{size}, {one.sessions} sessions, {one.batch} readings a batch, {one.seconds:.0f} s",
        f"readings   {made}  {gone}",
        f"batches    {batches}  {ends}",
        f"lag        reading to receipt: {lag}",
        f"growing?   p99 by 5 s: {quarters}",
        f"load       late by p99 {_ms(one.load_late_p99_ms)}, rounds missed {one.rounds_missed}",
    ]
    for name in names:
        part = one.parts[name]
        lines.append(
            f"{name:<10} {part.cores:.3f} cores  RSS {part.rss_first_bytes / 1e6:.0f} MB at the begin,"
            f" {part.rss_last_bytes / 1e6:.0f} at the end, {part.rss_max_bytes / 1e6:.0f} at most;"
            f" {part.written_bytes_per_s / 1e6:.2f} MB/s to the disk"
        )
    measured = [name for name in names if name in CENTRAL]
    if measured:
        share = 100 * one.central_cores / one.cores
        lines.append(
            f"{' + '.join(measured)}: {one.central_cores:.3f} cores, {share:.0f} % of this machine's {one.cores}"
        )
    if one.store_bytes:
        lines.append(f"on disk    {one.store_bytes / 1e6:,.0f} MB in the embedded store")
    return "\n".join((*lines, _verdict(one)))


def _verdict(one: FleetFigures) -> str:
    if one.stored is None:
        checked = "the store was not read back"
    elif one.wrong_series:
        checked = f"{one.stored:,} in the store, {one.wrong_series:,} series differ, first: {one.first_wrong}"
    else:
        checked = f"{one.stored:,} in the store, every series holds exactly what was made"
    return f"lost: {one.lost:,}  ({checked})"


def _part(costs: Sequence[Cost], spent_s: float, seconds: float) -> Part:
    sizes = [cost.rss_bytes for cost in costs]
    written = max(0, costs[-1].written_bytes - costs[0].written_bytes)  # of one that was restarted: since then
    return Part(spent_s / seconds, written / seconds, sizes[0], sizes[-1], max(sizes))


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _ms(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f} ms"
