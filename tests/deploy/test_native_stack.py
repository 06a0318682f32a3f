"""The compose stack's own commands and files, run without Docker, from a simulated bay to the dashboards' answers.

`tests/deploy/native_stack.py` says what stands in for what. Not shown here: the images, InfluxDB 2, Grafana.
"""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from runtime.secret_files import write_secret
from tests.dashboards.grafana import ALL, Source, View, queries_of, values, variables_of
from tests.deploy.native_stack import ROOT, Native, postgres_program, running_stack
from tests.eventually import eventually

pytestmark = pytest.mark.server

DASHBOARDS: list[dict[str, Any]] = [
    json.loads(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "dashboards" / "generated").glob("*.json"))
]
BAYS = {"a-01", "a-02", "a-03", "a-04"}
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Native]:
    with running_stack(tmp_path_factory.mktemp("stack")) as native:
        yield native


def known_bays(stack: Native) -> dict[str, str]:
    bays = stack.api("GET", "markets/jungang/occupancy")["bays"]
    return {bay["bay"]: bay["state"] for bay in bays if bay["state"] in {"free", "occupied"} and bay["age_s"] < 15}


def test_the_markets_bays_reach_the_console_influxdb_and_postgres(stack: Native) -> None:
    try:
        eventually(lambda: known_bays(stack).keys() == BAYS, within_s=40, what="every bay is known on the console")
    except AssertionError as error:
        words = "\n".join(f"{name}: {stack.said(name)}" for name in ("market", "ingest", "console"))
        raise AssertionError(f"{error}\n{words}") from error
    eventually(lambda: written_bays(stack) == BAYS, what="every bay is in InfluxDB")
    eventually(lambda: registered(stack) == [("jungang", "market-1", "online")], what="the device is in PostgreSQL")
    with stack.database() as connection:
        assert connection.execute("SELECT count(*) FROM dead_letters").fetchone() == (0,)
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_the_canary_reads_back_what_the_market_sent_and_the_parts_are_readings(stack: Native) -> None:
    def well() -> bool:
        with stack.database() as connection:
            row = connection.execute("SELECT counters FROM parts WHERE part = 'upkeep'").fetchone()
        counters = {} if row is None else row[0]
        return counters.get("canary_devices") == 1 and counters.get("canary_ok") == 1 and "windows_total" in counters

    eventually(lambda: {"ingest", "console", "upkeep"} <= subjects(stack, "services", "ok"), within_s=40)
    eventually(well, within_s=60, every_s=0.5, what="the canary has found the device's reading in InfluxDB")


def registered(stack: Native) -> list[tuple[str, ...]]:
    with stack.database() as connection:
        return connection.execute("SELECT market, device, state FROM devices").fetchall()


def written_bays(stack: Native) -> set[str]:
    return subjects(stack, "bays", "state")


def subjects(stack: Native, kind: str, field: str) -> set[str]:
    """Of which something is in InfluxDB."""
    query = f'SELECT last("{field}") FROM jangteo.autogen."{kind}" GROUP BY "subject"'  # noqa: S608 - InfluxQL of a test
    answer = stack.influx.query(query).json()
    return {found["tags"]["subject"] for found in answer["results"][0].get("series", ())}


def test_every_address_of_the_files_was_met(stack: Native) -> None:
    assert stack.used == set(stack.addresses()), "an address is rewritten that no file names any more"


@pytest.mark.parametrize("service", ["ingest", "alerts", "console", "upkeep", "market"])
def test_the_services_own_health_checks_say_that_they_are_well(stack: Native, service: str) -> None:
    def ok() -> bool:
        found = subprocess.run(stack.health_command(service), capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout + found.stderr
        return True

    eventually(ok, within_s=30, every_s=0.5)


def test_postgres_own_health_check_says_that_it_is_well(stack: Native) -> None:
    program, *words = stack.health_command("postgres")
    found = [postgres_program(program), *words, "-p", str(stack.ports["postgres"])]
    assert subprocess.run(found, check=False, capture_output=True).returncode == 0


def test_a_part_that_never_reported_is_not_well(stack: Native) -> None:
    command = [*stack.health_command("ingest")[:-1], "ingest-w7"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (1, "ingest-w7: has never reported\n")


def test_a_notice_becomes_active_on_the_device_with_its_picture(stack: Native) -> None:
    picture = ("closed.png", one_pixel_png(), "image/png")
    pushed = stack.api(
        "POST", "markets/jungang/notices", data={"title": "오늘 쉽니다", "text": "Closed"}, files={"picture": picture}
    )
    generation = pushed["generations"]["market-1"]

    def arrived() -> bool:
        (arrival,) = stack.api("GET", "markets/jungang/notices")["arrivals"]
        return (arrival["state"], arrival["generation"]) == ("active", generation)

    eventually(arrived, within_s=30, what="the device runs the generation")
    state = httpx.get(
        f"http://127.0.0.1:{stack.ports['player']}/screen/gate-screen/state", timeout=5, trust_env=False
    ).json()
    (item,) = [one for one in state["items"] if one["kind"] == "notice"]
    assert item["title"] == "오늘 쉽니다"
    assert item["picture"]


def one_pixel_png() -> bytes:
    import cv2  # noqa: PLC0415 - only this test needs a picture
    import numpy as np  # noqa: PLC0415 - the same

    return bytes(cv2.imencode(".png", np.full((40, 60, 3), 200, np.uint8))[1])


def test_a_wrong_mqtt_password_ends_ingest_with_its_sentence(stack: Native, tmp_path: Path) -> None:
    secret = tmp_path / "wrong"
    write_secret(secret, "wrong")
    text = (stack.folder("ingest", "/etc/jangteo") / "ingest.yaml").read_text(encoding="utf-8")
    config = tmp_path / "ingest.yaml"
    config.write_text(re.sub(r"password_file: \S+", f"password_file: {secret}", text), encoding="utf-8")
    command = [word if not word.endswith("ingest.yaml") else str(config) for word in stack.command("ingest")]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert found.returncode == 2
    assert "refused client 'ingest-main', user 'ingest': this user may not connect" in found.stderr


def test_a_wrong_database_password_and_a_wrong_token_are_refused(stack: Native) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        stack.database(password="wrong")
    answer = httpx.get(
        f"{stack.influx_url}/query",
        params={"q": "SHOW DATABASES"},
        headers={"Authorization": "Token wrong"},
        trust_env=False,
    )
    assert answer.status_code == 401
    assert httpx.get(f"{stack.console_url}/api/v1/markets", trust_env=False).status_code == 401


def targets() -> list[tuple[str, str, str | None]]:
    """(title, query, shortest interval) of every query of every panel of every dashboard."""
    return [
        (title, target["query"], panel.get("interval"))
        for dashboard in DASHBOARDS
        for title, panel, target in queries_of(dashboard)
    ]


def ask(
    stack: Native, query: str, interval_min: str | None = None, until_ms: int | None = None
) -> list[dict[str, Any]]:
    """Ask as Grafana does: with the provisioned data source's database and header."""
    until_ms = until_ms or time.time_ns() // 1_000_000
    variables = {name: one for dashboard in DASHBOARDS for name, one in variables_of(dashboard).items()}
    chosen = dict.fromkeys(variables, ALL) | {"market": "jungang", "one_market": "jungang"}
    text = View(until_ms - HOUR_MS, until_ms, variables, chosen).query(query, interval_min)
    token = (stack.secrets / "grafana" / "influxdb_token").read_text(encoding="utf-8").strip()
    with closing(Source(stack.influx_url, token, "jangteo")) as source:
        return source.ask(text)


@pytest.mark.parametrize(("title", "query", "interval_min"), targets())
def test_every_panel_of_the_dashboards_gets_an_answer(
    stack: Native, title: str, query: str, interval_min: str | None
) -> None:
    assert isinstance(ask(stack, query, interval_min), list), title


def test_the_bay_panels_answer_with_the_bays(stack: Native) -> None:
    asked = {title.rpartition(" [")[0]: query for title, query, _ in targets() if 'FROM "bays"' in query}
    each = ask(stack, asked["자리마다 / each bay"], "30s")
    assert {one["tags"]["subject"] for one in each} == BAYS
    assert set(values(each)) <= {"free", "occupied", "unknown"}
    stats = [asked[f"{title} bays"] for title in ("빈 자리 / free", "주차 / occupied", "모름 / unknown")]

    def every_bay_is_counted_once() -> bool:
        until_ms = time.time_ns() // 1_000_000
        counts = [sum(values(ask(stack, query, "30s", until_ms))) for query in stats]
        assert sum(counts) <= len(BAYS), counts
        return bool(sum(counts) == len(BAYS))

    eventually(every_bay_is_counted_once, within_s=30, every_s=1, what="free, occupied and unknown are all bays")


def test_the_dashboards_market_variable_lists_the_market(stack: Native) -> None:
    for dashboard in DASHBOARDS:
        for variable in dashboard["templating"]["list"]:
            if variable["name"] == "market":
                rows = [row for one in ask(stack, variable["query"]) for row in one["values"]]
                assert {row[-1] for row in rows} == {"jungang"}, variable["query"]


# Last in the file: it ends what the others need.
def test_sigterm_ends_every_service_cleanly_and_the_market_says_goodbye(stack: Native) -> None:
    assert stack.end("market") == 0, stack.said("market")
    eventually(lambda: stack.api("GET", "devices")[0]["presence"] == "offline", what="presence is offline")
    for service in ("upkeep", "console", "alerts", "ingest", "mosquitto", "postgres"):
        number = signal.SIGINT if service == "postgres" else signal.SIGTERM  # what its image names as its stop signal
        assert stack.end(service, number) == 0, f"{service}: {stack.said(service)}"
        assert "Traceback" not in stack.said(service)
    assert (stack.root / "deploy" / "state" / "mosquitto" / "mosquitto.db").exists(), "queues and retained state kept"
