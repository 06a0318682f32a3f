"""The table of faults: each kind's name, how long it lasts, how often it comes, and the class that does it."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.faults.fault import Fault
from benchmarks.faults.faults_of_links import (
    DeviceAway,
    LinkFault,
    LinkHalfOpen,
    LinkRefused,
    LinkReset,
    LinkSlow,
    LinkStalled,
    LinkTorn,
)
from benchmarks.faults.faults_of_programs import (
    AgentKilled,
    AlertsKilled,
    BootWithoutClock,
    BrokerKilled,
    BrokerWiped,
    ClockJumped,
    IngestKilled,
    Repeated,
)
from benchmarks.faults.faults_of_stores import EdgeDiskFull, StoreDown, StoreFull, StoreKilled, WriteLock
from benchmarks.faults.house import House
from benchmarks.faults.schedule import Kind, Planned

Make = Callable[[House, Planned], Fault]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: the kind as the schedule knows it, how it is made, and whether a house can have it."""

    kind: Kind
    make: Make
    possible: Callable[[House], bool] = lambda _house: True


def _of_device(fault: type[LinkFault]) -> Make:
    return lambda house, planned: fault(house, planned, house.device_links())


def _of_central(fault: type[LinkFault]) -> Make:
    return lambda house, planned: fault(house, planned, house.central_links())


TABLE = (
    Row(Kind("agent-killed", (0.0, 2.0), cards=2), AgentKilled),
    Row(Kind("broker-killed", (0.0, 2.0), cards=2), BrokerKilled),
    Row(Kind("broker-wiped", (0.0, 2.0)), BrokerWiped),
    Row(Kind("ingest-killed", (0.0, 2.0), cards=2), IngestKilled),
    Row(Kind("alerts-killed", (0.0, 2.0)), AlertsKilled),
    Row(Kind("store-killed", (0.5, 2.0), cards=2), StoreKilled),
    Row(Kind("store-down-an-hour", (4.0, 8.0)), StoreDown),
    Row(Kind("store-full", (1.0, 4.0)), StoreFull, lambda house: house.store_disk is not None),
    Row(Kind("central-state-locked", (1.0, 4.0)), WriteLock),
    Row(Kind("edge-disk-full", (1.0, 5.0)), EdgeDiskFull, lambda house: house.edge_disk is not None),
    Row(Kind("boot-without-clock", (1.0, 4.0)), BootWithoutClock),
    Row(Kind("clock-jumped", (1.0, 4.0)), ClockJumped),
    Row(Kind("repeated", (0.0, 0.0)), Repeated),
    Row(Kind("device-link-reset", (0.0, 0.0)), _of_device(LinkReset)),
    Row(Kind("device-link-refused", (1.0, 6.0)), _of_device(LinkRefused)),
    Row(Kind("device-away-an-hour", (4.0, 8.0)), _of_device(DeviceAway)),
    Row(Kind("device-link-half-open", (0.0, 0.0)), _of_device(LinkHalfOpen)),
    Row(Kind("device-link-stalled", (1.0, 6.0)), _of_device(LinkStalled)),
    Row(Kind("device-link-slow", (2.0, 6.0)), _of_device(LinkSlow)),
    Row(Kind("device-link-torn", (0.0, 0.0)), _of_device(LinkTorn)),
    Row(Kind("central-link-reset", (0.0, 0.0)), _of_central(LinkReset)),
    Row(Kind("central-link-half-open", (0.0, 0.0)), _of_central(LinkHalfOpen)),
    Row(Kind("central-link-stalled", (1.0, 4.0)), _of_central(LinkStalled)),
    Row(Kind("central-link-torn", (0.0, 0.0)), _of_central(LinkTorn)),
)

BY_NAME = {row.kind.name: row for row in TABLE}


def kinds_of(house: House) -> list[Kind]:
    """What can break in this house."""
    return [row.kind for row in TABLE if row.possible(house)]


def make(house: House, planned: Planned) -> Fault:
    """The fault that was planned."""
    return BY_NAME[planned.kind].make(house, planned)
