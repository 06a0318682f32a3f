"""A small market in a central state, and events from it."""

import itertools

from sqlalchemy import Engine

from broker.alerts.policy import Composer, load_rosters
from broker.stores.incident_models import Sighting
from broker.stores.registry import MarketEntry, Named, Recipient, Registry, Subject
from contract.events import FireEvent, Phase, TroubleEvent
from contract.telemetry import Reason
from runtime.clock import Clock

MARKET = "jungang"
DEVICE = "fire-1"
EPOCH = "0123456789abcdef"
MANAGER, SECOND_MANAGER, DEPUTY, MERCHANT = "01011110001", "01011110002", "01022220001", "01033330001"
NOW_UNIX_MS = 1_795_000_000_000  # 2026-11-18 20:06:40 in Korea

_seqs = itertools.count(1)


def enrol(engine: Engine, *, recipients: tuple[Recipient, ...] | None = None) -> None:
    people = (
        Recipient("김관리", MANAGER),
        Recipient("이관리", SECOND_MANAGER),
        Recipient("박부장", DEPUTY, "deputy"),
        Recipient("최상인", MERCHANT, "merchant"),
    )
    entry = MarketEntry(
        Named(MARKET, "중앙시장", "Jungang Market"),
        zones=(Named("a", "A구역", "Zone A"), Named("b", "B구역", "Zone B")),
        devices=(DEVICE, "fire-2", "parking-1"),
        subjects=(Subject("cameras", "cam-1", DEVICE, "b"), Subject("cameras", "cam-2", "fire-2", "b")),
        recipients=people if recipients is None else recipients,
    )
    Registry(engine).enrol(entry)


def event_id(number: int) -> str:
    return f"{number:032x}"


def sighting(  # noqa: PLR0913 — each test changes one of what an event says
    number: int = 1,
    phase: Phase = Phase.RAISED,
    *,
    unix_ms: int = NOW_UNIX_MS,
    zone: str = "b",
    device: str = DEVICE,
    camera: str = "cam-1",
    seq: int | None = None,
    late: bool = False,
) -> Sighting:
    number_sent = next(_seqs) if seq is None else seq
    event = fire(number, phase, unix_ms=unix_ms, zone=zone, camera=camera, seq=number_sent)
    return Sighting(
        market=MARKET,
        device=device,
        epoch=EPOCH,
        seq=number_sent,
        event_id=event.event_id,
        name="fire",
        phase=phase,
        time_unix_ms=unix_ms,
        zone=zone,
        kind="fire",
        severity="fire",
        subject=camera,
        part="fire",
        body=event.model_dump_json(),
        score=0.9,
        first_seen_unix_ms=unix_ms - 900,
        decided_unix_ms=unix_ms,
        late=late,
    )


def fire(
    number: int = 1,
    phase: Phase = Phase.RAISED,
    *,
    unix_ms: int = NOW_UNIX_MS,
    zone: str = "b",
    camera: str = "cam-1",
    seq: int | None = None,
) -> FireEvent:
    return FireEvent(
        epoch=EPOCH,
        seq=next(_seqs) if seq is None else seq,
        event_id=event_id(number),
        time_unix_ms=unix_ms,
        phase=phase,
        zone=zone,
        camera=camera,
        score=0.9,
        first_seen_unix_ms=max(0, unix_ms - 900),
        decided_unix_ms=unix_ms,
    )


def trouble(
    number: int, phase: Phase, kind: str, subject: str, *, unix_ms: int = NOW_UNIX_MS, detail: str = ""
) -> TroubleEvent:
    return TroubleEvent(
        epoch=EPOCH,
        seq=next(_seqs),
        event_id=event_id(number),
        time_unix_ms=unix_ms,
        phase=phase,
        kind=kind,
        subject=subject,
        reason=Reason.FROZEN,
        detail=detail,
    )


def composer(engine: Engine, clock: Clock) -> Composer:
    return Composer(load_rosters(Registry(engine), {MARKET}), clock.unix_ms())
