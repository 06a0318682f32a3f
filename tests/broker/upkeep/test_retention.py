"""What is removed, when, and what has to happen before."""

from contextlib import closing

import pytest

from broker.series.ports import Sample, Series
from broker.upkeep.retention import LASTING_KINDS, RAW_KINDS, Retention
from broker.upkeep.settings import RetentionSettings
from runtime.errors import SettingsError
from runtime.settings_file import load_settings
from tests.broker.upkeep.conftest import BAY, T0, House, W

DAY_S = 86_400


def retention(house: House, **settings: object) -> Retention:
    made = RetentionSettings.model_validate({"raw_days": 30, "rollup_days": 730, **settings})
    return Retention(made, house.store, house.rollups, house.clock, house.progress)


def done(house: House, offset_s: float = 0) -> None:
    for market in ("jungang", "nambu"):
        house.rollups.note_done(market, T0 + int(offset_s * 1000))


def run(one: Retention) -> int:
    for steps in range(1000):
        if not one.step():
            return steps
    raise AssertionError("never done")


def kept(house: House, kind: str) -> list[float]:
    with closing(house.store.scan("jungang", kind, 0, 2 * T0)) as samples:
        return [(one.time_unix_ms - T0) / 1000 / DAY_S for one in samples]


def write(house: House, kind: str, *days: float) -> None:
    series = Series("jungang", "pi-1", kind, "a-01")
    house.store.write([Sample(series, T0 + int(day * DAY_S * 1000), {"x": 1}) for day in days])


def test_readings_go_after_thirty_days_and_what_lasts_after_two_years(house: House) -> None:
    done(house)
    for kind in ("bays", "services", "bays-5m", "fires", "gaps"):
        write(house, kind, -731.5, -100, -31.5, -29.5, -1)
    run(retention(house))
    assert kept(house, "bays") == kept(house, "services") == [-29.5, -1]
    assert kept(house, "bays-5m") == kept(house, "fires") == kept(house, "gaps") == [-100, -31.5, -29.5, -1]
    assert house.progress.counters()["retention_held_back_s"] == 0.0


def test_a_day_that_is_gone_is_not_asked_about_again(house: House) -> None:
    done(house)
    one = retention(house)
    assert run(one) == len(RAW_KINDS) + len(LASTING_KINDS)
    assert run(one) == 0
    house.clock.advance(DAY_S)
    done(house, DAY_S)
    assert run(one) == len(RAW_KINDS) + len(LASTING_KINDS)


def test_nothing_goes_before_it_is_rolled_up(house: House) -> None:
    write(house, "bays", -40, -35, -33)
    house.rollups.note_done("jungang", T0 - 34 * DAY_S * 1000)
    house.rollups.note_done("nambu", T0)
    one = retention(house)
    run(one)
    assert kept(house, "bays") == [-35, -33]
    assert house.progress.counters()["retention_held_back_s"] > 3 * DAY_S
    done(house)
    run(one)
    assert kept(house, "bays") == []


def test_nothing_goes_before_a_late_window_is_done_again(house: House) -> None:
    done(house)
    write(house, "bays", -40)
    house.late(-35 * DAY_S, occupied=1.0)
    one = retention(house)
    run(one)
    assert kept(house, "bays") == [-35]
    house.run()
    run(one)
    assert kept(house, "bays") == []
    assert list(house.rolled("occupied_mean").values()) == [1]


def test_without_a_market_that_was_ever_looked_at_nothing_goes(house: House) -> None:
    write(house, "bays", -40)
    run(retention(house))
    assert kept(house, "bays") == [-40]


def test_a_server_of_its_own_mind_is_left_alone(house: House) -> None:
    done(house)
    house.read(-40 * DAY_S)
    assert run(retention(house, removed_by="server")) == 0
    assert house.store.range(BAY, "occupied", 0, T0 + W)


def test_bad_settings_say_what_would_be_right(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("settings") / "retention.yaml"
    path.write_text("raw_days: 60\nrollup_days: 30\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="rollup_days is less than raw_days"):
        load_settings(path, RetentionSettings)
