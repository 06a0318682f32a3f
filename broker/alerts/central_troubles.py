"""Troubles of the centre itself, as incidents of the markets that they concern: what is wrong in, sightings out."""

import hashlib
from collections.abc import Iterable, Mapping

from broker.alerts.policy import NO_ZONE, TROUBLE, trouble_kind
from broker.stores.incident_models import Sighting
from contract.events import Phase

DETAIL_LENGTH_MAX = 300

Subject = tuple[str, str]
"""A market, and what of the centre is wrong for it."""


def changes(
    name: str,
    reason: str,
    wrong: Mapping[Subject, str],
    known: Iterable[tuple[str, str, str]],
    now_unix_ms: int,
) -> tuple[Sighting, ...]:
    """What to record so that incidents say what is: raised for what is not known yet, cleared for what is over.

    `name` is the trouble's kind and the name of its events, `reason` the word for why. `wrong` maps each subject to
    what is said of it; `known` is (market, subject, event id) of what keeps an incident of this name active.
    """
    here = tuple(known)
    places = {(market, subject) for market, subject, _ in here}
    raised = (
        _sighting(name, reason, place, _event_id(name, place, now_unix_ms), Phase.RAISED, now_unix_ms, words)
        for place, words in wrong.items()
        if place not in places
    )
    over = (
        _sighting(name, reason, (market, subject), event_id, Phase.CLEARED, now_unix_ms, "")
        for market, subject, event_id in here
        if (market, subject) not in wrong
    )
    return (*raised, *over)


def _event_id(name: str, place: Subject, unix_ms: int) -> str:
    return hashlib.sha256(f"{name}/{'/'.join(place)}/{unix_ms}".encode()).hexdigest()[:32]


def _sighting(
    name: str, reason: str, place: Subject, event_id: str, phase: Phase, unix_ms: int, words: str
) -> Sighting:
    market, subject = place
    return Sighting(
        market=market,
        device=subject,
        epoch=f"central-{name}"[:16],  # no device's epoch: those are 16 hex digits
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
        reason=reason,
        detail=f"{reason}: {words}"[:DETAIL_LENGTH_MAX] if words else reason,
    )
