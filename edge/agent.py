"""The agent: where everything on a device is put together, started, supervised and ended."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from contract.events import FireEvent
from contract.topics import Topic, TopicFilter
from edge.clock_watch import ClockWatch
from edge.delivery import Delivery
from edge.gpio import Gpio
from edge.happenings import Happenings
from edge.life_signs import LifeSigns
from edge.plugins import SensorContext, SensorSettings, discover
from edge.ports import Component, FireDecision, Sensor, Timekeeper
from edge.recording import Recorder
from edge.safety.alarm import MarketAlarm
from edge.safety.last_resort import MODEM, LastResort
from edge.safety.link import PEERS, FireLink
from edge.safety.siren import Siren
from edge.settings import DeviceSettings, ModemSettings
from edge.settling import SettlingOutbox
from edge.supervision import Supervisor
from edge.timekeeping import DeviceClock
from edge.timescale import ClockRules
from runtime.settings_file import load_settings
from runtime.watchdog import Beat, Watchdog
from transport.ports import Outbox, Session
from transport.sqlite_outbox import SqliteOutbox

if TYPE_CHECKING:
    from gpiozero import Factory

    from edge.safety.button import Button

log = structlog.get_logger(__name__)

GOODBYE_S = 0.5
PARTS_END_S = 1.5
BEAT_EVERY_S = 1.0
STALLED_AFTER_S = 60.0  # a full SD card may hold one write for many seconds
MS_PER_S = 1000.0


class Agent:
    """A device. `run` works until cancelled and ends within three seconds: pins released, presence offline.

    `pin_factory` is a simulator's; without it the machine's own pins are used. `session` and `outbox` are put in by
    tests; without them the broker of the settings and a file in `data_dir` are used. `clock` is one that is right from
    the start; without it the agent finds out the time by itself. `watchdog` ends the process when the event loop or
    the recorder hangs for `STALLED_AFTER_S`.

    Raises:
        SettingsError: a key file cannot be used.
        FatalError: the outbox file cannot be used.
    """

    def __init__(
        self,
        settings: DeviceSettings,
        *,
        pin_factory: "Factory | None" = None,
        clock: Timekeeper | None = None,
        session: Session | None = None,
        outbox: Outbox | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self._settings = settings
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._clock: Timekeeper = clock or _device_clock(settings)
        self._watchdog = watchdog
        self._gpio = Gpio(pin_factory, work_dir=settings.data_dir / "gpio")
        self.alarm = MarketAlarm(settings.device, self._clock)
        self._outbox = self._settling(outbox or _outbox_file(settings, self._clock))
        self._recorder = Recorder(
            self._outbox, settings.identity, self._wake_delivery, boot_id=lambda: self._clock.boot_id
        )
        self._happenings = Happenings(settings, self.alarm, self._recorder, self._clock)
        self._life = LifeSigns(settings, self._outbox, self._recorder, self._clock)
        self._session = session or _mqtt_session(settings, self._life)
        self._delivery = Delivery(self._outbox, self._session, settings.identity, self._clock)
        report = self._happenings.report
        self._reborn: list[Callable[[], None]] = [self.alarm.clock_was_set]
        self._sirens = [Siren(one, self._gpio, self.alarm, report, self._clock) for one in settings.sirens]
        self._buttons = list(self._build_buttons())
        self._sensors = list(self._build_sensors())
        self._transport: tuple[Component, ...] = (_Part("bus", self._session.run), self._delivery, *self._build_clock())
        self._parts: tuple[Component, ...] = (
            *self._sirens,
            *self._buttons,
            *self._build_parts(),
            self._life,
            self._happenings,
        )
        self._listen()

    @property
    def buttons(self) -> "Sequence[Button]":
        """This device's acknowledge buttons."""
        return tuple(self._buttons)

    @property
    def sirens(self) -> Sequence[Siren]:
        """This device's sirens."""
        return tuple(self._sirens)

    def on_decision(self, decision: FireDecision) -> None:
        """Take a camera's decision (`edge.ports.FireSink`)."""
        self._happenings.on_decision(decision)

    async def run(self) -> None:
        """Work until cancelled."""
        log.info("agent.starts", market=self._settings.market, device=self._settings.device)
        supervisor = Supervisor(self._happenings.on_fault, self._clock)
        beating = self._watch_progress()
        self._recorder.start()
        self._happenings.watch([PEERS, MODEM, *(component.name for component in (*self._transport, *self._parts))])
        transport = [asyncio.create_task(supervisor.keep(one)) for one in self._transport]
        parts = [asyncio.create_task(supervisor.keep(one)) for one in self._parts]
        for sensor in self._sensors:
            sensor.start(self._happenings.report)
        try:
            # Not gather: cancelled, it would end the session before the goodbye.
            ended, _ = await asyncio.wait([*transport, *parts], return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            if self._watchdog is not None:
                self._watchdog.stop()
            await self._end(transport, [*parts, *beating])

    async def _end(self, transport: Sequence[asyncio.Task[None]], parts: Sequence[asyncio.Task[None]]) -> None:
        stopping = [asyncio.to_thread(sensor.stop) for sensor in self._sensors]
        await asyncio.gather(_cancel(parts), *stopping, return_exceptions=True)
        await asyncio.to_thread(self._recorder.stop)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._life.say_goodbye(self._session)
        await _cancel(transport)
        self._outbox.close()
        self._gpio.close()
        log.info("agent.ended", device=self._settings.device)

    def _watch_progress(self) -> Sequence[asyncio.Task[None]]:
        """What hangs raises nothing: have the process ended when the loop does, or the recorder's thread."""
        watchdog = self._watchdog
        if watchdog is None:
            return ()
        beat = watchdog.watch("event-loop", STALLED_AFTER_S)
        watchdog.watch_count("recorder", STALLED_AFTER_S, lambda: self._recorder.rounds_count)
        watchdog.start()
        return (asyncio.create_task(_keep_beating(beat)),)

    def _settling(self, outbox: Outbox) -> Outbox:
        return SettlingOutbox(outbox, self._clock) if isinstance(self._clock, DeviceClock) else outbox

    def _build_clock(self) -> Iterator[Component]:
        clock, outbox = self._clock, self._outbox
        if not isinstance(clock, DeviceClock) or not isinstance(outbox, SettlingOutbox):
            return
        watch = ClockWatch(
            clock,
            outbox,
            on_clock=self._happenings.on_clock,
            ask=self._happenings.repeat_clock_trouble,
            announce=self._clock_was_set,
            skew_ms_max=self._settings.clock.skew_s_max * MS_PER_S,
        )
        watch.listen(self._session, self._settings.identity)
        yield watch

    async def _clock_was_set(self) -> None:
        """What was said without knowing the time is said again."""
        for part in self._reborn:
            part()
        await self._life.be_born(self._session)

    def _wake_delivery(self) -> None:
        self._delivery.wake()

    def _build_sensors(self) -> Iterator[Sensor]:
        for kind, block in groupby(sorted(self._settings.sensors, key=_kind), key=_kind):
            context = SensorContext(self._gpio, self._clock, self._settings.data_dir / "sensors" / kind)
            yield from discover()[kind].build(list(block), context)

    def _build_buttons(self) -> "Iterator[Button]":
        if not self._settings.buttons:
            return
        from edge.safety.button import Button  # noqa: PLC0415 - only where there are buttons

        for one in self._settings.buttons:
            yield Button(one, self._gpio, self.alarm, self._recorder, self._sirens, self._clock)

    def _build_parts(self) -> Iterator[Component]:
        settings, report, clock = self._settings, self._happenings.report, self._clock
        if settings.safety is not None:
            yield FireLink(settings.safety, settings.identity, self.alarm, clock, self._happenings.on_fault)
        if settings.modem is not None:
            yield self._build_last_resort(settings.modem)
        if settings.cameras:
            yield from self._build_cameras()
        if settings.screens:
            from edge.signage.component import Signage  # noqa: PLC0415 - a web server, only where there are screens

            signage = Signage(settings, session=self._session, alarm=self.alarm, report=report, clock=clock)
            self._life.show_players(lambda: signage.player_urls)
            self._reborn.append(signage.clock_was_set)
            yield signage

    def _build_last_resort(self, modem: ModemSettings) -> Component:
        from contract.signature import Verifier  # noqa: PLC0415 - OpenSSL, only where there is something to verify
        from edge.safety.roster_sync import RosterSync  # noqa: PLC0415 - the same

        settings, session, clock = self._settings, self._session, self._clock
        verifier = Verifier(settings.signing_public_key)
        held = RosterSync(session, settings.identity, verifier, clock, settings.data_dir / "roster.json")
        return LastResort(
            settings,
            modem,
            roster=lambda: held.roster,
            alarm=self.alarm,
            recorder=self._recorder,
            session=session,
            clock=clock,
            on_fault=self._happenings.on_fault,
        )

    def _build_cameras(self) -> Sequence[Component]:
        from contract.signature import Verifier  # noqa: PLC0415 - OpenSSL, only where there is something to verify
        from edge.cameras.commands import CameraCommands, ViewPublisher  # noqa: PLC0415 - only where there are cameras
        from edge.cameras.supervisor import CameraSupervisor  # noqa: PLC0415 - the same
        from edge.cameras.zones_sync import ZonesSync  # noqa: PLC0415 - the same
        from edge.signed_commands import Hearing  # noqa: PLC0415 - the same

        settings, session, identity, clock = self._settings, self._session, self._settings.identity, self._clock
        folder, show = settings.data_dir / "cameras", ViewPublisher(session, identity)
        cameras = {
            one.name: CameraSupervisor(
                one,
                report=self._happenings.report,
                on_decision=self.on_decision,
                clock=clock,
                data_dir=folder,
                on_view=show,
            )
            for one in settings.cameras
        }
        verifier = Verifier(settings.signing_public_key)
        CameraCommands(Hearing(session, identity, verifier, clock), cameras)
        ZonesSync(session, identity, verifier, cameras, clock, settings.data_dir / "zones.json")
        return tuple(cameras.values())

    def _listen(self) -> None:
        settings = self._settings
        self._session.on_connect(lambda: self._life.be_born(self._session))
        self._session.subscribe(
            TopicFilter(market=settings.market, channel="event", name="fire"), FireEvent, self._on_fire_event
        )
        if settings.sirens:
            from contract.signature import Verifier  # noqa: PLC0415 - OpenSSL, only where there is something to verify
            from edge.safety.commands import SirenCommands  # noqa: PLC0415 - the same
            from edge.signed_commands import Hearing  # noqa: PLC0415 - the same

            verifier = Verifier(settings.signing_public_key)
            SirenCommands(Hearing(self._session, settings.identity, verifier, self._clock), self._sirens)

    async def _on_fire_event(self, topic: Topic, event: FireEvent) -> None:
        self.alarm.on_event(topic.device, event)


@dataclass(frozen=True, slots=True)
class _Part:
    """A coroutine function as a component."""

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]  # Any: what a coroutine is sent and yields, which nobody sees


def _kind(sensor: SensorSettings) -> str:
    return sensor.kind


def _device_clock(settings: DeviceSettings) -> DeviceClock:
    rules = ClockRules(settings.clock.source == "trusted", round(settings.clock.skew_s_max * MS_PER_S))
    return DeviceClock(rules, settings.data_dir / "clock.json")


def _outbox_file(settings: DeviceSettings, clock: Timekeeper) -> Outbox:
    bounds = settings.outbox
    file = settings.data_dir / "outbox.db"
    return SqliteOutbox(file, bytes_max=bounds.bytes_max, age_s_max=bounds.age_s_max, clock=clock)


async def _keep_beating(beat: Beat) -> None:
    while True:
        beat()
        await asyncio.sleep(BEAT_EVERY_S)


def _mqtt_session(settings: DeviceSettings, life: LifeSigns) -> Session:
    from transport.mqtt_session import MqttSession  # noqa: PLC0415 - an MQTT client that a test's bus does without

    return MqttSession(settings.broker.settings(settings.identity.username), life.will())


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=PARTS_END_S)


async def run_until_signalled(agent: Agent) -> None:
    """Run `agent` until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(agent.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def run_agent(config: Path) -> None:
    """Run the device whose settings are in the file `config` until SIGTERM or SIGINT.

    Raises:
        SettingsError: the file cannot be used; nothing was started.
    """
    agent = Agent(load_settings(config, DeviceSettings), watchdog=Watchdog())
    asyncio.run(run_until_signalled(agent))
