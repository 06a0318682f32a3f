"""Manifests: the schedule shows exactly the notices that are current, at every time."""

from hypothesis import given
from hypothesis import strategies as st

from broker.console.manifest import NOTICES_PER_MARKET_MAX, build_manifest
from broker.stores.notices import Asset, Notice
from contract.access import DeviceIdentity
from contract.schedule import decide
from contract.signage import Manifest
from tests.broker.console.conftest import NOW

PI = DeviceIdentity("jungang", "alley-1")
HOUR_MS = 3_600_000


def notice(number: int, start: int = NOW, end: int | None = None, *, withdrawn: bool = False) -> Notice:
    picture = Asset(f"{number % 3:064x}", "image/png", 10)
    taken = NOW if withdrawn else None
    return Notice(number, "jungang", f"제목 {number}", "", picture, start, end, NOW, "kim", taken)


def build(notices: list[Notice], *, shows_occupancy: bool = True) -> Manifest:
    return build_manifest(PI, 7, notices, shows_occupancy=shows_occupancy, now_unix_ms=NOW, utc_offset_minutes=540)


def shown(manifest: Manifest, at: int) -> list[str]:
    playlist = decide(manifest, at).playlist
    return [] if playlist is None else [item.item for item in playlist.items]


@st.composite
def some_notices(draw: st.DrawFn) -> list[Notice]:
    made = []
    for number in range(1, draw(st.integers(0, NOTICES_PER_MARKET_MAX)) + 1):
        start = NOW + draw(st.integers(-5, 5)) * HOUR_MS
        hours = draw(st.one_of(st.none(), st.integers(1, 8)))
        end = None if hours is None else start + hours * HOUR_MS
        made.append(notice(number, start, end, withdrawn=draw(st.booleans())))
    return made


@given(some_notices(), st.integers(0, 12 * 60), st.booleans())
def test_at_every_time_the_schedule_shows_the_notices_of_that_time(
    notices: list[Notice], minutes: int, shows_occupancy: bool
) -> None:
    at = NOW + minutes * 60_000
    wanted = [f"notice-{one.notice_id}" for one in notices if one.phase(NOW) != "over" and one.phase(at) == "showing"]
    if shows_occupancy:
        wanted.append("occupancy")
    assert shown(build(notices, shows_occupancy=shows_occupancy), at) == wanted


def test_a_device_whose_clock_is_behind_shows_a_new_notice_at_once() -> None:
    assert shown(build([notice(1)]), NOW - HOUR_MS) == ["notice-1", "occupancy"]


def test_only_the_files_of_current_notices_are_named() -> None:
    manifest = build([notice(1), notice(4), notice(2, withdrawn=True), notice(3, NOW - 9, NOW - 1)])
    assert [file.sha256 for file in manifest.files] == [f"{1:064x}"]


def test_a_market_without_bays_and_notices_shows_nothing_of_ours() -> None:
    manifest = build([], shows_occupancy=False)
    assert (manifest.slots, manifest.playlists) == ((), ())
