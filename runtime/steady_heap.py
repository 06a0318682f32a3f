"""The garbage collector's settings for a process that makes and drops many objects and keeps a large, lasting heap."""

import gc

YOUNG_MAX = 50_000  # objects made and not dropped before the youngest are looked at; a batch of ingest's makes 15,000


def settle_heap() -> None:
    """Take what lives now out of the collector's sight, and let it look at the young less often.

    Call once, when a process is put together. Without it the collector walks over every module's objects again and
    again while a stream of readings goes through: half of ingest's time. Cycles that are made later are still found.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, 20, 20)
