"""Payloads that the transport's tests send."""

from contract.catalog import topic_for
from contract.events import FireEvent, Phase
from contract.presence import Presence
from contract.telemetry import BayBatch, BayReading, BayState

TIME_UNIX_MS = 1_767_225_600_000
EPOCH = "0123456789abcdef"
BAYS = topic_for("jungang", "edge-1", BayBatch)
FIRE = topic_for("jungang", "edge-1", FireEvent)
PRESENCE = topic_for("jungang", "edge-1", Presence)


def bays(epoch: str = EPOCH, seq: int = 1, *, count: int = 2) -> BayBatch:
    readings = tuple(
        BayReading(
            bay=f"b-{index}",
            time_unix_ms=TIME_UNIX_MS,
            state=BayState.FREE,
            confidence=1.0,
            distance_mm=1500.0,
            since_unix_ms=TIME_UNIX_MS,
        )
        for index in range(count)
    )
    return BayBatch(epoch=epoch, seq=seq, readings=readings)


def fire(epoch: str = EPOCH, seq: int = 1) -> FireEvent:
    return FireEvent(
        epoch=epoch,
        seq=seq,
        event_id="0" * 32,
        time_unix_ms=TIME_UNIX_MS,
        phase=Phase.RAISED,
        zone="food-row",
        camera="cam-1",
        score=0.9,
        first_seen_unix_ms=TIME_UNIX_MS,
        decided_unix_ms=TIME_UNIX_MS,
    )


def presence(state: str) -> Presence:
    return Presence.model_validate(
        {
            "state": state,
            "epoch": EPOCH,
            "time_unix_ms": TIME_UNIX_MS,
            "agent_version": "1",
            "started_unix_ms": TIME_UNIX_MS,
        }
    )
