"""Last stage: the counters, once for each batch that is committed."""

from broker.ingest.gaps import GapWatch
from broker.ingest.progress import Progress
from broker.ingest.work import Work


class Count:
    """Counts messages, readings, refusals, and notes the numbers that arrived."""

    def __init__(self, progress: Progress, gaps: GapWatch | None) -> None:
        self._progress = progress
        self._gaps = gaps

    def __call__(self, work: Work) -> None:
        """Note what the batch came to."""
        self._progress.committed(len(work.messages), work.readings_count, work.refusals)
        if self._gaps is not None:
            for source, seq in work.numbers:
                self._gaps.arrived(source, seq)
