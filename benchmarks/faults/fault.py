"""What every fault is: something of a house that breaks, and is mended a while later."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeVar

from benchmarks.faults.house import House
from benchmarks.faults.plans import DevicePlan
from benchmarks.faults.schedule import Planned

HEADS = 0.5

T = TypeVar("T")


class Fault(ABC):
    """Something that goes wrong and is mended a while later. What is killed is started again by who keeps it."""

    def __init__(self, house: House, planned: Planned) -> None:
        self.house = house
        self.planned = planned

    @abstractmethod
    async def begin(self) -> bool:
        """Break it; false when there was nothing to break (it is broken already)."""

    async def end(self) -> None:  # noqa: B027 - what is killed has nothing to mend: its keeper starts it
        """Mend it."""

    def one_of(self, things: Sequence[T]) -> T:
        """The target among `things`."""
        return things[self.planned.target % len(things)]

    @property
    def device(self) -> DevicePlan:
        """The target among the devices."""
        return self.one_of(self.house.device_plans)


def let_an_hour_pass(house: House, device: DevicePlan, planned: Planned) -> None:
    """A device makes an hour's readings of one sensor in half the time that the fault lasts."""
    house.order(device.device, "hour", house.options.hour_readings, planned.hold_s / 2)
