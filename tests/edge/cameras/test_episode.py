"""A fire from raised to cleared, across restarts of the process."""

from contract.events import Phase
from edge.cameras.episode import ONGOING_EVERY_S, EpisodeKeeper
from edge.cameras.lines import Fire, FireLine, StatusLine

CLEAR_AFTER_S = 10.0


def fire(state: Fire = "confirmed") -> FireLine:
    return FireLine(fire=state, score=0.9, first_seen_age_s=1.25, position_s=3.0)


def status(state: Fire = "quiet", score: float = 0.0) -> StatusLine:
    return StatusLine(frame_age_s=0.1, fps=8.0, score=score, fire=state, picture="moving")


def burning() -> EpisodeKeeper:
    keeper = EpisodeKeeper(CLEAR_AFTER_S)
    assert keeper.fire_line(fire(), 100.0, 1_000_000) is Phase.RAISED
    return keeper


def test_a_raised_fire_knows_when_it_was_first_seen() -> None:
    episode = burning().episode
    assert episode is not None
    assert (episode.first_seen_unix_ms, episode.decided_unix_ms) == (998_750, 1_000_000)


def test_the_process_that_confirmed_a_fire_ends_it() -> None:
    keeper = burning()
    assert keeper.status_line(status(), 150.0, live=True) is None
    assert keeper.status_line(status(), 150.0 + 2 * CLEAR_AFTER_S, live=True) is None
    assert keeper.fire_line(fire("quiet"), 151.0, 2) is Phase.CLEARED


def test_a_later_process_has_to_see_quiet_for_the_whole_time() -> None:
    keeper = burning()
    keeper.process_ended()
    assert keeper.status_line(status(), 200.0, live=True) is None
    assert keeper.status_line(status(), 209.9, live=True) is None
    assert keeper.status_line(status(), 210.0, live=True) is Phase.CLEARED


def test_what_is_not_live_or_not_quiet_starts_the_quiet_time_again() -> None:
    for line, live in ((status(), False), (status("suspected"), True)):
        keeper = burning()
        keeper.process_ended()
        keeper.status_line(status(), 200.0, live=True)
        keeper.status_line(line, 205.0, live=live)
        keeper.status_line(status(), 206.0, live=True)
        assert keeper.status_line(status(), 212.0, live=True) is None
        assert keeper.status_line(status(), 216.0, live=True) is Phase.CLEARED


def test_a_fire_confirmed_again_after_a_restart_is_the_same_fire() -> None:
    keeper = burning()
    before = keeper.episode
    keeper.process_ended()
    assert keeper.fire_line(fire(), 130.0, 2_000_000) is None
    assert keeper.episode is before
    assert keeper.fire_line(fire("quiet"), 160.0, 2_100_000) is Phase.CLEARED


def test_it_is_repeated_while_it_lasts_even_when_nothing_is_seen() -> None:
    keeper = burning()
    keeper.process_ended()
    assert not keeper.ongoing_due(100.0 + ONGOING_EVERY_S - 0.1)
    assert keeper.ongoing_due(100.0 + ONGOING_EVERY_S)
    assert not keeper.ongoing_due(100.0 + ONGOING_EVERY_S + 1)
    assert keeper.ongoing_due(100.0 + 2 * ONGOING_EVERY_S)


def test_two_fires_have_two_ids_and_no_fire_clears_nothing() -> None:
    keeper = EpisodeKeeper(CLEAR_AFTER_S)
    assert keeper.fire_line(fire("quiet"), 1.0, 1) is None
    first, second = burning().episode, burning().episode
    assert first is not None
    assert second is not None
    assert first.event_id != second.event_id
