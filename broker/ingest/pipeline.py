"""The pipeline: the stages in their order, and what happens when one asks for another try."""

from collections.abc import Callable, Sequence

from broker.ingest.progress import Progress
from broker.ingest.work import Work
from runtime.clock import Clock
from runtime.errors import RetryableError
from transport.ports import RawMessage

Stage = Callable[[Work], None]


class Pipeline:
    """A `transport.ports.BatchHandler`: when it returns, the batch is in the store or in the dead letter."""

    def __init__(self, stages: Sequence[Stage], progress: Progress, clock: Clock) -> None:
        self._stages = tuple(stages)
        self._progress = progress
        self._clock = clock

    def __call__(self, messages: Sequence[RawMessage]) -> None:
        """Take a batch through all stages.

        Raises:
            RetryableError: nothing may be acknowledged; call again with the same messages. Every stage may be repeated.
        """
        work = Work(messages, self._clock.unix_ms())
        self._progress.begun()
        try:
            for stage in self._stages:
                stage(work)
        except RetryableError as error:
            self._progress.held(str(error))
            raise
        finally:
            self._progress.ended()
        self._progress.flowing()
