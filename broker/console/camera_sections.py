"""What a camera's page shows: whether it sees, its live view, its drill, its zones."""

from dataclasses import dataclass

from broker.console.cameras import place_of
from broker.console.composition import Console
from broker.console.drills import Drill, Seen, progress
from broker.console.viewing import FRESH_MS, Place
from broker.console.views import CameraView
from broker.series.ports import Series
from broker.stores.incident_models import DRILL
from contract.cameras import DRILL_SOUND_S
from contract.events import FireEvent, Phase
from contract.payload import BadPayloadError
from contract.telemetry import CameraReading

SIREN_IN_A_DRILL = ("silent", "sounds", "unknown")
LIVE, QUIET = "live", "quiet"
FOREBODING_MS = 2000  # a device's clock may be this much behind ours


@dataclass(frozen=True, slots=True)
class ViewState:
    """A live view: until when it runs, and its newest picture. `is_fresh`: the picture may be looked at as now."""

    until_unix_ms: int | None
    picture_unix_ms: int | None
    is_fresh: bool
    width_px: int
    height_px: int
    fire: str


def camera_context(console: Console, market: str, camera: str) -> dict[str, object]:
    """Everything on a camera's page.

    Raises:
        NotHereError: there is no such market or camera.
    """
    listing = console.directory.market(market)
    place, now = place_of(listing, camera), console.clock.unix_ms()
    device, seen = _camera(console, place)
    burning = [one.event for one in console.live.drills(market, now) if one.event.camera == camera]
    sees_one = seen is not None and seen.state == LIVE and seen.drill not in {None, QUIET}
    drill = console.drills.of(place)
    return {
        "market": listing.market,
        "zones": {one.id: one for one in listing.zones},
        "camera": seen,
        "device": device,
        "is_drill": sees_one or any(one.phase is not Phase.CLEARED for one in burning),
        "siren_in_a_drill": _siren_in_a_drill(console, place),
        "drill_sound_s": DRILL_SOUND_S,
        "view": view_state(console, place, now),
        "test": drill,
        "test_runs": drill is not None and drill.ends_unix_ms > now,
        "progress": None if drill is None else progress(drill, look_at(console, drill), now),
        "plan": console.zones.told(place),
    }


def view_state(console: Console, place: Place, now_unix_ms: int) -> ViewState:
    """How the camera's live view is."""
    shown, until = console.views.newest(place), console.views.until(place)
    if shown is None:
        return ViewState(until, None, is_fresh=False, width_px=320, height_px=180, fire="quiet")
    said = shown.said
    is_fresh = now_unix_ms - shown.heard_unix_ms <= FRESH_MS
    return ViewState(until, shown.heard_unix_ms, is_fresh, said.width_px, said.height_px, said.fire)


def look_at(console: Console, drill: Drill) -> Seen:
    """What is known of a drill: from the bus, and from what alerts has recorded."""
    place, since = drill.place, drill.started_unix_ms - FOREBODING_MS
    event = _newest_event(console, place, since)
    incident = None
    if event is not None:
        incident = console.incidents.of_event(place.identity.market, place.identity.device, event.event_id)
    messages = () if incident is None else console.messages.of_incident(incident.incident_id)
    recorded = None
    if incident is not None:
        recorded = min((one.created_unix_ms for one in messages), default=incident.opened_unix_ms)
    reply = console.live.reply(drill.command_id)
    return Seen(reply, _glimpsed(console, place, drill.started_unix_ms), event, incident, recorded, messages)


def _newest_event(console: Console, place: Place, since_unix_ms: int) -> FireEvent | None:
    """The drill's event that was confirmed since then: as heard, else as recorded."""
    identity = place.identity
    heard = [
        one.event
        for one in console.live.drills(identity.market, console.clock.unix_ms())
        if one.identity == identity and one.event.camera == place.camera and one.event.decided_unix_ms >= since_unix_ms
    ]
    if heard:
        return heard[0]
    found = console.incidents.newest_event(identity.market, identity.device, place.camera, DRILL)
    if found is None or found.time_unix_ms < since_unix_ms:
        return None
    try:
        event = FireEvent.from_bytes(found.body.encode())
    except BadPayloadError:  # of another version: then only what is heard counts
        return None
    return event if event.decided_unix_ms >= since_unix_ms else None


def _glimpsed(console: Console, place: Place, since_unix_ms: int) -> int | None:
    identity = place.identity
    heard = console.live.heard(Series(identity.market, identity.device, "cameras", place.camera))
    if heard is None or not isinstance(heard.reading, CameraReading):
        return None
    if (heard.reading.drill or heard.reading.fire) == QUIET:
        return None
    return heard.counts_from_unix_ms if heard.counts_from_unix_ms >= since_unix_ms else None


def _siren_in_a_drill(console: Console, place: Place) -> str:
    """One of `SIREN_IN_A_DRILL`: whether the sirens of the camera's device sound for a drill."""
    settings = console.live.device(place.identity).settings
    if settings is None:
        return "unknown"
    return "sounds" if settings.drill_siren else "silent"


def _camera(console: Console, place: Place) -> tuple[object, CameraView | None]:
    for device in console.devices(place.identity.market):
        if device.device == place.identity.device:
            return device, next((one for one in device.cameras if one.camera == place.camera), None)
    return None, None
