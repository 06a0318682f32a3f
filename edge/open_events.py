"""What was raised and not yet cleared, kept across a restart: no fire and no trouble stays raised for ever."""

from collections.abc import Callable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from contract.events import EventId, Phase
from contract.ids import CLOCK_FLOOR_UNIX_MS, Id
from contract.payload import Share, UnixMs
from contract.telemetry import Reason
from edge.ports import FireDecision, Timekeeper
from edge.trouble import Trouble

OPEN_MAX = 256


class OpenFire(BaseModel):
    """A fire of this device's cameras."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: EventId
    zone: Id
    camera: Id
    score: Share
    first_seen_unix_ms: UnixMs
    decided_unix_ms: UnixMs
    drill: bool = False

    @classmethod
    def of(cls, decision: FireDecision) -> "OpenFire":
        """What is kept of a decision."""
        return cls(
            event_id=decision.event_id,
            zone=decision.zone,
            camera=decision.camera,
            score=decision.score,
            first_seen_unix_ms=decision.first_seen_unix_ms,
            decided_unix_ms=decision.decided_unix_ms,
            drill=decision.drill,
        )

    def decision(self, phase: Phase) -> FireDecision:
        """The decision that is taken for it after the restart."""
        return FireDecision(
            self.event_id,
            phase,
            self.zone,
            self.camera,
            self.score,
            self.first_seen_unix_ms,
            self.decided_unix_ms,
            drill=self.drill,
        )

    def at(self, place: Callable[[int], int]) -> "OpenFire":
        """The same with its times on another scale."""
        times = {name: place(getattr(self, name)) for name in ("first_seen_unix_ms", "decided_unix_ms")}
        return self.model_copy(update=times)


class OpenTrouble(BaseModel):
    """A trouble that was raised."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: EventId
    kind: Id
    subject: Id
    reason: Reason
    detail: str

    @classmethod
    def of(cls, trouble: Trouble) -> "OpenTrouble":
        """What is kept of a trouble."""
        return cls(
            event_id=trouble.event_id,
            kind=trouble.kind,
            subject=trouble.subject,
            reason=trouble.reason,
            detail=trouble.detail,
        )

    def trouble(self, phase: Phase) -> Trouble:
        """The trouble as the watch knows it."""
        return Trouble(self.event_id, phase, self.kind, self.subject, self.reason, self.detail)


class OpenEvents(BaseModel):
    """All that is open on a device. With `boot_id` the times are milliseconds since that boot."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    boot_id: str | None = None
    fires: Annotated[tuple[OpenFire, ...], Field(max_length=OPEN_MAX)] = ()
    troubles: Annotated[tuple[OpenTrouble, ...], Field(max_length=OPEN_MAX)] = ()

    def restored(self, clock: Timekeeper) -> "OpenEvents":
        """After a restart. A time that counts from another boot, or from before the clock was set, becomes now."""
        if self.boot_id is None or self.boot_id == clock.boot_id:
            return self
        now_unix_ms = clock.unix_ms()
        fires = tuple(
            one.at(lambda unix_ms: unix_ms if unix_ms >= CLOCK_FLOOR_UNIX_MS else now_unix_ms) for one in self.fires
        )
        return self.model_copy(update={"boot_id": clock.boot_id, "fires": fires})
