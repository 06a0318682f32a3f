"""Gate loop: an induction loop in the entry and one in the exit of a lot, each a relay contact on a pin."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contract.ids import Id
from contract.telemetry import GateReading
from edge.gpio import Pin, check_pull
from edge.plugins import SensorContext, SensorPlugin, SensorSettings
from edge.ports import Sensor
from edge.sensing.counting import CountingSensor, CountView, Input, Wiring
from edge.sensing.counts import Counts
from edge.sensing.crossing import LoopMachine
from edge.state_file import StateFile

KIND = "gate-loop"


class GateLoopSettings(SensorSettings):
    """One gate. A loop that is active longer than `stuck_after_s` is said to be frozen."""

    kind: Literal["gate-loop"]
    lot: Id
    in_pin: Pin
    out_pin: Pin
    active_high: bool = True
    gap_s_min: Annotated[float, Field(ge=0.0, le=10.0)] = 0.3
    stuck_after_s: Annotated[float, Field(ge=10.0, le=86_400.0)] = 600.0
    heartbeat_s: Annotated[float, Field(ge=1.0, le=60.0)] = 10.0

    @model_validator(mode="after")
    def _pulls_as_wired(self) -> Self:
        check_pull(self.pins(), active_high=self.active_high)
        return self

    def pins(self) -> Mapping[str, int]:
        """Entry and exit."""
        return {"in_pin": self.in_pin, "out_pin": self.out_pin}


def _sensor(settings: GateLoopSettings, context: SensorContext) -> Sensor:
    def reading(time_unix_ms: int, view: CountView) -> GateReading:
        return GateReading(
            time_unix_ms=time_unix_ms,
            gate=settings.name,
            lot=settings.lot,
            state="live" if view.reason is None else "unknown",
            reason=view.reason,
            detail=view.detail,
            in_count=view.counts.in_count,
            out_count=view.counts.out_count,
        )

    inputs = (Input("in_pin", settings.in_pin), Input("out_pin", settings.out_pin))
    return CountingSensor(
        name=settings.name,
        wiring=Wiring(inputs, settings.active_high, settings.heartbeat_s),
        machine=LoopMachine(settings.gap_s_min, settings.stuck_after_s),
        file=StateFile(context.state_dir / f"{settings.name}.json", Counts()),
        gpio=context.gpio,
        clock=context.clock,
        reading=reading,
    )


def build(settings: Sequence[GateLoopSettings], context: SensorContext) -> Sequence[Sensor]:
    """One counter for each gate."""
    return [_sensor(one, context) for one in settings]


PLUGIN = SensorPlugin(kind=KIND, subject=GateReading.SUBJECT_FIELD, settings=GateLoopSettings, build=build)
