"""Health and metrics: what a machine asks."""

import re

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from broker.console.composition import Console
from broker.stores.parts import Parts
from runtime.clock import ManualClock
from tests.broker.console.conftest import NOW, Bench
from tests.eventually import eventually_async


async def test_health_is_ok_while_every_part_is(bench: Bench) -> None:
    await bench.until_healthy()
    bench.console.statuses.report("ingest", "ok", {})
    answer = await bench.stranger.get("/healthz")
    assert answer.status_code == 200
    health = answer.json()
    assert health["status"] == "ok"
    assert health["parts"]["ingest"] == {"state": "ok", "age_s": 0.0}
    assert set(health["parts"]) == {"console", "console-link", "database", "ingest"}


async def test_a_silent_part_a_lost_link_or_a_sick_part_is_degraded(bench: Bench) -> None:
    bench.console.statuses.report("ingest", "ok", {}, stale_after_s=10.0)
    bench.clock.advance(11)
    health = (await bench.stranger.get("/healthz")).json()
    assert (health["status"], health["parts"]["ingest"]["state"]) == ("degraded", "stale")
    bench.bus.go_down()
    await eventually_async(lambda: bench.console.link.view().state == "lost")
    health = (await bench.stranger.get("/healthz")).json()
    assert health["parts"]["console-link"]["state"] == "down"


async def test_health_answers_without_a_database(bench: Bench) -> None:
    class Gone(Parts):
        def all(self) -> tuple[()]:
            raise OperationalError("SELECT", {}, Exception("gone"))

    bench.console.statuses = Gone(bench.engine, bench.clock)
    health = (await bench.stranger.get("/healthz")).json()
    assert (health["status"], health["parts"]["database"]["state"]) == ("degraded", "down")


async def test_metrics_carry_every_parts_counters(bench: Bench) -> None:
    early = ManualClock(unix_ms=NOW)
    Parts(bench.engine, early).report("ingest-1", "ok", {"messages_total": 5, "lag_s": 0.25})
    Parts(bench.engine, early).report("ingest-2", "degraded", {"messages_total": 7})
    text = (await bench.stranger.get("/metrics")).text
    samples = {
        (one.name, tuple(one.labels.values())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }
    assert samples["jangteo_ingest_messages_total", ("1",)] == 5
    assert samples["jangteo_ingest_messages_total", ("2",)] == 7
    assert samples["jangteo_ingest_lag_s", ("1",)] == 0.25
    assert samples["jangteo_part_up", ("ingest-1",)] == 1
    assert samples["jangteo_part_up", ("ingest-2",)] == 0


async def test_the_interface_is_described(bench: Bench) -> None:
    answer = await bench.stranger.get("/openapi.json")
    described = answer.json()
    for path in ("/healthz", "/metrics", "/api/v1/markets/{market}/occupancy", "/api/v1/stream"):
        assert path in described["paths"]
    notice = described["paths"]["/api/v1/markets/{market}/notices"]["post"]
    assert set(notice["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    assert "/markets/{market}" not in described["paths"]
    assert described["openapi"].startswith("3.")
    named = [one["operationId"] for path in described["paths"].values() for one in path.values()]
    assert len(named) == len(set(named))
    refs = set(re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', answer.text))
    assert refs
    assert refs <= described["components"]["schemas"].keys()
    assert "#/$defs" not in answer.text
    assert isinstance(bench.console, Console)
