"""The pipeline as a whole, on a real SQLite: commit, retry, count."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Engine

from broker.ingest.pipeline import Pipeline
from broker.ingest.progress import Progress
from broker.ingest.service import build_pipeline, consumer_settings, gap_review
from broker.series.memory import MemorySeriesStore
from broker.series.ports import Sample
from broker.stores.dead_letters import DeadLetters
from broker.stores.sequences import PATIENCE_S
from contract.delivery import Delivered
from contract.payload import Payload
from contract.topics import Topic
from runtime.clock import ManualClock
from runtime.errors import FatalError, RetryableError
from tests.broker.ingest.conftest import BAYS, EPOCH, bay_batch
from transport.ports import RawMessage


class Store(MemorySeriesStore):
    """A store that can be down."""

    error: Exception | None = None

    def write(self, samples: Sequence[Sample]) -> None:
        if self.error is not None:
            raise self.error
        super().write(samples)


class House:
    """Everything around the pipeline, and what came out."""

    def __init__(self, engine: Engine, clock: ManualClock) -> None:
        self.store = Store()
        self.progress = Progress(clock)
        self.gaps = gap_review(engine, self.store, clock, PATIENCE_S)
        self.letters = DeadLetters(engine)
        self.receipts: list[Delivered] = []
        self.pipeline: Pipeline = build_pipeline(engine, self.store, self.progress, lambda: self, clock)

    def publish(self, topic: Topic, payload: Payload) -> None:
        assert str(topic) == "market/v1/jungang/pi-1/ack/delivered"
        assert isinstance(payload, Delivered)
        self.receipts.append(payload)

    def counters(self) -> dict[str, float]:
        return self.progress.report().counters


@pytest.fixture
def house(engine: Engine, clock: ManualClock) -> House:
    return House(engine, clock)


def messages(clock: ManualClock) -> list[RawMessage]:
    now = clock.unix_ms()
    return [
        RawMessage(BAYS, bay_batch(now, "bay-1", "bay-2", seq=1).to_bytes()),
        RawMessage(BAYS, b'{"epoch":"0123456789abcdef","seq":2,"readings":'),
        RawMessage("market/v1/jungang/pi-9/telemetry/bays", bay_batch(now, "bay-1", seq=1).to_bytes()),
        RawMessage(BAYS, bay_batch(now + 10, "bay-1", "ghost", seq=3).to_bytes()),
    ]


def test_a_batch_is_stored_buried_receipted_and_counted(house: House, clock: ManualClock) -> None:
    house.pipeline(messages(clock))
    assert len(house.store.latest("jungang")) == 2
    assert sorted(one.reason_kind for one in house.letters.newest()) == [
        "malformed",
        "unknown-device",
        "unknown-subject",
    ]
    now = clock.unix_ms()
    assert house.receipts == [Delivered(epoch=EPOCH, seqs=(1, 2, 3), store="readings", time_unix_ms=now)]
    counters = house.counters()
    assert (counters["messages_total"], counters["readings_total"], counters["dead_letters_total"]) == (4, 3, 3)
    assert counters["dead_letters_malformed_total"] == 1
    assert counters["dead_letters_unknown_device_total"] == 1
    assert counters["dead_letters_unknown_subject_total"] == 1
    house.gaps.review()
    assert house.gaps.counters()["sequence_numbers_awaited"] == 0


@pytest.mark.parametrize("error", [RetryableError("the disk is full"), FatalError("put a token into the file")])
def test_while_the_store_is_away_nothing_is_receipted_buried_or_counted(
    house: House, clock: ManualClock, error: Exception
) -> None:
    house.store.error = error
    for _ in range(3):
        with pytest.raises(RetryableError, match=str(error)):
            house.pipeline(messages(clock))
    assert (house.receipts, house.letters.count()) == ([], 0)
    assert house.counters()["messages_total"] == 0
    assert house.counters()["retries_total"] == 3
    assert house.progress.report().held_because == str(error)

    house.store.error = None
    house.pipeline(messages(clock))
    assert house.progress.report().held_because == ""
    assert (len(house.receipts), house.letters.count()) == (1, 3)
    assert house.counters()["readings_total"] == 3


def test_the_same_batch_again_changes_nothing_in_the_store(house: House, clock: ManualClock) -> None:
    batch = messages(clock)
    house.pipeline(batch)
    before = list(house.store.latest("jungang"))
    house.pipeline(batch)
    assert list(house.store.latest("jungang")) == before
    assert house.receipts[0] == house.receipts[1], "told again, because the first receipt may have been lost"


def test_the_subscription_is_the_catalogues() -> None:
    settings = consumer_settings(None)
    assert sorted(map(str, settings.filters))[:2] == ["market/v1/+/+/event/fire", "market/v1/+/+/event/trouble"]
    assert len(settings.filters) == 10
    assert settings.body_bytes_max >= 262_144
