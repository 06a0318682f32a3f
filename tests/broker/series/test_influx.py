"""The InfluxDB store: what its errors tell the caller to do, on a real server behind nginx."""

from collections.abc import Iterator

import pytest

from broker.series.influx import InfluxSeriesStore
from broker.series.influx_lines import lines_of
from broker.series.ports import FieldValue, Sample, Series
from broker.series.shapes import Shape, ShapedFields
from runtime.errors import FatalError, PartialError, RetryableError
from tests.influx_fixtures import InfluxServer

T0 = 1_767_225_600_000
BAY = Series("jungang", "pi-1", "bays", "bay-1")


@pytest.fixture
def store(influx_server: InfluxServer, influx_bucket: str) -> Iterator[InfluxSeriesStore]:
    one = InfluxSeriesStore(influx_server.url, influx_server.token, influx_server.org, influx_bucket)
    yield one
    one.close()


def test_a_line_has_sorted_tags_floats_and_milliseconds() -> None:
    sample = Sample(BAY, T0, {"state": 'a"b\\', "in_count": 3, "confidence": 0.5, "sounding": True})
    assert lines_of([sample]).decode() == (
        f'bays,device=pi-1,market=jungang,subject=bay-1 state="a\\"b\\\\",in_count=3,confidence=0.5,sounding=true {T0}'
    )


def test_a_wrong_token_says_so(influx_server: InfluxServer, influx_bucket: str) -> None:
    store = InfluxSeriesStore(influx_server.url, "wrong", influx_server.org, influx_bucket)
    with pytest.raises(FatalError, match=r"refuses the token \(401.*token that may read and write"):
        store.write([Sample(BAY, T0, {"x": 1})])
    with pytest.raises(FatalError, match="token that may read and write"):
        store.latest("jungang")
    store.close()


def test_a_wrong_token_is_never_in_the_sentence(influx_server: InfluxServer) -> None:
    store = InfluxSeriesStore(influx_server.url, "secret-token-value", influx_server.org, "b")
    with pytest.raises(FatalError) as caught:
        store.write([Sample(BAY, T0, {"x": 1})])
    assert "secret-token-value" not in str(caught.value)
    store.close()


def test_an_unknown_bucket_says_what_to_create(influx_server: InfluxServer) -> None:
    store = InfluxSeriesStore(influx_server.url, influx_server.token, influx_server.org, "nowhere")
    with pytest.raises(FatalError, match=r"create the bucket .*'nowhere'"):
        store.write([Sample(BAY, T0, {"x": 1})])
    with pytest.raises(FatalError, match="create the bucket"):
        store.latest("jungang")
    store.close()


def test_no_server_is_retryable(free_port: int) -> None:
    store = InfluxSeriesStore(f"http://127.0.0.1:{free_port}", "token", "org", "b", timeout_s=1)
    with pytest.raises(RetryableError, match="does not answer"):
        store.write([Sample(BAY, T0, {"x": 1})])
    with pytest.raises(RetryableError, match="does not answer"):
        store.latest("jungang")
    store.close()


def test_something_that_is_not_influxdb_is_named(free_port: int) -> None:
    import http.server  # noqa: PLC0415 - only this test needs a server that is none
    import threading  # noqa: PLC0415 - the same

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", free_port), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    store = InfluxSeriesStore(f"http://127.0.0.1:{free_port}", "token", "org", "b", timeout_s=2)
    with pytest.raises(FatalError, match="not InfluxDB"):
        store.latest("jungang")
    store.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_dead_server_is_retryable_and_the_same_write_works_when_it_is_back(
    influx_server: InfluxServer, store: InfluxSeriesStore
) -> None:
    first, second = [Sample(BAY, T0 + n, {"x": n}) for n in range(100)], [Sample(BAY, T0 + 100, {"x": 100})]
    store.write(first)
    influx_server.stop()
    try:
        with pytest.raises(RetryableError, match="502"):  # nginx is there, InfluxDB is not
            store.write(second)
        with pytest.raises(RetryableError):
            store.latest("jungang")
    finally:
        influx_server.start()
    store.write(second)
    assert [value for _, value in store.range(BAY, "x", T0, T0 + 999)] == list(range(101))


def test_more_lines_than_one_request_takes(store: InfluxSeriesStore) -> None:
    store.write([Sample(BAY, T0 + n, {"x": n}) for n in range(12_345)])
    assert len(store.range(BAY, "x", T0, T0 + 20_000)) == 12_345


def test_a_refused_point_among_thousands_is_found_by_asking(
    influx_server: InfluxServer, store: InfluxSeriesStore, influx_bucket: str
) -> None:
    influx_server.query(f'CREATE RETENTION POLICY "year" ON "{influx_bucket}" DURATION 52w REPLICATION 1 DEFAULT')
    now = 1_795_000_000_000
    samples = [Sample(BAY, now + n, {"x": n}) for n in range(1000)]
    for place in (17, 600, 601):
        samples[place] = Sample(BAY, 1_000_000 + place, {"x": place})  # beyond the retention: InfluxDB drops it
    with pytest.raises(PartialError) as caught:
        store.write(samples)
    assert [one.index for one in caught.value.rejected] == [17, 600, 601]
    assert "retention" in caught.value.rejected[0].reason
    assert len(store.range(BAY, "x", now, now + 2000)) == 997


def test_a_conflict_that_concerns_every_sample_costs_few_requests(
    store: InfluxSeriesStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields: dict[str, FieldValue] = {"x": "text", "y": True}
    store.write([Sample(BAY, T0, fields)])
    posts = 0
    post = store._writer._post

    def counted(body: bytes, lines_count: int) -> str | None:
        nonlocal posts
        posts += 1
        return post(body, lines_count)

    monkeypatch.setattr(store._writer, "_post", counted)
    with pytest.raises(PartialError) as caught:
        store.write([Sample(BAY, T0 + n, {"x": n, "z": 1}) for n in range(2000)])
    assert len(caught.value.rejected) == 2000
    assert "type conflict" in caught.value.rejected[0].reason
    assert posts == 1


def test_of_shaped_samples_exactly_the_conflicting_are_rejected(store: InfluxSeriesStore) -> None:
    """`ShapedFields` as ingest makes them, among fields that are not."""
    store.write([Sample(BAY, T0, {"level": 1.5, "state": "free", "flag": True, "kind": "%s"})])
    good = Shape("bays", ("level", "state", "flag"), frozenset({"state"}), (("kind", "100 %"),))
    bad = Shape("bays", ("state", "level"), frozenset({"level"}), ())
    samples = [Sample(BAY, T0 + n, ShapedFields(good, (n + 0.5, "free", n % 2 == 0))) for n in range(1, 40)]
    for place in (7, 8, 30):
        samples[place] = Sample(BAY, samples[place].time_unix_ms, ShapedFields(bad, ("free", "high")))
    samples[20] = Sample(BAY, samples[20].time_unix_ms, {"level": float("nan")})
    with pytest.raises(PartialError) as caught:
        store.write(samples)
    assert [one.index for one in caught.value.rejected] == [7, 8, 20, 30]
    assert "nan" in caught.value.rejected[2].reason
    kept = [n for n in range(1, 40) if n - 1 not in {7, 8, 20, 30}]
    assert list(store.range(BAY, "level", T0 + 1, T0 + 99)) == [(T0 + n, n + 0.5) for n in kept]
    assert list(store.range(BAY, "flag", T0 + 1, T0 + 99)) == [(T0 + n, n % 2 == 0) for n in kept]
    assert {value for _, value in store.range(BAY, "kind", T0 + 1, T0 + 99)} == {"100 %"}
