"""Incidents: what is closed goes after its days, with everything that hangs on it."""

from broker.stores.incident_removal import IncidentRemoval
from broker.upkeep.progress import Progress
from broker.upkeep.settings import IncidentsSettings
from runtime.clock import Clock

DAY_MS = 86_400_000


class IncidentsRetention:
    """Removes some closed incidents a `step`, as `IncidentsSettings` say."""

    def __init__(
        self, settings: IncidentsSettings, incidents: IncidentRemoval, clock: Clock, progress: Progress
    ) -> None:
        self._days = settings.days
        self._incidents = incidents
        self._clock = clock
        self._progress = progress

    def step(self) -> bool:
        """Remove some; false when nothing is left to remove now.

        Raises:
            StoreUnavailableError: call again later.
        """
        before_unix_ms = self._clock.unix_ms() - self._days * DAY_MS
        closed = self._incidents.remove_closed(before_unix_ms)
        strays = self._incidents.remove_strays(before_unix_ms)
        self._progress.add("incidents_removed_total", closed)
        self._progress.add("strays_removed_total", strays)
        return bool(closed or strays)
