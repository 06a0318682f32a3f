"""A counter on two inputs: edges from the pins, a counting machine, counts on the disk, then the report."""

import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from contract.telemetry import AnyReading, Reason
from edge.gpio import Gpio, PinError, pin_errors
from edge.ports import Report
from edge.sensing.counts import Counts
from edge.sensing.crossing import CountMachine, Step
from edge.state_file import StateFile
from runtime.backoff import Backoff
from runtime.clock import Clock

if TYPE_CHECKING:
    from gpiozero import DigitalInputDevice

log = structlog.get_logger(__name__)

EDGES_MAX = 10_000
TICK_S = 0.5
STOP_WAIT_S = 0.9


@dataclass(frozen=True, slots=True)
class Input:
    """One input: its key in the settings and its pin."""

    key: str
    pin: int


@dataclass(frozen=True, slots=True)
class CountView:
    """What is known of a counter now: `reason` is set when it does not count as it should."""

    counts: Counts
    reason: Reason | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Wiring:
    """How a counter's inputs are connected. `active_high`: the pin is pulled down and driven high by the sensor."""

    inputs: tuple[Input, Input]
    active_high: bool
    heartbeat_s: float


@dataclass(frozen=True, slots=True)
class _Edge:
    which: int
    now_s: float
    active: bool


class CountingSensor:
    """One counter with a thread of its own, which sleeps until an edge or half a second.

    Edges wait in a queue of `EDGES_MAX`; when a buzzing input fills it, the newest are dropped and the counter says
    sensor-error. A count is on the disk before it is reported: kill -9 can lose only a count that nobody was told.
    """

    def __init__(
        self,
        *,
        name: str,
        wiring: Wiring,
        machine: CountMachine,
        file: StateFile[Counts],
        gpio: Gpio,
        clock: Clock,
        reading: Callable[[int, CountView], AnyReading],
    ) -> None:
        self.name = name
        self._wiring = wiring
        self._machine = machine
        self._file = file
        self._gpio = gpio
        self._clock = clock
        self._reading = reading
        self._edges: queue.Queue[_Edge | None] = queue.Queue(EDGES_MAX)
        self._overflowed = threading.Event()
        self._open_delay = Backoff(1.0, 60.0)
        self._open_again_at_s = 0.0
        self._devices: list[DigitalInputDevice] = []
        self._fault: str | None = "the pins are not open yet"
        self._counts = Counts()
        self._said: CountView | None = None
        self._said_at_s = 0.0
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def start(self, report: Report) -> None:
        """Read the counts, claim the pins and count."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, args=(report,), name=f"count-{self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Count what is still queued, release the pins."""
        self._stopping.set()
        with contextlib.suppress(queue.Full):
            self._edges.put_nowait(None)
        if self._thread is not None:
            self._thread.join(STOP_WAIT_S)
            self._thread = None

    def _run(self, report: Report) -> None:
        self._counts = self._file.load()
        try:
            while not self._stopping.is_set():
                self._open()
                self._say(report)
                self._take(self._next(TICK_S))
        finally:
            self._close()
            self._take(self._next(None))
            self._say(report)

    def _next(self, wait_s: float | None) -> _Edge | None:
        try:
            return self._edges.get(block=wait_s is not None, timeout=wait_s)
        except queue.Empty:
            return None

    def _take(self, edge: _Edge | None) -> None:
        """Count this edge and all that are waiting, then save once."""
        before = self._counts
        while edge is not None:
            step = self._machine.edge(edge.which, edge.now_s, active=edge.active)
            self._counts = self._counts.plus(in_count=step is Step.IN, out_count=step is Step.OUT)
            edge = self._next(None)
        if self._counts != before:
            self._file.save(self._counts)

    def _say(self, report: Report) -> None:
        view, now_s = self._view(), self._clock.monotonic_s()
        said = self._said
        changed = said is None or (view.counts, view.reason) != (said.counts, said.reason)
        if changed or now_s - self._said_at_s >= self._wiring.heartbeat_s:
            self._said, self._said_at_s = view, now_s
            report(self._reading(self._clock.unix_ms(), view))

    def _view(self) -> CountView:
        if self._fault is not None:
            return CountView(self._counts, Reason.SENSOR_ERROR, self._fault)
        if self._overflowed.is_set():
            self._overflowed.clear()
            return CountView(self._counts, Reason.SENSOR_ERROR, "an input buzzes: edges came faster than they count")
        stuck = self._machine.stuck(self._clock.monotonic_s())
        if stuck is not None:
            which, for_s = stuck
            detail = f"{self._wiring.inputs[which].key} has been active for {for_s:.0f} s"
            return CountView(self._counts, Reason.FROZEN, detail)
        return CountView(self._counts)

    def _open(self) -> None:
        if self._fault is None or self._clock.monotonic_s() < self._open_again_at_s:
            return
        pins = " and ".join(str(one.pin) for one in self._wiring.inputs)
        try:
            with pin_errors(f"pins {pins}"):
                for which, one in enumerate(self._wiring.inputs):
                    self._devices.append(self._listen(which, one.pin))
        except PinError as error:
            log.warning("counter.pins_refused", counter=self.name, error=str(error))
            self._not_opened(str(error))
        else:
            self._fault = None
            self._open_delay.reset()

    def _not_opened(self, fault: str) -> None:
        self._close()
        self._fault = fault
        self._open_again_at_s = self._clock.monotonic_s() + self._open_delay.next_delay_s()

    def _listen(self, which: int, pin: int) -> "DigitalInputDevice":
        from gpiozero import DigitalInputDevice  # noqa: PLC0415 - gpiozero only where there are pins to use

        # No bounce_time: gpiozero's loses edges. The counting machines know what a bounce is.
        device = DigitalInputDevice(pin, pull_up=not self._wiring.active_high, pin_factory=self._gpio.factory())
        device.when_activated = lambda: self._heard(which, active=True)
        device.when_deactivated = lambda: self._heard(which, active=False)
        if device.is_active:
            self._heard(which, active=True)
        return device

    def _heard(self, which: int, *, active: bool) -> None:
        try:
            self._edges.put_nowait(_Edge(which, self._clock.monotonic_s(), active))
        except queue.Full:
            self._overflowed.set()

    def _close(self) -> None:
        for device in self._devices:
            device.close()
        self._devices.clear()
