"""The world around one simulated device: cars, people and faults, played on its pins in simulated time."""

import asyncio
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from gpiozero.pins.mock import MockFactory

from firmware_sim import traffic
from firmware_sim.board import Board, UnknownPartError
from firmware_sim.control import Block, ControlFile, Cross, Drive, SetBay, SetFault, parse
from firmware_sim.pins.beams import Crossing
from firmware_sim.pins.echo import EchoFault
from firmware_sim.pins.player import Player
from firmware_sim.timeline import BayChange, GatePass, Happening
from firmware_sim.truth import TruthLog
from firmware_sim.wiring import DeviceWiring
from runtime.clock import Clock, SystemClock

__all__ = ["DeviceWorld", "EchoFault", "UnknownPartError", "WorldExtras"]

log = structlog.get_logger(__name__)

SPEED_MAX = 3600.0
LOT_CAPACITY_ASSUMED = 40
"""Bays of a lot whose gate is on this device but none of whose bays are."""

CONTROL_PERIOD_S = 0.25
IDLE_S_MAX = 3600.0


@dataclass(frozen=True, slots=True)
class WorldExtras:
    """What a world may have beside its traffic.

    `truth_path`: a file to log the ground truth to. `control_path`: a file of orders from people (see
    `firmware_sim.control`). `temperature_c`: of the air that the echoes travel through. `clock`: whose seconds the
    speed multiplies; the machine's when None.
    """

    truth_path: Path | None = None
    control_path: Path | None = None
    temperature_c: float = 15.0
    clock: Clock | None = None


class DeviceWorld:
    """Moves what surrounds one device along simulated time, `speed` times as fast as the machine's clock.

    Make and start it before the agent claims its pins: it puts its own pins into `pin_factory`, a fresh `MockFactory`
    for each device. `timeline` is what happens, in order of time; None means seeded traffic without end, an empty one
    that nothing happens by itself. It runs on one thread; its methods may be called from any.

    At speed: bays follow simulated time however fast, but an ultrasonic bay's agent needs about 2 s of real time to see
    a change (three pings and 1 s of debounce), so a car that stays for less is missed; half-hourly steps can be
    compared bay by bay up to about 600 x. Gate pulses and crossings keep their real length: at high speed they queue,
    and those that would wait for over 30 s are left out and counted. What was played is in `gate_counts` and
    `people_counts`.

    Raises:
        ValueError: `speed` is not more than 0 and at most 3600.
    """

    def __init__(
        self,
        wiring: DeviceWiring,
        pin_factory: MockFactory,
        *,
        seed: int = 0,
        speed: float = 1.0,
        timeline: Iterable[Happening] | None = None,
        start_unix_ms: int | None = None,
        extras: WorldExtras | None = None,
    ) -> None:
        if not 0.0 < speed <= SPEED_MAX:
            raise ValueError(f"speed {speed:g} is not possible: give more than 0 and at most {SPEED_MAX:g}")
        self.wiring = wiring
        self._speed = speed
        self._extras = extras = extras or WorldExtras()
        own_seed = f"{seed}/{wiring.device}"
        self._player = Player(f"sim-{wiring.device}")
        self._board = Board(wiring, pin_factory, self._player, seed=own_seed, temperature_c=extras.temperature_c)
        self._clock = extras.clock or SystemClock()
        self._start_unix_ms = self._clock.unix_ms() if start_unix_ms is None else start_unix_ms
        self._started_s: float | None = None
        self._lock = threading.RLock()
        self._occupied = {one.bay: False for one in wiring.echoes}
        self._traffic_says = dict(self._occupied)
        self._held: set[str] = set()
        self._faults: dict[str, EchoFault | None] = dict.fromkeys(self._occupied)
        self._coming = self._endless(own_seed) if timeline is None else iter(timeline)
        self._next = next(self._coming, None)
        self._truth_log: TruthLog | None = None
        self._control = ControlFile(extras.control_path) if extras.control_path else None
        self.left_out_count = 0

    # --- life cycle

    def start(self) -> None:
        """Let time run: the bays that are occupied at the start are so when this returns."""
        with self._lock:
            if self._started_s is not None:
                return
            self._started_s = self._clock.monotonic_s()
            if self._extras.truth_path is not None:
                self._truth_log = TruthLog(self._extras.truth_path)
            self.catch_up()
            for bay in self._occupied:
                self._log_truth(bay)
        self._player.start()
        self._player.after(0.0, self._tick)
        if self._control is not None:
            self._player.after(CONTROL_PERIOD_S, self._obey)
        log.info("sim.world_started", device=self.wiring.device, speed=self._speed)

    def stop(self) -> None:
        """Stop time and all pins; returns when the thread has ended. A stopped world cannot be started again."""
        self._player.stop()
        with self._lock:
            if self._truth_log is not None:
                self._truth_log.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def run(self) -> None:
        """Run until cancelled."""
        with self:
            await asyncio.Event().wait()

    # --- what is true

    def truth(self) -> dict[str, bool]:
        """Which bays really are occupied now."""
        with self._lock:
            return dict(self._occupied)

    def sim_unix_ms(self) -> int:
        """Simulated time now."""
        if self._started_s is None:
            return self._start_unix_ms
        return self._start_unix_ms + round((self._clock.monotonic_s() - self._started_s) * 1000 * self._speed)

    @property
    def is_over(self) -> bool:
        """Whether the timeline has been played to its end."""
        with self._lock:
            return self._next is None

    def gate_counts(self, gate: str) -> dict[str, int]:
        """Cars played through a gate, `in` and `out`. Raises `UnknownPartError`."""
        return dict(self._board.gate(gate).played)

    def people_counts(self, counter: str) -> dict[str, int]:
        """People played through an entrance: `in`, `out`, `turn-back`. Raises `UnknownPartError`."""
        return {str(crossing): count for crossing, count in self._board.beam(counter).played.items()}

    def siren_sounding(self, siren: str) -> bool:
        """Whether the agent has the siren sounding now. Raises `UnknownPartError`."""
        return self._board.siren(siren).is_sounding

    def catch_up(self) -> None:
        """Let happen what is due by now. The world's thread does so by itself; who moves the clock by hand calls it."""
        with self._lock:
            now_ms = self.sim_unix_ms()
            while self._next is not None and self._next.time_unix_ms <= now_ms:
                self._play(self._next)
                self._next = next(self._coming, None)

    # --- by hand

    def set_bay(self, bay: str, occupied: bool) -> None:
        """Hold a bay occupied or free, whatever the traffic does, until `release_bay`. Raises `UnknownPartError`."""
        self._board.echo(bay)
        with self._lock:
            self._held.add(bay)
            self._set(bay, occupied)

    def release_bay(self, bay: str) -> None:
        """Give a held bay back to the traffic, in the state that it would have. Raises `UnknownPartError`."""
        self._board.echo(bay)
        with self._lock:
            self._held.discard(bay)
            self._set(bay, self._traffic_says[bay])

    def fault(self, bay: str, kind: EchoFault | str | None) -> None:
        """Break a bay's sensor, or repair it with None. Raises `UnknownPartError`, `ValueError` for an unknown kind."""
        fault = None if kind is None else EchoFault(kind)
        with self._lock:
            self._board.fault(bay, fault)
            self._faults[bay] = fault
            self._log_truth(bay)

    def cross(self, counter: str, direction: Crossing | str) -> bool:
        """Let a person through an entrance: `in`, `out` or `turn-back`. False when the queue there is full.

        Raises `UnknownPartError`, and `ValueError` for an unknown direction.
        """
        with self._lock:
            return self._board.beam(counter).cross(Crossing(direction))

    def block(self, counter: str, blocked: bool) -> None:
        """Block an entrance's outer beam, or free it. Raises `UnknownPartError`."""
        with self._lock:
            self._board.beam(counter).block(blocked=blocked)

    def drive(self, gate: str, direction: str) -> bool:
        """Let a car through a gate, `in` or `out`. False when the queue there is full. Raises `UnknownPartError`."""
        with self._lock:
            return self._board.gate(gate).drive(direction)

    # --- time

    def _endless(self, seed: str) -> Iterator[Happening]:
        lots: dict[str, list[str]] = {one.lot: [] for one in self.wiring.gates}
        for echo in self.wiring.echoes:
            lots.setdefault(echo.lot, []).append(echo.bay)
        unseen = {lot: [f"{lot}/{number:02d}" for number in range(LOT_CAPACITY_ASSUMED)] for lot in lots}
        counters = [one.counter for one in self.wiring.beams]
        if not lots and not counters:
            return iter(())  # a device of cameras and screens alone: no hour would ever bring anything
        return traffic.endless(
            {lot: bays or unseen[lot] for lot, bays in lots.items()}, counters, self._start_unix_ms, seed
        )

    def _tick(self) -> None:
        self.catch_up()
        with self._lock:
            if self._next is not None:
                wait_s = (self._next.time_unix_ms - self.sim_unix_ms()) / 1000 / self._speed
                self._player.after(min(max(wait_s, 0.001), IDLE_S_MAX), self._tick)

    def _play(self, one: Happening) -> None:
        match one:
            case BayChange():
                self._traffic_moves(one)
            case GatePass():
                gates = [gate.gate for gate in self.wiring.gates if gate.lot == one.lot]
                if gates:
                    gate = gates[one.time_unix_ms // 1000 % len(gates)]
                    self._count_left_out(self.drive(gate, "in" if one.inwards else "out"))
            case _:
                self._count_left_out(self.cross(one.counter, Crossing.IN if one.inwards else Crossing.OUT))

    def _traffic_moves(self, change: BayChange) -> None:
        if change.bay in self._traffic_says:
            self._traffic_says[change.bay] = change.occupied
            if change.bay not in self._held:
                self._set(change.bay, change.occupied)

    def _count_left_out(self, played: bool) -> None:
        self.left_out_count += not played

    def _set(self, bay: str, occupied: bool) -> None:
        if self._occupied[bay] != occupied:
            self._occupied[bay] = occupied
            self._board.park(bay, occupied=occupied)
            self._log_truth(bay)

    def _log_truth(self, bay: str) -> None:
        if self._truth_log is not None:
            self._truth_log.write(
                self._clock.unix_ms(), self.sim_unix_ms(), bay, occupied=self._occupied[bay], fault=self._faults[bay]
            )

    def _obey(self) -> None:
        if self._control is None:
            return
        for line in self._control.new_lines():
            try:
                self._obey_one(line)
            except (ValueError, UnknownPartError) as error:
                log.warning("sim.control_refused", device=self.wiring.device, reason=str(error))
        self._player.after(CONTROL_PERIOD_S, self._obey)

    def _obey_one(self, line: str) -> None:
        match parse(line):
            case SetBay(bay=bay, occupied=None):
                self.release_bay(bay)
            case SetBay(bay=bay, occupied=occupied) if occupied is not None:
                self.set_bay(bay, occupied)
            case SetFault(bay=bay, fault=fault):
                self.fault(bay, fault)
            case Cross(counter=counter, cross=crossing):
                self.cross(counter, crossing)
            case Block(counter=counter, blocked=blocked):
                self.block(counter, blocked)
            case Drive(gate=gate, drive=direction):
                self.drive(gate, direction)
