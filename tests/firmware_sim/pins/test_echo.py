import statistics
import threading
import time
import warnings
from collections.abc import Iterator

import pytest
from gpiozero import DigitalInputDevice, DistanceSensor, OutputDevice
from gpiozero.exc import DistanceSensorNoEcho, PWMSoftwareFallback
from gpiozero.pins.mock import MockFactory

from firmware_sim.pins.echo import NOISE_MM, EchoFault, EchoRangerModel, speed_of_sound_m_s
from firmware_sim.pins.player import Player
from firmware_sim.pins.stamped import STATES_MAX, StampedPin, stamp
from firmware_sim.wiring import EchoWiring
from tests.eventually import eventually

TRIGGER, ECHO = 4, 5


class Bench:
    """A ranger on mock pins, read through plain gpiozero devices."""

    def __init__(self, seed: str = "1", temperature_c: float = 15.0) -> None:
        self.factory = MockFactory()
        self.player = Player("echo-test")
        wiring = EchoWiring("a-01", "main", TRIGGER, ECHO)
        self.model = EchoRangerModel(wiring, self.factory, self.player, seed=seed, temperature_c=temperature_c)
        self.player.start()
        self.trigger = OutputDevice(TRIGGER, pin_factory=self.factory)
        self.echo = DigitalInputDevice(ECHO, pin_factory=self.factory)
        self._ended = threading.Event()
        self._edges_s: list[float] = []
        self.echo.pin.when_changed = self._heard

    def _heard(self, ticks: float, state: object) -> None:
        self._edges_s.append(ticks)
        if not state:
            self._ended.set()

    def pulse_s(self, wait_s: float = 2.0) -> float | None:
        self._ended.clear()
        self._edges_s.clear()
        self.trigger.on()
        self.trigger.off()
        if not self._ended.wait(wait_s):
            return None
        return self._edges_s[1] - self._edges_s[0]

    def distance_mm(self, temperature_c: float = 15.0) -> float:
        pulse_s = self.pulse_s()
        assert pulse_s is not None
        return pulse_s * speed_of_sound_m_s(temperature_c) / 2 * 1000

    def close(self) -> None:
        self.trigger.close()
        self.echo.close()
        self.player.stop()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


@pytest.mark.parametrize("distance_mm", [600.0, 1100.0, 2300.0])
def test_an_echo_is_as_long_as_the_way_there_and_back(bench: Bench, distance_mm: float) -> None:
    bench.model.distance_mm = distance_mm
    measured = [bench.distance_mm() for _ in range(15)]
    assert statistics.fmean(measured) == pytest.approx(distance_mm, abs=NOISE_MM)
    assert max(abs(one - distance_mm) for one in measured) < 5 * NOISE_MM
    assert len(set(measured)) > 10, "a living sensor jitters"


def test_the_pulse_does_not_depend_on_how_late_the_machine_plays_it(bench: Bench) -> None:
    bench.model.distance_mm = 1000.0
    busy = threading.Event()

    def hold_up_the_player() -> None:
        busy.wait(0.05)

    bench.player.after(0.001, hold_up_the_player)
    assert bench.distance_mm() == pytest.approx(1000.0, abs=5 * NOISE_MM)


def test_warm_air_shortens_the_pulse() -> None:
    cold, warm = Bench(temperature_c=-10.0), Bench(temperature_c=35.0)
    pulses = [bench.pulse_s() for bench in (cold, warm)]
    cold.close()
    warm.close()
    assert pulses[0] is not None
    assert pulses[1] is not None
    assert pulses[0] / pulses[1] == pytest.approx(speed_of_sound_m_s(35.0) / speed_of_sound_m_s(-10.0), abs=0.01)


def test_the_same_seed_gives_the_same_pulses_to_the_bit() -> None:
    runs = []
    for seed in ("7", "7", "8"):
        bench = Bench(seed)
        runs.append([bench.pulse_s() for _ in range(8)])
        bench.close()
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_no_echo_is_silence(bench: Bench) -> None:
    bench.model.fault = EchoFault.NO_ECHO
    assert bench.pulse_s(wait_s=0.08) is None


def test_a_frozen_sensor_repeats_itself_to_the_bit_whatever_drives_in_and_lives_when_repaired(bench: Bench) -> None:
    bench.model.fault = EchoFault.FROZEN
    first = bench.pulse_s()
    bench.model.distance_mm = 700.0
    assert {bench.pulse_s() for _ in range(6)} == {first}
    bench.model.fault = None
    assert bench.distance_mm() == pytest.approx(700.0, abs=5 * NOISE_MM)


def test_equal_pulses_measure_equal_to_the_bit_after_a_minute_and_after_a_year() -> None:
    pulse_s = stamp(0.0135)
    rises_s = [stamp(time_s) for time_s in (1.3, 63.7, 4_242.42, 31_536_000.1)]
    assert {(rise_s + pulse_s) - rise_s for rise_s in rises_s} == {pulse_s}


def test_an_impossible_distance_is_nearer_than_the_sensor_can_see(bench: Bench) -> None:
    bench.model.fault = EchoFault.IMPOSSIBLE
    assert bench.distance_mm() < 20.0


def test_an_intermittent_sensor_answers_now_and_then(bench: Bench) -> None:
    bench.model.fault = EchoFault.INTERMITTENT
    answers = [bench.pulse_s(wait_s=0.08) is not None for _ in range(20)]
    assert 2 <= sum(answers) <= 16


def test_gpiozeros_own_distance_sensor_reads_it() -> None:
    factory, player = MockFactory(), Player("echo-test")
    model = EchoRangerModel(EchoWiring("a-01", "main", TRIGGER, ECHO), factory, player, seed="1")
    model.distance_mm = 1500.0
    player.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PWMSoftwareFallback)
        warnings.simplefilter("ignore", DistanceSensorNoEcho)
        sensor = DistanceSensor(echo=ECHO, trigger=TRIGGER, max_distance=4, queue_len=5, pin_factory=factory)
        try:
            # gpiozero takes 343.26 m/s for every temperature.
            expected_m = 1.5 * 343.26 / speed_of_sound_m_s(15.0)
            assert sensor.distance == pytest.approx(expected_m, abs=0.01)
            model.distance_mm = 700.0
            expected_m = 0.7 * 343.26 / speed_of_sound_m_s(15.0)
            eventually(lambda: abs(sensor.distance - expected_m) < 0.01)
        finally:
            sensor.close()
            player.stop()


def test_a_pin_that_runs_for_months_keeps_few_states() -> None:
    factory = MockFactory()
    pin: StampedPin = factory.pin(ECHO, pin_class=StampedPin)
    for number in range(4 * STATES_MAX):
        pin.drive(level=bool(number % 2), at_s=time.monotonic())
    assert len(pin.states) <= STATES_MAX
