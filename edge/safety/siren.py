"""Sirens: relays that follow the alarm. Nothing is between the decision and the pin but a function call."""

import asyncio
from typing import TYPE_CHECKING

import structlog

from contract.telemetry import Reason, SirenReading
from edge.gpio import Gpio, PinError, pin_errors
from edge.ports import ActiveFire, AlarmState, Report
from edge.settings import SirenSettings
from runtime.backoff import Backoff
from runtime.clock import Clock

if TYPE_CHECKING:
    from gpiozero import DigitalOutputDevice

log = structlog.get_logger(__name__)

HEARTBEAT_S = 10.0
LOOK_S = 0.5
SILENCED_MAX = 256


class Siren:
    """One siren: sounds while there is a fire that nobody has silenced. A new fire sounds again.

    Without a fire it sounds while a drill asks for it, which cannot be silenced: it is over in a moment.
    A pin that fails is reported as unknown and claimed again; once it works, it is set to what it should be.
    """

    def __init__(self, settings: SirenSettings, gpio: Gpio, alarm: AlarmState, report: Report, clock: Clock) -> None:
        self.name = settings.name
        self._settings = settings
        self._gpio = gpio
        self._alarm = alarm
        self._report = report
        self._clock = clock
        self._device: DigitalOutputDevice | None = None
        self._open_delay = Backoff(1.0, 30.0)
        self._open_at_s = float("-inf")
        self._fault: str | None = None
        self._silenced: set[str] = set()
        self._sounding = False
        self._since_unix_ms = clock.unix_ms()
        self._said: tuple[bool, bool, bool] | None = None
        self._said_at_s = 0.0
        self._listening = False

    @property
    def sounding(self) -> bool:
        """Whether the relay is closed."""
        return self._sounding and self._device is not None

    async def run(self) -> None:
        """Claim the pin and keep it right until cancelled; then release it."""
        if not self._listening:
            self._listening = True
            self._alarm.listen(self._on_alarm)
        try:
            while True:
                self._open()
                self._follow()
                await asyncio.sleep(LOOK_S)
        finally:
            self._release()

    def silence(self, zone: str | None = None) -> bool:
        """Silence the fires that are active now, with `zone` those there; return whether there was one."""
        fires = {fire.event_id for fire in self._alarm.fires if zone is None or fire.zone == zone}
        self._silenced |= fires
        self._follow()
        return bool(fires)

    def _on_alarm(self, fires: tuple[ActiveFire, ...]) -> None:
        self._silenced &= {fire.event_id for fire in fires}
        self._open()
        self._follow()

    def _follow(self) -> None:
        wanted = any(fire.event_id not in self._silenced for fire in self._alarm.fires) or self._alarm.drill_sounds
        if wanted != self._sounding:
            self._sounding, self._since_unix_ms = wanted, self._clock.unix_ms()
        if self._device is not None:
            self._switch(self._device, on=wanted)
        self._say()

    def _switch(self, device: "DigitalOutputDevice", *, on: bool) -> None:
        try:
            with pin_errors(f"pin {self._settings.pin}"):
                if bool(device.value) == on:
                    return
                device.value = on
        except PinError as error:
            self._fail(error)
        else:
            log.warning("siren.switched", siren=self.name, on=on)

    def _open(self) -> None:
        if self._device is not None or self._clock.monotonic_s() < self._open_at_s:
            return
        try:
            with pin_errors(f"pin {self._settings.pin}"):
                from gpiozero import DigitalOutputDevice  # noqa: PLC0415 - gpiozero only where there are pins to use

                self._device = DigitalOutputDevice(
                    self._settings.pin,
                    active_high=self._settings.active_high,
                    initial_value=False,
                    pin_factory=self._gpio.factory(),
                )
        except PinError as error:
            self._fail(error)
        else:
            self._fault = None
            self._open_delay.reset()

    def _fail(self, error: PinError) -> None:
        log.error("siren.pin_failed", siren=self.name, error=str(error))
        self._release()
        self._fault = str(error)
        self._open_at_s = self._clock.monotonic_s() + self._open_delay.next_delay_s()

    def _release(self) -> None:
        device, self._device = self._device, None
        try:
            with pin_errors(f"pin {self._settings.pin}"):
                if device is not None:
                    device.close()
        except PinError as error:
            log.warning("siren.pin_not_released", siren=self.name, error=str(error))

    def _say(self) -> None:
        now_s = self._clock.monotonic_s()
        silenced = bool(self._silenced)
        state = (self.sounding, silenced, self._fault is None)
        if state == self._said and now_s - self._said_at_s < HEARTBEAT_S:
            return
        self._said, self._said_at_s = state, now_s
        self._report(
            SirenReading(
                time_unix_ms=self._clock.unix_ms(),
                siren=self.name,
                state="live" if self._fault is None else "unknown",
                reason=None if self._fault is None else Reason.SENSOR_ERROR,
                detail=self._fault,
                sounding=self.sounding,
                silenced=silenced,
                since_unix_ms=self._since_unix_ms,
            )
        )
