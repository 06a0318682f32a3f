"""Stills: pictures of fires go after their days; unpixelated ones a day after the fire where a market asks for it."""

from broker.stores.stills import Stills
from broker.upkeep.progress import Progress
from broker.upkeep.settings import StillsSettings
from runtime.clock import Clock

DAY_MS = 86_400_000
PRIVATE_AFTER_MS = DAY_MS


class StillsRetention:
    """Removes some pictures a `step`, as `StillsSettings` say.

    Privacy does not wait for a device: an original that its device has not replaced by then goes without replacement.
    """

    def __init__(self, settings: StillsSettings, stills: Stills, clock: Clock, progress: Progress) -> None:
        self._days = settings.days
        self._stills = stills
        self._clock = clock
        self._progress = progress

    def step(self) -> bool:
        """Remove some; false when nothing is left to remove now.

        Raises:
            StoreUnavailableError: call again later.
        """
        now = self._clock.unix_ms()
        old = self._stills.remove_older_than(now - self._days * DAY_MS)
        unreplaced = self._stills.remove_unreplaced(now - PRIVATE_AFTER_MS)
        self._progress.add("stills_removed_total", old)
        self._progress.add("stills_removed_for_privacy_total", unreplaced)
        return bool(old or unreplaced)
