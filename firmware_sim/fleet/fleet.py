"""The whole fleet in one process and one thread: connects it, drives its rounds, watches what becomes of them."""

import asyncio
import random
import resource
from collections.abc import Callable

from firmware_sim.fleet.device import FleetDevice
from firmware_sim.fleet.figures import Counters, Waiting
from firmware_sim.fleet.link import FleetSession, Place
from firmware_sim.fleet.outbox import OutboxRules
from firmware_sim.fleet.plan import FleetPlan
from runtime.backoff import Backoff
from runtime.clock import Clock, SystemClock
from runtime.errors import FatalError, SettingsError
from transport.reconnect import reconnect_backoff

OUTBOX_BYTES_MAX = 256 * 1_048_576  # all devices together
ROWS_MAX, ROWS_MIN = 3600, 16
READING_BYTES = 150
CONNECTS_PER_S = 400.0
TICK_S = 0.2
CONNECT_S_MAX = 60.0
FILES_SPARE = 200


class UnreachableBrokerError(FatalError):
    """The fleet cannot speak to the broker; the sentence says why."""


class Fleet:
    """A fleet against a broker. `run` makes the load until it is told to stop, `drain` waits for the receipts.

    Raises:
        SettingsError: more sessions than this process may open.
    """

    def __init__(
        self,
        plan: FleetPlan,
        place: Place,
        *,
        clock: Clock | None = None,
        on_live: Callable[[float], None] = lambda _: None,
    ) -> None:
        check_open_files(plan.sessions_count)
        self.plan = plan
        self.counters = Counters()
        self._place = place
        self._clock: Clock = clock or SystemClock()
        rules = outbox_rules(plan)
        now_ms = self._clock.unix_ms()
        chance = random.Random(plan.seed)
        self.devices = tuple(FleetDevice(one, plan.seed, rules, self.counters, now_ms) for one in plan.fleet)
        self._sessions = tuple(
            FleetSession(one, place, self.counters, self._clock, device_backoff(chance.random()), on_live)
            for one in self.devices
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._timers: dict[tuple[int, int], asyncio.TimerHandle] = {}

    async def connect(self, stop: asyncio.Event) -> None:
        """Bring every device to the broker, a few hundred a second; ends early when `stop` is set.

        Raises:
            UnreachableBrokerError: not all of them are there within a minute, or the broker refuses them.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + CONNECT_S_MAX + len(self._sessions) / CONNECTS_PER_S
        for number, session in enumerate(self._sessions):
            if stop.is_set():
                return
            self._tasks.append(asyncio.create_task(session.run()))
            if number % 20 == 19:  # noqa: PLR2004 — in steps that a timer can keep
                await asyncio.sleep(20 / CONNECTS_PER_S)
            if number == 0:
                await self._first(session)
        while self.connected_count() < len(self._sessions) and not stop.is_set():
            if loop.time() > deadline_s:
                raise UnreachableBrokerError(
                    f"broker {self._place}: {self.connected_count()} of {len(self._sessions)} devices are connected"
                    f" after {CONNECT_S_MAX:.0f} s: {self._refusal()}"
                )
            await asyncio.sleep(TICK_S)

    async def _first(self, session: FleetSession) -> None:
        """If the first device cannot get in, no other will: say so at once."""
        for _ in range(round(5.0 / TICK_S)):
            if session.live:
                return
            if session.refusal is not None:
                break
            await asyncio.sleep(TICK_S)
        raise UnreachableBrokerError(f"broker {self._place} cannot be used: {session.refusal or 'no answer'}")

    async def run(self, stop: asyncio.Event) -> None:
        """Make the load until `stop` is set. Every round is made once its period, from now on."""
        loop = asyncio.get_running_loop()
        begin_s = loop.time()
        for number, device in enumerate(self.devices):
            for index, one in enumerate(device.plan.rounds):
                self._at(begin_s + one.offset_s, number, index)
        try:
            await self._tick_until(stop)
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    async def drain(self, within_s: float, stop: asyncio.Event) -> bool:
        """Make no more load, wait for the receipts; whether all came. Ends early when `stop` is set."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + within_s
        while self.waiting().readings and loop.time() < deadline_s and not stop.is_set():
            self._tick()
            await asyncio.sleep(TICK_S)
        return self.waiting().readings == 0

    async def close(self) -> None:
        """Say goodbye for every device."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def connected_count(self) -> int:
        """How many devices have a link."""
        return sum(session.live for session in self._sessions)

    def waiting(self) -> Waiting:
        """What has no receipt yet."""
        readings, oldest = 0, None
        for device in self.devices:
            count, made_unix_ms = device.waiting()
            readings += count
            if made_unix_ms is not None:
                oldest = made_unix_ms if oldest is None else min(oldest, made_unix_ms)
        age_s = 0.0 if oldest is None else max(0.0, (self._clock.unix_ms() - oldest) / 1000.0)
        return Waiting(readings, age_s, self.connected_count())

    async def _tick_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._tick()
            try:
                async with asyncio.timeout(TICK_S):
                    await stop.wait()
            except TimeoutError:  # a tick is over
                continue

    def _tick(self) -> None:
        now_s = self._clock.monotonic_s()
        for session in self._sessions:
            session.tick(now_s)

    def _at(self, due_s: float, number: int, index: int) -> None:
        timer = asyncio.get_running_loop().call_at(due_s, self._round, due_s, number, index)
        self._timers[number, index] = timer

    def _round(self, due_s: float, number: int, index: int) -> None:
        late_s = asyncio.get_running_loop().time() - due_s
        self.counters.late.add(late_s * 1000.0)
        self._sessions[number].round(index)
        period_s = self.devices[number].plan.rounds[index].period_s
        missed = int(late_s / period_s)  # a machine that stood still does not make up for what it missed
        self.counters.rounds_missed += missed
        self._at(due_s + (1 + missed) * period_s, number, index)

    def _refusal(self) -> str:
        return next((one.refusal for one in self._sessions if one.refusal is not None), "no answer")


def outbox_rules(plan: FleetPlan) -> OutboxRules:
    """The devices' rules, with outboxes as large as the memory for all of them allows."""
    row_bytes = READING_BYTES * min(plan.batch, -(-plan.stalls // plan.devices)) + 400
    rows_max = OUTBOX_BYTES_MAX // (row_bytes * plan.sessions_count)
    return OutboxRules(rows_max=max(ROWS_MIN, min(ROWS_MAX, rows_max)))


def device_backoff(seed: float) -> Backoff:
    """How a device comes back: as `transport.mqtt_session.MqttSession` does."""
    return reconnect_backoff(random.Random(seed))


def check_open_files(sessions_count: int) -> None:
    """Return if this process may open so many connections; its soft limit is raised where that is allowed.

    Raises:
        SettingsError: it may not.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < sessions_count + FILES_SPARE and hard != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft < sessions_count + FILES_SPARE:
        raise SettingsError(
            f"{sessions_count:,} sessions need as many open files, this process may have {soft - FILES_SPARE:,};"
            " give fewer with --markets or --devices, or raise the limit with ulimit -n"
        )
