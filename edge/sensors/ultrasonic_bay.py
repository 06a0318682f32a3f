"""Ultrasonic parking bay: an HC-SR04 and its like, above or before the bay, on gpiozero's `DistanceSensor`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal, Self

import structlog
from pydantic import Field, model_validator

from contract.ids import Id
from contract.telemetry import BayReading
from edge.gpio import EchoPin, Pin, PinError, pin_errors
from edge.plugins import SensorContext, SensorPlugin, SensorSettings
from edge.ports import Report, Sensor
from edge.sensing.bay_state import BayRules, BayTracker, BayView
from edge.sensing.poll_thread import PollThread
from runtime.backoff import Backoff
from runtime.settings_file import MisplacedError

if TYPE_CHECKING:
    from edge.sensing.echo import EchoRanger

log = structlog.get_logger(__name__)

KIND = "ultrasonic-bay"
BAYS_MAX = 12  # two pins each on GPIO4 to GPIO27
PAUSE_S = 0.03  # a late echo of the last ping is then from more than 5 m away

Distance = Annotated[float, Field(gt=0, le=20_000, allow_inf_nan=False)]


class UltrasonicBaySettings(SensorSettings):
    """One bay. Nearer than `occupied_below_mm` is a car, farther than `free_above_mm` is none."""

    kind: Literal["ultrasonic-bay"]
    lot: Id
    trigger_pin: Pin
    echo_pin: EchoPin
    occupied_below_mm: Distance = 1200.0
    free_above_mm: Distance = 1500.0
    distance_mm_min: Distance = 20.0
    distance_mm_max: Distance = 4500.0
    temperature_c: Annotated[float, Field(ge=-40, le=60)] = 15.0
    period_s: Annotated[float, Field(ge=0.1, le=5.0)] = 0.5
    dead_period_s_max: Annotated[float, Field(ge=1.0, le=60.0)] = 5.0
    misses_max: Annotated[int, Field(ge=2, le=100)] = 5
    debounce_s: Annotated[float, Field(ge=0.0, le=60.0)] = 1.0
    window: Annotated[int, Field(ge=1, le=15)] = 3
    frozen_after_s: Annotated[float, Field(ge=10.0, le=3600.0)] = 60.0
    heartbeat_s: Annotated[float, Field(ge=1.0, le=60.0)] = 10.0

    @model_validator(mode="after")
    def _has_a_gap(self) -> Self:
        if self.free_above_mm <= self.occupied_below_mm:
            raise MisplacedError(
                f"free_above_mm ({self.free_above_mm:g}) has to be above occupied_below_mm "
                f"({self.occupied_below_mm:g}), or the bay flickers between the two",
                "free_above_mm",
            )
        if not self.distance_mm_min < self.occupied_below_mm or not self.free_above_mm < self.distance_mm_max:
            raise ValueError(
                "occupied_below_mm and free_above_mm have to lie between distance_mm_min "
                f"({self.distance_mm_min:g}) and distance_mm_max ({self.distance_mm_max:g})"
            )
        return self

    def pins(self) -> Mapping[str, int]:
        """Trigger and echo."""
        return {"trigger_pin": self.trigger_pin, "echo_pin": self.echo_pin}

    def rules(self) -> BayRules:
        """What the state machine goes by."""
        return BayRules(
            self.occupied_below_mm,
            self.free_above_mm,
            self.distance_mm_min,
            self.distance_mm_max,
            self.window,
            self.debounce_s,
            self.misses_max,
            self.frozen_after_s,
        )


class UltrasonicBay:
    """One bay, polled by the thread that all bays share. Reports a change at once and at least every `heartbeat_s`."""

    def __init__(self, settings: UltrasonicBaySettings, context: SensorContext, thread: PollThread) -> None:
        self._settings = settings
        self._gpio = context.gpio
        self._clock = context.clock
        self._thread = thread
        self._tracker = BayTracker(settings.rules(), self._clock.unix_ms())
        self._ranger: EchoRanger | None = None
        self._report: Report | None = None
        self._said: BayView | None = None
        self._said_at_s = 0.0
        self._dead_delay = Backoff(settings.period_s, settings.dead_period_s_max)
        self._open_delay = Backoff(1.0, 60.0)

    @property
    def name(self) -> str:
        """The bay's id."""
        return self._settings.name

    def start(self, report: Report) -> None:
        """Have the shared thread claim the pins and poll."""
        self._report = report
        self._thread.add(self._poll)

    def stop(self) -> None:
        """Poll no more and release the pins."""
        if self._thread.remove(self._poll):
            self._release()
        self._report = None

    def _poll(self) -> float:
        delay_s = self._settings.period_s
        if self._ranger is None and not self._claim():
            delay_s = min(self._open_delay.next_delay_s(), self._settings.heartbeat_s)
        elif self._ranger is not None:
            self._ping(self._ranger)
            if self._tracker.dead:
                delay_s = self._dead_delay.next_delay_s()
            else:
                self._dead_delay.reset()
        self._say()
        return delay_s

    def _ping(self, ranger: "EchoRanger") -> None:
        try:
            with pin_errors(self._pins):
                echo = ranger.ping()
        except PinError as error:
            self._refused(error)
            self._release()
        else:
            self._tracker.update(echo, self._clock.monotonic_s(), self._clock.unix_ms())

    def _claim(self) -> bool:
        from edge.sensing.echo import EchoRanger  # noqa: PLC0415 - gpiozero only where there are pins to use

        settings = self._settings
        try:
            with pin_errors(self._pins):
                factory = self._gpio.factory()
                self._ranger = EchoRanger(settings.trigger_pin, settings.echo_pin, settings.temperature_c, factory)
        except PinError as error:
            self._refused(error)
            return False
        self._open_delay.reset()
        return True

    @property
    def _pins(self) -> str:
        return f"pins {self._settings.trigger_pin} and {self._settings.echo_pin}"

    def _refused(self, error: PinError) -> None:
        log.warning("bay.pins_refused", bay=self.name, error=str(error))
        self._tracker.fail(str(error), self._clock.unix_ms())

    def _say(self) -> None:
        view, now_s = self._tracker.view, self._clock.monotonic_s()
        said = self._said
        changed = said is None or (view.state, view.reason) != (said.state, said.reason)
        if self._report is None or not (changed or now_s - self._said_at_s >= self._settings.heartbeat_s):
            return
        self._said, self._said_at_s = view, now_s
        self._report(
            BayReading(
                time_unix_ms=self._clock.unix_ms(),
                bay=self.name,
                lot=self._settings.lot,
                state=view.state,
                reason=view.reason,
                detail=view.detail,
                confidence=view.confidence,
                distance_mm=view.distance_mm,
                since_unix_ms=view.since_unix_ms,
            )
        )

    def _release(self) -> None:
        if self._ranger is not None:
            self._ranger.close()
            self._ranger = None


def build(settings: Sequence[UltrasonicBaySettings], context: SensorContext) -> Sequence[Sensor]:
    """All bays of the device on one thread: two pings at once would hear each other."""
    thread = PollThread("bays", context.clock, PAUSE_S)
    return [UltrasonicBay(one, context, thread) for one in settings]


PLUGIN = SensorPlugin(
    kind=KIND, subject=BayReading.SUBJECT_FIELD, settings=UltrasonicBaySettings, build=build, count_max=BAYS_MAX
)
