"""What stops without saying so becomes a trouble: a central part that is silent or unwell, a device's readings.

Parts say in the central state how they are; upkeep's canary leaves there which online devices have no fresh reading in
the database. A part's trouble is every market's. While ingest is unwell, and for a while after, no device is blamed for
what ingest does not write.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from broker.alerts.policy import NO_ZONE, TROUBLE, trouble_kind
from broker.stores.incident_models import Sighting
from broker.stores.parts import PartStatus
from broker.stores.stalls import Stall
from contract.events import Phase
from contract.telemetry import Reason

PATH_STALLED = "path-stalled"
PART_STALLED = "part-stalled"
NAMES = (PATH_STALLED, PART_STALLED)
"""The two troubles; each is also the name of its events in the history."""

EPOCHS: Mapping[str, str] = {PATH_STALLED: "stalled-path", PART_STALLED: "stalled-part"}
"""Not a device's epoch: those are 16 hex digits."""

PATIENCE_S = 60.0  # a part that is restarted, or loses its link for a moment, is nobody's trouble
INGEST_WELL_S = 240.0  # until the canary has looked again at what ingest writes
DETAIL_LENGTH_MAX = 200

Place = tuple[str, str]
"""A market, and the device or part in it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is wrong now, with its words. `None` where it is not known: then what was said before stands."""

    parts: Mapping[str, str]
    devices: Mapping[Place, str] | None


class StallWatch:
    """Remembers since when parts are unwell; `own` is the part that watches and does not judge itself."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._unwell_since_s: dict[str, float] = {}
        self._ingest_unwell_s: float | None = None

    def look(self, parts: Iterable[PartStatus], stalls: Iterable[Stall], now_s: float) -> Found:
        """What is wrong for long enough to be said. `now_s` is monotonic."""
        others = [one for one in parts if one.part != self._own]
        unwell = {one.part: one for one in others if one.state != "ok"}
        self._unwell_since_s = {part: self._unwell_since_s.get(part, now_s) for part in unwell}
        if self._ingest_unwell_s is None or any(_is_ingest(part) for part in unwell):
            self._ingest_unwell_s = now_s
        bad = {part: _words(one) for part, one in unwell.items() if now_s - self._unwell_since_s[part] >= PATIENCE_S}
        upkeep_speaks = any(one.part == "upkeep" and one.state != "stale" for one in others)
        blamable = upkeep_speaks and now_s - self._ingest_unwell_s >= INGEST_WELL_S
        devices = {(one.identity.market, one.identity.device): _path_words(one) for one in stalls}
        return Found(bad, devices if blamable else None)


def differences(
    found: Found, markets: Iterable[str], known: Mapping[str, Iterable[tuple[str, str, str]]], now_unix_ms: int
) -> tuple[Sighting, ...]:
    """What to record so that incidents say what is.

    `known` has for each of `NAMES` the (market, device or part, event id) of what keeps an incident active.
    """
    of_parts = {(market, part): words for market in markets for part, words in found.parts.items()}
    changes = _changes(PART_STALLED, of_parts, known[PART_STALLED], now_unix_ms)
    if found.devices is None:
        return changes
    return (*changes, *_changes(PATH_STALLED, found.devices, known[PATH_STALLED], now_unix_ms))


def _changes(
    name: str, wrong: Mapping[Place, str], known: Iterable[tuple[str, str, str]], now_unix_ms: int
) -> tuple[Sighting, ...]:
    here = tuple(known)
    places = {(market, subject) for market, subject, _ in here}
    raised = (
        _sighting(name, place, _event_id(name, place, now_unix_ms), Phase.RAISED, now_unix_ms, words)
        for place, words in wrong.items()
        if place not in places
    )
    over = (
        _sighting(name, (market, subject), event_id, Phase.CLEARED, now_unix_ms, Reason.STALLED.value)
        for market, subject, event_id in here
        if (market, subject) not in wrong
    )
    return (*raised, *over)


def _event_id(name: str, place: Place, unix_ms: int) -> str:
    return hashlib.sha256(f"{name}/{'/'.join(place)}/{unix_ms}".encode()).hexdigest()[:32]


def _sighting(name: str, place: Place, event_id: str, phase: Phase, unix_ms: int, words: str) -> Sighting:
    market, subject = place
    return Sighting(
        market=market,
        device=subject,
        epoch=EPOCHS[name],
        seq=unix_ms,
        event_id=event_id,
        name=name,
        phase=phase,
        time_unix_ms=unix_ms,
        zone=NO_ZONE,
        kind=trouble_kind(name, subject, subject),
        severity=TROUBLE,
        subject=subject,
        part=name,
        reason=Reason.STALLED.value,
        detail=words,
    )


def _is_ingest(part: str) -> bool:
    return part == "ingest" or part.startswith("ingest-")


def _words(one: PartStatus) -> str:
    said = f"silent for {one.age_s:.0f} s" if one.state == "stale" else one.detail
    return f"{Reason.STALLED.value}: {said}"[:DETAIL_LENGTH_MAX]


def _path_words(_one: Stall) -> str:
    return f"{Reason.STALLED.value}: online, and no fresh reading of it is in the database"
