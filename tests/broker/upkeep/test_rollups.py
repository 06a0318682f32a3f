"""The job: what is due, what is done again, what a crash in the middle leaves."""

from collections.abc import Sequence

import pytest

from broker.series.embedded import EmbeddedSeriesStore
from broker.series.influx import InfluxSeriesStore
from broker.series.memory import MemorySeriesStore
from broker.series.ports import Sample
from broker.upkeep.rollups import DAY_MS, WINDOWS_PER_STEP_MAX, runs
from runtime.errors import RetryableError
from tests.broker.upkeep.conftest import BAY, ROLLED_BAY, T0, House, W, enrol
from tests.influx_fixtures import InfluxServer


def start(house: House, until: int = 0) -> None:
    """Both markets are rolled up until window `until`."""
    for market in ("jungang", "nambu"):
        house.rollups.note_done(market, T0 + until * W)


def test_a_window_is_rolled_up_when_it_and_its_grace_are_over(house: House) -> None:
    start(house)
    house.read(0, occupied=1.0)
    house.clock.advance(300 + 119)
    house.run()
    assert house.rolled("occupied_mean") == {}
    house.clock.advance(1)
    house.run()
    assert house.rolled("occupied_mean") == {0: 1.0}
    assert house.rolled("covered_s") == {0: 25}
    assert house.rollups.done_until() == {"jungang": T0 + W, "nambu": T0 + W}
    assert house.progress.counters()["rollup_behind_s"] == 0.0


def test_after_an_outage_it_goes_on_a_bounded_piece_at_a_time(house: House) -> None:
    start(house)
    for window in range(40):
        house.read(window * 300 + 100, occupied=float(window % 2))
    house.clock.advance(40 * 300 + 120)
    job, pieces = house.job(), []
    while job.step():
        pieces.append(house.rollups.done_until()["jungang"])
    assert pieces == sorted(pieces)
    assert max(b - a for a, b in zip([T0, *pieces], pieces, strict=False)) <= WINDOWS_PER_STEP_MAX * W
    assert house.rolled("occupied_mean") == {window: float(window % 2) for window in range(40)}
    assert house.progress.counters()["rollup_behind_s"] == 0.0


def test_the_market_that_is_furthest_behind_comes_first_and_none_starves(house: House) -> None:
    house.rollups.note_done("jungang", T0)
    house.rollups.note_done("nambu", T0 - 30 * W)
    house.clock.advance(20 * 300 + 120)
    job, order = house.job(), []
    before = dict(house.rollups.done_until())
    while job.step():
        after = dict(house.rollups.done_until())
        order += [market for market in after if after[market] != before[market]]
        before = after
    assert order[:4] == ["nambu", "jungang", "nambu", "jungang"]


def test_a_market_that_is_new_skips_the_time_before_its_first_reading(house: House) -> None:
    house.read(-3 * 86_400 + 7, occupied=1.0)
    house.read(-1000, occupied=0.0)
    house.clock.advance(120)
    steps = house.run()
    assert steps < 200, "thirty days are not looked at hour by hour"
    assert house.rolled("occupied_mean") == {-3 * 288: 1.0, -4: 0.0}
    assert house.rolled("covered_s") == {-3 * 288: 25, -4: 25}
    assert set(house.rollups.done_until().values()) == {T0}


def test_nothing_older_than_what_is_kept_is_looked_at(house: House) -> None:
    house.read(-40 * 86_400, occupied=1.0)
    house.run()
    assert house.rolled("occupied_mean") == {}


def test_a_late_reading_corrects_its_window_and_the_next_one(house: House) -> None:
    start(house)
    house.read(0, occupied=0.0)
    house.read(301, occupied=0.0)
    house.clock.advance(3 * 300 + 120)
    house.run()
    assert house.rolled("occupied_mean") == {0: 0.0, 1: 0.0}
    house.late(298, occupied=1.0)
    house.run()
    assert house.rolled("occupied_max") == {0: 1, 1: 1}
    assert house.rolled("occupied_mean") == pytest.approx({0: 2 / 27, 1: 1 / 26})
    assert house.progress.counters()["windows_again_total"] == 1
    assert house.rollups.waiting() == (0, None)


def test_a_late_reading_of_a_window_that_is_still_open_waits_for_its_turn(house: House) -> None:
    start(house)
    house.clock.advance(310)
    house.late(5, occupied=1.0)
    house.run()
    assert house.rolled("occupied_mean") == {}
    house.clock.advance(110)
    house.run()
    assert house.rolled("occupied_mean") == {0: 1.0}
    assert "windows_again_total" not in house.progress.counters()
    assert house.rollups.waiting() == (0, None)


class Failing(MemorySeriesStore):
    """A store that is away for some writes."""

    fails = 0

    def write(self, samples: Sequence[Sample]) -> None:
        if self.fails:
            self.fails -= 1
            raise RetryableError("the store is away")
        super().write(samples)


def test_what_could_not_be_written_is_done_again(house: House) -> None:
    house.store = store = Failing()
    start(house)
    house.read(0, occupied=1.0)
    house.clock.advance(420)
    store.fails = 1
    job = house.job()
    with pytest.raises(RetryableError):
        house.run(job)
    assert house.rollups.done_until()["jungang"] == T0
    house.run(job)
    assert house.rolled("occupied_mean") == {0: 1.0}
    house.late(10, occupied=0.0)
    store.fails = 1
    with pytest.raises(RetryableError):
        house.run(job)
    house.run(house.job())
    assert house.rolled("occupied_min") == {0: 0}, "another process finds the claim"
    assert house.rollups.waiting() == (0, None)


def test_doing_everything_again_changes_nothing(house: House) -> None:
    start(house)
    for second in range(0, 600, 7):
        house.read(second, occupied=float(second % 3 == 0), known=1.0)
    house.clock.advance(3 * 300 + 120)
    house.run()
    before = list(house.store.scan("jungang", "bays-5m", 0, 2 * T0))
    for second in (7, 301):
        house.late(second, occupied=0.0, known=1.0)  # as it was read already
    house.run()
    assert house.progress.counters()["windows_again_total"] == 2
    assert list(house.store.scan("jungang", "bays-5m", 0, 2 * T0)) == before


def test_a_backlog_older_than_what_is_kept_fills_and_never_overwrites(house: House) -> None:
    start(house)
    old = -31 * 86_400
    rolled = Sample(ROLLED_BAY, T0 + old * 1000 - (T0 + old * 1000) % W, {"occupied_mean": 0.75})
    house.store.write([rolled])
    house.late(old, occupied=0.0)
    house.late(old + 600, occupied=1.0)
    house.run()
    found = sorted(house.rolled("occupied_mean").values())
    assert found == [0.75, 1]


def test_windows_that_touch_are_one_piece() -> None:
    done = {"a": 9 * W, "b": 3 * W}
    windows = [("a", 5 * W), ("a", 0), ("a", W), ("a", 4 * W), ("b", 2 * W), ("a", 8 * W)]
    assert runs(windows, done) == [("a", 0, 3 * W), ("a", 4 * W, 7 * W), ("a", 8 * W, 9 * W), ("b", 2 * W, 3 * W)]


def test_a_market_that_leaves_the_registry_is_forgotten(house: House) -> None:
    start(house)
    house.late(0, market="gone")
    house.rollups.note_done("gone", T0 + 9 * W)
    house.run()
    assert set(house.rollups.done_until()) == {"jungang", "nambu"}
    assert house.rollups.waiting() == (0, None)
    enrol(house.registry, "gone")
    house.run()
    assert house.rollups.done_until()["gone"] == T0 - W


def test_a_type_that_the_store_refuses_is_left_out_and_said(house: House) -> None:
    start(house)
    house.store.write([Sample(ROLLED_BAY._replace(subject="x"), 5, {"covered_s": "text"})])
    house.read(0)
    house.clock.advance(420)
    house.run()
    assert house.progress.counters()["rejected_total"] == 1
    assert house.rollups.done_until()["jungang"] == T0 + W


def test_days_are_days() -> None:
    assert DAY_MS == 288 * W


@pytest.mark.parametrize("kind", ["embedded", "influx"])
def test_the_job_on_real_stores(house: House, kind: str, request: pytest.FixtureRequest) -> None:
    if kind == "embedded":
        path = house.settings.series.path  # type: ignore[union-attr]  # the house's settings are the embedded store's
        house.store = EmbeddedSeriesStore(path)
    else:
        server: InfluxServer = request.getfixturevalue("influx_server")
        house.store = InfluxSeriesStore(server.url, server.token, server.org, server.new_bucket())
    start(house)
    second = BAY._replace(subject="a-02")
    for moment in range(0, 900, 10):
        house.read(moment, occupied=1.0, known=1.0, state="occupied")
        house.read(moment + 1, second, known=0.0, state="unknown", reason="no-echo")
    house.clock.advance(3 * 300 + 120)
    house.run()
    assert house.rolled("occupied_mean") == {0: 1, 1: 1, 2: 1}
    assert house.rolled("covered_s") == {0: 300, 1: 300, 2: 300}
    assert house.rolled("known_mean", ROLLED_BAY._replace(subject="a-02")) == {0: 0, 1: 0, 2: 0}
    house.late(5, occupied=0.0)
    house.run()
    assert house.rolled("occupied_mean")[0] == pytest.approx(1 - 5 / 300)
    house.store.close()
