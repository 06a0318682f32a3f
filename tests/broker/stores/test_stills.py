"""Three stills a fire: found with their incident, replaced by private ones, removed when their time has come."""

import pytest
from sqlalchemy import Engine

from broker.stores.incident_models import Picture
from broker.stores.incidents import Incidents
from broker.stores.registry import MarketEntry, Named, Registry
from broker.stores.stills import Stills
from contract.events import Phase
from runtime.clock import ManualClock
from tests.broker.alerts.central import DEVICE, EPOCH, MARKET, NOW_UNIX_MS, composer, enrol, event_id, sighting

DAY_MS = 86_400_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_UNIX_MS)


@pytest.fixture
def stills(engine: Engine) -> Stills:
    enrol(engine)
    return Stills(engine)


def picture(
    number: int, seq: int, moment: str = "now", *, private: bool = False, market: str = MARKET, offset_ms: int = 0
) -> Picture:
    jpeg = b"\xff\xd8\xff" + f"{moment} {private} {seq}".encode()
    time = NOW_UNIX_MS + offset_ms
    return Picture(market, DEVICE, EPOCH, seq, event_id(number), "cam-1", time, jpeg, moment, private)


def record(engine: Engine, clock: ManualClock, *seen: object) -> int:
    Incidents(engine, clock).record(seen, composer(engine, clock))  # type: ignore[arg-type]  # sightings and pictures
    return Incidents(engine, clock).open_and_recent(MARKET)[0].incident_id


def kept(stills: Stills, incident_id: int) -> list[tuple[str, bool]]:
    return [(one.moment, one.private) for one in stills.of_incident(incident_id)]


def test_a_still_finds_its_incident_before_and_after_the_fire(
    engine: Engine, clock: ManualClock, stills: Stills
) -> None:
    record(engine, clock, picture(1, 9001), sighting(1, zone="a"), sighting(2, zone="b"), picture(2, 9002))
    store = Incidents(engine, clock)
    ids = {one.zone: one.incident_id for one in store.open_and_recent(MARKET)}
    for zone, number in (("a", 1), ("b", 2)):
        found = stills.get(ids[zone])
        assert found is not None
        assert (found.event_id, found.jpeg[-4:]) == (event_id(number), b"900%d" % number)
        assert {one.name for one in store.events(ids[zone])} == {"fire", "still"}
    record(engine, clock, sighting(3, zone="c"))
    ids = {one.zone: one.incident_id for one in store.open_and_recent(MARKET)}
    assert stills.with_still(ids.values()) == {ids["a"], ids["b"]}
    assert stills.with_still([]) == frozenset()


def test_three_moments_are_three_pictures_in_their_order(engine: Engine, clock: ManualClock, stills: Stills) -> None:
    here = record(engine, clock, sighting(1), picture(1, 1, "now"), picture(1, 2, "before"), picture(1, 3, "first"))
    assert kept(stills, here) == [("before", False), ("first", False), ("now", False)]
    first = stills.get(here, "first")
    assert first is not None
    assert first.jpeg.endswith(b"first False 3")
    assert stills.get(here, "after") is None


@pytest.mark.parametrize("original_first", [True, False])
def test_a_private_picture_stands_whichever_comes_first(
    engine: Engine, clock: ManualClock, stills: Stills, *, original_first: bool
) -> None:
    pair = [picture(1, 1, "first"), picture(1, 2, "first", private=True)]
    here = record(engine, clock, sighting(1), *(pair if original_first else reversed(pair)))
    assert kept(stills, here) == [("first", True)]
    found = stills.get(here, "first")
    assert found is not None
    assert found.jpeg.endswith(b"True 2")


def test_nobody_replaces_the_picture_of_another_market(engine: Engine, clock: ManualClock, stills: Stills) -> None:
    Registry(engine).enrol(MarketEntry(Named("elsewhere", "남시장", "Elsewhere"), devices=(DEVICE,)))
    here = record(engine, clock, sighting(1), picture(1, 1), picture(1, 2, private=True, market="elsewhere"))
    assert kept(stills, here) == [("now", False)]


def test_pictures_go_after_their_days(engine: Engine, clock: ManualClock, stills: Stills) -> None:
    here = record(engine, clock, sighting(1), picture(1, 1, "before", offset_ms=-5_000), picture(1, 2))
    assert stills.remove_older_than(NOW_UNIX_MS) == 1
    assert kept(stills, here) == [("now", False)]


def ask_for_privacy(engine: Engine) -> None:
    entry = MarketEntry(Named(MARKET, "중앙시장", "Jungang"), devices=(DEVICE,), private_stills=True)
    Registry(engine).enrol(entry)


def test_originals_go_a_day_after_the_fire_only_where_a_market_asks_for_it(
    engine: Engine, clock: ManualClock, stills: Stills
) -> None:
    over = sighting(1, Phase.CLEARED, unix_ms=NOW_UNIX_MS + 60_000)
    private = picture(1, 3, "first", private=True)
    here = record(engine, clock, sighting(1), over, picture(1, 1), picture(1, 2, "first"), private)
    later = NOW_UNIX_MS + 60_001
    assert stills.remove_unreplaced(later) == 0, "nobody asked"
    ask_for_privacy(engine)
    assert stills.remove_unreplaced(NOW_UNIX_MS + 60_000) == 0, "not over for long enough"
    assert stills.remove_unreplaced(later) == 1
    assert kept(stills, here) == [("first", True)]


def test_what_still_burns_keeps_its_originals_and_what_has_no_incident_goes_by_its_age(
    engine: Engine, clock: ManualClock, stills: Stills
) -> None:
    ask_for_privacy(engine)
    here = record(engine, clock, sighting(1), picture(1, 1), picture(2, 2, offset_ms=-DAY_MS))
    assert stills.remove_unreplaced(NOW_UNIX_MS - DAY_MS) == 0
    assert stills.remove_unreplaced(NOW_UNIX_MS - DAY_MS + 1) == 1
    assert kept(stills, here) == [("now", False)]
