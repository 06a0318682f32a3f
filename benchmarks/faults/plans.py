"""What a device process is told at its start: its devices, where they connect, and how roomy their outboxes are."""

from pathlib import Path

from pydantic import BaseModel

from contract.access import DeviceIdentity

HOUR = "people-hour"
ZONE, CAMERA = "alley", "cam"


class Roominess(BaseModel):
    """How much an outbox keeps."""

    name: str
    bytes_max: int
    age_s_max: float


AMPLE = Roominess(name="ample", bytes_max=64_000_000, age_s_max=30 * 86_400.0)
SMALL = Roominess(name="small", bytes_max=65_536, age_s_max=30 * 86_400.0)
BRIEF = Roominess(name="brief", bytes_max=64_000_000, age_s_max=12.0)


class DevicePlan(BaseModel):
    """One device: who it is, through which port it reaches the broker, what it may keep."""

    market: str
    device: str
    port: int
    outbox: Roominess

    @property
    def identity(self) -> DeviceIdentity:
        """Who it is on the bus."""
        return DeviceIdentity(self.market, self.device)

    @property
    def subjects(self) -> dict[str, str]:
        """Subject → kind. A subject's name is one of its market, so the device's is part of it."""
        return {
            f"{self.device}-people": "people",
            f"{self.device}-gate": "gates",
            f"{self.device}-{HOUR}": "people",
        }

    @property
    def camera(self) -> str:
        """The camera that sees its fires."""
        return f"{self.device}-{CAMERA}"


class ProcessPlan(BaseModel):
    """A device process. Outboxes lie in `data`, which may be a small disk; journals and status in `folder`."""

    folder: Path
    data: Path
    devices: tuple[DevicePlan, ...]
    period_s: float
    alarm_period_s: float

    @property
    def status_file(self) -> Path:
        """Where it says how far it is."""
        return self.folder / "status.json"

    @property
    def stop_file(self) -> Path:
        """While it exists nothing new is made."""
        return self.folder / "stop"

    @property
    def boot_file(self) -> Path:
        """How the boards of its devices were started last."""
        return self.folder / "boot.json"

    def journal_file(self, device: str) -> Path:
        """A device's journal."""
        return self.folder / f"{device}.journal"

    def password_file(self, device: str) -> Path:
        """A device's secret."""
        return self.folder / f"{device}.password"


class DeviceStatus(BaseModel):
    """How far a device is. `drained`: it makes nothing more and everything was confirmed."""

    rows: int
    drained: bool
    connected: bool


class ProcessStatus(BaseModel):
    """What a device process says of its devices, a few times a second."""

    devices: dict[str, DeviceStatus]


class Order(BaseModel):
    """What the harness tells a device over its process's standard input, one JSON object a line."""

    device: str
    do: str
    amount: float = 0.0
    over_s: float = 0.0
