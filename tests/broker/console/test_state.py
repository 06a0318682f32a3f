"""What is said of a device whose birth has no true time yet."""

import pytest

from broker.console.directory import MarketListing
from broker.console.live import LiveState
from broker.console.state import Moment, devices
from broker.console.views import DeviceView, LinkView
from broker.stores.registry import DeviceRecord
from contract.access import DeviceIdentity
from contract.ids import CLOCK_FLOOR_UNIX_MS
from contract.presence import Presence
from tests.broker.console.conftest import EPOCH, JUNGANG, NOW

SINCE_BOOT_MS = 9_000
MOMENT = Moment(NOW, None, LinkView(state="connected", since_unix_ms=NOW))


def viewed(live: LiveState, state_unix_ms: int | None) -> DeviceView:
    """The device as a page shows it; the registry remembers it from `state_unix_ms`."""
    record = DeviceRecord("jungang", "parking-1", "online", state_unix_ms, EPOCH, "0.1.0", {}, {})
    (view,) = devices(MarketListing(JUNGANG.market, (), (), (), (record,)), live, MOMENT, {})
    return view


def born(time_unix_ms: int) -> LiveState:
    live = LiveState()
    said = Presence(
        state="online", epoch=EPOCH, time_unix_ms=time_unix_ms, agent_version="0.1.0", started_unix_ms=time_unix_ms
    )
    live.note_presence(DeviceIdentity("jungang", "parking-1"), said)
    return live


def test_a_birth_before_the_clock_was_set_is_online_and_of_no_known_age() -> None:
    view = viewed(born(SINCE_BOOT_MS), NOW - 60_000)
    assert (view.presence, view.presence_age_s) == ("online", None)


def test_a_birth_with_the_true_time_has_its_age() -> None:
    view = viewed(born(NOW - 5_000), SINCE_BOOT_MS)
    assert (view.presence, view.presence_age_s) == ("online", 5.0)


@pytest.mark.parametrize(
    ("state_unix_ms", "age_s"),
    [
        (None, None),
        (SINCE_BOOT_MS, None),
        (CLOCK_FLOOR_UNIX_MS - 1, None),
        (CLOCK_FLOOR_UNIX_MS, (NOW - CLOCK_FLOOR_UNIX_MS) / 1000),
        (NOW - 61_000, 61.0),
        (NOW + 5_000, 0.0),
    ],
)
def test_what_the_registry_remembers_has_an_age_if_it_has_a_true_time(
    state_unix_ms: int | None, age_s: float | None
) -> None:
    assert viewed(LiveState(), state_unix_ms).presence_age_s == age_s
