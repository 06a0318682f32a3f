"""Reading and removing in InfluxDB: what its refusals mean, and answers in pieces of any size."""

import http.server
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.series.influx import InfluxSeriesStore
from broker.series.influx_reading import _lines
from broker.series.ports import Sample, Series
from runtime.errors import FatalError, RetryableError
from tests.influx_fixtures import InfluxServer


@contextmanager
def answering(port: int, status: int, body: bytes) -> Iterator[InfluxSeriesStore]:
    """A store whose server always gives this answer."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the base class's name

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", port), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    store = InfluxSeriesStore(f"http://127.0.0.1:{port}", "token", "org", "b", timeout_s=2)
    try:
        yield store
    finally:
        store.close()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("status", [400, 405, 422, 501])
def test_a_server_that_removes_nothing_says_what_to_set_instead(free_port: int, status: int) -> None:
    body = b'{"error":"DELETE is not supported"}'
    with (
        answering(free_port, status, body) as store,
        pytest.raises(FatalError, match=r"removes nothing on request .*not supported.*removed_by: server"),
    ):
        store.prune(["bays"], 5)


@pytest.mark.parametrize(("status", "error"), [(500, RetryableError), (429, RetryableError), (401, FatalError)])
def test_other_refusals_of_a_removal_are_what_they_are_elsewhere(
    free_port: int, status: int, error: type[Exception]
) -> None:
    with answering(free_port, status, b"{}") as store, pytest.raises(error):
        store.prune(["bays"], 5)


def test_an_error_in_the_middle_of_an_answer_is_no_short_answer(free_port: int) -> None:
    series = {"name": "bays", "tags": {"market": "m", "device": "d", "subject": "s"}, "columns": ["time", "x"]}
    documents = [{"results": [{"series": [{**series, "values": [[1, 2]]}]}]}, {"results": [{"error": "timeout"}]}]
    with answering(free_port, 200, "\n".join(map(json.dumps, documents)).encode()) as store:
        samples = store.scan("m", "bays", 0, 5)
        assert next(samples) == Sample(Series("m", "d", "bays", "s"), 1, {"x": 2})
        with pytest.raises(FatalError, match="timeout"):
            next(samples)


def test_an_answer_that_breaks_off_is_no_answer(free_port: int) -> None:
    broken = b'{"results":[{"series":[{"na'
    with answering(free_port, 200, broken) as store, pytest.raises(FatalError, match="not InfluxDB"):
        store.latest("m")


def test_a_wrong_token_removes_nothing(influx_server: InfluxServer) -> None:
    store = InfluxSeriesStore(influx_server.url, "wrong", influx_server.org, "b")
    with pytest.raises(FatalError, match="token"):
        store.prune(["bays"], 5)
    store.close()


@given(st.lists(st.binary(min_size=1).filter(lambda one: b"\n" not in one and one.strip())), st.integers(1, 9))
def test_documents_come_whole_however_the_answer_is_cut(documents: Sequence[bytes], size: int) -> None:
    whole = b"\n".join(documents)
    cut = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert list(_lines(iter(cut))) == list(documents)
    assert list(_lines(iter([*cut, b"\n"]))) == list(documents)
