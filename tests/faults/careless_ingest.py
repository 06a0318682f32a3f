"""Ingest with its promise broken, for the checker to see: it confirms and acknowledges at once and writes later.

`python -m tests.faults.careless_ingest --config FILE` takes the place of `jangteo ingest`.
"""

import sys
import threading

from broker.ingest.stages.write import Write
from broker.ingest.work import Work
from jangteo.cli import main

LATER_S = 1.0

_write = Write.__call__


def _write_later(self: Write, work: Work) -> None:
    timer = threading.Timer(LATER_S, _write, (self, work))
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    Write.__call__ = _write_later  # type: ignore[method-assign]  # the very sabotage
    sys.argv[1:1] = ["ingest"]
    main()
