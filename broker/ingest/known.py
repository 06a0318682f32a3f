"""The registry as ingest holds it in memory, so that a message costs no query and a new device no restart."""

from collections.abc import Mapping

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

EVENT_OF = {"fires": "cameras"}  # which registered kind an event's subject belongs to
TROUBLES = "troubles"
AGENTS = "agents"
GAPS = "gaps"
OF_INGEST = "ingest"  # the subject of gap records that ingest makes: never a device's own

log = structlog.get_logger(__name__)

_Key = tuple[str, str, str, str]


class KnownSeries:
    """Which devices may speak, and about what. Holds the registry's rows, so it is bounded by the registry.

    It is read again when it is `REFRESH_S` old, and once a batch when something unknown is asked for, so that a verdict
    is not older than its message; if that takes too long (`REFRESH_SHARE_MAX`), unknown things wait for the former.
    While the central state does not answer, what was read last goes on.
    """

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._devices: frozenset[DeviceIdentity] = frozenset()
        self._series: Mapping[_Key, Series] = {}
        self._read_s: float | None = None
        self._cost_s = 0.0
        self._budget_s = REFRESH_BURST_S
        self._is_fresh = False

    def begin(self) -> None:
        """Call once a batch: reads the registry again if it is old.

        Raises:
            broker.stores.database.StoreUnavailableError: it could never be read yet.
        """
        self._is_fresh = False
        if self._read_s is None or self._age_s() > max(REFRESH_S, self._cost_s / REFRESH_SHARE_MAX):
            self._refresh()

    def has_device(self, identity: DeviceIdentity) -> bool:
        """Whether the registry has this device in this market."""
        if identity in self._devices:
            return True
        return self._refresh_for_unknown() and identity in self._devices

    def series(self, identity: DeviceIdentity, kind: str, subject: str) -> Series | None:
        """The series of a subject of the device, `None` if the device has no such subject.

        `kind` is a telemetry name, `fires` (the subject is a camera) or `troubles`. An event about something that is
        not registered (a part of the agent's own, a camera that nobody enrolled) belongs to the device itself: alerts
        acts on it, so it has to be kept, and the number of series stays bounded by the registry.
        """
        key = (identity.market, identity.device, kind, subject)
        found = self._series.get(key)
        if found is None and self._refresh_for_unknown():
            found = self._series.get(key)
        if found is None and (kind == TROUBLES or kind in EVENT_OF):
            found = self._series.get((identity.market, identity.device, kind, identity.device))
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
            devices = self._registry.identities()
            subjects = self._registry.known_subjects()
        except DBAPIError as error:
            if self._read_s is None:
                raise as_retryable(error) from error
            log.warning("registry.unavailable", error=str(error.orig), known_devices=len(self._devices))
        else:
            self._devices = devices
            self._series = _all_series(devices, subjects)
        self._read_s = self._clock.monotonic_s()
        self._cost_s = self._read_s - begun_s
        self._budget_s = min(REFRESH_BURST_S, self._budget_s + earned_s) - self._cost_s
        self._is_fresh = True


def _all_series(devices: frozenset[DeviceIdentity], subjects: frozenset[_Key]) -> dict[_Key, Series]:
    """Every series that may exist: the registered subjects, the events about them, and each device's own."""
    keys = set(subjects)
    for market, device, kind, subject in subjects:
        keys.add((market, device, TROUBLES, subject))
        keys.update((market, device, event, subject) for event, of in EVENT_OF.items() if kind == of)
    for identity in devices:
        keys.add((identity.market, identity.device, AGENTS, identity.device))
        keys.update((identity.market, identity.device, GAPS, subject) for subject in (identity.device, OF_INGEST))
        keys.update((identity.market, identity.device, event, identity.device) for event in (TROUBLES, *EVENT_OF))
    return {key: Series(*key) for key in keys}
