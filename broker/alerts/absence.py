"""The dead man's switch: a device that stays away is a trouble incident, until it is back."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from broker.alerts.policy import DEVICE_OFFLINE, NO_ZONE, TROUBLE, trouble_kind
from broker.stores.incident_models import Sighting
from broker.stores.registry import DeviceRecord
from contract.events import Phase

ABSENT_AFTER_S = 100.0
EPOCH = "dead-man"  # not a device's epoch: those are 16 hex digits
NAME = "presence"


@dataclass(frozen=True, slots=True)
class Absence:
    """A device and since when it has been offline."""

    market: str
    device: str
    since_unix_ms: int

    @property
    def event_id(self) -> str:
        """The same for every look at the same absence: noticing it twice changes nothing."""
        return hashlib.sha256(f"{self.market}/{self.device}/{self.since_unix_ms}".encode()).hexdigest()[:32]


def absences(devices: Iterable[DeviceRecord], now_unix_ms: int, absent_after_s: float) -> dict[str, Absence]:
    """Who is away for longer than `absent_after_s`, by event id. A device that never came is not away."""
    found = (
        Absence(one.market, one.device, one.state_unix_ms)
        for one in devices
        if one.state == "offline"
        and one.state_unix_ms is not None
        and now_unix_ms - one.state_unix_ms > absent_after_s * 1000
    )
    return {one.event_id: one for one in found}


def differences(
    away: dict[str, Absence], known: Iterable[tuple[str, str, str]], now_unix_ms: int
) -> tuple[Sighting, ...]:
    """What to record so that incidents say what is: absences not yet known, and known ones that are over.

    `known` is (market, device, event id) of what keeps an incident active.
    """
    here = tuple(known)
    ids = {event_id for _, _, event_id in here}
    raised = (
        _sighting(one.market, one.device, event_id, Phase.RAISED, one.since_unix_ms)
        for event_id, one in away.items()
        if event_id not in ids
    )
    over = (
        _sighting(market, device, event_id, Phase.CLEARED, now_unix_ms)
        for market, device, event_id in here
        if event_id not in away
    )
    return (*raised, *over)


def _sighting(market: str, device: str, event_id: str, phase: Phase, unix_ms: int) -> Sighting:
    return Sighting(
        market=market,
        device=device,
        epoch=EPOCH,
        seq=unix_ms,
        event_id=event_id,
        name=NAME,
        phase=phase,
        time_unix_ms=unix_ms,
        zone=NO_ZONE,
        kind=trouble_kind(DEVICE_OFFLINE, device, device),
        severity=TROUBLE,
        subject=device,
        part=DEVICE_OFFLINE,
        reason=DEVICE_OFFLINE,
        detail=DEVICE_OFFLINE,
    )
