"""Acknowledging an incident: recorded once, whoever presses how often."""

from broker.console.composition import Console
from broker.console.problems import NotHereError
from broker.stores.incidents import Incident


def acknowledge(console: Console, incident_id: int, who: str, market: str | None = None) -> Incident:
    """Somebody takes care of it. The first one stands and is written down; another one changes and writes nothing.

    Raises:
        NotHereError: `market` is given and the incident is another market's.
        broker.stores.incidents.UnknownIncidentError: there is none.
        broker.stores.database.StoreUnavailableError: try again.
    """
    if market is not None and console.incidents.get(incident_id).market != market:
        raise NotHereError("incident", n=incident_id)
    done = console.incidents.acknowledge(incident_id, who, "console")
    if done.is_first:
        console.audit.write(who, "incident.acknowledge", f"{done.incident.market}/{done.incident.code}", "console")
    return done.incident
