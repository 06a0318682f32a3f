"""Bodies are made by hand, for speed: the contract's own models have to take every one of them."""

import random

import pytest

from contract.telemetry import AgentBatch, BayBatch, BayState, PeopleBatch
from firmware_sim.fleet.plan import Round
from firmware_sim.fleet.stalls import Agent, Backlog, as_replayed, body_of, stalls_of

EPOCH = "0123456789abcdef"
START_MS = 1_790_000_000_000
NAMES = tuple(f"stall-{number:04d}" for number in range(20))


def bodies(kind: str, count: int, period_s: float = 10.0, seed: int = 1) -> list[bytes]:
    stalls = stalls_of(Round(kind, NAMES, 0.0, period_s), random.Random(seed))
    times = [START_MS + round(number * period_s * 1000) for number in range(count)]
    return [body_of(EPOCH, number + 1, stalls.readings(at_ms)) for number, at_ms in enumerate(times)]


def test_people_come_and_go_and_nobody_leaves_who_has_not_come() -> None:
    before = dict.fromkeys(NAMES, (0, 0))
    for number, body in enumerate(bodies("people", 2000)):
        batch = PeopleBatch.from_bytes(body)
        assert (batch.epoch, batch.seq, batch.replayed) == (EPOCH, number + 1, False)
        assert tuple(one.counter for one in batch.readings) == NAMES
        for one in batch.readings:
            assert one.time_unix_ms == START_MS + number * 10_000
            assert one.in_count >= before[one.counter][0]
            assert before[one.counter][1] <= one.out_count <= one.in_count
            before[one.counter] = (one.in_count, one.out_count)
    assert all(50 < came < 20_000 * 0.05 * 1.1 for came, _ in before.values())
    assert all(left > came / 2 for came, left in before.values())
    assert sum(came - left for came, left in before.values()) > len(NAMES), "some are there"


def test_bays_change_seldom_and_say_what_goes_with_their_state() -> None:
    last: dict[str, tuple[BayState, int]] = {}
    changes = unknown = occupied = 0
    for body in bodies("bays", 4000):
        for one in BayBatch.from_bytes(body).readings:
            if one.state is BayState.UNKNOWN:
                unknown += 1
                assert (one.distance_mm, one.confidence) == (None, 0.0)
                continue
            assert one.distance_mm is not None
            assert (one.distance_mm < 1000) == (one.state is BayState.OCCUPIED)
            assert one.since_unix_ms <= one.time_unix_ms
            occupied += one.state is BayState.OCCUPIED
            if one.bay in last and last[one.bay][0] is not one.state:
                changes += 1
                assert one.since_unix_ms > last[one.bay][1]
            last[one.bay] = (one.state, one.since_unix_ms)
    readings = 4000 * len(NAMES)
    assert 200 < changes < 700  # 40,000 s of 20 bays, half an hour for each state on average
    assert 0 < unknown < readings / 100
    assert 0.2 < occupied / readings < 0.5


@pytest.mark.parametrize("kind", ["people", "bays"])
def test_the_seed_makes_the_readings(kind: str) -> None:
    assert bodies(kind, 50) == bodies(kind, 50)
    assert bodies(kind, 50) != bodies(kind, 50, seed=2)


@pytest.mark.parametrize("backlog", [Backlog(0, 0, 0, None), Backlog(3, 900, 7, START_MS - 4_000)])
def test_an_agent_says_what_costs_and_waits(backlog: Backlog) -> None:
    agent = Agent("gw-1", START_MS, lambda: backlog, random.Random(1))
    for number in range(200):
        body = body_of(EPOCH, number + 1, agent.readings(START_MS + number * 10_000))
        (one,) = AgentBatch.from_bytes(body).readings
        assert (one.agent, one.time_unix_ms, one.uptime_s) == ("gw-1", START_MS + number * 10_000, number * 10.0)
        assert 48_000_000 <= one.rss_bytes < 60_000_000
        assert 0.005 < one.cpu_share < 0.04
        assert (one.outbox_rows, one.outbox_bytes, one.outbox_dropped_count) == backlog[:3]
        assert one.outbox_oldest_age_s == (number * 10.0 + 4.0 if backlog.rows else 0.0)
        assert one.clock_source == "synchronised"
        assert one.clock_skew_ms is not None
        assert abs(one.clock_skew_ms) < 10


def test_a_device_whose_clock_is_set_back_is_no_older_than_its_start() -> None:
    agent = Agent("gw-1", START_MS, lambda: Backlog(1, 9, 0, START_MS), random.Random(1))
    (one,) = AgentBatch.from_bytes(body_of(EPOCH, 1, agent.readings(START_MS - 60_000))).readings
    assert (one.uptime_s, one.outbox_oldest_age_s) == (0.0, 0.0)


def test_a_replayed_body_says_so_and_nothing_else_changes() -> None:
    body = bodies("people", 1)[0]
    before, after = PeopleBatch.from_bytes(body), PeopleBatch.from_bytes(as_replayed(body))
    assert after == before.model_copy(update={"replayed": True})
