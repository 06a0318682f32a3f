"""What a page says it shows, and what is reported when it says nothing."""

from contract.telemetry import Reason
from edge.signage.screen import REPORT_EVERY_S, SILENT_AFTER_S, Heartbeat, ScreenWatch, Showing

NOW_MS = 1_000_000


def beat(showing: Showing = "notice", item: str | None = "n-1", painted_unix_ms: int = 500) -> Heartbeat:
    return Heartbeat(showing=showing, item=item, generation=3, painted_unix_ms=painted_unix_ms)


def test_before_a_browser_has_come_it_is_starting_then_unknown() -> None:
    watch = ScreenWatch("screen-1", 0.0, NOW_MS)
    first = watch.due(0.0, NOW_MS)
    assert first is not None
    assert (first.state, first.reason, first.showing) == ("unknown", Reason.STARTING, "nothing")
    later = watch.due(SILENT_AFTER_S + 0.1, NOW_MS + 10_100)
    assert later is not None
    assert (later.reason, later.since_unix_ms) == (Reason.NO_HEARTBEAT, NOW_MS + 10_100)


def test_what_the_page_shows_is_reported_at_once_with_the_time_it_was_painted() -> None:
    watch = ScreenWatch("screen-1", 0.0, NOW_MS)
    watch.heartbeat(beat(), 1.0)
    reading = watch.due(1.0, NOW_MS)
    assert reading is not None
    assert (reading.state, reading.showing, reading.item, reading.generation) == ("live", "notice", "n-1", 3)
    assert reading.since_unix_ms == 500
    watch.heartbeat(beat("evacuation", None, painted_unix_ms=900), 1.1)
    reading = watch.due(1.1, NOW_MS)
    assert reading is not None
    assert (reading.showing, reading.since_unix_ms) == ("evacuation", 900)


def test_the_same_again_is_reported_every_few_seconds_only() -> None:
    watch = ScreenWatch("screen-1", 0.0, NOW_MS)
    watch.heartbeat(beat(), 1.0)
    assert watch.due(1.0, NOW_MS) is not None
    watch.heartbeat(beat(), 3.0)
    assert watch.due(3.0, NOW_MS) is None
    watch.heartbeat(beat(), 5.0)
    assert watch.due(1.0 + REPORT_EVERY_S, NOW_MS) is not None


def test_a_silent_page_is_unknown_and_live_again_when_it_speaks() -> None:
    watch = ScreenWatch("screen-1", 0.0, NOW_MS)
    watch.heartbeat(beat(), 1.0)
    watch.due(1.0, NOW_MS)
    silent = watch.due(1.0 + SILENT_AFTER_S + 0.1, NOW_MS + 11_100)
    assert silent is not None
    assert (silent.state, silent.reason, silent.since_unix_ms) == ("unknown", Reason.NO_HEARTBEAT, NOW_MS + 11_100)
    watch.heartbeat(beat(), 13.0)
    back = watch.due(13.0, NOW_MS + 13_000)
    assert back is not None
    assert back.state == "live"
