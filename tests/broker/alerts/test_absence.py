from broker.alerts.absence import absences, differences
from broker.stores.registry import DeviceRecord
from contract.events import Phase

NOW = 1_795_000_000_000


def device(name: str, state: str, since_s: float | None) -> DeviceRecord:
    since = None if since_s is None else int(NOW - since_s * 1000)
    return DeviceRecord("jungang", name, state, since, None, None, {}, {})


def test_only_who_was_there_and_stays_away_is_absent() -> None:
    devices = (
        device("away", "offline", 101),
        device("just-gone", "offline", 99),
        device("here", "online", 5000),
        device("never-came", "unknown", None),
    )
    assert [one.device for one in absences(devices, NOW, 100.0).values()] == ["away"]


def test_an_absence_is_raised_once_and_cleared_when_it_is_over() -> None:
    away = absences([device("away", "offline", 200)], NOW, 100.0)
    (raised,) = differences(away, (), NOW)
    assert (raised.phase, raised.kind, raised.severity) == (Phase.RAISED, "device-offline-away", "trouble")
    known = [("jungang", "away", raised.event_id)]
    assert differences(away, known, NOW) == ()
    (cleared,) = differences({}, known, NOW + 5000)
    assert (cleared.phase, cleared.event_id, cleared.time_unix_ms) == (Phase.CLEARED, raised.event_id, NOW + 5000)


def test_going_again_is_another_absence() -> None:
    first = absences([device("away", "offline", 500)], NOW, 100.0)
    second = absences([device("away", "offline", 150)], NOW, 100.0)
    effects = differences(second, [("jungang", "away", next(iter(first)))], NOW)
    assert [one.phase for one in effects] == [Phase.RAISED, Phase.CLEARED]
