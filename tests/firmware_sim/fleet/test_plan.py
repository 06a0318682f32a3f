import pytest

from contract.ids import check_id
from firmware_sim.fleet.plan import AGENTS, FleetPlan, Round
from runtime.errors import SettingsError


def stall_rounds(plan: FleetPlan, market: str | None = None) -> list[Round]:
    devices = [one for one in plan.fleet if market in {None, one.identity.market}]
    return [reads for one in devices for reads in one.rounds if reads.kind != AGENTS]


def test_every_stall_is_read_once_a_period_by_one_device() -> None:
    plan = FleetPlan(markets=3, stalls=50, devices=4, batch=5)
    for market in range(3):
        own = [one for one in plan.fleet if one.identity.market == f"fleet-{market + 1:05d}"]
        subjects = [subject for reads in stall_rounds(plan, f"fleet-{market + 1:05d}") for subject in reads.subjects]
        assert len(own) == 4
        assert sorted(subjects) == [f"stall-{number:04d}" for number in range(1, 51)]
    for one in plan.fleet:
        check_id(one.identity.market, "market")
        for reads in one.rounds:
            assert 0 <= reads.offset_s < reads.period_s
            assert len(reads.subjects) <= 5
            for subject in reads.subjects:
                check_id(subject, "subject")
    assert len({one.epoch for one in plan.fleet}) == 12


def test_the_national_fleet_is_a_level_load() -> None:
    plan = FleetPlan()
    assert (plan.stalls_count, plan.sessions_count) == (100_000, 500)
    assert (plan.readings_per_s, round(plan.batches_per_s, 6)) == (10_050, 550)
    offsets = sorted(reads.offset_s for reads in stall_rounds(plan))
    slots = [sum(start <= offset < start + 1 for offset in offsets) for start in range(10)]
    assert max(slots) < 1.02 * min(slots)
    tenths = [sum(start <= offset * 10 < start + 1 for offset in offsets) for start in range(100)]
    assert max(tenths) <= 1.2 * 50, "not all devices in the same moment"
    kinds = [reads.kind for reads in stall_rounds(plan)]
    assert 0.4 < kinds.count("bays") / len(kinds) < 0.6


@pytest.mark.parametrize("period_s", [1.0, 10.0, 600.0])
def test_every_device_reads_itself_every_ten_seconds_whatever_the_stalls_period(period_s: float) -> None:
    plan = FleetPlan(markets=20, stalls=4, period_s=period_s, devices=2)
    own = [reads for one in plan.fleet for reads in one.rounds if reads.kind == AGENTS]
    assert [reads.subjects for reads in own] == [("gw-1",), ("gw-2",)] * 20
    assert {reads.period_s for reads in own} == {10.0}
    offsets = sorted(reads.offset_s for reads in own)
    assert 0 <= offsets[0] < 1
    assert 9 < offsets[-1] < 10


def test_the_seed_names_the_fleet() -> None:
    assert FleetPlan(markets=2, stalls=3).fleet == FleetPlan(markets=2, stalls=3).fleet
    assert FleetPlan(markets=2, stalls=3, seed=2).fleet[0].epoch != FleetPlan(markets=2, stalls=3).fleet[0].epoch


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ({"markets": 0}, "--markets 0 is not possible: give 1 to 10000"),
        ({"stalls": 0}, "--stalls 0 is not possible"),
        ({"period_s": 0.5}, "--period 0.5 is not possible: give 1 to 3600"),
        ({"batch": 501}, "--batch 501 is not possible: give 1 to 500"),
        ({"stalls": 10, "devices": 11}, "--devices 11 is not possible: give 1 to 10"),
        ({"markets": 10_000, "stalls": 10_000}, "100,000,000: at most 1,000,000 fit"),
        ({"period_s": float("nan")}, "--period nan is not possible"),
    ],
)
def test_a_fleet_that_cannot_be_is_refused_in_one_sentence(numbers: dict[str, float], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence.replace("(", r"\(")):
        FleetPlan(**numbers)  # type: ignore[arg-type] # one table for whole numbers and others
