"""The acknowledge button: held for a second, it says that somebody takes care of the fires. Works with a cut line."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from contract.events import ACKNOWLEDGED_FIRES_MAX, AcknowledgeEvent
from edge.gpio import Gpio, PinError, pin_errors
from edge.ports import AlarmState, Timekeeper
from edge.recording import Recorder
from edge.safety.siren import Siren
from edge.settings import ButtonSettings
from runtime.errors import RetryableError

if TYPE_CHECKING:
    from gpiozero import DigitalInputDevice

log = structlog.get_logger(__name__)

LOOK_S = 0.1
LOOK_HELD_S = 0.02  # what is held is looked at closely: one look that finds it released ends the press
RELEASED_S = 0.1
STUCK_AFTER_S = 20.0  # less than what a component has to run before it counts as well again


class StuckButtonError(RetryableError):
    """A button that nobody lets go; the sentence says what to look for."""


class Hold:
    """When a contact counts as pressed: closed at every look for `hold_s`, once, after it has been open for a moment.

    Pure. A contact that is closed from the start counts only once it has been open: a jammed button, or a wire that
    touches ground, acknowledges nothing.
    """

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._closed_s: float | None = None
        self._open_s: float | None = None
        self._armed = False

    @property
    def is_armed(self) -> bool:
        """Whether closing it now would begin a press."""
        return self._armed

    @property
    def is_closed(self) -> bool:
        """Whether the last look found it closed."""
        return self._closed_s is not None

    def looks_closed(self, now_s: float) -> bool:
        """A look found it closed; whether that makes it a press."""
        self._open_s = None
        if self._closed_s is None:
            self._closed_s = now_s
        if not self._armed or now_s - self._closed_s < self._hold_s:
            return False
        self._armed = False
        return True

    def looks_open(self, now_s: float) -> None:
        """A look found it open."""
        self._closed_s = None
        if self._open_s is None:
            self._open_s = now_s
        if now_s - self._open_s >= RELEASED_S:
            self._armed = True

    def held_s(self, now_s: float) -> float:
        """For how long it has been closed."""
        return 0.0 if self._closed_s is None else now_s - self._closed_s


class Button:
    """One button on a pin. A press is an event in the outbox: it reaches the centre whenever the line is back.

    It stands for the fires that burn now, in its `zone` or in the whole market. The sirens of this device go on, unless
    the settings say that the button silences them. A pin that cannot be had, or a button that is held for
    `STUCK_AFTER_S`, ends `run` with an error: supervision reports it and tries again.
    """

    def __init__(
        self,
        settings: ButtonSettings,
        gpio: Gpio,
        alarm: AlarmState,
        recorder: Recorder,
        sirens: Sequence[Siren],
        clock: Timekeeper,
    ) -> None:
        self.name = settings.name
        self._settings = settings
        self._gpio = gpio
        self._alarm = alarm
        self._recorder = recorder
        self._sirens = sirens
        self._clock = clock
        self._hold = Hold(settings.hold_s)

    @property
    def hold(self) -> Hold:
        """What it saw of its contact since the pin was claimed."""
        return self._hold

    async def run(self) -> None:
        """Watch the pin until cancelled; then release it.

        Raises:
            PinError: the pin cannot be had or read.
            StuckButtonError: it is held and held.
        """
        self._hold, device = Hold(self._settings.hold_s), self._open()
        try:
            while True:
                self._look(device)
                await asyncio.sleep(LOOK_HELD_S if self._hold.is_closed else LOOK_S)
        finally:
            self._release(device)

    @property
    def _pin(self) -> str:
        return f"pin {self._settings.pin}"

    def _open(self) -> "DigitalInputDevice":
        with pin_errors(self._pin):
            from gpiozero import DigitalInputDevice  # noqa: PLC0415 - gpiozero only where there are pins to use

            pull_up = not self._settings.active_high
            return DigitalInputDevice(self._settings.pin, pull_up=pull_up, pin_factory=self._gpio.factory())

    def _release(self, device: "DigitalInputDevice") -> None:
        try:
            with pin_errors(self._pin):
                device.close()
        except PinError as error:
            log.warning("button.pin_not_released", button=self.name, error=str(error))

    def _look(self, device: "DigitalInputDevice") -> None:
        """Look once, and act on a press."""
        now_s, hold = self._clock.monotonic_s(), self._hold
        with pin_errors(self._pin):
            closed = bool(device.is_active)
        if not closed:
            hold.looks_open(now_s)
            return
        if hold.looks_closed(now_s):
            self._press()
        if hold.held_s(now_s) >= STUCK_AFTER_S:
            raise StuckButtonError(
                f"button {self.name} on {self._pin} has been closed for {STUCK_AFTER_S:g} s: "
                "is it jammed, or does its wire touch another?"
            )

    def _press(self) -> None:
        zone, event_id, time_unix_ms = self._settings.zone, uuid.uuid4().hex, self._clock.unix_ms()
        burning = tuple(fire.event_id for fire in self._alarm.fires if zone is None or fire.zone == zone)
        fires = burning[:ACKNOWLEDGED_FIRES_MAX]
        log.warning("button.pressed", button=self.name, zone=zone, fires=len(burning))
        self._recorder.record(
            AcknowledgeEvent,
            lambda epoch, seq: AcknowledgeEvent(
                epoch=epoch,
                seq=seq,
                event_id=event_id,
                time_unix_ms=time_unix_ms,
                button=self.name,
                zone=zone,
                fires=fires,
            ),
        )
        if self._settings.silences_sirens:
            for siren in self._sirens:
                siren.silence(zone)
