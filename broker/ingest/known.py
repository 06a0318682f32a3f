"""The registry as ingest holds it in memory, so that a message costs no query and a new device no restart."""

from collections.abc import Iterator, Mapping, Sequence
from sys import intern
from typing import NamedTuple

import structlog
from sqlalchemy.exc import DBAPIError

from broker.series.ports import Series
from broker.stores.database import as_retryable
from broker.stores.registry import Registry
from contract.access import DeviceIdentity
from runtime.clock import Clock

REFRESH_S = 5.0
REFRESH_SHARE_MAX = 0.1  # of the time, in the long run: a flood of strangers cannot stop ingest
REFRESH_BURST_S = 2.0  # of reading that may be done at once before that share holds
MARKETS_PER_READ = 50  # 10,000 stalls' rows at once: a national registry is never in memory twice

# which registered kind an event's subject belongs to
EVENT_OF = {"fires": "cameras", "watches": "cameras", "drills": "cameras"}
TROUBLES = "troubles"
AGENTS = "agents"
GAPS = "gaps"
OF_INGEST = "ingest"  # the subject of gap records that ingest makes: never a device's own
OWN = frozenset({TROUBLES, AGENTS, GAPS, *EVENT_OF})  # kinds with a series about the device itself

log = structlog.get_logger(__name__)

_Observed = dict[str, dict[str, Series]]  # by kind and subject


class _Roster(NamedTuple):
    """A market's devices at one revision, each with what it observes."""

    revision: str
    devices: Mapping[str, _Observed]


class KnownSeries:
    """Which devices may speak, and about what. Holds the registry's rows, so it is bounded by the registry.

    When it is `REFRESH_S` old it asks which markets have changed and reads those again, and once a batch when something
    unknown is asked for, so that a verdict is not older than its message; if that takes too long
    (`REFRESH_SHARE_MAX`), unknown things wait for the former. A series that stays is the same object after a refresh.
    While the central state does not answer, what was read last goes on.
    """

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._rosters: Mapping[str, _Roster] = {}
        self._read_s: float | None = None
        self._cost_s = 0.0
        self._budget_s = REFRESH_BURST_S
        self._is_fresh = False

    def begin(self) -> None:
        """Call once a batch: asks the registry for what has changed if that was long ago.

        Raises:
            broker.stores.database.StoreUnavailableError: it could never be read yet.
        """
        self._is_fresh = False
        if self._read_s is None or self._age_s() > max(REFRESH_S, self._cost_s / REFRESH_SHARE_MAX):
            self._refresh()

    def has_device(self, identity: DeviceIdentity) -> bool:
        """Whether the registry has this device in this market."""
        if self._observed(identity.market, identity.device) is not None:
            return True
        return self._refresh_for_unknown() and self._observed(identity.market, identity.device) is not None

    def series(self, identity: DeviceIdentity, kind: str, subject: str) -> Series | None:
        """The series of a subject of the device, `None` if the device has no such subject.

        `kind` is a telemetry name, `fires` (the subject is a camera) or `troubles`. An event about something that is
        not registered (a part of the agent's own, a camera that nobody enrolled) belongs to the device itself: alerts
        acts on it, so it has to be kept, and the number of series stays bounded by the registry.
        """
        found = self._find(identity, kind, subject)
        if found is None and self._refresh_for_unknown():
            found = self._find(identity, kind, subject)
        if found is None and (kind == TROUBLES or kind in EVENT_OF):
            found = self._find(identity, kind, identity.device)
        return found

    def _observed(self, market: str, device: str) -> _Observed | None:
        roster = self._rosters.get(market)
        return None if roster is None else roster.devices.get(device)

    def _find(self, identity: DeviceIdentity, kind: str, subject: str) -> Series | None:
        observed = self._observed(identity.market, identity.device)
        if observed is None:
            return None
        found = observed.get(kind, {}).get(subject)
        if found is None and _follows(observed, identity.device, kind, subject):
            found = Series(identity.market, identity.device, kind, subject)
        return found

    def _refresh_for_unknown(self) -> bool:
        if self._is_fresh or self._budget_s + self._age_s() * REFRESH_SHARE_MAX <= 0:
            return False
        self._refresh()
        return True

    def _age_s(self) -> float:
        return self._clock.monotonic_s() - (self._read_s or 0.0)

    def _refresh(self) -> None:
        begun_s = self._clock.monotonic_s()
        earned_s = 0.0 if self._read_s is None else self._age_s() * REFRESH_SHARE_MAX
        try:
            self._rosters = self._read_changed()
        except DBAPIError as error:
            if self._read_s is None:
                raise as_retryable(error) from error
            log.warning("registry.unavailable", error=str(error.orig), known_markets=len(self._rosters))
        self._read_s = self._clock.monotonic_s()
        self._cost_s = self._read_s - begun_s
        self._budget_s = min(REFRESH_BURST_S, self._budget_s + earned_s) - self._cost_s
        self._is_fresh = True

    def _read_changed(self) -> Mapping[str, _Roster]:
        revisions = self._registry.revisions()  # before the rows: rows that are newer are only read once more
        known = self._rosters
        changed = [name for name, one in revisions.items() if name not in known or known[name].revision != one]
        if not changed and len(known) == len(revisions):
            return known
        rosters = {name: known[name] for name in revisions if name in known}
        for some in _parts(changed):
            rosters |= self._read(some, revisions)
        log.info("registry.read", markets_changed=len(changed), markets=len(rosters))
        return rosters

    def _read(self, names: Sequence[str], revisions: Mapping[str, str]) -> dict[str, _Roster]:
        """The rosters of some markets; series that are known already are taken over."""
        rows = self._registry.rosters(names)
        devices: dict[str, dict[str, _Observed]] = {name: {} for name in names}
        for market, device in rows.devices:
            devices[market][intern(device)] = {}
        for row in rows.subjects:
            market, device, kind, subject = row
            observed = devices[market].get(device)
            if observed is not None:
                old = self._observed(market, device) or {}
                one = old.get(kind, {}).get(subject) or Series(*map(intern, row))
                observed.setdefault(one.kind, {})[one.subject] = one
        return {name: _Roster(revisions[name], devices[name]) for name in names}


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(names), MARKETS_PER_READ):
        yield names[begin : begin + MARKETS_PER_READ]


def _follows(observed: _Observed, device: str, kind: str, subject: str) -> bool:
    """Whether a series exists although no row names it: an event about a subject, or the device's own."""
    if kind in OWN and subject == device:
        return True
    if kind == TROUBLES:
        return any(subject in subjects for subjects in observed.values())
    if kind == GAPS:
        return subject == OF_INGEST
    return kind in EVENT_OF and subject in observed.get(EVENT_OF[kind], {})
