"""Upkeep of incidents: the days of the settings."""

import pytest
from pydantic import ValidationError

from broker.stores.incident_removal import IncidentRemoval
from broker.stores.incidents import Incidents
from broker.upkeep.incidents import IncidentsRetention
from broker.upkeep.settings import IncidentsSettings
from tests.broker.upkeep.conftest import House
from tests.broker.upkeep.test_stills import DAY_S, burn


def test_closed_incidents_go_after_their_days_and_no_others(house: House) -> None:
    store = Incidents(house.engine, house.clock)
    closed, unseen = burn(house, "jungang", 1), burn(house, "nambu", 2)
    store.acknowledge(closed, "김관리", "console")
    job = IncidentsRetention(IncidentsSettings(days=30), IncidentRemoval(house.engine), house.clock, house.progress)
    house.clock.advance(30 * DAY_S)
    assert not job.step()
    house.clock.advance(1)
    assert job.step()
    assert not job.step()
    assert [one.incident_id for one in store.open_and_recent()] == [unseen]
    assert house.progress.counters()["incidents_removed_total"] == 1


def test_two_years_is_the_default_and_less_than_a_month_is_refused() -> None:
    assert IncidentsSettings().days == 730
    with pytest.raises(ValidationError, match="greater than or equal to 30"):
        IncidentsSettings(days=29)
