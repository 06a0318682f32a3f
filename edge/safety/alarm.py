"""The market's alarm as this device knows it: which fires are active, whoever saw them. Pure but for its listeners."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

import structlog

from contract.cameras import DRILL_SOUND_S
from contract.events import FireEvent, Phase
from contract.ids import CLOCK_FLOOR_UNIX_MS
from edge.ports import ActiveFire, AlarmListener, FireDecision, Timekeeper

log = structlog.get_logger(__name__)

REMOTE_TTL_S = 300.0  # a device that burns falls silent: its fire goes on sounding for this long
RESTORED_TTL_S = 60.0
BUS_AGE_S_MAX = 120.0  # an event that waited longer in an outbox is history
FIRES_MAX = 64
CLEARED_MAX = 256


class Source(StrEnum):
    """How this device knows of a fire."""

    CAMERA = "camera"
    EARLIER_RUN = "earlier-run"
    LINK = "link"
    BUS = "bus"


@dataclass(slots=True)
class _Held:
    """A fire, and until when each source's word for it counts."""

    fire: ActiveFire
    until_s: dict[Source, float] = field(default_factory=dict)


class MarketAlarm:
    """Holds the active fires of a market (`edge.ports.AlarmState`).

    A fire of this device's own cameras ends when its camera says so. One from elsewhere ends when its device says so,
    or when nobody has repeated it for `REMOTE_TTL_S`. A fire that was cleared never comes back under the same id. More
    than `FIRES_MAX` fires from elsewhere are not held: the siren sounds and the screens evacuate long before.
    """

    def __init__(self, device: str, clock: Timekeeper) -> None:
        self._device = device
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._cleared: OrderedDict[str, None] = OrderedDict()
        self._listeners: list[AlarmListener] = []
        self._told: tuple[ActiveFire, ...] = ()
        self._drill_of_sound: str | None = None
        self._drill_sound_until_s = float("-inf")

    @property
    def fires(self) -> tuple[ActiveFire, ...]:
        """All active fires, oldest first."""
        return tuple(sorted(held.fire for held in self._held.values()))

    @property
    def own_fires(self) -> tuple[ActiveFire, ...]:
        """Those that this device's cameras see."""
        return tuple(fire for fire in self.fires if fire.device == self._device)

    @property
    def drill_sounds(self) -> bool:
        """Whether a drill asks for a sound now. Never while there is a fire: what sounds then is the fire."""
        return not self._held and self._clock.monotonic_s() < self._drill_sound_until_s

    def listen(self, listener: AlarmListener) -> None:
        """Call `listener` now with what is active, and at every change."""
        self._listeners.append(listener)
        self._tell(listener)

    def on_decision(self, decision: FireDecision) -> None:
        """A camera of this device has decided. A drill is no alarm: no fire is held for it, no screen evacuates."""
        if decision.drill:
            log.info("alarm.drill", event_id=decision.event_id, camera=decision.camera, phase=decision.phase.value)
            return
        if decision.phase is Phase.CLEARED:
            self._clear((decision.event_id,))
            return
        fire = ActiveFire(decision.first_seen_unix_ms, decision.event_id, self._device, decision.zone, decision.camera)
        self._hold(fire, Source.CAMERA, float("inf"))

    def sound_drill(self, decision: FireDecision) -> None:
        """A drill of this device's cameras shall be heard: for `DRILL_SOUND_S` from when it is raised, or its end.

        One that is raised while there is a fire is never heard. Sirens look for it twice a second.
        """
        if decision.phase is Phase.RAISED and not self._held:
            self._drill_of_sound = decision.event_id
            self._drill_sound_until_s = self._clock.monotonic_s() + DRILL_SOUND_S
        elif decision.phase is Phase.CLEARED and decision.event_id == self._drill_of_sound:
            self._drill_sound_until_s = float("-inf")

    def restore(self, fires: Iterable[ActiveFire]) -> None:
        """Go on sounding for this device's fires of an earlier run, until a camera has had time to see them again."""
        for fire in fires:
            self._hold(fire, Source.EARLIER_RUN, self._clock.monotonic_s() + RESTORED_TTL_S)

    def on_event(self, device: str, event: FireEvent) -> None:
        """Another device says so on the bus. Its own events come back to a device too: they are passed over.

        A drill and a watch sound nowhere, and a drill's end ends nothing. Where one of the two does not know the time,
        nobody can say that the event is history: it sounds.
        """
        now_unix_ms = self._clock.unix_ms()
        age_s = (now_unix_ms - event.time_unix_ms) / 1000 if event.clock_set else 0.0
        if device == self._device:
            return
        if event.drill:
            log.info("alarm.drill_ignored", device=device, event_id=event.event_id, phase=event.phase.value)
        elif event.phase is Phase.CLEARED:
            self._clear((event.event_id,))
        elif event.level == "watch":
            log.info("alarm.watch_ignored", device=device, event_id=event.event_id, phase=event.phase.value)
        elif age_s > BUS_AGE_S_MAX:
            log.info("alarm.history_ignored", device=device, event_id=event.event_id, age_s=round(age_s))
        else:
            lasted_ms = event.time_unix_ms - event.first_seen_unix_ms
            since_unix_ms = event.first_seen_unix_ms if event.clock_set else max(0, now_unix_ms - lasted_ms)
            fire = ActiveFire(since_unix_ms, event.event_id, device, event.zone, event.camera)
            self._hold(fire, Source.BUS, self._clock.monotonic_s() + REMOTE_TTL_S)

    def on_link(self, device: str, fires: Iterable[ActiveFire]) -> None:
        """Another device tells all its own active fires over the direct link: what it no longer tells is over."""
        told = {fire.event_id: self._dated(fire) for fire in fires if fire.device == device != self._device}
        over = [
            event_id
            for event_id, held in self._held.items()
            if held.fire.device == device and Source.LINK in held.until_s and event_id not in told
        ]
        self._clear(over)
        for fire in told.values():
            self._hold(fire, Source.LINK, self._clock.monotonic_s() + REMOTE_TTL_S)

    def clock_was_set(self) -> None:
        """Give every fire that is held its true time."""
        for held in self._held.values():
            held.fire = replace(held.fire, since_unix_ms=self._clock.settled(held.fire.since_unix_ms))
        self._tell_all()

    def expire(self) -> None:
        """Drop what nobody has repeated in time. To be called about once a second."""
        now_s = self._clock.monotonic_s()
        for event_id, held in list(self._held.items()):
            if max(held.until_s.values()) < now_s:
                log.warning("alarm.expired", event_id=event_id, device=held.fire.device)
                del self._held[event_id]
        self._tell_all()

    def _dated(self, fire: ActiveFire) -> ActiveFire:
        """Another device's milliseconds since its boot say nothing here: the fire counts from when it was heard."""
        is_true = fire.since_unix_ms >= CLOCK_FLOOR_UNIX_MS
        return fire if is_true else replace(fire, since_unix_ms=self._clock.unix_ms())

    def _hold(self, fire: ActiveFire, source: Source, until_s: float) -> None:
        if fire.event_id in self._cleared:
            return
        held = self._held.get(fire.event_id)
        if held is None:
            if len(self._held) >= FIRES_MAX and fire.device != self._device:
                log.warning("alarm.too_many_fires", fires_max=FIRES_MAX)
                return
            held = self._held[fire.event_id] = _Held(fire)
            self._drill_sound_until_s = float("-inf")
            log.warning("alarm.fire", source=source.value, **_names(fire))
        held.until_s[source] = until_s
        self._tell_all()

    def _clear(self, event_ids: Iterable[str]) -> None:
        for event_id in event_ids:
            self._cleared[event_id] = None
            while len(self._cleared) > CLEARED_MAX:
                self._cleared.popitem(last=False)
            held = self._held.pop(event_id, None)
            if held is not None:
                log.warning("alarm.cleared", **_names(held.fire))
        self._tell_all()

    def _tell_all(self) -> None:
        fires = self.fires
        if fires == self._told:
            return
        self._told = fires
        for listener in self._listeners:
            self._tell(listener)

    def _tell(self, listener: AlarmListener) -> None:
        try:
            listener(self.fires)
        except Exception:
            # One screen's or siren's defect must not keep the alarm from the others.
            log.exception("alarm.listener_failed")


def _names(fire: ActiveFire) -> dict[str, str]:
    return {"event_id": fire.event_id, "device": fire.device, "zone": fire.zone, "camera": fire.camera}
