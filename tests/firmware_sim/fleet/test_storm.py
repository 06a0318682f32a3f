"""A thousand devices lose one broker: how they come back, without a second of real time."""

import random

import pytest

from firmware_sim.fleet.fleet import device_backoff
from firmware_sim.fleet.storm import return_times_s, spread
from runtime.backoff import Backoff


class NoJitter(random.Random):
    def random(self) -> float:
        return 1.0


def devices(count: int, seed: int = 7) -> list[Backoff]:
    chance = random.Random(seed)
    return [device_backoff(chance.random()) for _ in range(count)]


@pytest.mark.parametrize("outage_s", [0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 300.0])
def test_a_thousand_devices_do_not_storm_and_all_are_back_soon(outage_s: float) -> None:
    times = return_times_s(outage_s, devices(1000))
    found = spread(times)
    assert len(times) == 1000
    assert times[0] >= 0
    assert found.last_s <= (2.0 if outage_s <= 1.0 else 10.0), "no device waits longer than its longest delay"
    assert found.busiest_count <= 150, "never more than a seventh of them within 100 ms"


def test_an_outage_of_a_moment_spreads_them_over_two_seconds() -> None:
    """With a first delay of 0.25 to 0.5 s, the upper half of the shortest, nearly half of them come within 100 ms."""
    narrow = spread(return_times_s(0.0, [Backoff(0.5, 10.0, random.Random(seed)) for seed in range(1000)]))
    assert narrow.busiest_count > 350
    found = spread(return_times_s(0.0, devices(1000)))
    assert found.busiest_count <= 80
    assert 0.9 <= found.p50_s <= 1.1


def test_a_long_outage_spreads_them_wider_still() -> None:
    busiest = [spread(return_times_s(outage_s, devices(1000))).busiest_count for outage_s in (1.0, 3.0, 30.0)]
    assert busiest == sorted(busiest, reverse=True)


def test_without_jitter_they_would_all_come_at_once() -> None:
    found = spread(return_times_s(5.0, [Backoff(0.5, 10.0, NoJitter()) for _ in range(1000)]))
    assert found.busiest_count == 1000


def test_the_spread_of_known_times() -> None:
    found = spread([0.0, 0.05, 0.1, 1.0, 2.0], window_s=0.1)
    assert (found.count, found.p50_s, found.last_s, found.busiest_count) == (5, 0.1, 2.0, 3)
    assert "5 back: p50 0.10 s  p99 2.00 s  last 2.00 s  busiest 100 ms: 3" in str(found)
