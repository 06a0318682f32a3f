"""Recognise: what an event says about a condition at a place, and whether it comes late."""

import base64
import binascii
from dataclasses import dataclass

from broker.alerts.flow import Flow, Heard, Number
from broker.alerts.policy import NO_ZONE, TROUBLE, trouble_kind
from broker.alerts.stages.decode import PART
from broker.stores.dead_letters import DeadLetter
from broker.stores.incident_models import DRILL, FIRE, Incident, IncidentEvent, Picture, Sighting
from contract.access import DeviceIdentity
from contract.events import Event, FireEvent, StillEvent, TroubleEvent
from contract.ids import CLOCK_FLOOR_UNIX_MS
from runtime.clock import Clock

STALE_AFTER_S = 600.0
CLOCK_AHEAD_S_MAX = 3600.0
JPEG_START = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True)
class Recognise:
    """Turns events into sightings and pictures. An unusable picture is a dead letter; a fire never is."""

    clock: Clock
    stale_after_s: float = STALE_AFTER_S

    def __call__(self, flow: Flow) -> None:
        """Fill `seen`, and the numbers to confirm."""
        for heard in flow.heard:
            event = heard.payload
            if not isinstance(event, Event):
                continue
            flow.confirmed.append(Number(heard.identity, event.epoch, event.seq))
            if isinstance(event, FireEvent):
                flow.seen.append(fire_sighting(heard, event, self.clock.unix_ms(), self.stale_after_s))
            elif isinstance(event, TroubleEvent):
                flow.seen.append(trouble_sighting(heard, event, self.clock.unix_ms(), self.stale_after_s))
            elif isinstance(event, StillEvent):
                self._picture(flow, heard, event)

    def _picture(self, flow: Flow, heard: Heard, event: StillEvent) -> None:
        try:
            jpeg = base64.b64decode(event.jpeg_base64, validate=True)
        except binascii.Error:
            jpeg = b""
        where, time = heard.identity, true_time(event.time_unix_ms, self.clock.unix_ms())
        if jpeg.startswith(JPEG_START):
            flow.seen.append(
                Picture(
                    market=where.market,
                    device=where.device,
                    epoch=event.epoch,
                    seq=event.seq,
                    event_id=event.event_id,
                    camera=event.camera,
                    time_unix_ms=time,
                    jpeg=jpeg,
                    moment=event.moment,
                    private=event.private,
                )
            )
            return
        why = "jpeg_base64: not a JPEG picture"
        now = self.clock.unix_ms()
        flow.letters.append(DeadLetter(now, PART, "malformed", why, heard.topic, heard.body, len(heard.body)))


def fire_sighting(heard: Heard, event: FireEvent, now_unix_ms: int, stale_after_s: float) -> Sighting:
    """A fire event as a sighting; late when it is older than `stale_after_s`.

    A drill is a condition of its own: it never merges with a fire, hides or clears one.
    """
    what = DRILL if event.drill else FIRE
    time = true_time(event.time_unix_ms, now_unix_ms)
    broken_clock = time != event.time_unix_ms
    return Sighting(
        market=heard.identity.market,
        device=heard.identity.device,
        epoch=event.epoch,
        seq=event.seq,
        event_id=event.event_id,
        name=what,
        phase=event.phase,
        time_unix_ms=time,
        zone=event.zone,
        kind=what,
        severity=what,
        subject=event.camera,
        part=what,
        body=event.model_dump_json(),
        score=event.score,
        first_seen_unix_ms=time if broken_clock else event.first_seen_unix_ms,
        decided_unix_ms=time if broken_clock else event.decided_unix_ms,
        media_position_s=event.media_position_s,
        level=event.level,
        late=now_unix_ms - time > stale_after_s * 1000,
    )


def trouble_sighting(heard: Heard, event: TroubleEvent, now_unix_ms: int, stale_after_s: float) -> Sighting:
    """A trouble event as a sighting; each subject is a condition of its own; late when older than `stale_after_s`."""
    time = true_time(event.time_unix_ms, now_unix_ms)
    words = "".join(letter if letter.isprintable() else " " for letter in event.detail)
    return Sighting(
        market=heard.identity.market,
        device=heard.identity.device,
        epoch=event.epoch,
        seq=event.seq,
        event_id=event.event_id,
        name="trouble",
        phase=event.phase,
        time_unix_ms=time,
        zone=event.zone or NO_ZONE,
        kind=trouble_kind(event.kind, event.subject, heard.identity.device),
        severity=TROUBLE,
        subject=event.subject,
        part=event.kind,
        reason=event.reason.value,
        detail=f"{event.reason.value}: {words}" if words else event.reason.value,
        body=event.model_dump_json(),
        late=now_unix_ms - time > stale_after_s * 1000,
    )


def sighting_again(event: IncidentEvent, incident: Incident, now_unix_ms: int) -> Sighting:
    """A stored fire event as a sighting again, for an incident whose messages are looked at anew."""
    fire = FireEvent.from_bytes(event.body.encode())
    heard = Heard(DeviceIdentity(event.market, event.device), fire, "", b"")
    stale_after_s = STALE_AFTER_S if incident.detail != "late" else 0.0
    return fire_sighting(heard, fire, now_unix_ms, stale_after_s)


def true_time(unix_ms: int, now_unix_ms: int) -> int:
    """A device's time, or ours where its clock is plainly wrong (before 2025, or over an hour ahead).

    A board without a clock battery starts in the past: its fire is now, not history.
    """
    plausible = CLOCK_FLOOR_UNIX_MS <= unix_ms <= now_unix_ms + CLOCK_AHEAD_S_MAX * 1000
    return unix_ms if plausible else now_unix_ms
