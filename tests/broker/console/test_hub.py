"""The hub: every listener gets what concerns it, or is told to start again."""

import pytest

from broker.console.hub import END, RELOAD, Change, Hub, TooManyListenersError


async def test_a_listener_hears_its_market_and_what_concerns_all() -> None:
    hub = Hub()
    with hub.listen("jungang") as mine, hub.listen(None) as every:
        hub.tell(Change("occupancy", "jungang"))
        hub.tell(Change("occupancy", "seomun"))
        hub.tell(Change("link", None))
        assert [one.market for one in mine.drain()] == ["jungang", None]
        assert len(every.drain()) == 3
    assert hub.listeners_count == 0


async def test_one_that_falls_behind_is_told_to_reload_instead_of_half_a_history() -> None:
    hub = Hub(queue_max=3)
    with hub.listen(None) as slow, hub.listen(None) as quick:
        for number in range(5):
            hub.tell(Change("occupancy", None, {"n": number}))
            assert await quick.next(1.0) == Change("occupancy", None, {"n": number})
        assert [one.kind for one in slow.drain()] == [RELOAD, "occupancy"]


async def test_nothing_new_is_none() -> None:
    with Hub().listen(None) as listener:
        assert await listener.next(0.01) is None


async def test_closing_ends_every_stream_even_a_full_or_a_later_one() -> None:
    hub = Hub(queue_max=1)
    with hub.listen("jungang") as full:
        hub.tell(Change("occupancy", "jungang"))
        hub.close()
        assert full.drain()[-1].kind == END
    with hub.listen(None) as late:
        assert (await late.next(1.0) or Change("", None)).kind == END


async def test_no_more_listeners_than_are_served() -> None:
    hub = Hub(listeners_max=1)
    with hub.listen(None), pytest.raises(TooManyListenersError), hub.listen(None):
        pass
