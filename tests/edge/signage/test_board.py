"""The board: evacuation above everything, the schedule, and a signal at each change."""

import asyncio

from contract.signage import Manifest, Slot
from edge.ports import ActiveFire
from edge.signage.board import Board
from edge.signage.live import LiveBays
from runtime.clock import ManualClock
from tests.edge.signage.contents import file_ref, manifest

FIRE = ActiveFire(since_unix_ms=5, event_id="e" * 32, device="parking-1", zone="c", camera="cam-1")


class Shown:
    """A board with what stands behind it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.manifest: Manifest | None = None
        self.bays = LiveBays()
        self.is_fed = True
        self.board = Board(
            "jungang",
            {"screen-1": "b"},
            manifest=lambda: self.manifest,
            bays=self.bays,
            is_fed=lambda: self.is_fed,
            clock=self.clock,
        )


def test_with_nothing_it_is_standby_and_says_why() -> None:
    state = Shown().board.state("screen-1")
    assert (state.market, state.zone, state.items, state.fires, state.generation) == ("jungang", "b", (), (), 0)
    assert "standby" in state.why


def test_items_come_with_the_address_of_their_picture() -> None:
    shown = Shown()
    shown.manifest = manifest(3, b"picture")
    state = shown.board.state("screen-1")
    assert (state.generation, state.playlist) == (3, "day")
    assert state.items[0].picture == f"/files/{file_ref(b'picture').sha256}"
    assert "slot always" in state.why


def test_a_fire_is_there_beside_the_playlist_and_wins_the_why() -> None:
    shown = Shown()
    shown.manifest = manifest(3)
    shown.board.show_fires((FIRE,))
    state = shown.board.state("screen-1")
    assert [fire.zone for fire in state.fires] == ["c"]
    assert state.why.startswith("1 active fires: evacuation")
    shown.board.show_fires(())
    assert shown.board.state("screen-1").fires == ()


async def test_every_page_wakes_when_the_alarm_changes() -> None:
    board = Shown().board
    pages = [asyncio.create_task(board.wait(30.0)) for _ in range(3)]
    await asyncio.sleep(0)
    board.show_fires((FIRE,))
    async with asyncio.timeout(0.2):
        await asyncio.gather(*pages)


async def test_a_wait_ends_by_itself_so_that_a_page_knows_that_the_agent_lives() -> None:
    async with asyncio.timeout(2.0):
        await Shown().board.wait(0.01)


async def test_a_slot_that_begins_wakes_the_pages() -> None:
    shown = Shown()
    whole = manifest(1)
    begins = shown.clock.unix_ms() + 60_000
    late = Slot(slot="late", playlist="day", valid_from_unix_ms=begins)
    shown.manifest = whole.model_copy(update={"slots": (late,)})
    shown.board.follow_schedule()
    page = asyncio.create_task(shown.board.wait(30.0))
    await asyncio.sleep(0)
    shown.clock.advance(59)
    shown.board.follow_schedule()
    assert shown.board.state("screen-1").items == ()
    await asyncio.sleep(0)
    assert not page.done()
    shown.clock.advance(1)
    shown.board.follow_schedule()
    async with asyncio.timeout(0.2):
        await page
    assert len(shown.board.state("screen-1").items) == 1
