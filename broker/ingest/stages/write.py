"""Second stage: into the series store, the whole batch at once."""

from pydantic_core import to_json

from broker.ingest.progress import Progress
from broker.ingest.refusal import RefusalKind
from broker.ingest.samples import EVENT_KINDS
from broker.ingest.work import Work
from broker.series.ports import Sample, SeriesStore
from runtime.clock import Clock
from runtime.errors import FatalError, PartialError, RetryableError


class StoreRefusedError(RetryableError):
    """The store refuses us until a person has done what the sentence says: nothing is acknowledged meanwhile."""


class Write:
    """Stores the samples, measures how long that takes, and keeps what the store will not have for the dead letter."""

    def __init__(self, store: SeriesStore, progress: Progress, clock: Clock) -> None:
        self._store = store
        self._progress = progress
        self._clock = clock

    def __call__(self, work: Work) -> None:
        """Return when every sample is stored or refused for good.

        Raises:
            RetryableError: the store does not answer (or refuses us altogether): call again with the same work.
        """
        if not work.samples:
            return
        begun_s = self._clock.monotonic_s()
        kinds = [series.kind for series, _, _ in work.samples]
        readings_count = len(kinds) - sum(map(EVENT_KINDS.__contains__, kinds))
        try:
            self._store.write(work.samples)
        except PartialError as error:
            for one in error.rejected:
                sample = work.samples[one.index]
                work.refuse(work.origins[one.index], RefusalKind.REJECTED, one.reason, _excerpt(sample))
                readings_count -= sample.series.kind not in EVENT_KINDS
        except FatalError as error:
            raise StoreRefusedError(str(error)) from error
        work.readings_count = readings_count
        newest_ms = work.newest_live_unix_ms
        lag_s = None if newest_ms is None else max(0.0, (self._clock.unix_ms() - newest_ms) / 1000.0)
        self._progress.wrote(self._clock.monotonic_s() - begun_s, lag_s)


def _excerpt(sample: Sample) -> bytes:
    content = {
        "kind": sample.series.kind,
        "subject": sample.series.subject,
        "time_unix_ms": sample.time_unix_ms,
        "fields": dict(sample.fields),
    }
    return to_json(content)
