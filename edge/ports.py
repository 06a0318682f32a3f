"""The agent's ports: what sensors, cameras, safety and signage know of each other and of the agent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from contract.events import FireReason, Phase
from contract.telemetry import AnyReading
from runtime.clock import Clock

Report = Callable[[AnyReading], None]
"""Hands a reading to the agent, from any thread, without blocking. The agent stores it in the outbox."""


ClockSource = Literal["trusted", "synchronised", "rtc", "central", "unset"]
"""Whose time it is: the settings', a time service's, a battery clock's, the centre's, or nobody's yet."""


class Timekeeper(Clock, Protocol):
    """A clock that may not know the time yet: a Raspberry Pi has no battery clock."""

    @property
    def boot_id(self) -> str | None:
        """None once the clock is set. Before, `unix_ms` is milliseconds since the boot that this names."""
        ...

    @property
    def source(self) -> ClockSource:
        """Whose time it is."""
        ...

    @property
    def skew_ms(self) -> int | None:
        """How far this clock is ahead of the central one at least, negative: behind; None when nobody knows."""
        ...

    def settled(self, unix_ms: int) -> int:
        """A time that this clock handed out earlier, on the scale of now: what is kept for long goes through this."""
        ...

    def from_wall(self, unix_ms: int) -> int:
        """A time by the machine's own wall clock (a browser's), on the scale of this one."""
        ...


class Component(Protocol):
    """A long-running part of the agent. The agent restarts it, bounded, when `run` raises."""

    @property
    def name(self) -> str:
        """For logs and trouble events: an id."""
        ...

    async def run(self) -> None:
        """Work until cancelled; release pins, files and processes on the way out."""
        ...


class Sensor(Protocol):
    """A sensor plugin: made from its settings without touching hardware, started later.

    A sensor that cannot work reports its subject as unknown with a reason and keeps trying; it never raises for that.
    """

    @property
    def name(self) -> str:
        """The subject's id."""
        ...

    def start(self, report: Report) -> None:
        """Claim the pins and begin to report, from threads of its own or of its kind's."""
        ...

    def stop(self) -> None:
        """Release the pins; returns within a second."""
        ...


@dataclass(frozen=True, slots=True)
class StillPicture:
    """A picture of a fire, small enough to travel with the alarm; `private` when people cannot be known in it."""

    jpeg: bytes
    width_px: int
    height_px: int
    moment: Literal["before", "first", "now"] = "now"
    private: bool = False


@dataclass(frozen=True, slots=True)
class FireDecision:
    """What a camera's process has decided. `event_id` and `drill` stay the same from raised to cleared.

    `reasons` (strongest first), `scores` (one every `SCORE_STEP_MS`, newest last) and `stills` go with the phase
    raised; with cleared, `stills` are the private ones, where the camera's settings ask for them.
    """

    event_id: str
    phase: Phase
    zone: str
    camera: str
    score: float
    first_seen_unix_ms: int
    decided_unix_ms: int
    media_position_s: float | None = None
    stills: tuple[StillPicture, ...] = ()
    drill: bool = False
    reasons: tuple[FireReason, ...] = ()
    scores: tuple[float, ...] = ()


FireSink = Callable[[FireDecision], None]
"""Takes a decision on the agent's event loop, at once: siren and screens first, then the outbox."""


@dataclass(frozen=True, slots=True, order=True)
class ActiveFire:
    """A fire that this market's alarm holds, from this device or from another of the same market."""

    since_unix_ms: int
    event_id: str
    device: str
    zone: str
    camera: str


AlarmListener = Callable[[tuple[ActiveFire, ...]], None]
"""Called on the agent's event loop with all active fires, oldest first; empty means all clear."""


class AlarmState(Protocol):
    """The market's alarm as this device knows it: siren and screens follow it, no network between."""

    @property
    def fires(self) -> tuple[ActiveFire, ...]:
        """All active fires, oldest first."""
        ...

    @property
    def drill_sounds(self) -> bool:
        """Whether a drill asks the sirens for a sound now; false while there is a fire."""
        ...

    def listen(self, listener: AlarmListener) -> None:
        """Call `listener` now with what is active, and at every change."""
        ...
