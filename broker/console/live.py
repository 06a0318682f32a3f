"""The live state: the newest reading of everything, and what may be said of it now.

What is kept changes only forward in time; what is said is a pure function of it and of `now`. A reading counts from its
own time or from its arrival, whichever is earlier: a device whose clock runs ahead cannot look fresh for ever.
That a device is back makes nothing true that it said before: only what it says anew.
"""

import itertools
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pydantic import ValidationError

from broker.series.ports import Sample, Series
from contract.access import DeviceIdentity
from contract.cameras import ZonesReport
from contract.delivery import CommandReply
from contract.events import FireEvent, Phase
from contract.ids import CLOCK_FLOOR_UNIX_MS
from contract.presence import Presence, SettingsReport, SignageReport
from contract.roster import RosterReport
from contract.telemetry import (
    AgentReading,
    AnyReading,
    BayReading,
    CameraReading,
    GateReading,
    PeopleReading,
    Reason,
    ScreenReading,
    SirenReading,
)

MS_PER_S = 1000.0
REPLIES_MAX = 200
FIRES_MAX = 200
FIRE_FORGOTTEN_AFTER_S = 600.0
FUTURE_S_MAX = 5.0
"""How far a reading's time may lie ahead of this machine's: clocks that are kept differ by less."""

FUTURE_DETAIL = "its time lies in the future: the clock of the device or of this server is wrong"

READING_OF_KIND: Mapping[str, type[AnyReading]] = {
    "bays": BayReading,
    "gates": GateReading,
    "people": PeopleReading,
    "cameras": CameraReading,
    "screens": ScreenReading,
    "sirens": SirenReading,
    "agents": AgentReading,
}


@dataclass(frozen=True, slots=True)
class Heard:
    """A reading and the time from which it counts. `order` numbers what this process heard, births included."""

    reading: AnyReading
    counts_from_unix_ms: int
    order: int = 0

    @property
    def came_from_the_future(self) -> bool:
        """Whether its time was more than `FUTURE_S_MAX` ahead when it arrived."""
        return self.reading.time_unix_ms - self.counts_from_unix_ms > FUTURE_S_MAX * MS_PER_S

    def age_s(self, now_unix_ms: int) -> float:
        """Seconds since the reading was true."""
        return max(0.0, (now_unix_ms - self.counts_from_unix_ms) / MS_PER_S)


@dataclass(frozen=True, slots=True)
class Judged:
    """What may be said now. `reason` is set when the value cannot be trusted; `heard` stays as the last that was."""

    reason: Reason | None
    detail: str
    age_s: float | None
    heard: Heard | None


@dataclass(frozen=True, slots=True)
class Birth:
    """A device's newest "online", with times by the device's own clock."""

    time_unix_ms: int
    started_unix_ms: int
    order: int

    def vouches_for(self, heard: Heard, now_unix_ms: int) -> bool:
        """Whether the device that is online now stands behind the reading.

        It was read after this birth, or it came after it and was read by the run of the agent that was born. What an
        agent left in its outbox before it died, and what was heard before it was away, is history. A start that lies in
        the future was read from a clock that was wrong then, and holds nothing back. A birth before the clock was set
        counts from the boot, which no reading's time can be held against: only what came after it counts.
        """
        if self.time_unix_ms < CLOCK_FLOOR_UNIX_MS:
            return heard.order > self.order
        if heard.reading.time_unix_ms >= self.time_unix_ms:
            return True
        started_unix_ms = self.started_unix_ms if self.started_unix_ms <= now_unix_ms else 0
        return heard.order > self.order and heard.reading.time_unix_ms >= started_unix_ms


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What a device said of itself on the bus since this process started."""

    presence: Presence | None = None
    birth: Birth | None = None
    signage: SignageReport | None = None
    settings: SettingsReport | None = None
    zones: ZonesReport | None = None
    roster: RosterReport | None = None


def judge(
    heard: Heard | None, *, offline: bool, now_unix_ms: int, stale_after_s: float, birth: Birth | None = None
) -> Judged:
    """What may be said of a reading now.

    Never heard beats offline, offline beats a time in the future, that beats stale, stale beats its own reason. Stale
    is also what was heard before the device's newest birth.
    """
    if heard is None:
        return Judged(Reason.NEVER_REPORTED, "", None, None)
    age_s = heard.age_s(now_unix_ms)
    own = heard.reading.detail or ""
    if offline:
        return Judged(Reason.DEVICE_OFFLINE, own, age_s, heard)
    if heard.came_from_the_future and (age_s <= stale_after_s or now_unix_ms < heard.reading.time_unix_ms):
        return Judged(Reason.IMPOSSIBLE, FUTURE_DETAIL, age_s, heard)
    if age_s > stale_after_s or (birth is not None and not birth.vouches_for(heard, now_unix_ms)):
        return Judged(Reason.STALE, own, age_s, heard)
    return Judged(heard.reading.reason, own, age_s, heard)


@dataclass(frozen=True, slots=True)
class Fire:
    """A fire that a device says burns, as heard on the bus: it is shown even while no incident is recorded of it."""

    identity: DeviceIdentity
    event: FireEvent
    heard_unix_ms: int


class LiveState:
    """Newest readings by series, and what devices say of themselves. Written by the loop, read by any thread.

    Bounded by the registry: the feed only hands over what is registered.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: dict[Series, Heard] = {}
        self._devices: dict[DeviceIdentity, DeviceState] = {}
        self._replies: dict[str, CommandReply] = {}
        self._fires: dict[str, Fire] = {}
        self._drills: dict[str, Fire] = {}
        self._orders = itertools.count(1)

    def hear(self, series: Series, reading: AnyReading, now_unix_ms: int) -> bool:
        """Keep the reading unless a newer one is kept; say whether it was kept."""
        with self._lock:
            fresh = Heard(reading, min(reading.time_unix_ms, now_unix_ms), next(self._orders))
            kept = self._heard.get(series)
            if kept is not None and kept.counts_from_unix_ms > fresh.counts_from_unix_ms:
                return False
            self._heard[series] = fresh
        return True

    def note_presence(self, identity: DeviceIdentity, presence: Presence) -> None:
        """The newest to arrive counts: the broker keeps the order, and a will carries the time of its making.

        The same word once more (the broker keeps it for whoever connects) is no birth.
        """
        with self._lock:
            kept = self._devices.get(identity, DeviceState())
            birth = kept.birth
            if presence.state == "online" and presence != kept.presence:
                birth = Birth(presence.time_unix_ms, presence.started_unix_ms, next(self._orders))
            self._devices[identity] = replace(kept, presence=presence, birth=birth)

    def note_signage(self, identity: DeviceIdentity, report: SignageReport) -> None:
        """Which generation the device shows."""
        with self._lock:
            self._devices[identity] = replace(self._devices.get(identity, DeviceState()), signage=report)

    def note_settings(self, identity: DeviceIdentity, report: SettingsReport) -> None:
        """Which settings the device runs."""
        with self._lock:
            self._devices[identity] = replace(self._devices.get(identity, DeviceState()), settings=report)

    def note_zones(self, identity: DeviceIdentity, report: ZonesReport) -> None:
        """Which zones the device's cameras use."""
        with self._lock:
            self._devices[identity] = replace(self._devices.get(identity, DeviceState()), zones=report)

    def note_roster(self, identity: DeviceIdentity, report: RosterReport) -> None:
        """Which roster the device holds for its modem."""
        with self._lock:
            self._devices[identity] = replace(self._devices.get(identity, DeviceState()), roster=report)

    def note_fire(self, identity: DeviceIdentity, event: FireEvent, now_unix_ms: int) -> None:
        """A fire is raised, goes on, or is over. At most 200 are kept, the first go. Drills are kept apart.

        A watch is no fire: it is in the incidents, and here only as the end of what it was before.
        """
        with self._lock:
            held = self._drills if event.drill else self._fires
            kept = held.pop(event.event_id, None)
            if kept is not None and kept.event.seq > event.seq:
                held[event.event_id] = kept
            elif event.drill or (event.phase is not Phase.CLEARED and event.level == "alarm"):
                held[event.event_id] = Fire(identity, event, now_unix_ms)
            while len(held) > FIRES_MAX:
                del held[next(iter(held))]

    def fires(self, market: str, now_unix_ms: int) -> tuple[Fire, ...]:
        """The fires of a market of which a device said something in the last ten minutes, none being its end."""
        since = now_unix_ms - FIRE_FORGOTTEN_AFTER_S * MS_PER_S
        with self._lock:
            return tuple(
                one for one in self._fires.values() if one.identity.market == market and one.heard_unix_ms >= since
            )

    def drills(self, market: str, now_unix_ms: int) -> tuple[Fire, ...]:
        """The drills of a market of which something was heard in the last ten minutes, also those that are over."""
        since = now_unix_ms - FIRE_FORGOTTEN_AFTER_S * MS_PER_S
        with self._lock:
            return tuple(
                one for one in self._drills.values() if one.identity.market == market and one.heard_unix_ms >= since
            )

    def note_reply(self, reply: CommandReply) -> None:
        """What became of a command; the newest 200 are kept."""
        with self._lock:
            self._replies[reply.command_id] = reply
            while len(self._replies) > REPLIES_MAX:
                del self._replies[next(iter(self._replies))]

    def reply(self, command_id: str) -> CommandReply | None:
        """The reply to a command, if it came."""
        with self._lock:
            return self._replies.get(command_id)

    def device(self, identity: DeviceIdentity) -> DeviceState:
        """What the device said of itself; empty if nothing."""
        with self._lock:
            return self._devices.get(identity, DeviceState())

    def heard(self, series: Series) -> Heard | None:
        """The newest reading of a series."""
        with self._lock:
            return self._heard.get(series)

    def seed(self, samples: Iterable[Sample], now_unix_ms: int) -> int:
        """Take over what a store remembers; return how many samples could not be read as readings."""
        unreadable = 0
        for sample in samples:
            if sample.series.kind not in READING_OF_KIND:
                continue  # events are stored as series too; they are no live values
            reading = reading_of(sample)
            if reading is None:
                unreadable += 1
            else:
                self.hear(sample.series, reading, now_unix_ms)
        return unreadable


def reading_of(sample: Sample) -> AnyReading | None:
    """The reading that a sample was made of; None if its fields do not make one (a store's numbers may be floats)."""
    model = READING_OF_KIND[sample.series.kind]
    fields = {**sample.fields, "time_unix_ms": sample.time_unix_ms, model.SUBJECT_FIELD: sample.series.subject}
    try:
        return model.model_validate_json(json.dumps(fields), strict=False)
    except ValidationError:
        return None
