import threading
import time

import pytest

from firmware_sim.pins import player as player_module
from firmware_sim.pins.player import Player
from tests.eventually import eventually


def test_actions_come_in_order_of_their_time_whatever_order_they_were_given_in() -> None:
    player, played = Player("test"), list[str]()
    now_s = time.monotonic()
    player.at(now_s + 0.04, lambda: played.append("last"))
    player.at(now_s, lambda: played.append("first"))
    player.at(now_s + 0.02, lambda: played.append("middle"))
    player.start()
    eventually(lambda: len(played) == 3)
    player.stop()
    assert played == ["first", "middle", "last"]


def test_an_action_that_raises_does_not_end_the_others() -> None:
    player, done = Player("test"), threading.Event()

    def broken() -> None:
        raise LookupError("a sensor's callback has a defect")

    player.start()
    player.after(0.0, broken)
    player.after(0.001, done.set)
    assert done.wait(5.0)
    player.stop()


def test_too_many_actions_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player_module, "ACTIONS_MAX", 3)
    player = Player("test")
    for _ in range(5):
        player.after(60.0, lambda: None)
    assert player.dropped_count == 2


def test_a_stopped_player_has_no_thread_and_takes_nothing_more() -> None:
    player, played = Player("test"), list[str]()
    player.start()
    player.stop()
    player.after(0.0, lambda: played.append("late"))
    assert "test" not in {thread.name for thread in threading.enumerate()}
    assert played == []
