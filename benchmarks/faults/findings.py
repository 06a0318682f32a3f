"""Reads what the stores hold after a history, through the ports that the product itself reads with."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator

from sqlalchemy import Engine, select

from benchmarks.faults.checker import Evidence, Gap, Stored
from benchmarks.faults.device import check_of
from benchmarks.faults.house import MARKET, House
from benchmarks.faults.journal import Alarm
from broker.series.ports import FieldValue, Series, SeriesStore
from broker.series.settings import open_series_store
from broker.stores.database import open_database, sqlite_url
from broker.stores.schema import dead_letters, incident_events
from contract.ids import UNIX_MS_MAX

GAP_FIELDS = (
    "gap_epoch", "cause", "first_seq", "last_seq", "from_unix_ms", "until_unix_ms", "batches_count", "readings_count",
)  # fmt: skip
OF_INGEST = "ingest"


def gather(house: House) -> Evidence:
    """Everything that the checker needs."""
    store = open_series_store(house.store)
    engine = open_database(sqlite_url(house.central_file))
    try:
        samples = {
            (plan.device, subject): samples_of(store, Series(MARKET, plan.device, kind, subject))
            for plan in house.device_plans
            for subject, kind in plan.subjects.items()
        }
        gaps = [gap for plan in house.device_plans for gap in gaps_of(store, plan.device)]
        return Evidence(samples, gaps, frozenset(_refused(engine)), _alarms(engine))
    finally:
        engine.dispose()
        store.close()


def samples_of(store: SeriesStore, series: Series) -> list[Stored]:
    """A series' samples, each with its number."""
    checks = dict(store.range(series, "out_count", 0, UNIX_MS_MAX))
    return [
        Stored(time_unix_ms, int(number), intact=checks.get(time_unix_ms) == check_of(int(number)))
        for time_unix_ms, number in store.range(series, "in_count", 0, UNIX_MS_MAX)
    ]


def gaps_of(store: SeriesStore, device: str) -> Iterator[Gap]:
    """The gap records about a device, its own and ingest's."""
    for subject in (device, OF_INGEST):
        rows: dict[int, dict[str, FieldValue]] = defaultdict(dict)
        for field in GAP_FIELDS:
            for time_unix_ms, value in store.range(Series(MARKET, device, "gaps", subject), field, 0, UNIX_MS_MAX):
                rows[time_unix_ms][field] = value
        for row in rows.values():
            first, last = row.get("first_seq"), row.get("last_seq")
            yield Gap(
                device=device,
                epoch=str(row["gap_epoch"]),
                cause=str(row["cause"]),
                first_seq=None if first is None else int(first),
                last_seq=None if last is None else int(last),
                from_unix_ms=int(row["from_unix_ms"]),
                until_unix_ms=int(row["until_unix_ms"]),
                batches_count=int(row["batches_count"]),
                readings_count=int(row["readings_count"]),
                by_ingest=subject == OF_INGEST,
            )


def _refused(engine: Engine) -> Iterator[tuple[str, str, int]]:
    """(device, subject, number) of every reading that lies in the dead letter, alone or in a whole message."""
    with engine.connect() as connection:
        for row in connection.execute(select(dead_letters.c.topic, dead_letters.c.body)):
            device = row.topic.split("/")[3] if row.topic.count("/") == 5 else ""
            for subject, number in _numbers(row.body):
                yield device, subject, number


def _numbers(body: bytes) -> Iterator[tuple[str, int]]:
    try:
        content = json.loads(body)
    except ValueError:  # no JSON: such a letter holds no reading that a device made
        return
    readings: Iterable[dict] = content.get("readings", [content])  # type: ignore[type-arg]  # JSON of two shapes
    for reading in readings:
        fields = reading.get("fields", reading)
        subject = reading.get("subject") or reading.get("counter") or reading.get("gate")
        if subject is not None and "in_count" in fields:
            yield str(subject), int(fields["in_count"])


def _alarms(engine: Engine) -> dict[str, frozenset[Alarm]]:
    found: dict[str, set[Alarm]] = defaultdict(set)
    columns = (incident_events.c.device, incident_events.c.event_id, incident_events.c.phase)
    with engine.connect() as connection:
        for row in connection.execute(select(*columns).where(incident_events.c.name == "fire")):
            found[row.device].add((row.event_id, str(row.phase)))
    return {device: frozenset(alarms) for device, alarms in found.items()}
