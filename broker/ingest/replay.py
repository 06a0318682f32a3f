"""Dead letters on their way back: through the same decoding, checking and writing as what comes from the bus."""

from collections.abc import Callable
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Engine

from broker.ingest.known import KnownSeries
from broker.ingest.progress import Progress
from broker.ingest.refusal import RefusalKind
from broker.ingest.stages.decode import CLOCK_AHEAD_MS_MAX, Decode
from broker.ingest.stages.record import Record
from broker.ingest.stages.write import Write
from broker.ingest.work import Work
from broker.series.ports import FieldValue, Sample, SeriesStore
from broker.stores.dead_letters import DeadLetter, DeadLetters
from broker.stores.deliveries import Deliveries
from broker.stores.registry import Registry
from contract.access import DeviceIdentity
from contract.ids import CLOCK_FLOOR_UNIX_MS
from contract.payload import UnixMs
from runtime.clock import Clock
from transport.ports import RawMessage

LEASE_MS = 60_000
REPLAYS_PER_TURN_MAX = 200
WINDOW_MS = 300_000

log = structlog.get_logger(__name__)


class _Excerpt(BaseModel):
    """The body of a letter that holds one reading of a message."""

    model_config = ConfigDict(strict=True)

    kind: Annotated[str, Field(min_length=1)]
    subject: str
    time_unix_ms: UnixMs
    fields: dict[str, FieldValue]


class Replayer:
    """Replays the letters that people asked for, one at a time; a letter is one worker's until its lease ends.

    What is taken now is stored like a late reading, its letter goes, and the gap record of its number says that it is
    filled. What is refused again stays, with the new reason.
    """

    def __init__(self, engine: Engine, store: SeriesStore, progress: Progress, clock: Clock) -> None:
        self._letters = DeadLetters(engine)
        self._deliveries = Deliveries(engine)
        self._known = KnownSeries(Registry(engine), clock)
        self._decode = Decode(self._known)
        self._write = Write(store, Progress(clock), clock)  # a replay says nothing of how far behind ingest is
        self._record = Record(self._deliveries)
        self._progress = progress
        self._clock = clock

    def replay_wanted(self, beat: Callable[[], None] = lambda: None) -> int:
        """Replay what is wanted, `REPLAYS_PER_TURN_MAX` at most; returns how many.

        Raises:
            runtime.errors.RetryableError: a store does not answer; the letter is tried again when its lease has ended.
        """
        for done in range(REPLAYS_PER_TURN_MAX):
            now = self._clock.unix_ms()
            letter = self._letters.claim(now, now + LEASE_MS)
            if letter is None:
                return done
            beat()
            self._replay(letter)
        return REPLAYS_PER_TURN_MAX

    def _replay(self, letter: DeadLetter) -> None:
        work = Work([RawMessage(letter.topic, letter.body)], self._clock.unix_ms())
        if letter.not_replayable_because:
            self._letters.replay_failed(letter, letter.reason_kind, f"not replayed: {letter.not_replayable_because}")
            return
        if letter.is_excerpt:
            self._take_excerpt(work, letter)
        else:
            self._decode(work)
        self._write(work)
        refused = bool(work.letters)
        if refused:
            self._letters.replay_failed(letter, work.letters[0].reason_kind, work.letters[0].reason)
        else:
            self._record(work)
            windows = {(one.series.market, one.time_unix_ms - one.time_unix_ms % WINDOW_MS) for one in work.samples}
            self._deliveries.replayed(letter, windows, self._clock.unix_ms())
        self._progress.replayed(refused=refused)
        log.info("dead_letter.replayed", dead_letter_id=letter.dead_letter_id, refused=refused, topic=letter.topic)

    def _take_excerpt(self, work: Work, letter: DeadLetter) -> None:
        """One reading, judged as `Decode` judges those of a message."""
        self._known.begin()
        try:
            reading = _Excerpt.model_validate_json(letter.body)
        except ValidationError:
            work.refuse(0, RefusalKind.MALFORMED, "the excerpt cannot be read any more")
            return
        series = None
        if letter.market is not None and letter.device is not None:
            identity = DeviceIdentity(letter.market, letter.device)
            series = self._known.series(identity, reading.kind, reading.subject)
        if series is None:
            reason = f"device {letter.device!r} of market {letter.market!r} has no {reading.kind} {reading.subject!r}"
            work.refuse(0, RefusalKind.UNKNOWN_SUBJECT, reason)
        elif not CLOCK_FLOOR_UNIX_MS <= reading.time_unix_ms <= work.received_unix_ms + CLOCK_AHEAD_MS_MAX:
            reason = f"time_unix_ms {reading.time_unix_ms} is still no time that a reading of today can have"
            work.refuse(0, RefusalKind.CLOCK, reason)
        else:
            fields = dict(reading.fields)
            if series.subject != reading.subject:
                fields["reported_subject"] = reading.subject
            work.samples.append(Sample(series, reading.time_unix_ms, fields))
            work.origins.append(0)
