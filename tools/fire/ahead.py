"""Drawing samples in a process beside the one that fits: both cores work, and the order stays the same."""

import multiprocessing as mp
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkProcess
from multiprocessing.queues import Queue
from queue import Empty

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tools.fire.samples import Sampler

BATCHES_AHEAD_MAX = 6
"""Batches that wait; the drawing process waits when there are as many."""

_LOOK_S = 2.0

Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]


def ahead(sampler: Sampler, rng: Generator, size: int, count: int) -> Iterator[Batch]:
    """`count` batches of `size`: pictures x side x side x 3, and their classes. The drawing process ends with it.

    Raises `RuntimeError` when the drawing process dies.
    """
    fork = mp.get_context("fork")
    queue: Queue[Batch] = fork.Queue(BATCHES_AHEAD_MAX)
    with one_opencv_thread():
        drawing = fork.Process(target=_draw, args=(sampler, rng, size, count, queue), daemon=True)
        drawing.start()
        try:
            for _ in range(count):
                yield _next(queue, drawing)
        finally:
            drawing.terminate()
            drawing.join()


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """OpenCV without helper threads for a while: a forked process would wait for them for ever."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _next(queue: "Queue[Batch]", drawing: ForkProcess) -> Batch:
    while True:
        try:
            return queue.get(timeout=_LOOK_S)
        except Empty:
            if not drawing.is_alive():
                raise RuntimeError(
                    f"the process that draws samples ended with status {drawing.exitcode}; its error is above"
                ) from None


def _draw(sampler: Sampler, rng: Generator, size: int, count: int, queue: "Queue[Batch]") -> None:
    for _ in range(count):
        pictures, classes = sampler.batch(rng, size)
        queue.put((np.stack(pictures), classes))
