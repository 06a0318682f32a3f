"""Rules: what a dry run over a month of one market costs, and a look of the alerts service at it."""

import argparse
import os
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from broker.alerts.rules.watch import RuleWatch
from broker.rules.dry_run import Span, Total, dry_run, series_of
from broker.rules.evaluation import QUIET, Timing, follow
from broker.rules.model import HOLDS, Rule
from broker.series.embedded import EmbeddedSeriesStore
from broker.series.ports import FieldValue, Sample, Series
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.incidents import Incidents
from broker.stores.registry import MarketEntry, Named, Registry, Subject
from broker.stores.rule_states import RuleStates
from broker.upkeep.rolling import Span as RollSpan
from broker.upkeep.rolling import roll
from runtime.clock import ManualClock

MARKET, DEVICE = "jungang", "parking-1"
BAYS = 200
PERIOD_MS = 10_000
DAY_MS = 86_400_000
MONTH_DAYS = 30
T0 = 1_795_000_000_000 // DAY_MS * DAY_MS
LOOKS = 30
FAULT_SHARE, FAULT_MS = 0.02, 1_200_000  # each bay is at fault for 20 minutes at a time, a fiftieth of its time

RULE = Rule.model_validate(
    {
        "name": "bay-fault",
        "telemetry": "bays",
        "condition": {"fault": True},
        "for_s": 600,
        "clear_for_s": 60,
        "incident": "sensor",
        "ko": "주차면 센서 고장",
        "en": "bay sensor at fault",
    }
)
NUMBER = RULE.model_copy(
    update={
        "name": "bay-near",
        "field": "distance_mm",
        "condition": RULE.condition.model_validate({"below": 300, "clear_at": 400}),
    }
)


def main(arguments: list[str]) -> int:
    """Fill an embedded store with some days of one market, run dry, and look as the alerts service does."""
    parser = argparse.ArgumentParser(prog="scripts/bench rules", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=1, help="how many days are written and run through")
    given = parser.parse_args(arguments)
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; seed {given.seed}")
    with tempfile.TemporaryDirectory(prefix="jangteo-bench-") as name:
        store = EmbeddedSeriesStore(Path(name) / "series.db")
        span = Span(T0, T0 + given.days * DAY_MS)
        _print_filling(store, span, random.Random(given.seed))  # noqa: S311 - seeded chance, not secrets
        _print_arithmetic(span)
        for rule in (RULE, NUMBER):
            _print_dry_run(rule, store, span)
        _roll_up(store, span)
        print("the same with the roll-ups that upkeep makes, which prove most windows free of faults:")
        _print_dry_run(RULE, store, span)
        _print_looks(Path(name), store, span)
        store.close()
    return 0


def _series(bay: int) -> Series:
    return Series(MARKET, DEVICE, "bays", f"bay-{bay:03}")


def _print_filling(store: EmbeddedSeriesStore, span: Span, chance: random.Random) -> None:
    begun_s, count = time.perf_counter(), 0
    for begin in range(span.from_unix_ms, span.until_unix_ms, DAY_MS // 24):
        samples = list(_hour(begin, chance))
        store.write(samples)
        count += len(samples)
    print(
        f"{BAYS} bays, a reading every {PERIOD_MS // 1000} s, {span.ms // DAY_MS} days: {count:,} readings written "
        f"in {time.perf_counter() - begun_s:.0f} s (not what is measured)"
    )


def _hour(begin_unix_ms: int, chance: random.Random) -> Iterator[Sample]:
    for bay in range(BAYS):
        fault = chance.random() < FAULT_SHARE * DAY_MS / 24 / FAULT_MS
        fault_from = begin_unix_ms + chance.randrange(DAY_MS // 24 - FAULT_MS)
        occupied = chance.random() < 0.5
        for moment in range(begin_unix_ms, begin_unix_ms + DAY_MS // 24, PERIOD_MS):
            at_fault = fault and fault_from <= moment < fault_from + FAULT_MS
            state = "unknown" if at_fault else "occupied" if occupied else "free"
            fields: dict[str, FieldValue] = {
                "lot": "main",
                "state": state,
                "confidence": 0.0 if at_fault else 0.95,
                "since_unix_ms": begin_unix_ms,
                "known": float(not at_fault),
            }
            if not at_fault:
                fields["distance_mm"] = (250.5 if occupied else 1500.5) + moment // PERIOD_MS % 40
            yield Sample(_series(bay), moment + bay, fields)


def _roll_up(store: EmbeddedSeriesStore, span: Span) -> None:
    for begin in range(span.from_unix_ms, span.until_unix_ms, DAY_MS // 24):
        windows = RollSpan(MARKET, "bays", begin, begin + DAY_MS // 24)
        store.write(list(roll(store.scan(MARKET, "bays", windows.scan_from_unix_ms, windows.until_unix_ms), windows)))


def _print_arithmetic(span: Span) -> None:
    """The evaluation alone: values that change nothing, and values that all have to be counted."""
    times = range(span.from_unix_ms, span.from_unix_ms + 1_000_000 * PERIOD_MS, PERIOD_MS)
    for words, verdict in (("quiet", -HOLDS), ("holding", HOLDS)):
        values = [(moment, verdict) for moment in times]
        begun_s = time.process_time()
        follow(Timing.of(RULE), QUIET, values, times[-1])
        print(f"evaluation alone, {words}: {time.process_time() - begun_s:.2f} s CPU per million values")


def _print_dry_run(rule: Rule, store: EmbeddedSeriesStore, span: Span) -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall_s, cpu_s, total = time.perf_counter(), time.process_time(), Total()
    for run in dry_run(rule, store, series_of(rule, store, span.from_unix_ms), span):
        total.add(run)
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1000
    month = MONTH_DAYS * DAY_MS / span.ms
    print(
        f"dry run of {rule.name} ({rule.asked_field}): {total.count} firings on {total.subjects} subjects, "
        f"{wall_s:.1f} s wall, {cpu_s:.1f} s CPU, peak memory +{grown_mb:.0f} MB; "
        f"a month of it: {wall_s * month:.0f} s wall, {cpu_s * month:.0f} s CPU"
    )


def _print_looks(folder: Path, store: EmbeddedSeriesStore, span: Span) -> None:
    engine = open_database(sqlite_url(folder / "central.db"))
    migrate(engine)
    subjects = tuple(Subject("bays", _series(bay).subject, DEVICE) for bay in range(BAYS))
    Registry(engine).enrol(MarketEntry(Named(MARKET, "중앙시장", "Jungang"), devices=(DEVICE,), subjects=subjects))
    clock = ManualClock(span.until_unix_ms)
    watch = RuleWatch(store, Registry(engine), Incidents(engine, clock), RuleStates(engine), lambda _seen: None, clock)
    took_s = []
    for _ in range(LOOKS):
        begun_s = time.perf_counter()
        watch.look({RULE.name: RULE, NUMBER.name: NUMBER})
        took_s.append(time.perf_counter() - begun_s)
        clock.advance(0.1)
    engine.dispose()
    took_s.sort()
    print(
        f"a look at the market with 2 rules: p50 {took_s[LOOKS // 2] * 1000:.1f} ms, most {took_s[-1] * 1000:.1f} ms, "
        f"of the 10 s between two"
    )
