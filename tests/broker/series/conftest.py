"""Every store, as the conformance tests want it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.series.embedded import EmbeddedSeriesStore
from broker.series.influx import InfluxSeriesStore
from broker.series.influx_tail import TailPlace
from broker.series.memory import MemorySeriesStore
from broker.series.ports import SeriesStore
from tests.influx_fixtures import InfluxServer


@pytest.fixture(params=["memory", "embedded", "influx"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SeriesStore]:
    one: SeriesStore
    if request.param == "memory":
        one = MemorySeriesStore()
    elif request.param == "embedded":
        one = EmbeddedSeriesStore(tmp_path / "series.db")
    else:
        server: InfluxServer = request.getfixturevalue("influx_server")
        tail = TailPlace(tmp_path / "tail")
        one = InfluxSeriesStore(server.url, server.token, server.org, server.new_bucket(), tail=tail)
    yield one
    one.close()
