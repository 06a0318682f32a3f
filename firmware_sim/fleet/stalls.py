"""Stalls that live plausibly: people come and go, vans park and leave, a sensor is blind now and then. Seeded, cheap.

Beside them the device itself, which says how far behind it is: that is true, the rest of it plausible.

A body is put together from pieces that were encoded once; `tests/firmware_sim/fleet/test_stalls.py` holds every body
against the contract's model.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from firmware_sim.fleet.plan import Round

PEOPLE_PER_S_MAX = 0.05
STAY_S = 300.0
PARKED_S = 1200.0
VACANT_S = 2400.0
BLIND_EVERY_S = 36_000.0
BLIND_S = 120.0
FREE_MM, OCCUPIED_MM, NOISE_MM = 2400.0, 620.0, 6.0
RSS_NOISE_BYTES, CPU_SHARE, SKEW_MS = 400_000, 0.02, 8.0


class Reads(Protocol):
    """What one round reads."""

    def readings(self, unix_ms: int) -> bytes:
        """What they read at `unix_ms`: JSON objects with commas between. Time must not run backwards."""
        ...


@dataclass(slots=True)
class _Counter:
    prefix: bytes
    rate_per_s: float
    in_count: int = 0
    out_count: int = 0


class People:
    """Counters at stalls' fronts. Counts only grow, and nobody leaves who has not come."""

    def __init__(self, subjects: Sequence[str], period_s: float, chance: random.Random) -> None:
        self._period_s = period_s
        self._chance = chance
        self._counters = [
            _Counter(_prefix("counter", one), chance.uniform(0.1, 1.0) * PEOPLE_PER_S_MAX) for one in subjects
        ]

    def readings(self, unix_ms: int) -> bytes:
        """One reading for each counter."""
        chance, period_s, pieces = self._chance.random, self._period_s, []
        leaves = min(1.0, period_s / STAY_S)
        for one in self._counters:
            one.in_count += _about(one.rate_per_s * period_s, chance)
            one.out_count += min(one.in_count - one.out_count, _about((one.in_count - one.out_count) * leaves, chance))
            pieces.append(
                b'%b%d,"state":"live","in_count":%d,"out_count":%d}'
                % (one.prefix, unix_ms, one.in_count, one.out_count)
            )
        return b",".join(pieces)


@dataclass(slots=True)
class _Bay:
    prefix: bytes
    state: bytes
    since_unix_ms: int = 0
    blind_until_ms: int = 0
    blind_since_ms: int = 0


class Bays:
    """Loading bays: free or occupied with the distance that goes with it, sometimes unknown because no echo comes."""

    def __init__(self, subjects: Sequence[str], period_s: float, chance: random.Random) -> None:
        self._period_s = period_s
        self._chance = chance
        share = PARKED_S / (PARKED_S + VACANT_S)
        self._bays = [
            _Bay(_prefix("bay", one), b"occupied" if chance.random() < share else b"free") for one in subjects
        ]

    def readings(self, unix_ms: int) -> bytes:
        """One reading for each bay."""
        return b",".join([self._reading(one, unix_ms) for one in self._bays])

    def _reading(self, bay: _Bay, unix_ms: int) -> bytes:
        chance = self._chance.random
        occupied = bay.state == b"occupied"
        if bay.since_unix_ms == 0 or chance() < self._period_s / (PARKED_S if occupied else VACANT_S):
            if bay.since_unix_ms:
                occupied = not occupied
                bay.state = b"occupied" if occupied else b"free"
            bay.since_unix_ms = unix_ms
        if unix_ms < bay.blind_until_ms:
            return b'%b%d,"state":"unknown","reason":"no-echo","confidence":0.0,"since_unix_ms":%d}' % (
                bay.prefix,
                unix_ms,
                bay.blind_since_ms,
            )
        if chance() < self._period_s / BLIND_EVERY_S:
            bay.blind_since_ms, bay.blind_until_ms = unix_ms, unix_ms + round(BLIND_S * 1000)
        distance_mm = (OCCUPIED_MM if occupied else FREE_MM) + NOISE_MM * (chance() + chance() - 1.0)
        return b'%b%d,"state":"%b","confidence":0.95,"distance_mm":%.1f,"since_unix_ms":%d}' % (
            bay.prefix,
            unix_ms,
            bay.state,
            distance_mm,
            bay.since_unix_ms,
        )


class Backlog(NamedTuple):
    """What waits in a device's outbox, what it dropped, and since when the oldest waits, if any does."""

    rows: int
    size_bytes: int
    dropped_count: int
    oldest_unix_ms: int | None


class Agent:
    """The device itself, as its agent reports: `backlog` is asked at each reading."""

    def __init__(
        self, device: str, started_unix_ms: int, backlog: Callable[[], Backlog], chance: random.Random
    ) -> None:
        self._prefix = _prefix("agent", device)
        self._started_unix_ms = started_unix_ms
        self._backlog = backlog
        self._chance = chance
        self._rss_bytes = round(chance.uniform(48e6, 58e6))

    def readings(self, unix_ms: int) -> bytes:
        """One reading."""
        chance, backlog = self._chance.random, self._backlog()
        oldest_ms = 0 if backlog.oldest_unix_ms is None else max(0, unix_ms - backlog.oldest_unix_ms)
        return (
            b'%b%d,"uptime_s":%.1f,"rss_bytes":%d,"cpu_share":%.4f,"outbox_rows":%d,"outbox_bytes":%d,'
            b'"outbox_dropped_count":%d,"outbox_oldest_age_s":%.1f,"clock_source":"synchronised","clock_skew_ms":%.1f}'
        ) % (
            self._prefix,
            unix_ms,
            max(0, unix_ms - self._started_unix_ms) / 1000,
            self._rss_bytes + int(chance() * RSS_NOISE_BYTES),
            CPU_SHARE * (0.5 + chance()),
            backlog.rows,
            backlog.size_bytes,
            backlog.dropped_count,
            oldest_ms / 1000,
            SKEW_MS * (chance() - chance()),
        )


_STALLS: dict[str, Callable[[Sequence[str], float, random.Random], Reads]] = {"people": People, "bays": Bays}


def stalls_of(one: Round, chance: random.Random) -> Reads:
    """The stalls that live behind a round."""
    return _STALLS[one.kind](one.subjects, one.period_s, chance)


def body_of(epoch: str, seq: int, readings: bytes) -> bytes:
    """A batch's body. Epoch and seq stand in front, where ingest finds them even in a body that is broken."""
    return b'{"epoch":"%b","seq":%d,"replayed":false,"readings":[%b]}' % (epoch.encode(), seq, readings)


def as_replayed(body: bytes) -> bytes:
    """The same batch, marked as history."""
    return body.replace(b'"replayed":false', b'"replayed":true', 1)


def _prefix(field: str, subject: str) -> bytes:
    return f'{{"{field}":"{subject}","time_unix_ms":'.encode()


def _about(mean: float, chance: Callable[[], float]) -> int:
    """A whole number whose mean is `mean`: at a fraction of what a Poisson draw costs."""
    return int(mean + chance())
