"""An incident's pictures, for somebody who looks at them."""

from broker.console.composition import Console
from broker.console.problems import NotHereError


def still_for(console: Console, who: str, incident_id: int, moment: str = "now") -> bytes:
    """The incident's newest picture of a moment as JPEG; that `who` looks at it is written down.

    Raises:
        NotHereError: there is no picture.
        broker.stores.incidents.UnknownIncidentError: there is no such incident.
    """
    incident = console.incidents.get(incident_id)
    still = console.stills.get(incident_id, moment)
    if still is None:
        raise NotHereError("still", n=incident_id)
    console.looks.note(who, "incident.picture", f"{incident.market}/{incident.code}/{moment}")
    return still.jpeg
