"""Storm control: the first incidents of a market have messages of their own, the rest of a storm is gathered.

Fires and everything else are counted apart. How an incident is told is decided once and stays: it is known by the
messages that it has.
"""

from collections.abc import Iterable

from broker.stores.incident_models import FIRE, Incident
from broker.stores.storms import ToldOf

OWN_MESSAGES_MAX = 3
FIRE_WINDOW_S, FIRE_HOLD_S = 60.0, 5.0  # a fire waits no longer for others than NFPA 72 10.11.1's 10 s allow
OTHER_WINDOW_S, OTHER_HOLD_S = 600.0, 60.0


def hold_ms(incident: Incident) -> int:
    """How long what is gathered waits for more."""
    return int((FIRE_HOLD_S if incident.severity == FIRE else OTHER_HOLD_S) * 1000)


class Lately:
    """What people were told of; what a composer adds to it counts for what it composes next."""

    def __init__(self, told: Iterable[ToldOf] = ()) -> None:
        self._gathered: dict[str, bool] = {}
        self._times: dict[tuple[str, bool], dict[str, int]] = {}
        for one in told:
            # what was told both ways had messages of its own
            self._gathered[one.code] = self._gathered.get(one.code, True) and one.gathered
            times = self._times.setdefault((one.market, one.is_fire), {})
            times[one.code] = min(one.first_unix_ms, times.get(one.code, one.first_unix_ms))

    def is_storm(self, incident: Incident, now_unix_ms: int) -> bool:
        """Whether this incident is told of in a summary, not by messages of its own."""
        known = self._gathered.get(incident.code)
        if known is not None:
            return known
        is_fire = incident.severity == FIRE
        window_ms = (FIRE_WINDOW_S if is_fire else OTHER_WINDOW_S) * 1000
        times = self._times.setdefault((incident.market, is_fire), {})
        others = sum(now_unix_ms - first < window_ms for first in times.values())
        times[incident.code] = now_unix_ms
        self._gathered[incident.code] = others >= OWN_MESSAGES_MAX
        return self._gathered[incident.code]
