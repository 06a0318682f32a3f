"""Running a fleet: stack, devices, live line, receipts, the check of the store, the summary and the exit code."""

import asyncio
import contextlib
import dataclasses
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from broker.stores.database import open_database
from firmware_sim.fleet.cost import listener_pids
from firmware_sim.fleet.fleet import Fleet
from firmware_sim.fleet.plan import FleetPlan
from jangteo.address import host_and_port
from jangteo.fleet_options import FleetOptions
from jangteo.fleet_stack import Stack, check_store, disk_is_short, enrol, running_stack
from jangteo.fleet_watch import FleetFigures, PidsOf, Watch, summary
from runtime.clock import SystemClock
from runtime.errors import SettingsError
from transport.settings import is_loopback

LINE_EVERY_S = 5.0
DRAIN_S_MAX = 150.0
EXIT_LOST = 1


class Interrupts:
    """Ctrl-C once ends the load and waits for what is on its way; twice ends the waiting, too."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.abandon = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.interrupted)

    def interrupted(self) -> None:
        """Take one."""
        if self.stop.is_set():
            self.abandon.set()
        else:
            _note("ending: waiting for the receipts of what is on its way (Ctrl-C again: at once)")
        self.stop.set()


def run_fleet(options: FleetOptions) -> int:
    """Make the load and print what came of it; 1 when a reading is lost.

    Raises:
        SettingsError: the options cannot be used; nothing was started.
        runtime.errors.FatalError: the broker cannot be reached, or the stack does not come up.
    """
    figures = asyncio.run(measure(options))
    print(summary(figures), flush=True)
    if options.figures is not None:
        text = json.dumps(dataclasses.asdict(figures), indent=1)
        try:
            options.figures.write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise SettingsError(f"--figures {options.figures}: it cannot be written: {error.strerror}") from error
    return 0 if figures.all_there else EXIT_LOST


async def measure(options: FleetOptions, store_pids: tuple[int, ...] = ()) -> FleetFigures:
    """A run's figures, with the live line on stderr. `store_pids` are counted as the store's, too.

    Raises:
        SettingsError: the options cannot be used; nothing was started.
        runtime.errors.FatalError: the broker cannot be reached, or the stack does not come up.
    """
    plan, interrupts = options.plan(), Interrupts()
    influx = options.influx()
    size = f"{plan.markets} markets x {plan.stalls} stalls = {plan.stalls_count:,}"
    rates = f"{plan.readings_per_s:,.0f} readings/s in {plan.batches_per_s:,.0f} batches/s"
    _note(f"{size}: {rates} over {plan.sessions_count:,} sessions, seed {plan.seed}")
    if options.broker is not None:
        place = options.place(options.broker)
        if options.database is not None:
            await asyncio.to_thread(_enrol_elsewhere, options.database, plan)
        pids_of = _pids_elsewhere(*host_and_port(options.broker))
        return await _load(Fleet(plan, place), options.minutes, pids_of, None, interrupts)
    with tempfile.TemporaryDirectory(prefix="jangteo-fleet-") as name:
        async with running_stack(Path(name), plan, influx, options.workers) as stack:
            fleet, begun_unix_ms = Fleet(plan, stack.place), SystemClock().unix_ms()
            pids_of = _pids_of_stack(stack, store_pids)
            figures = await _load(fleet, options.minutes, pids_of, stack, interrupts)
            figures = dataclasses.replace(figures, store_bytes=stack.store_bytes())
        _note("reading the store back")
        check = (stack.store, fleet.devices, begun_unix_ms, interrupts.abandon.is_set)
        found = await asyncio.to_thread(check_store, *check)
    if found is None:
        return figures
    return dataclasses.replace(
        figures, stored=found.readings, wrong_series=found.wrong_series, first_wrong=found.example
    )


async def _load(
    fleet: Fleet, minutes: float | None, pids_of: PidsOf, stack: Stack | None, interrupts: Interrupts
) -> FleetFigures:
    clock = SystemClock()
    try:
        await fleet.connect(interrupts.stop)
        _note(f"{fleet.connected_count():,} devices are connected")
        watch = Watch(fleet, pids_of, lambda: 0 if stack is None else stack.restarts(), clock.monotonic_s())
        async with _lines(watch, stack, interrupts):
            with contextlib.suppress(TimeoutError):  # the minutes are over
                async with asyncio.timeout(None if minutes is None else minutes * 60):
                    await fleet.run(interrupts.stop)
            ended_s = clock.monotonic_s()
            await fleet.drain(DRAIN_S_MAX, interrupts.abandon)
        _note(watch.line(clock.monotonic_s()))
        return watch.figures(ended_s)
    finally:
        await fleet.close()


def _pids_of_stack(stack: Stack, store_pids: tuple[int, ...]) -> PidsOf:
    def pids_of(name: str) -> tuple[int, ...]:
        return (*stack.pids(name), *store_pids) if name == "store" else stack.pids(name)

    return pids_of


def _pids_elsewhere(host: str, port: int) -> PidsOf:
    """Of a central stack that is not ours only the broker can be found, and only on this machine."""
    broker = listener_pids(port) if is_loopback(host) else ()
    return lambda name: broker if name == "broker" else ()


@contextlib.asynccontextmanager
async def _lines(watch: Watch, stack: Stack | None, interrupts: Interrupts) -> AsyncIterator[None]:
    async def say() -> None:
        clock = SystemClock()
        while True:
            await asyncio.sleep(LINE_EVERY_S)
            _note(watch.line(clock.monotonic_s()))
            if stack is not None and disk_is_short(stack.folder):
                _note(
                    f"the disk under {stack.folder} is nearly full ({stack.store_bytes() / 1e6:.0f} MB are the store's)"
                )
                interrupts.stop.set()

    task = asyncio.create_task(say())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _enrol_elsewhere(url: str, plan: FleetPlan) -> None:
    engine = open_database(url)
    try:
        enrol(engine, plan)
    finally:
        engine.dispose()


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
