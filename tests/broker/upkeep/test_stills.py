"""Upkeep of stills: the days of the settings, and a day where a market asks for privacy."""

from broker.stores.incident_models import Picture, Sighting
from broker.stores.incidents import Incidents
from broker.stores.registry import MarketEntry, Named, Registry
from broker.stores.stills import Stills
from broker.upkeep.settings import StillsSettings
from broker.upkeep.stills import StillsRetention
from contract.events import Phase
from tests.broker.upkeep.conftest import House

DAY_S = 86_400
EPOCH = "0" * 16


def burn(house: House, market: str, number: int) -> int:
    """A fire that is over at once, with a picture; its incident."""
    event_id, now = f"{number:032x}", house.clock.unix_ms()

    def said(seq: int, phase: Phase) -> Sighting:
        return Sighting(market, "pi-1", EPOCH, seq, event_id, "fire", phase, now, "a", "fire", "fire", "cam-1")

    seen = Picture(market, "pi-1", EPOCH, 3, event_id, "cam-1", now, b"\xff\xd8\xff")
    found = (said(1, Phase.RAISED), said(2, Phase.CLEARED), seen)
    change = Incidents(house.engine, house.clock).record(found, lambda _change: ())[0]
    assert change.incident is not None
    return change.incident.incident_id


def test_pictures_go_after_their_days_and_sooner_where_privacy_is_asked_for(house: House) -> None:
    stills = Stills(house.engine)
    private = MarketEntry(Named("nambu", "시장", "Market"), devices=("pi-1",), private_stills=True)
    Registry(house.engine).enrol(private)
    here = {market: burn(house, market, number) for number, market in enumerate(("jungang", "nambu"), 1)}
    job = StillsRetention(StillsSettings(days=3), stills, house.clock, house.progress)

    def left() -> list[str]:
        return [market for market, incident_id in here.items() if stills.of_incident(incident_id)]

    assert not job.step()
    assert left() == ["jungang", "nambu"]
    house.clock.advance(DAY_S + 1)
    assert job.step()
    assert not job.step()
    assert left() == ["jungang"]
    house.clock.advance(2 * DAY_S)
    assert job.step()
    assert left() == []
    said = house.progress.counters()
    assert (said["stills_removed_total"], said["stills_removed_for_privacy_total"]) == (1, 1)
