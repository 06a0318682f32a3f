"""People counter: two light beams across an entrance, one outside and one inside; the order of breaks is the way."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contract.telemetry import PeopleReading
from edge.gpio import Pin, check_pull
from edge.plugins import SensorContext, SensorPlugin, SensorSettings
from edge.ports import Sensor
from edge.sensing.counting import CountingSensor, CountView, Input, Wiring
from edge.sensing.counts import Counts
from edge.sensing.crossing import BeamMachine
from edge.state_file import StateFile

KIND = "people-beams"


class PeopleBeamsSettings(SensorSettings):
    """One entrance. A beam broken longer than `stuck_after_s` is said to be blocked (frozen)."""

    kind: Literal["people-beams"]
    outer_pin: Pin
    inner_pin: Pin
    active_high: bool = True
    crossing_s_max: Annotated[float, Field(ge=0.2, le=10.0)] = 2.0
    stuck_after_s: Annotated[float, Field(ge=1.0, le=3600.0)] = 30.0
    heartbeat_s: Annotated[float, Field(ge=1.0, le=60.0)] = 10.0

    @model_validator(mode="after")
    def _pulls_as_wired(self) -> Self:
        check_pull(self.pins(), active_high=self.active_high)
        return self

    def pins(self) -> Mapping[str, int]:
        """Outside and inside."""
        return {"outer_pin": self.outer_pin, "inner_pin": self.inner_pin}


def _sensor(settings: PeopleBeamsSettings, context: SensorContext) -> Sensor:
    def reading(time_unix_ms: int, view: CountView) -> PeopleReading:
        return PeopleReading(
            time_unix_ms=time_unix_ms,
            counter=settings.name,
            state="live" if view.reason is None else "unknown",
            reason=view.reason,
            detail=view.detail,
            in_count=view.counts.in_count,
            out_count=view.counts.out_count,
        )

    inputs = (Input("outer_pin", settings.outer_pin), Input("inner_pin", settings.inner_pin))
    return CountingSensor(
        name=settings.name,
        wiring=Wiring(inputs, settings.active_high, settings.heartbeat_s),
        machine=BeamMachine(settings.crossing_s_max, settings.stuck_after_s),
        file=StateFile(context.state_dir / f"{settings.name}.json", Counts()),
        gpio=context.gpio,
        clock=context.clock,
        reading=reading,
    )


def build(settings: Sequence[PeopleBeamsSettings], context: SensorContext) -> Sequence[Sensor]:
    """One counter for each entrance."""
    return [_sensor(one, context) for one in settings]


PLUGIN = SensorPlugin(kind=KIND, subject=PeopleReading.SUBJECT_FIELD, settings=PeopleBeamsSettings, build=build)
