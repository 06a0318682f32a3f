"""A rule's turn as a sighting: what the incidents are told."""

import hashlib

from broker.alerts.policy import NO_ZONE, TROUBLE, trouble_kind
from broker.rules.model import Rule
from broker.rules.words import RULE, body_of
from broker.stores.incident_models import Incident, Sighting
from broker.stores.rule_states import RulePlace
from contract.events import Phase

DEVICE = "centre"  # who says it: not the device that it is about
LATE_AFTER_MS = 600_000
DETAIL_LENGTH_MAX = 200

_EPOCH_LENGTH = 16
_EVENT_ID_LENGTH = 32


def event_id_of(place: RulePlace, since_unix_ms: int) -> str:
    """The same for every look at the same firing."""
    return _hash(place, str(since_unix_ms))[:_EVENT_ID_LENGTH]


def raised(rule: Rule, place: RulePlace, since_unix_ms: int, zone: str | None, now_unix_ms: int) -> Sighting:
    """The rule fires since `since_unix_ms`; said again it is the same event."""
    return Sighting(
        market=place.market,
        device=DEVICE,
        epoch=_epoch(place),
        seq=since_unix_ms,
        event_id=event_id_of(place, since_unix_ms),
        name=RULE,
        phase=Phase.RAISED,
        time_unix_ms=since_unix_ms,
        zone=zone or NO_ZONE,
        kind=trouble_kind(rule.incident, f"{rule.name}-{place.subject}", place.device),
        severity=TROUBLE,
        subject=place.subject,
        part=rule.incident,
        reason=rule.name,
        detail=f"{rule.ko} · {rule.en}"[:DETAIL_LENGTH_MAX],
        body=body_of(rule, place.device, place.subject),
        late=now_unix_ms - since_unix_ms > LATE_AFTER_MS,
        level=rule.level,
    )


def cleared(begun: Incident | Sighting, place: RulePlace, event_id: str, unix_ms: int) -> Sighting:
    """What began with `event_id` has ended, at `unix_ms`: of the same zone and kind, whatever the files say by now."""
    return Sighting(
        market=place.market,
        device=DEVICE,
        epoch=_epoch(place),
        seq=unix_ms,
        event_id=event_id,
        name=RULE,
        phase=Phase.CLEARED,
        time_unix_ms=unix_ms,
        zone=begun.zone,
        kind=begun.kind,
        severity=TROUBLE,
        subject=place.subject,
        part=RULE,
        reason=place.rule,
        detail=begun.detail,
        level=begun.level,
    )


def _epoch(place: RulePlace) -> str:
    """Not a device's epoch, which is 16 hex digits; each rule and subject has one, and turns at one time never."""
    return f"r{_hash(place, 'epoch')[: _EPOCH_LENGTH - 1]}"


def _hash(place: RulePlace, what: str) -> str:
    words = (place.rule, place.market, place.device, place.subject, what)
    return hashlib.sha256("/".join(words).encode()).hexdigest()
