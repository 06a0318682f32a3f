"""The central parts as readings."""

from broker.series.checks import complaint
from broker.series.ports import Series
from broker.stores.parts import PartStatus
from broker.upkeep.services import samples_of

NOW = 1_795_000_000_000


def part(name: str, state: str = "ok", detail: str = "", **counters: float) -> PartStatus:
    return PartStatus(name, state, detail, 1.5, NOW - 60_000, counters)


def test_every_part_is_a_reading_with_its_counters() -> None:
    first, second = samples_of([part("ingest", readings_total=7), part("alerts", "stale", "x" * 900)], NOW)
    assert first.series == Series("central", "ingest", "services", "ingest")
    assert dict(first.fields) == {"ok": 1.0, "state": "ok", "age_s": 1.5, "uptime_s": 60.0, "readings_total": 7.0}
    assert (second.fields["ok"], second.fields["state"], len(str(second.fields["detail"]))) == (0.0, "stale", 500)


def test_too_many_counters_and_a_strange_name_do_not_cost_the_others() -> None:
    many = {f"counter_{number:03}": 1.0 for number in range(200)}
    (only,) = samples_of([part("not a name!"), part("ingest-w1", "ok", "words", **many)], NOW)
    assert complaint(only) is None
    assert "counter_000" in only.fields


def test_a_counter_cannot_take_the_place_of_what_is_said_of_the_part() -> None:
    (only,) = samples_of([part("ingest", "degraded", "", ok=1.0)], NOW)
    assert only.fields["ok"] == 0.0
