"""Streams: what changed, within a second; a heartbeat; an end."""

import asyncio
import json
from collections.abc import AsyncIterator

from broker.console.hub import Change
from broker.console.pages import _sections
from broker.console.sections import About
from broker.console.streams import _changes, event
from contract.telemetry import BayState
from tests.broker.console.conftest import NOW, Bench, bay


async def next_of(stream: AsyncIterator[str], name: str, within_s: float = 5.0) -> str:
    """The data of the next event of this name."""

    async def look() -> str:
        async for text in stream:
            for block in text.split("\n\n"):
                lines = block.split("\n")
                if f"event: {name}" in lines:
                    return "\n".join(line.removeprefix("data: ") for line in lines if line.startswith("data: "))
        raise AssertionError(f"the stream ended without {name}")

    return await asyncio.wait_for(look(), within_s)


async def test_the_stream_tells_a_bay_that_changed_and_only_that(bench: Bench) -> None:
    await bench.park(bay("a-01", BayState.FREE, NOW), bay("a-02", BayState.FREE, NOW))
    await bench.until("markets/jungang/occupancy", "free", "bays", 1, "state")
    await bench.console.watch.look("jungang")
    stream = _changes(bench.console, "jungang")
    assert json.loads(await next_of(stream, "hello"))["link"]["state"] == "connected"
    await bench.park(bay("a-01", BayState.OCCUPIED, NOW + 1))
    told = json.loads(await next_of(stream, "occupancy"))
    assert [(one["bay"], one["state"]) for one in told["bays"]] == [("a-01", "occupied")]
    assert told["lots"][0]["free"] == 1
    assert told["market"] == "jungang"


async def test_growing_old_is_told_too(bench: Bench) -> None:
    await bench.park(bay("a-01", BayState.FREE, NOW))
    await bench.until("markets/jungang/occupancy", "free", "bays", 0, "state")
    await bench.console.watch.look("jungang")
    stream = _changes(bench.console, None)
    await next_of(stream, "hello")
    bench.clock.advance(61)
    told = json.loads(await next_of(stream, "occupancy"))
    assert told["bays"][0]["reason"] == "stale"


async def test_an_incident_is_told_when_it_opens_and_when_it_is_acknowledged(bench: Bench) -> None:
    stream = _changes(bench.console, "jungang")
    await next_of(stream, "hello")
    fire = bench.fire()
    assert json.loads(await next_of(stream, "incident"))["id"] == fire
    await bench.api.post(f"/api/v1/incidents/{fire}/acknowledge")
    assert json.loads(await next_of(stream, "incident"))["acknowledged_by"] == "manager"


async def test_a_lost_link_is_told(bench: Bench) -> None:
    stream = _changes(bench.console, "jungang")
    await next_of(stream, "hello")
    bench.bus.go_down()
    assert json.loads(await next_of(stream, "link"))["state"] == "lost"


async def test_a_client_that_falls_behind_is_told_to_reload(bench: Bench) -> None:
    stream = _changes(bench.console, "jungang")
    await next_of(stream, "hello")
    for number in range(300):
        bench.console.hub.tell(Change("devices", "jungang", {"n": number}))
    await next_of(stream, "reload")


async def test_the_end_ends_a_stream(bench: Bench) -> None:
    stream = _changes(bench.console, "jungang")
    await next_of(stream, "hello")
    bench.console.hub.close()
    assert [text async for text in stream] == []


async def test_a_page_stream_sends_every_section_once_and_then_what_changes(bench: Bench) -> None:
    await bench.console.watch.look("jungang")
    stream = _sections(bench.console, About("live", "jungang"), "ko")
    assert "아직 보고 없음" in await next_of(stream, "lots")
    await bench.park(bay("a-01", BayState.OCCUPIED, NOW))
    assert "주차 중" in await next_of(stream, "lots")
    bench.fire()
    assert "화재 발생" in await next_of(stream, "alarm")


async def test_the_clock_comes_without_any_change(bench: Bench) -> None:
    stream = _sections(bench.console, About("bar"), "ko")
    first = await next_of(stream, "clock")
    bench.clock.advance(3)
    assert await next_of(stream, "clock") != first


def test_a_text_of_several_lines_stays_one_event() -> None:
    assert event("lots", "a\nb") == "event: lots\ndata: a\ndata: b\n\n"
    assert event("alarm", "") == "event: alarm\ndata: \n\n"
