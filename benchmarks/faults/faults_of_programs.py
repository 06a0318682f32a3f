"""Faults of programs: kill -9, and boards that lose power and time."""

import time

from benchmarks.faults.fault import HEADS, Fault
from benchmarks.faults.journal import note_end
from benchmarks.faults.machine import start_board
from benchmarks.faults.plans import ProcessPlan
from benchmarks.faults.programs import Program

DAY_S = 86_400.0


class AgentKilled(Fault):
    """kill -9 of a device process."""

    async def begin(self) -> bool:
        """Kill it, and write the time into its devices' journals."""
        plan, program = self.one_of(list(zip(self.house.processes, self.house.device_programs, strict=True)))
        return kill_devices(plan, program, self.planned.hold_s)


def kill_devices(plan: ProcessPlan, program: Program, down_s: float) -> bool:
    """Kill -9 a device process; the time goes into its devices' journals."""
    if not program.kill(down_s):
        return False
    for one in plan.devices:
        note_end(plan.journal_file(one.device), time.monotonic())
    return True


class BrokerKilled(Fault):
    """kill -9 of the broker: everything since its last autosave (30 s) is gone, acknowledged or not."""

    async def begin(self) -> bool:
        """Kill it."""
        return self.house.broker.kill(self.planned.hold_s)


class BrokerWiped(Fault):
    """kill -9 of the broker, and its persistence is deleted: sessions, subscriptions and queues are gone, too."""

    async def begin(self) -> bool:
        """Kill it, and delete before it starts again."""
        return self.house.broker.kill(self.planned.hold_s, self._wipe)

    def _wipe(self) -> None:
        for path in (self.house.folder / "mosquitto").glob("mosquitto.db*"):
            path.unlink()


class IngestKilled(Fault):
    """kill -9 of one of the two ingest workers."""

    async def begin(self) -> bool:
        """Kill it."""
        return self.one_of(self.house.ingest).kill(self.planned.hold_s)


class AlertsKilled(Fault):
    """kill -9 of alerts."""

    async def begin(self) -> bool:
        """Kill it."""
        return self.house.alerts.kill(self.planned.hold_s)


class BootWithoutClock(Fault):
    """The boards of a device process lose power and start without a time service: 1970 until somebody tells them.

    That is the centre, in its receipts, or in half of the cases a time service that is found later.
    """

    _plan: ProcessPlan | None = None

    async def begin(self) -> bool:
        """Kill, and start the boards anew."""
        pairs = list(zip(self.house.processes, self.house.device_programs, strict=True))
        plan, program = self.one_of(pairs)
        if not kill_devices(plan, program, 0.0):
            return False
        start_board(plan.boot_file, has_time_service=False)
        self._plan = plan
        return True

    async def end(self) -> None:
        """Let them find a time service, or leave it to the centre."""
        if self._plan is not None and self.planned.amount < HEADS:
            for one in self._plan.devices:
                self.house.order(one.device, "synchronise")


class ClockJumped(Fault):
    """Somebody sets a device's clock a day ahead or back; later it is right again."""

    async def begin(self) -> bool:
        """Set it wrong."""
        ahead = self.planned.amount < HEADS
        return self.house.order(self.device.device, "jump", DAY_S if ahead else -DAY_S)

    async def end(self) -> None:
        """Set it right."""
        self.house.order(self.device.device, "jump", 0.0)


class Repeated(Fault):
    """A device publishes what it published before once more, in any order."""

    async def begin(self) -> bool:
        """Tell it to."""
        return self.house.order(self.device.device, "repeat")
