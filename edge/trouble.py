"""Troubles: what has not done its work for a while is raised once, and cleared once it works again. Pure."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from contract.events import Phase
from contract.telemetry import AnyReading, Reason

COMPONENT = "component"
CLOCK = "clock"
TOLD = frozenset({COMPONENT, CLOCK})  # kinds that nothing reports regularly: they work until somebody says otherwise
CLEAR_AFTER_S = 5.0
SILENT_AFTER_S = 60.0
RAISE_AFTER_S = 30.0
RAISE_AFTER_S_BY_KIND: Mapping[str, float] = {"camera": 10.0, "siren": 5.0, COMPONENT: 0.0, CLOCK: 5.0}
RAISE_AFTER_S_BY_REASON: Mapping[Reason, float] = {
    # A shadow, somebody who cleans the lens, a cloud of steam: what passes is no trouble yet. The reading says at once.
    Reason.COVERED: 30.0,
    Reason.OVEREXPOSED: 60.0,
    Reason.BLURRED: 60.0,
    Reason.MOVED: 60.0,
    Reason.BLACK: 300.0,  # a closed market is dark every night, and so is a covered lens
    Reason.TOO_DARK: 1800.0,
}
"""Where a reason has a patience of its own, it goes before its kind's."""

Subject = tuple[str, str]
"""Kind and id: ("bay", "a-01")."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something to say: an event's content."""

    event_id: str
    phase: Phase
    kind: str
    subject: str
    reason: Reason
    detail: str


@dataclass(slots=True)
class _Watched:
    """One subject: since when it is well or not, and the trouble that was raised and not cleared."""

    since_s: float
    seen_s: float
    reason: Reason | None
    detail: str = ""
    raised: Trouble | None = None


class TroubleWatch:
    """Watches readings and faults. A subject that falls silent for `SILENT_AFTER_S` is stale, whoever should report it.

    Holds one entry for each part in the settings; nothing else can be added.
    """

    def __init__(self, subjects: tuple[Subject, ...], now_s: float) -> None:
        # A part is starting until it reports; a component works until it fails.
        self._watched = {
            subject: _Watched(now_s, now_s, None if subject[0] in TOLD else Reason.STARTING) for subject in subjects
        }

    @property
    def raised(self) -> tuple[Trouble, ...]:
        """What was raised and not cleared."""
        return tuple(one.raised for one in self._watched.values() if one.raised is not None)

    def restore(self, raised: Iterable[Trouble]) -> list[Trouble]:
        """Take over what an earlier run raised; return what to clear at once: its subject is gone."""
        orphans = []
        for trouble in raised:
            watched = self._watched.get((trouble.kind, trouble.subject))
            if watched is None:
                orphans.append(replace(trouble, phase=Phase.CLEARED))
            else:
                watched.raised = trouble
        return orphans

    def observe(self, reading: AnyReading, now_s: float) -> None:
        """Take a reading of a watched subject; others are passed over."""
        self._note((reading.SUBJECT_FIELD, reading.subject), reading.reason, reading.detail or "", now_s)

    def fault(self, component: str, detail: str | None, now_s: float) -> None:
        """A component failed (`detail` says how), or has run again for a while (None)."""
        self._note((COMPONENT, component), None if detail is None else Reason.DEAD, detail or "", now_s)

    def clock(self, device: str, reason: Reason | None, detail: str, now_s: float) -> None:
        """The device's clock is not what it should be, or is again (None)."""
        self._note((CLOCK, device), reason, detail, now_s)

    def due(self, now_s: float) -> list[Trouble]:
        """What is to be said now."""
        found = []
        for (kind, subject), watched in self._watched.items():
            if kind not in TOLD and now_s - watched.seen_s >= SILENT_AFTER_S and watched.reason is not Reason.STALE:
                watched.reason, watched.since_s = Reason.STALE, watched.seen_s
                watched.detail = "nothing has been heard of it"
            trouble = _next(kind, subject, watched, now_s)
            if trouble is not None:
                watched.raised = trouble if trouble.phase is Phase.RAISED else None
                found.append(trouble)
        return found

    def _note(self, subject: Subject, reason: Reason | None, detail: str, now_s: float) -> None:
        watched = self._watched.get(subject)
        if watched is None:
            return
        if (reason is None) != (watched.reason is None):
            watched.since_s = now_s
        watched.seen_s, watched.reason, watched.detail = now_s, reason, detail


def _next(kind: str, subject: str, watched: _Watched, now_s: float) -> Trouble | None:
    for_s = now_s - watched.since_s
    if watched.reason is None:
        raised = watched.raised
        if raised is None or for_s < CLEAR_AFTER_S:
            return None
        return Trouble(raised.event_id, Phase.CLEARED, kind, subject, raised.reason, "")
    patience_s = RAISE_AFTER_S_BY_REASON.get(watched.reason, RAISE_AFTER_S_BY_KIND.get(kind, RAISE_AFTER_S))
    if watched.raised is not None or for_s < patience_s:
        return None
    return Trouble(uuid.uuid4().hex, Phase.RAISED, kind, subject, watched.reason, watched.detail)
