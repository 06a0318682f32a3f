"""How a new start of the server is known: by a real InfluxDB 1.6, and by what the others answer."""

import pytest

from broker.series.influx_start import ServerStart
from runtime.errors import RetryableError
from tests.broker.series.told_influx import told_influx
from tests.influx_fixtures import InfluxServer


def test_a_real_server_says_the_same_until_it_is_started_again(influx_server: InfluxServer) -> None:
    asking = ServerStart(influx_server.url, influx_server.token, timeout_s=5)
    first = asking.ask()
    assert first is not None
    assert first.startswith("process ")
    assert asking.ask() == first
    assert asking.keeps_what_it_acknowledged() is False
    influx_server.stop()
    try:
        with pytest.raises(RetryableError, match="does not say when it was started: 502"):
            asking.ask()
        with pytest.raises(RetryableError, match="502"):
            asking.keeps_what_it_acknowledged()
    finally:
        influx_server.start()
    assert asking.ask() not in {None, first}
    asking.close()


def test_a_real_server_without_its_diagnostics_says_it_in_its_metrics(influx_server: InfluxServer) -> None:
    asking = ServerStart(influx_server.url, influx_server.token, timeout_s=5)
    asking._ways.reverse()
    first = asking.ask()
    assert first is not None
    assert first.startswith("second 1")
    asking.close()


@pytest.mark.parametrize(
    ("says", "start"),
    [("diagnostics", "process 7 of 2026"), ("uptime", "id 2026"), ("process", "second 2026"), ("nothing", None)],
)
def test_every_way_of_saying_it(free_port: int, says: str, start: str | None) -> None:
    with told_influx(free_port) as told:
        told.says, told.start = says, "2026"
        asking = ServerStart(told.url, "token", timeout_s=5)
        assert [asking.ask(), asking.ask()] == [start, start]
        asking.close()


def test_the_way_that_works_is_the_only_one_that_is_asked_again(free_port: int) -> None:
    with told_influx(free_port) as told:
        told.says = "uptime"
        asking = ServerStart(told.url, "token", timeout_s=5)
        asking.ask()
        assert told.asked == 2
        asking.ask()
        assert told.asked == 3
        asking.close()


@pytest.mark.parametrize(("version", "keeps"), [("1.8.10", False), ("v2.7.12", False), ("", False), ("3.1.0", True)])
def test_only_3_keeps_what_it_acknowledged(free_port: int, version: str, *, keeps: bool) -> None:
    with told_influx(free_port) as told:
        told.version = version
        asking = ServerStart(told.url, "token", timeout_s=5)
        assert asking.keeps_what_it_acknowledged() is keeps
        asking.close()


def test_no_server_is_retryable(free_port: int) -> None:
    asking = ServerStart(f"http://127.0.0.1:{free_port}", "token", timeout_s=1)
    with pytest.raises(RetryableError, match="does not say when it was started"):
        asking.ask()
    asking.close()
