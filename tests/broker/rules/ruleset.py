"""Rules to test with, and a store with values in it."""

from collections.abc import Iterable, Mapping

from broker.rules.model import Rule
from broker.series.memory import MemorySeriesStore
from broker.series.ports import FieldValue, Sample, Series

NOON = 1_767_225_600_000
BAY = Series("jungang", "parking-1", "bays", "a-01")
AGENT = Series("jungang", "parking-1", "agents", "parking-1")

FAULT: Mapping[str, object] = {
    "name": "bay-fault",
    "telemetry": "bays",
    "condition": {"fault": True},
    "for_s": 600,
    "incident": "sensor",
    "ko": "주차면 센서 고장",
    "en": "bay sensor at fault",
}
FULL: Mapping[str, object] = {
    "name": "outbox-filling",
    "telemetry": "agents",
    "field": "outbox_share",
    "condition": {"above": 0.8, "clear_at": 0.7},
    "for_s": 60,
    "ko": "보관함 80% 넘음",
    "en": "outbox over 80 %",
}


def rule(base: Mapping[str, object] = FAULT, **changes: object) -> Rule:
    return Rule.model_validate({**base, **changes})


def bay_fields(state: str) -> dict[str, FieldValue]:
    return {"state": state, "known": float(state != "unknown"), "confidence": 0.9}


def write(store: MemorySeriesStore, series: Series, values: Iterable[tuple[int, Mapping[str, FieldValue]]]) -> None:
    store.write([Sample(series, time_unix_ms, fields) for time_unix_ms, fields in values])
