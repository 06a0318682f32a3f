"""The fleet on paper: which markets, devices and stalls there are, who reads what when. Pure and seeded."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from contract.access import DeviceIdentity
from contract.telemetry import READINGS_PER_BATCH_MAX
from runtime.errors import SettingsError

MARKETS_MAX = 10_000
STALLS_PER_MARKET_MAX = 10_000
STALLS_MAX = 1_000_000
PERIOD_S_MIN, PERIOD_S_MAX = 1.0, 3600.0
STALL_KINDS = ("people", "bays")
"""What a stall is equipped with: a counter of the people at its front, or a sensor on its loading bay."""

AGENTS = "agents"
AGENT_PERIOD_S = 10.0  # as edge.life_signs has it
KINDS = (*STALL_KINDS, AGENTS)
"""Everything that is read: the stalls, and each device itself."""

_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, slots=True)
class Round:
    """What a device reads together, as one batch of one kind, `offset_s` into every period: stalls, or itself."""

    kind: str
    subjects: tuple[str, ...]
    offset_s: float
    period_s: float


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """One session: its identity, its outbox's epoch, its rounds."""

    identity: DeviceIdentity
    epoch: str
    rounds: tuple[Round, ...]


@dataclass(frozen=True)
class FleetPlan:
    """`markets` times `stalls`, each stall read once every `period_s`, by `devices` devices a market.

    A device reads at most `batch` stalls at a time and sends them as one batch; its rounds are spread evenly over the
    period, and devices are shifted against each other, so that the load is level. Every `AGENT_PERIOD_S` it says how it
    is itself, as an agent does.

    Raises:
        SettingsError: a number is out of its range; the sentence says what would be right.
    """

    markets: int = 500
    stalls: int = 200
    period_s: float = 10.0
    devices: int = 1
    batch: int = 20
    seed: int = 1

    def __post_init__(self) -> None:
        _check("--markets", self.markets, 1, MARKETS_MAX)
        _check("--stalls", self.stalls, 1, STALLS_PER_MARKET_MAX)
        _check("--period", self.period_s, PERIOD_S_MIN, PERIOD_S_MAX)
        _check("--batch", self.batch, 1, READINGS_PER_BATCH_MAX)
        _check("--devices", self.devices, 1, self.stalls)
        if self.stalls_count > STALLS_MAX:
            raise SettingsError(
                f"{self.markets} markets of {self.stalls} stalls are {self.stalls_count:,}: at most {STALLS_MAX:,} fit;"
                " give fewer with --markets or --stalls"
            )

    @property
    def stalls_count(self) -> int:
        """All stalls."""
        return self.markets * self.stalls

    @property
    def sessions_count(self) -> int:
        """All devices."""
        return self.markets * self.devices

    @property
    def readings_per_s(self) -> float:
        """How many readings the fleet makes in a second, the devices' own included."""
        return self.stalls_count / self.period_s + self.sessions_count / AGENT_PERIOD_S

    @property
    def batches_per_s(self) -> float:
        """How many batches the fleet sends in a second."""
        return sum(1.0 / reads.period_s for one in self.fleet for reads in one.rounds)

    @cached_property
    def fleet(self) -> tuple[DevicePlan, ...]:
        """Every device."""
        return tuple(self._device(market, device) for market in range(self.markets) for device in range(self.devices))

    def _device(self, market: int, device: int) -> DevicePlan:
        identity = DeviceIdentity(market_id(market), f"gw-{device + 1}")
        epoch = hashlib.sha256(f"{self.seed}/{identity.username}".encode()).hexdigest()[:16]
        stalls = range(device, self.stalls, self.devices)
        names = [f"stall-{number + 1:04d}" for number in stalls]
        groups = [names[start : start + self.batch] for start in range(0, len(names), self.batch)]
        number = market * self.devices + device
        shift = number * _GOLDEN % 1.0  # multiples of the golden ratio spread any count of devices evenly
        step_s = self.period_s / len(groups)
        rounds = (
            Round(
                STALL_KINDS[(index + number) % len(STALL_KINDS)], tuple(group), (index + shift) * step_s, self.period_s
            )
            for index, group in enumerate(groups)
        )
        own = Round(AGENTS, (identity.device,), shift * AGENT_PERIOD_S, AGENT_PERIOD_S)
        return DevicePlan(identity, epoch, (*rounds, own))


def market_id(index: int) -> str:
    """The name of a market of the fleet."""
    return f"fleet-{index + 1:05d}"


def _check(option: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise SettingsError(f"{option} {value:g} is not possible: give {least:g} to {most:g}")
