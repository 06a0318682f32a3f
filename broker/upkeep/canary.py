"""The canary: is what a device reads now in the database?

Every agent reports itself every ten seconds, through the whole path: sensor, outbox, broker, ingest, store. Once a
minute the newest of these readings are read back. An online device of which none is fresh is stalled, wherever on the
way it stops. A reading from the future is no proof either: a clock that is wrong would look fresh for ever.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError

from broker.series.ports import SeriesStore
from broker.stores.database import as_retryable
from broker.stores.registry import DeviceRecord, Registry
from broker.stores.stalls import Stalls
from broker.upkeep.progress import Progress
from contract.access import DeviceIdentity
from runtime.clock import Clock
from runtime.errors import JangteoError

log = structlog.get_logger(__name__)

KIND = "agents"
LOOK_BACK_S = 3600.0
STALLS_NAMED_MAX = 500  # what is beyond is counted; when so many stall, the cause is a central one
STALLS_LOGGED_MAX = 5
MS_PER_S = 1000.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One look. `ages_s` are the online devices' newest readings' distances from now; `None` if none was found."""

    newest: Mapping[DeviceIdentity, int | None]
    ages_s: Mapping[DeviceIdentity, float | None]
    age_s_max: float

    @property
    def stalled(self) -> Mapping[DeviceIdentity, int | None]:
        """The devices without a fresh reading, each with its newest one."""
        return {
            identity: self.newest[identity]
            for identity, age_s in self.ages_s.items()
            if age_s is None or age_s > self.age_s_max
        }


def find(
    devices: Iterable[DeviceRecord], newest: Mapping[DeviceIdentity, int], now_unix_ms: int, age_s_max: float
) -> Finding:
    """What is fresh of the devices that are online, and have been for long enough to have something in the database."""
    watched = [
        DeviceIdentity(one.market, one.device)
        for one in devices
        if one.state == "online" and now_unix_ms - (one.state_unix_ms or 0) > age_s_max * MS_PER_S
    ]
    times = {identity: newest.get(identity) for identity in watched}
    ages = {identity: None if time is None else abs(now_unix_ms - time) / MS_PER_S for identity, time in times.items()}
    return Finding(times, ages, age_s_max)


class Canary:
    """Looks, tells the counters and leaves what is stalled where alerts finds it."""

    def __init__(
        self,
        store: SeriesStore,
        registry: Registry,
        stalls: Stalls,
        clock: Clock,
        progress: Progress,
        *,
        age_s_max: float,
    ) -> None:
        self._store = store
        self._registry = registry
        self._stalls = stalls
        self._clock = clock
        self._progress = progress
        self._age_s_max = age_s_max
        self._ok_s = clock.monotonic_s()

    def look(self) -> None:
        """Look once.

        Raises:
            RetryableError: a store does not answer: nothing is known, and the counters say so.
            FatalError: a person has to act; the same.
        """
        try:
            finding = self._find()
        except JangteoError:
            self._progress.say({"canary_ok": 0, "canary_age_s_max": None})
            raise
        stalled = finding.stalled
        named = dict(sorted(stalled.items())[:STALLS_NAMED_MAX])
        self._stalls.replace(named, self._clock.unix_ms())
        if not stalled:
            self._ok_s = self._clock.monotonic_s()
        if stalled:
            first = [identity.username for identity in named][:STALLS_LOGGED_MAX]
            log.warning("canary.stalled", devices=len(stalled), first=first)
        ages = [age_s for age_s in finding.ages_s.values() if age_s is not None]
        self._progress.say(
            {
                # without an online device nothing is proven, neither that readings arrive nor that they do not
                "canary_ok": float(not stalled) if finding.ages_s else None,
                "canary_devices": len(finding.ages_s),
                "canary_devices_stalled": len(stalled),
                "canary_age_s_max": max(ages, default=None),
            }
        )

    def note_age(self) -> None:
        """Say how long ago everything was well; grows between the looks."""
        self._progress.say({"canary_last_ok_age_s": self._clock.monotonic_s() - self._ok_s})

    def _find(self) -> Finding:
        now = self._clock.unix_ms()
        try:
            devices = self._registry.devices()
        except DBAPIError as error:
            raise as_retryable(error) from error
        found = self._store.newest(KIND, now - int(LOOK_BACK_S * MS_PER_S))
        newest: dict[DeviceIdentity, int] = {}
        for series, time_unix_ms in found.items():
            identity = DeviceIdentity(series.market, series.device)
            newest[identity] = max(time_unix_ms, newest.get(identity, 0))
        return find(devices, newest, now, self._age_s_max)
