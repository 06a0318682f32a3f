"""What happens on a device, fires and troubles, on its way to alarm and outbox; and what of it is still open."""

import asyncio
import base64
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import structlog

from contract.events import STILL_BASE64_LENGTH_MAX, FireEvent, Phase, StillEvent, TroubleEvent
from contract.telemetry import AnyReading, Reason
from edge.open_events import OPEN_MAX, OpenEvents, OpenFire, OpenTrouble
from edge.plugins import discover
from edge.ports import ActiveFire, FireDecision, StillPicture, Timekeeper
from edge.recording import Recorder
from edge.safety.alarm import MarketAlarm
from edge.settings import DeviceSettings
from edge.state_file import StateFile
from edge.trouble import CLOCK, COMPONENT, Trouble, TroubleWatch

log = structlog.get_logger(__name__)

TICK_S = 1.0


class Happenings:
    """Takes decisions of cameras, readings of everything and faults of components; a component that ticks.

    What was raised and not cleared is kept in `data_dir/open_events.json`, at most a second behind. After a restart the
    siren goes on for such a fire until a camera has had time to see it again; then it is cleared under its own id.
    """

    name = "happenings"

    def __init__(self, settings: DeviceSettings, alarm: MarketAlarm, recorder: Recorder, clock: Timekeeper) -> None:
        self._settings = settings
        self._alarm = alarm
        self._recorder = recorder
        self._clock = clock
        self._zones = _zones(settings)
        self._troubles = TroubleWatch((), clock.monotonic_s())
        self._lock = threading.Lock()
        self._open_fires: dict[str, OpenFire] = {}
        self._open_file = StateFile(settings.data_dir / "open_events.json", OpenEvents())
        self._open_saved = OpenEvents()

    def watch(self, components: Sequence[str]) -> None:
        """Begin to watch every part of the settings and these components; take over what an earlier run raised."""
        self._troubles = TroubleWatch(_subjects(self._settings, components), self._clock.monotonic_s())
        self._open_saved = self._open_file.load().restored(self._clock)
        self._open_fires = {one.event_id: one for one in self._open_saved.fires}
        device = self._settings.device
        self._alarm.restore(
            ActiveFire(one.first_seen_unix_ms, one.event_id, device, one.zone, one.camera)
            for one in self._open_saved.fires
            if not one.drill
        )
        for one in self._open_saved.fires:
            if one.drill:  # whoever drilled begins anew
                self.on_decision(one.decision(Phase.CLEARED))
        raised = [one.trouble(Phase.RAISED) for one in self._open_saved.troubles]
        for trouble in self._troubles.restore(raised):
            self._record_trouble(trouble)

    async def run(self) -> None:
        """Once a second: what has expired, what is in trouble, what is open."""
        while True:
            self._alarm.expire()
            self._clear_expired()
            with self._lock:
                due = self._troubles.due(self._clock.monotonic_s())
            for trouble in due:
                self._record_trouble(trouble)
            await self._save_open()
            await asyncio.sleep(TICK_S)

    def report(self, reading: AnyReading) -> None:
        """Take a reading, from any thread (`edge.ports.Report`)."""
        with self._lock:
            self._troubles.observe(reading, self._clock.monotonic_s())
        self._recorder.report(reading)

    def on_fault(self, component: str, detail: str | None) -> None:
        """A component failed, or has run again for a while (`edge.supervision.FaultSink`)."""
        with self._lock:
            self._troubles.fault(component, detail, self._clock.monotonic_s())

    def on_clock(self, reason: Reason | None, detail: str = "") -> None:
        """What is wrong with this device's clock, None when nothing is."""
        with self._lock:
            self._troubles.clock(self._settings.device, reason, detail, self._clock.monotonic_s())

    def repeat_clock_trouble(self) -> bool:
        """Say again what was said of the clock, whose receipt brings the central time; whether anything was said."""
        raised = [one for one in self._troubles.raised if one.kind == CLOCK]
        for trouble in raised:
            self._record_trouble(replace(trouble, phase=Phase.ONGOING))
        return bool(raised)

    def on_decision(self, decision: FireDecision) -> None:
        """Take a camera's decision (`edge.ports.FireSink`): siren and screens first, then the outbox."""
        self._alarm.on_decision(decision)
        if decision.drill and self._settings.drill_siren:
            self._alarm.sound_drill(decision)
        if decision.phase is Phase.CLEARED:
            self._open_fires.pop(decision.event_id, None)
        else:
            self._open_fires[decision.event_id] = OpenFire.of(decision)
        self._recorder.record(FireEvent, lambda epoch, seq: self._fire_event(decision, epoch, seq))
        for still in decision.stills:
            self._recorder.record(StillEvent, partial(self._still_event, decision, still))

    def _clear_expired(self) -> None:
        """Say that a fire of an earlier run is over once no camera has seen it again."""
        active = {fire.event_id for fire in self._alarm.fires}
        for event_id, fire in list(self._open_fires.items()):
            if event_id not in active and not fire.drill:  # a drill sounds nowhere, so it is never active
                self.on_decision(fire.decision(Phase.CLEARED))

    async def _save_open(self) -> None:
        now_open = OpenEvents(
            boot_id=self._clock.boot_id,
            fires=tuple(one.at(self._clock.settled) for one in self._open_fires.values())[-OPEN_MAX:],
            troubles=tuple(OpenTrouble.of(one) for one in self._troubles.raised)[:OPEN_MAX],
        )
        if now_open != self._open_saved:
            await asyncio.to_thread(self._open_file.save, now_open)
            self._open_saved = now_open

    def _fire_event(self, decision: FireDecision, epoch: str, seq: int) -> FireEvent:
        return FireEvent(
            epoch=epoch,
            seq=seq,
            event_id=decision.event_id,
            time_unix_ms=self._clock.unix_ms(),
            phase=decision.phase,
            zone=decision.zone,
            camera=decision.camera,
            score=decision.score,
            first_seen_unix_ms=decision.first_seen_unix_ms,
            decided_unix_ms=decision.decided_unix_ms,
            media_position_s=decision.media_position_s,
            alarm_sounded=not decision.drill,
            drill=decision.drill,
            reasons=decision.reasons,
            scores=decision.scores,
        )

    def _still_event(self, decision: FireDecision, still: StillPicture, epoch: str, seq: int) -> StillEvent:
        text = base64.b64encode(still.jpeg).decode()
        if len(text) > STILL_BASE64_LENGTH_MAX:
            raise ValueError(f"the still of {decision.camera} has {len(still.jpeg)} bytes: too many for an event")
        return StillEvent(
            epoch=epoch,
            seq=seq,
            event_id=decision.event_id,
            time_unix_ms=self._clock.unix_ms(),
            camera=decision.camera,
            moment=still.moment,
            private=still.private,
            width_px=still.width_px,
            height_px=still.height_px,
            jpeg_base64=text,
        )

    def _record_trouble(self, trouble: Trouble) -> None:
        log.warning("trouble", phase=trouble.phase.value, kind=trouble.kind, subject=trouble.subject)
        time_unix_ms, zone = self._clock.unix_ms(), self._zones.get(trouble.subject)
        self._recorder.record(
            TroubleEvent,
            lambda epoch, seq: TroubleEvent(
                epoch=epoch,
                seq=seq,
                event_id=trouble.event_id,
                time_unix_ms=time_unix_ms,
                phase=trouble.phase,
                kind=trouble.kind,
                subject=trouble.subject,
                zone=zone,
                reason=trouble.reason,
                detail=trouble.detail,
            ),
        )


def _subjects(settings: DeviceSettings, components: Sequence[str]) -> tuple[tuple[str, str], ...]:
    sensors = [(discover()[one.kind].subject, one.name) for one in settings.sensors]
    cameras = [("camera", one.name) for one in settings.cameras]
    screens = [("screen", one.name) for one in settings.screens]
    sirens = [("siren", one.name) for one in settings.sirens]
    components_and_clock = [*((COMPONENT, name) for name in components), (CLOCK, settings.device)]
    return (*sensors, *cameras, *screens, *sirens, *components_and_clock)


def _zones(settings: DeviceSettings) -> dict[str, str]:
    found = {one.name: one.zone for one in settings.sensors}
    found |= {one.name: one.zone for one in settings.cameras}
    found |= {one.name: one.zone for one in settings.screens}
    return found | {one.name: one.zone for one in settings.sirens}
