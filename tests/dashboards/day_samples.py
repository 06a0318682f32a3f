"""What is said of the simulated day, written into a store by ingest's and upkeep's own functions."""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Literal, TypeVar

from broker.ingest.gaps import sample_of_gap
from broker.ingest.samples import Observation, of_batch, of_fire, of_trouble
from broker.series.freshness import ROLLUP_STEP_MS
from broker.series.ports import Sample, Series, SeriesStore
from broker.stores.gap_rows import Gap, NamedBy, Source
from broker.upkeep.markets import MarketWindows
from broker.upkeep.rolling import ROLLED_KINDS, Span, roll
from contract.events import FireEvent, Phase, TroubleEvent
from contract.telemetry import (
    AgentBatch,
    AgentReading,
    AnyBatch,
    AnyReading,
    BayBatch,
    BayReading,
    BayState,
    CameraBatch,
    CameraReading,
    GapBatch,
    GapCause,
    GapReading,
    GateBatch,
    GateReading,
    PeopleBatch,
    PeopleReading,
    Reason,
    ScreenBatch,
    ScreenReading,
    SirenBatch,
    SirenReading,
)
from tests.dashboards.central_parts import parts
from tests.dashboards.market_day import (
    BEAT_MS,
    BEGIN_MS,
    CAMERA_BEAT_MS,
    CAMERA_DRILL_MS,
    CLOSED_BAY,
    CLOSED_MS,
    DRILL_MS,
    END_MS,
    EPOCH,
    FAULTY,
    FIRE_MS,
    HOUR_MS,
    LOST_READINGS,
    MINUTE_MS,
    NOTICE_MS,
    PLAIN,
    S_MS,
    SCREEN_BEAT_MS,
    SEED,
    SILENT_DEVICE,
    SILENT_FROM_MS,
    UNKNOWN_BAY,
    UNKNOWN_FROM_MS,
    MarketDay,
    beats,
)

BATCH_OF: Mapping[type[AnyReading], tuple[str, type[AnyBatch]]] = {
    BayReading: ("bays", BayBatch),
    GateReading: ("gates", GateBatch),
    PeopleReading: ("people", PeopleBatch),
    CameraReading: ("cameras", CameraBatch),
    ScreenReading: ("screens", ScreenBatch),
    SirenReading: ("sirens", SirenBatch),
    AgentReading: ("agents", AgentBatch),
    GapReading: ("gaps", GapBatch),
}

T = TypeVar("T")


def bay_readings(day: MarketDay, bay: str) -> Iterator[BayReading]:
    """A bay's readings: every beat, and every change at once. The faults of `jungang` lie over what is true."""
    changes, place = day.changes[bay], 0
    until_ms = SILENT_FROM_MS if day.layout.bays[bay] == SILENT_DEVICE else END_MS
    for at_ms in sorted(
        {*beats(BEAT_MS, until_ms=until_ms), *(time_ms for time_ms, _ in changes if time_ms < until_ms)}
    ):
        while place + 1 < len(changes) and changes[place + 1][0] <= at_ms:
            place += 1
        since_ms, occupied = changes[place]
        state, reason = (BayState.OCCUPIED if occupied else BayState.FREE), None
        if day.layout.market == FAULTY and bay == UNKNOWN_BAY and at_ms >= UNKNOWN_FROM_MS:
            state, reason, since_ms = BayState.UNKNOWN, Reason.NO_ECHO, UNKNOWN_FROM_MS
        if day.layout.market == FAULTY and bay == CLOSED_BAY and CLOSED_MS[0] <= at_ms < CLOSED_MS[1]:
            state, since_ms = BayState.CLOSED, CLOSED_MS[0]
        yield BayReading(
            time_unix_ms=at_ms,
            bay=bay,
            lot=day.layout.lot,
            state=state,
            reason=reason,
            confidence=0.0 if reason else 1.0,
            since_unix_ms=since_ms,
        )


def _counts(passes: Sequence[tuple[int, bool]], base: int) -> Iterator[tuple[int, int, int]]:
    """(time, in, out) every beat."""
    place, counted = 0, [base, base]
    for at_ms in beats(BEAT_MS):
        while place < len(passes) and passes[place][0] <= at_ms:
            counted[not passes[place][1]] += 1
            place += 1
        yield at_ms, counted[0], counted[1]


def readings_of(day: MarketDay) -> Iterator[tuple[str, Iterable[AnyReading]]]:
    """(device, readings of one kind) of everything that a market's sensors say in the day."""
    layout = day.layout
    for bay, device in layout.bays.items():
        yield device, bay_readings(day, bay)
    yield (
        layout.device,
        (
            GateReading(
                time_unix_ms=at_ms, gate=layout.gate, lot=layout.lot, state="live", in_count=came, out_count=went
            )
            for at_ms, came, went in _counts(day.gate, 1000)
        ),
    )
    yield (
        layout.device,
        (
            PeopleReading(time_unix_ms=at_ms, counter="entrance", state="live", in_count=came, out_count=went)
            for at_ms, came, went in _counts(day.people, 5000)
        ),
    )
    for device in sorted(set(layout.bays.values())):
        yield device, _agent(device)
    yield layout.device, _camera(f"{layout.lot}-cam", layout.market)
    yield layout.device, _camera("entrance-cam", PLAIN)
    yield layout.device, _siren(f"{layout.lot}-siren", layout.market)
    for number in (1, 2):
        yield layout.device, _screen(f"{layout.lot}-screen-{number}", number)


def _agent(device: str) -> Iterator[AgentReading]:
    until_ms = SILENT_FROM_MS if device == SILENT_DEVICE else END_MS
    chance = random.Random(f"{SEED}/{device}")
    for at_ms in beats(BEAT_MS, until_ms=until_ms):
        behind = device == SILENT_DEVICE and at_ms > SILENT_FROM_MS - HOUR_MS
        yield AgentReading(
            time_unix_ms=at_ms,
            agent=device,
            uptime_s=(at_ms - BEGIN_MS) / S_MS,
            rss_bytes=50_000_000 + chance.randrange(1_000_000),
            cpu_share=round(chance.uniform(0.01, 0.03), 4),
            outbox_rows=700 if behind else 2,
            outbox_bytes=700_000 if behind else 2_000,
            outbox_dropped_count=12 if behind else 0,
            outbox_oldest_age_s=3000.0 if behind else 0.4,
            clock_source="synchronised",
            clock_skew_ms=round(chance.gauss(0, 20), 1),
        )


def _camera(camera: str, market: str) -> Iterator[CameraReading]:
    for at_ms in beats(CAMERA_BEAT_MS):
        drill = market == FAULTY and CAMERA_DRILL_MS[0] <= at_ms < CAMERA_DRILL_MS[1]
        burning = drill or (market == FAULTY and 0 <= at_ms - FIRE_MS < 5 * MINUTE_MS)
        blind = market == FAULTY and at_ms >= END_MS - 10 * MINUTE_MS
        yield CameraReading(
            time_unix_ms=at_ms,
            camera=camera,
            state="unknown" if blind else "live",
            reason=Reason.FROZEN if blind else None,
            frame_age_s=600.0 if blind else 0.2,
            fps=0.0 if blind else 5.0,
            fire_score=0.9 if burning else 0.02,
            fire="confirmed" if burning and not drill else "quiet",
            drill="confirmed" if drill else None,
        )


def _siren(siren: str, market: str) -> Iterator[SirenReading]:
    for at_ms in beats(BEAT_MS):
        sounding = market == FAULTY and 0 <= at_ms - FIRE_MS < 5 * MINUTE_MS
        yield SirenReading(
            time_unix_ms=at_ms, siren=siren, state="live", sounding=sounding, since_unix_ms=FIRE_MS if sounding else 0
        )


def _showing(at_ms: int) -> Literal["standby", "notice", "occupancy", "evacuation", "nothing"]:
    if 0 <= at_ms - FIRE_MS < 5 * MINUTE_MS or at_ms >= DRILL_MS:
        return "evacuation"
    if NOTICE_MS[0] <= at_ms < NOTICE_MS[1]:
        return "notice"
    if at_ms < BEGIN_MS + 10 * MINUTE_MS:
        return "nothing"
    return "occupancy" if at_ms % HOUR_MS < HOUR_MS // 2 else "standby"


def _screen(screen: str, number: int) -> Iterator[ScreenReading]:
    for at_ms in beats(SCREEN_BEAT_MS):
        showing = _showing(at_ms)
        dark = number == 2 and at_ms < BEGIN_MS + 6 * HOUR_MS
        yield ScreenReading(
            time_unix_ms=at_ms,
            screen=screen,
            state="unknown" if dark else "live",
            reason=Reason.NO_HEARTBEAT if dark else None,
            showing=showing,
            item="spring-sale" if showing == "notice" else None,
            generation=7 if number == 1 else 6,
            since_unix_ms=BEGIN_MS,
        )


def events() -> Iterator[Sample]:
    """A fire in `jungang`, a trouble, and a gap record of every cause."""
    for phase, at_ms in ((Phase.RAISED, FIRE_MS), (Phase.CLEARED, FIRE_MS + 5 * MINUTE_MS)):
        fire = FireEvent(
            epoch=EPOCH,
            seq=1,
            event_id="0" * 32,
            time_unix_ms=at_ms,
            phase=phase,
            zone="food-alley",
            camera="main-cam",
            score=0.93,
            first_seen_unix_ms=FIRE_MS - 1800,
            decided_unix_ms=FIRE_MS,
            alarm_sounded=True,
        )
        yield _event_sample(of_fire(fire))
        trouble = TroubleEvent(
            epoch=EPOCH,
            seq=1,
            event_id="0" * 32,
            time_unix_ms=at_ms,
            phase=phase,
            kind="bay",
            subject=UNKNOWN_BAY,
            reason=Reason.NO_ECHO,
        )
        yield _event_sample(of_trouble(trouble))


def _event_sample(found: Observation) -> Sample:
    series = Series(FAULTY, "parking-1", found.kind, found.subject)
    return Sample(series, found.time_unix_ms, found.fields)


def closed_gaps() -> Iterator[Sample]:
    """Gap records of ingest's own: one whose numbers came after all, one that the device's own record replaces."""
    for place in (0, 1):
        at_ms = BEGIN_MS + (20 + place) * HOUR_MS
        gap = Gap(
            source=Source(FAULTY, SILENT_DEVICE, EPOCH),
            named_by=NamedBy.LEDGER,
            first_seq=500 + 100 * place,
            last_seq=530 + 100 * place,
            cause=str(GapCause.NOT_ARRIVED),
            from_unix_ms=at_ms,
            until_unix_ms=at_ms + MINUTE_MS,
            found_unix_ms=at_ms + MINUTE_MS,
            batches_count=31,
            time_unix_ms=at_ms,
            filled_unix_ms=None if place else at_ms + HOUR_MS,
            superseded_unix_ms=at_ms + HOUR_MS if place else None,
        )
        yield sample_of_gap(gap)


def gaps() -> Iterator[GapReading]:
    """What the silent device says that it lost: one record for each cause."""
    for place, (cause, readings) in enumerate(LOST_READINGS.items()):
        at_ms = BEGIN_MS + (place + 1) * HOUR_MS
        yield GapReading(
            time_unix_ms=at_ms,
            device=SILENT_DEVICE,
            gap_epoch=EPOCH,
            first_seq=place * 10 + 1,
            last_seq=place * 10 + 5,
            from_unix_ms=at_ms,
            until_unix_ms=at_ms + 10 * MINUTE_MS,
            batches_count=5,
            readings_count=readings,
            cause=cause,
        )


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def telemetry(market: str, device: str, readings: Iterable[AnyReading]) -> Iterator[Sample]:
    """Readings as ingest stores them: in batches of the contract, through its own functions."""
    for chunk in chunks(readings, 500):
        kind, batch = BATCH_OF[type(chunk[0])]
        for found in of_batch(kind, batch.model_validate({"epoch": EPOCH, "seq": 1, "readings": chunk})):
            yield Sample(Series(market, device, found.kind, found.subject), found.time_unix_ms, found.fields)


def write_day(store: SeriesStore, days: Iterable[MarketDay]) -> None:
    """Fill a store with the day and its roll-ups."""
    for day in days:
        rolled: dict[str, list[Sample]] = defaultdict(list)
        until_ms = END_MS - END_MS % ROLLUP_STEP_MS
        whole = MarketWindows(day.layout.market, BEGIN_MS, until_ms)
        for device, readings in readings_of(day):
            for chunk in chunks(telemetry(day.layout.market, device, readings), 5000):
                store.write(chunk)
                rolled[chunk[0].series.kind] += chunk
        for kind in ROLLED_KINDS:
            span = Span(day.layout.market, kind, BEGIN_MS, until_ms)
            samples = whole.watch(kind, sorted(rolled[kind], key=lambda one: (one.series, one.time_unix_ms)))
            for chunk in chunks(roll(samples, span, whole.add), 5000):
                store.write(chunk)
        store.write(list(whole.samples()))
    store.write([*events(), *telemetry(FAULTY, SILENT_DEVICE, gaps()), *closed_gaps()])
    for chunk in chunks(parts(beats(BEAT_MS)), 5000):
        store.write(chunk)
