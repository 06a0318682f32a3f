"""Moving the simulated world by hand: JSON lines appended to a file.

`echo '{"bay": "a-01", "occupied": true}' >> sim-control.jsonl` puts a car into a bay and holds it there.
"""

import json
from pathlib import Path
from typing import Annotated, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from firmware_sim.pins.beams import Crossing
from firmware_sim.pins.echo import EchoFault

log = structlog.get_logger(__name__)

READ_BYTES_MAX = 65_536
LINE_BYTES_MAX = 1024


class _Order(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SetBay(_Order):
    """Hold a bay occupied or free; `occupied: null` gives it back to the traffic."""

    bay: str
    occupied: Annotated[bool | None, Field(strict=True)]


class SetFault(_Order):
    """Break a bay's sensor; `fault: null` repairs it."""

    bay: str
    fault: EchoFault | None


class Cross(_Order):
    """Let a person through an entrance."""

    counter: str
    cross: Crossing


class Block(_Order):
    """Block an entrance's outer beam, or free it."""

    counter: str
    blocked: Annotated[bool, Field(strict=True)]


class Drive(_Order):
    """Let a car through a gate."""

    gate: str
    drive: Literal["in", "out"]


Order = SetBay | SetFault | Cross | Block | Drive
_ORDERS: TypeAdapter[Order] = TypeAdapter(Order)

EXPECTED = (
    'write one of {"bay": ID, "occupied": true|false|null}, {"bay": ID, "fault": '
    + "|".join(f'"{fault}"' for fault in EchoFault)
    + '|null}, {"counter": ID, "cross": '
    + "|".join(f'"{crossing}"' for crossing in Crossing)
    + '}, {"counter": ID, "blocked": true|false}, {"gate": ID, "drive": "in"|"out"}'
)


def parse(line: str) -> Order:
    """The order in a line.

    Raises:
        ValueError: it is none; the sentence says what would be right.
    """
    try:
        return _ORDERS.validate_python(json.loads(line))
    except (ValueError, ValidationError, RecursionError):
        raise ValueError(f"{line[:120]!r} is no order: {EXPECTED}") from None


class ControlFile:
    """A file that people append orders to. What it held before is not obeyed; it is made (mode 0600) when absent.

    Reads at most `READ_BYTES_MAX` at a time; a line over `LINE_BYTES_MAX` is refused in the log.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._path = path
        self._offset = path.stat().st_size

    def new_lines(self) -> list[str]:
        """The whole lines appended since the last call."""
        try:
            size = self._path.stat().st_size
            if size == self._offset:
                return []
            if size < self._offset:
                self._offset = 0
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read(READ_BYTES_MAX)
        except OSError as error:
            log.warning("sim.control_unreadable", path=str(self._path), error=str(error))
            return []
        whole, newline, rest = content.rpartition(b"\n")
        if not newline:
            if len(rest) > LINE_BYTES_MAX:
                log.warning("sim.control_refused", reason="a line is too long", bytes_max=LINE_BYTES_MAX)
                self._offset += len(rest)
            return []
        self._offset += len(whole) + 1
        return [line for line in whole.decode("utf-8", "replace").splitlines() if line.strip()]
