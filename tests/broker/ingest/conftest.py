"""A market in a registry of its own, and batches of messages for its devices."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broker.ingest.known import KnownSeries
from broker.ingest.work import Work
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.registry import MarketEntry, Named, Registry, Subject
from contract.telemetry import BayBatch, BayReading, BayState
from runtime.clock import ManualClock
from transport.ports import RawMessage

EPOCH = "0123456789abcdef"
BAYS = "market/v1/jungang/pi-1/telemetry/bays"

MARKET = MarketEntry(
    Named("jungang", "중앙시장", "Jungang market"),
    devices=("pi-1", "pi-2"),
    subjects=(
        Subject("bays", "bay-1", "pi-1"),
        Subject("bays", "bay-2", "pi-1"),
        Subject("gates", "gate-1", "pi-1"),
        Subject("cameras", "cam-1", "pi-1"),
        Subject("bays", "bay-9", "pi-2"),
    ),
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    one = open_database(sqlite_url(tmp_path / "central.db"))
    migrate(one)
    Registry(one).enrol(MARKET)
    yield one
    one.dispose()


@pytest.fixture
def known(engine: Engine, clock: ManualClock) -> KnownSeries:
    return KnownSeries(Registry(engine), clock)


WorkOf = Callable[..., Work]


@pytest.fixture
def work_of(clock: ManualClock) -> WorkOf:
    def build(*messages: tuple[str, bytes]) -> Work:
        return Work([RawMessage(topic, body) for topic, body in messages], clock.unix_ms())

    return build


def bay_batch(time_unix_ms: int, *bays: str, seq: int = 1, replayed: bool = False) -> BayBatch:
    readings = tuple(
        BayReading(
            time_unix_ms=time_unix_ms + n,
            bay=bay,
            state=BayState.OCCUPIED,
            confidence=0.75,
            distance_mm=321.5,
            since_unix_ms=time_unix_ms,
        )
        for n, bay in enumerate(bays)
    )
    return BayBatch(epoch=EPOCH, seq=seq, replayed=replayed, readings=readings)
