"""The acknowledge button: what counts as a press, and a button on a mock pin."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory
from hypothesis import given
from hypothesis import strategies as st

from contract.access import DeviceIdentity
from contract.events import AcknowledgeEvent, FireEvent, Phase, TroubleEvent
from contract.telemetry import Reason
from edge.agent import Agent
from edge.gpio import Gpio, PinError
from edge.ports import FireDecision
from edge.recording import Recorder
from edge.safety.alarm import MarketAlarm
from edge.safety.button import RELEASED_S, STUCK_AFTER_S, Button, Hold, StuckButtonError
from edge.safety.siren import Siren
from edge.settings import ButtonSettings, SirenSettings
from runtime.clock import ManualClock
from tests.edge.device import Centre
from tests.edge.device import running as agents
from tests.edge.device import settings as device_settings
from tests.eventually import eventually_async
from transport.memory_bus import MemoryBus
from transport.memory_outbox import MemoryOutbox

PIN, SIREN_PIN = 6, 17
STEP_S = 0.02


def looks(hold: Hold, closed: Sequence[bool], step_s: float = STEP_S) -> int:
    """How many presses these looks are, one every `step_s`."""
    presses = 0
    for count, is_closed in enumerate(closed):
        if is_closed:
            presses += hold.looks_closed(count * step_s)
        else:
            hold.looks_open(count * step_s)
    return presses


OPEN, SECOND = [False] * 10, [True] * 52


def test_a_second_is_a_press_and_holding_on_is_no_other() -> None:
    assert looks(Hold(1.0), [*OPEN, *SECOND, *SECOND, *SECOND]) == 1
    assert looks(Hold(1.0), [*OPEN, *SECOND, *OPEN, *SECOND]) == 2


def test_a_touch_a_bounce_and_a_jammed_button_are_none() -> None:
    assert looks(Hold(1.0), [*OPEN, *[True] * 45, *OPEN]) == 0
    assert looks(Hold(1.0), [*OPEN, *[True] * 45, False, *[True] * 45, *OPEN]) == 0, (
        "one look finds it open: it is over"
    )
    assert looks(Hold(1.0), [*SECOND, *SECOND]) == 0, "it was closed from the start"
    assert looks(Hold(1.0), [*OPEN, *SECOND, False, *SECOND]) == 1, "a bounce at its end is no release"


@given(st.lists(st.booleans(), max_size=400))
def test_no_noise_is_a_press_without_a_whole_second_closed(closed: list[bool]) -> None:
    longest = max((len(run) for run in "".join("x" if one else " " for one in closed).split()), default=0)
    presses = looks(Hold(1.0), closed)
    assert presses == 0 or (longest - 1) * STEP_S >= 1.0 - 1e-9


@dataclass
class Rig:
    clock: ManualClock
    factory: MockFactory
    alarm: MarketAlarm
    outbox: MemoryOutbox
    recorder: Recorder
    siren: Siren
    button: Button

    def fire(self, zone: str = "b") -> str:
        event_id = uuid.uuid4().hex
        self.alarm.on_decision(FireDecision(event_id, Phase.RAISED, zone, "cam-1", 0.9, 1000, 2000))
        return event_id

    def presses(self) -> list[AcknowledgeEvent]:
        return [AcknowledgeEvent.from_bytes(row.body) for row in self.outbox.pending(0, 100)]

    def sounds(self) -> bool:
        return bool(self.factory.pin(SIREN_PIN).state)

    async def armed(self) -> None:
        """Wait until it has seen its contact open for long enough."""

        def after_another_moment() -> bool:
            self.clock.advance(RELEASED_S)
            return self.button.hold.is_armed

        await eventually_async(after_another_moment)

    async def press(self) -> None:
        """Hold it for as long as it takes, and let it go."""
        await self.armed()
        pin, before = self.factory.pin(PIN), len(self.presses())
        pin.drive_low()
        await eventually_async(lambda: self.button.hold.is_closed)
        self.clock.advance(1.0)
        await eventually_async(lambda: len(self.presses()) == before + 1)
        pin.drive_high()
        await eventually_async(lambda: not self.button.hold.is_closed)


def rig(folder: Path, **changes: object) -> Rig:
    clock, factory = ManualClock(), MockFactory()
    gpio, alarm = Gpio(factory, work_dir=folder), MarketAlarm("fire-1", clock)
    outbox = MemoryOutbox(bytes_max=1_000_000, clock=clock)
    recorder = Recorder(outbox, DeviceIdentity("jungang", "fire-1"), lambda: None)
    siren = Siren(SirenSettings(name="siren-1", zone="b", pin=SIREN_PIN), gpio, alarm, lambda _reading: None, clock)
    settings = ButtonSettings.model_validate({"name": "office", "pin": PIN, **changes})
    return Rig(clock, factory, alarm, outbox, recorder, siren, Button(settings, gpio, alarm, recorder, [siren], clock))


@contextlib.asynccontextmanager
async def running(made: Rig) -> AsyncIterator[asyncio.Task[None]]:
    made.recorder.start()
    tasks = [asyncio.create_task(made.button.run()), asyncio.create_task(made.siren.run())]
    yield tasks[0]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    made.recorder.stop()


async def test_a_press_is_an_event_that_names_what_burns_and_the_siren_goes_on(tmp_path: Path) -> None:
    made = rig(tmp_path)
    async with running(made):
        fires = [made.fire("b"), made.fire("c")]
        await made.press()
        (event,) = made.presses()
        assert (event.button, event.zone, sorted(event.fires)) == ("office", None, sorted(fires))
        assert event.time_unix_ms == made.clock.unix_ms()
        assert made.outbox.pending(0, 1)[0].alarm, "it is kept as alarms are, whatever the line does"
        assert made.sounds()

        await made.press()
        assert len({one.event_id for one in made.presses()}) == 2


async def test_a_zone_s_button_names_and_silences_its_zone_alone(tmp_path: Path) -> None:
    made = rig(tmp_path, zone="b", silences_sirens=True)
    async with running(made):
        here = made.fire("b")
        await made.press()
        assert [(one.zone, one.fires) for one in made.presses()] == [("b", (here,))]
        assert not made.sounds()

        made.fire("c")
        assert made.sounds(), "a fire that nobody has heard of yet"
        await made.press()
        assert made.presses()[-1].fires == (here,)
        assert made.sounds()


async def test_a_jammed_button_ends_with_a_sentence_and_leaves_its_pin_free(tmp_path: Path) -> None:
    made = rig(tmp_path)
    async with running(made) as task:
        await made.press()
        await made.armed()
        made.factory.pin(PIN).drive_low()
        await eventually_async(lambda: made.button.hold.is_closed)
        made.clock.advance(STUCK_AFTER_S)
        await asyncio.wait([task])
        with pytest.raises(StuckButtonError, match=r"button office on pin 6 has been closed for 20 s: is it jammed"):
            task.result()

        again = asyncio.create_task(made.button.run())
        await eventually_async(lambda: made.button.hold.is_closed)
        made.clock.advance(2.0)
        made.factory.pin(PIN).drive_high()
        await eventually_async(lambda: not made.button.hold.is_closed)
        again.cancel()
        await asyncio.wait([again])
        assert len(made.presses()) == 2, "the one before, and the one with which it jammed"


async def test_a_pin_that_is_taken_is_an_error_for_supervision(tmp_path: Path) -> None:
    made = rig(tmp_path)
    async with running(made):
        await made.armed()
        with pytest.raises(PinError, match=r"pin 6: .*already in use"):
            await made.button.run()


async def test_pressed_while_the_line_is_cut_it_arrives_after_its_fire_when_the_line_is_back(tmp_path: Path) -> None:
    factory, away, bus = MockFactory(), MemoryBus(), MemoryBus()
    away.go_down()
    device = device_settings(tmp_path, buttons=[{"name": "office", "pin": PIN, "hold_s": 0.3}])
    fire = FireDecision(uuid.uuid4().hex, Phase.RAISED, "b", "cam-1", 0.9, 1000, 2000)
    first = Agent(device, pin_factory=factory, session=away.session("jungang.fire-1"))
    async with agents(first):
        first.on_decision(fire)
        await eventually_async(lambda: first.buttons[0].hold.is_armed)
        factory.pin(PIN).drive_low()
        await eventually_async(lambda: first._outbox.status().rows >= 2)
        factory.pin(PIN).drive_high()

    centre = Centre(bus)
    second = Agent(device, pin_factory=factory, session=bus.session("jungang.fire-1"))
    async with agents(centre, second):
        await eventually_async(lambda: centre.of(AcknowledgeEvent))
        (press,) = centre.of(AcknowledgeEvent)
        assert (press.button, press.fires) == ("office", (fire.event_id,))
        assert centre.of(FireEvent)[0].seq < press.seq


async def test_a_jammed_button_is_a_trouble_of_its_own(tmp_path: Path) -> None:
    factory, bus = MockFactory(), MemoryBus()
    device = device_settings(tmp_path, buttons=[{"name": "office", "pin": PIN}])
    clock, centre = ManualClock(), Centre(bus)
    agent = Agent(device, pin_factory=factory, session=bus.session("jungang.fire-1"), clock=clock)
    async with agents(centre, agent):
        await eventually_async(lambda: factory.pin(PIN).pull == "up")
        factory.pin(PIN).drive_low()
        await eventually_async(lambda: agent.buttons[0].hold.is_closed)
        clock.advance(STUCK_AFTER_S)
        await eventually_async(lambda: [one.subject for one in centre.of(TroubleEvent)] == ["office"])
        trouble = centre.of(TroubleEvent)[0]
        assert (trouble.kind, trouble.reason) == ("component", Reason.DEAD)
        assert "is it jammed" in trouble.detail
        assert not centre.of(AcknowledgeEvent)
