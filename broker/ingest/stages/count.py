"""Last stage: the counters, once for each batch that is committed."""

from broker.ingest.progress import Progress
from broker.ingest.work import Work


class Count:
    """Counts messages, readings and refusals."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __call__(self, work: Work) -> None:
        """Note what the batch came to."""
        self._progress.committed(len(work.messages), work.readings_count, work.letters)
