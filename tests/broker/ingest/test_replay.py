"""Dead letters on their way back: taken once the reason is gone, kept with the new reason otherwise."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Engine

from broker.ingest.known import KnownSeries
from broker.ingest.progress import Progress
from broker.ingest.replay import LEASE_MS, Replayer
from broker.ingest.service import build_pipeline, gap_review
from broker.series.memory import MemorySeriesStore
from broker.series.ports import Sample, Series
from broker.stores.dead_letters import DEAD_LETTER_BODY_BYTES_MAX, DeadLetter, DeadLetters, NotReplayableError
from broker.stores.gap_records import GapRecords
from broker.stores.registry import MarketEntry, Registry, Subject
from broker.stores.schema import dirty_windows
from broker.stores.sequences import PATIENCE_S
from contract.payload import Payload
from contract.topics import Topic
from runtime.clock import ManualClock
from runtime.errors import PartialError, Rejected, RetryableError
from tests.broker.ingest.conftest import BAYS, EPOCH, MARKET, bay_batch
from transport.ports import RawMessage

GHOST = Series("jungang", "pi-1", "bays", "ghost")
BAY_1 = Series("jungang", "pi-1", "bays", "bay-1")
OURS = Series("jungang", "pi-1", "gaps", "ingest")


class Store(MemorySeriesStore):
    """A store that can be down, or refuse one subject."""

    error: Exception | None = None
    refused_subject = ""

    def write(self, samples: Sequence[Sample]) -> None:
        if self.error is not None:
            raise self.error
        good = [one for one in samples if one.series.subject != self.refused_subject]
        super().write(good)
        rejected = [
            Rejected(index, "field type conflict")
            for index, one in enumerate(samples)
            if one.series.subject == self.refused_subject
        ]
        if rejected:
            raise PartialError(rejected)


class House:
    """Ingest without a bus, and its replayer."""

    def __init__(self, engine: Engine, clock: ManualClock) -> None:
        self.engine = engine
        self.clock = clock
        self.store = Store()
        self.progress = Progress(clock)
        self.letters = DeadLetters(engine)
        self.pipeline = build_pipeline(engine, self.store, self.progress, lambda: self, clock)
        self.review = gap_review(engine, self.store, clock, PATIENCE_S)
        self.replayer = Replayer(engine, self.store, Progress(clock), clock)

    def publish(self, _topic: Topic, _payload: Payload) -> None:
        """Receipts are not what is tested here."""

    def send(self, body: bytes, topic: str = BAYS) -> None:
        self.pipeline([RawMessage(topic, body)])

    def only_letter(self) -> DeadLetter:
        (letter,) = self.letters.newest()
        return letter

    def replay_all(self) -> int:
        for letter in self.letters.newest():
            assert letter.dead_letter_id is not None
            self.letters.request_replay(letter.dead_letter_id, self.clock.unix_ms())
        return self.replayer.replay_wanted()

    def enrol_ghost(self) -> None:
        more = (*MARKET.subjects, Subject("bays", "ghost", "pi-1"))
        Registry(self.engine).enrol(MarketEntry(MARKET.market, devices=(*MARKET.devices, "pi-9"), subjects=more))
        self.clock.advance(6)  # what is known is read again every five seconds

    def stored(self, series: Series) -> int:
        return len(self.store.range(series, "distance_mm", 0, self.clock.unix_ms() + 1000))


@pytest.fixture
def house(engine: Engine, clock: ManualClock, known: KnownSeries) -> House:
    known.begin()
    return House(engine, clock)


def test_a_reading_of_a_subject_enrolled_since_is_stored_and_its_gap_filled(house: House) -> None:
    then = house.clock.unix_ms()
    house.send(bay_batch(then, "bay-1", "ghost").to_bytes())
    house.review.review()
    letter = house.only_letter()
    assert (letter.is_excerpt, letter.market, letter.device, letter.epoch, letter.seq) == (
        (True, "jungang", "pi-1", EPOCH, 1)
    )
    house.enrol_ghost()
    assert house.replay_all() == 1
    assert house.stored(GHOST) == 1
    assert house.letters.count() == 0
    (gap,) = GapRecords(house.engine).newest()
    assert gap.filled_unix_ms == house.clock.unix_ms()
    house.review.review()
    assert house.store.range(OURS, "filled_unix_ms", 0, then + 9) == ((gap.time_unix_ms, gap.filled_unix_ms),)
    with house.engine.connect() as connection:
        assert connection.execute(dirty_windows.select()).all() == [("jungang", then - then % 300_000)]


def test_a_gap_is_filled_with_the_last_letter_of_its_number(house: House) -> None:
    house.send(bay_batch(house.clock.unix_ms(), "ghost", "specter").to_bytes())
    house.enrol_ghost()
    assert house.replay_all() == 2
    (gap,) = GapRecords(house.engine).newest()
    assert (house.letters.count(), gap.filled_unix_ms) == (1, None)


def test_a_whole_message_of_a_device_enrolled_since_is_stored_and_its_number_arrives(house: House) -> None:
    stranger = "market/v1/jungang/pi-9/telemetry/bays"
    house.send(bay_batch(house.clock.unix_ms(), "ghost").to_bytes(), stranger)
    more = (*MARKET.subjects, Subject("bays", "ghost", "pi-9"))
    Registry(house.engine).enrol(MarketEntry(MARKET.market, devices=("pi-1", "pi-2", "pi-9"), subjects=more))
    house.clock.advance(6)
    assert house.replay_all() == 1
    assert house.stored(Series("jungang", "pi-9", "bays", "ghost")) == 1
    house.clock.advance(PATIENCE_S)
    house.review.review()
    assert house.review.counters()["sequence_gaps_total"] == 0


def test_what_is_refused_again_stays_with_the_new_reason(house: House) -> None:
    house.send(bay_batch(house.clock.unix_ms(), "ghost").to_bytes())
    house.enrol_ghost()
    house.store.refused_subject = "ghost"
    assert house.replay_all() == 1
    letter = house.only_letter()
    assert (letter.reason_kind, letter.replay_error, letter.replay_attempts) == ("rejected", "field type conflict", 1)
    assert "has no bays subject" in letter.reason, "the first reason stays beside it"
    assert house.replayer.replay_wanted() == 0, "until somebody asks again"
    house.store.refused_subject = ""
    assert house.replay_all() == 1
    assert house.letters.count() == 0


@pytest.mark.parametrize(
    "body",
    [
        b"\x00\xff not json",
        b'{"epoch":"0123456789abcdef","seq":2,"readings":[{"bay":7}]}',
    ],
)
def test_what_can_never_be_read_is_kept_however_often_it_is_replayed(house: House, body: bytes) -> None:
    house.send(body)
    for attempt in (1, 2):
        assert house.replay_all() == 1
        letter = house.only_letter()
        assert (letter.reason_kind, letter.replay_attempts) == ("malformed", attempt)


def test_a_reading_from_the_future_is_taken_when_its_time_has_come(house: House) -> None:
    ahead = house.clock.unix_ms() + 3_600_000
    house.send(bay_batch(ahead, "bay-1").to_bytes())
    assert house.only_letter().reason_kind == "clock"
    assert house.replay_all() == 1
    assert house.only_letter().replay_attempts == 1
    house.clock.advance(3600)
    assert house.replay_all() == 1
    assert (house.letters.count(), house.stored(BAY_1)) == (0, 1)


def test_while_the_store_is_away_a_letter_waits_and_is_tried_again(house: House) -> None:
    house.send(bay_batch(house.clock.unix_ms(), "ghost").to_bytes())
    house.enrol_ghost()
    house.store.error = RetryableError("the disk is full")
    with pytest.raises(RetryableError):
        house.replay_all()
    assert house.only_letter().replay_attempts == 0
    house.store.error = None
    assert house.replayer.replay_wanted() == 0, "its lease still runs"
    house.clock.advance(LEASE_MS / 1000)
    assert house.replayer.replay_wanted() == 1
    assert house.letters.count() == 0


def test_a_body_that_was_cut_cannot_be_replayed(house: House) -> None:
    house.send(b"x" * (DEAD_LETTER_BODY_BYTES_MAX + 1))
    letter = house.only_letter()
    assert letter.dead_letter_id is not None
    with pytest.raises(NotReplayableError, match="only the first 65536 of its 65537 bytes were kept"):
        house.letters.request_replay(letter.dead_letter_id, 0)
    assert house.replayer.replay_wanted() == 0
