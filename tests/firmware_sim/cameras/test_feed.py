import threading

import numpy as np
import pytest

from firmware_sim.cameras import feed as feed_module
from firmware_sim.cameras.feed import DeadCameraError, Feed, TooManyWatchersError
from firmware_sim.cameras.perspective import Image
from runtime.errors import FatalError
from tests.eventually import eventually


class Counted:
    """Pictures that count themselves, and break after `good`."""

    fps = 50.0

    def __init__(self, good: int = 10_000) -> None:
        self.count = 0
        self._good = good

    def next_picture(self, time_s: float) -> Image:
        assert time_s >= 0.0
        self.count += 1
        if self.count > self._good:
            raise FatalError("the clip is gone")
        return np.full((32, 32, 3), self.count % 200, np.uint8)


def feed_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("feed-")}


def test_pictures_are_made_only_while_somebody_watches() -> None:
    pictures = Counted()
    feed = Feed("lazy", pictures)
    assert pictures.count == 0
    with feed.watch() as seen:
        assert next(seen) != next(seen)
    eventually(lambda: "feed-lazy" not in feed_threads())
    made = pictures.count
    with feed.watch() as seen:
        next(seen)
    assert pictures.count > made
    feed.close()


def test_many_watchers_cost_one_picture_each_time() -> None:
    pictures = Counted()
    feed = Feed("shared", pictures)
    with feed.watch() as one, feed.watch() as other:
        for _ in range(5):
            next(one)
            next(other)
        assert feed.watchers == 2
    assert pictures.count <= 12
    assert feed.watchers == 0
    feed.close()


def test_frozen_is_the_same_to_the_bit_until_thawed() -> None:
    feed = Feed("frozen", Counted())
    with feed.watch() as seen:
        next(seen)
        feed.frozen = True
        next(seen)  # may have been under way
        assert len({next(seen) for _ in range(5)}) == 1
        feed.frozen = False
        eventually(lambda: next(seen) != next(seen))
    feed.close()


def test_dead_ends_every_watch_and_refuses_new_ones_until_revived() -> None:
    feed = Feed("dead", Counted())
    with feed.watch() as seen:
        next(seen)
        feed.dead = True
        assert list(seen) == []
    with pytest.raises(DeadCameraError, match="camera dead is dead"), feed.watch():
        pass
    feed.dead = False
    with feed.watch() as seen:
        next(seen)
    feed.close()


def test_a_source_that_breaks_makes_the_camera_dead() -> None:
    feed = Feed("broken", Counted(good=2))
    with feed.watch() as seen:
        assert len(list(seen)) <= 2
    assert feed.dead


def test_watchers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "WATCHERS_MAX", 1)
    feed = Feed("crowded", Counted())
    with feed.watch(), pytest.raises(TooManyWatchersError), feed.watch():
        pass
    feed.close()
