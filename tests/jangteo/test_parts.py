"""`jangteo parts`: how the parts are, and forgetting the one that is retired."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine, update
from typer.testing import CliRunner, Result

from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.parts import Parts
from broker.stores.schema import parts as table
from jangteo.parts import app
from runtime.clock import SystemClock
from runtime.errors import FatalError

Run = Callable[..., Result]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    one = open_database(sqlite_url(tmp_path / "central.db"))
    migrate(one)
    yield one
    one.dispose()


@pytest.fixture
def parts(engine: Engine) -> Parts:
    """A worker that speaks, and one that has been silent for two days."""
    made = Parts(engine, SystemClock())
    made.report("ingest-w1", "degraded", {}, detail="not connected to the MQTT broker")
    made.report("ingest-w3", "ok", {})
    with engine.begin() as connection:
        silent = update(table).where(table.c.part == "ingest-w3")
        connection.execute(silent.values(updated_unix_ms=table.c.updated_unix_ms - 2 * 86_400_000))
    return made


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "ingest.yaml"
    path.write_text(yaml.safe_dump({"database_url": sqlite_url(tmp_path / "central.db"), "worker": "w1"}))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.mark.usefixtures("parts")
def test_every_part_is_listed_with_its_state_its_age_and_what_is_wrong(config: Path) -> None:
    shown = run("--config", config)
    assert shown.exit_code == 0, shown.output
    assert [line.split() for line in shown.output.splitlines()] == [
        ["ingest-w1", "degraded", "0", "s", "ago", "not", "connected", "to", "the", "MQTT", "broker"],
        ["ingest-w3", "stale", "2.0", "d", "ago"],
    ]


@pytest.mark.usefixtures("engine")
def test_a_house_that_never_ran_says_so(config: Path) -> None:
    assert run("--config", config).output == "No part has ever reported.\n"


@pytest.mark.parametrize("front", [True, False], ids=["config-in-front", "config-behind"])
def test_a_retired_part_is_forgotten(parts: Parts, config: Path, *, front: bool) -> None:
    option, order = ("--config", config), ("forget", "ingest-w3")
    done = run(*option, *order) if front else run(*order, *option)
    assert done.output == "Forgotten: ingest-w3, silent for 2.0 d.\n"
    assert [one.part for one in parts.all()] == ["ingest-w1"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("ingest-w1", "ingest-w1 is not retired"), ("ingest-w4", "no part 'ingest-w4'.*: ingest-w1, ingest-w3")],
)
def test_what_runs_or_was_never_there_is_not_forgotten(parts: Parts, config: Path, name: str, said: str) -> None:
    with pytest.raises(FatalError, match=said):
        raise run("forget", name, "--config", config).exception or AssertionError("it was forgotten")
    assert len(parts.all()) == 2


@pytest.mark.parametrize("arguments", [(), ("forget", "ingest-w3")])
def test_without_a_settings_file_it_says_what_is_missing(arguments: tuple[str, ...]) -> None:
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert "--config" in refused.output


def test_a_database_without_tables_is_said(config: Path) -> None:
    with pytest.raises(FatalError, match="did not answer"):
        raise run("--config", config).exception or AssertionError("it was listed")
