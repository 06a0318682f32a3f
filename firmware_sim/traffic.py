"""Cars and people by chance, following the shape of a real day. Pure: the same seed and span give the same traffic.

Cars: an M(t)/M/N loss process stepped by the minute. Each parked car leaves at 1/`DWELL_S`, faster while the lot should
empty; arrivals make up for them and for the growth, so that the mean follows `shapes.car_share`; who finds no bay turns
away. People come at a rate that follows `shapes.people_share` and stay `VISIT_S` on average.
"""

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence

from firmware_sim.shapes import car_share, people_share
from firmware_sim.timeline import BayChange, GatePass, Happening, PersonPass

DWELL_S = 75 * 60.0
VISIT_S = 25 * 60.0
GATE_TO_BAY_S = 45.0
STEP_S = 60.0
HOUR_MS = 3_600_000
PEOPLE_PER_HOUR_PEAK = 240.0
"""People that come in through one entrance in its busiest hour."""


def bays_at(bays: Sequence[str], unix_ms: int, seed: str) -> frozenset[str]:
    """Which bays are occupied at the start: as many as the shape says, chosen by the seed."""
    count = round(car_share(unix_ms) * len(bays))
    return frozenset(random.Random(f"{seed}/start").sample(sorted(bays), count))


def cars(
    lot: str, bays: Sequence[str], occupied: Iterable[str], begin_unix_ms: int, end_unix_ms: int, seed: str
) -> tuple[Happening, ...]:
    """What happens in a lot from `begin_unix_ms` until before `end_unix_ms`, given the bays occupied at its begin.

    Each `BayChange` alternates with the last of its bay. A car passes the gate `GATE_TO_BAY_S` before it parks and as
    long after it left, within the span; gates and bays therefore agree at its end.
    """
    chance = random.Random(f"{seed}/cars/{lot}/{begin_unix_ms}")
    taken = dict.fromkeys(sorted(occupied))  # a set that keeps its order, for the same seed on every machine
    happenings: list[Happening] = []

    def happen(at_ms: int, bay: str, *, occupies: bool) -> None:
        at_ms = min(at_ms, end_unix_ms - 1)
        gate_ms = at_ms + round(GATE_TO_BAY_S * 1000) * (-1 if occupies else 1)
        happenings.append(BayChange(at_ms, bay, occupies))
        happenings.append(GatePass(min(max(gate_ms, begin_unix_ms), end_unix_ms - 1), lot, inwards=occupies))

    for step_ms in range(begin_unix_ms, end_unix_ms, round(STEP_S * 1000)):
        arrivals_per_s, departure_rate = _rates(step_ms, len(bays))
        leaves = 1.0 - math.exp(-departure_rate * STEP_S)
        # Who leaves does so in the first half of the minute and who comes in the second: a bay is never taken twice.
        for bay in [bay for bay in taken if chance.random() < leaves]:
            del taken[bay]
            happen(step_ms + chance.randrange(30_000), bay, occupies=False)
        for _ in range(_poisson(chance, arrivals_per_s * STEP_S)):
            free = [bay for bay in bays if bay not in taken]
            if not free:
                break
            bay = free[min(int(chance.expovariate(2.0 / len(free))), len(free) - 1)]  # the near bays fill first
            taken[bay] = None
            happen(step_ms + 30_000 + chance.randrange(30_000), bay, occupies=True)
    return tuple(sorted(happenings, key=lambda one: one.time_unix_ms))


def people(counter: str, inside: int, begin_unix_ms: int, end_unix_ms: int, seed: str) -> tuple[PersonPass, ...]:
    """Who walks through an entrance in that span, given how many who came by it are still inside.

    Nobody goes out who has not come in.
    """
    chance = random.Random(f"{seed}/people/{counter}/{begin_unix_ms}")
    leaves = 1.0 - math.exp(-STEP_S / VISIT_S)
    passes: list[PersonPass] = []
    for step_ms in range(begin_unix_ms, end_unix_ms, round(STEP_S * 1000)):
        out_count = sum(chance.random() < leaves for _ in range(inside))
        in_count = _poisson(chance, PEOPLE_PER_HOUR_PEAK / 3600.0 * people_share(step_ms) * STEP_S)
        inside += in_count - out_count
        for number in range(out_count + in_count):
            inwards = number >= out_count
            at_ms = step_ms + chance.randrange(30_000) + 30_000 * inwards
            passes.append(PersonPass(min(at_ms, end_unix_ms - 1), counter, inwards))
    return tuple(sorted(passes, key=lambda one: one.time_unix_ms))


def endless(
    lots: Mapping[str, Sequence[str]], counters: Sequence[str], start_unix_ms: int, seed: str
) -> Iterator[Happening]:
    """Cars in each lot's bays and people through each entrance, from `start_unix_ms` for ever, in order of time.

    It begins with a `BayChange` for each bay that is occupied at the start.
    """
    taken = {lot: set(bays_at(bays, start_unix_ms, f"{seed}/{lot}")) for lot, bays in lots.items()}
    inside = dict.fromkeys(counters, 0)
    for lot in lots:
        yield from (BayChange(start_unix_ms, bay, occupied=True) for bay in sorted(taken[lot]))
    begin_ms = start_unix_ms
    while True:
        end_ms = (begin_ms // HOUR_MS + 1) * HOUR_MS
        hour: list[Happening] = []
        for lot, bays in lots.items():
            happenings = cars(lot, bays, taken[lot], begin_ms, end_ms, seed)
            taken[lot] = _occupied_after(taken[lot], happenings)
            hour += happenings
        for counter in counters:
            passes = people(counter, inside[counter], begin_ms, end_ms, seed)
            inside[counter] += sum(1 if one.inwards else -1 for one in passes)
            hour += passes
        yield from sorted(hour, key=lambda one: one.time_unix_ms)
        begin_ms = end_ms


def _occupied_after(occupied: Iterable[str], happenings: Iterable[Happening]) -> set[str]:
    after = set(occupied)
    for one in happenings:
        if isinstance(one, BayChange):
            (after.add if one.occupied else after.discard)(one.bay)
    return after


def _rates(unix_ms: int, capacity: int) -> tuple[float, float]:
    """Arrivals a second, and each parked car's departures a second, that keep the mean on the shape.

    With s the share and s' its slope, d(mean)/dt = arrivals - rate * mean is capacity * s' for mean = capacity * s.
    """
    share = car_share(unix_ms)
    slope_per_s = (car_share(unix_ms + 60_000) - share) / 60.0
    arrivals_per_s = capacity * (share / DWELL_S + max(slope_per_s, 0.0))
    return arrivals_per_s, 1.0 / DWELL_S + max(-slope_per_s, 0.0) / share


def _poisson(chance: random.Random, mean: float) -> int:
    """A Poisson number by counting exponential gaps: exact, and quick for the small means of a minute."""
    count, reached = 0, chance.expovariate(1.0)
    while reached < mean:
        count += 1
        reached += chance.expovariate(1.0)
    return count
