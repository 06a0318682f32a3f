"""A fleet's device on a link: its birth, its batches, its receipts. The wire is the light session's own test's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from contract.delivery import Delivered
from contract.presence import Presence
from firmware_sim.fleet.device import FleetDevice
from firmware_sim.fleet.figures import Counters
from firmware_sim.fleet.link import FleetSession, Place
from firmware_sim.fleet.outbox import OutboxRules
from firmware_sim.fleet.plan import FleetPlan
from runtime.backoff import Backoff
from runtime.clock import ManualClock
from tests.eventually import eventually_async
from tests.transport.scripted_broker import ScriptedBroker
from transport import packets
from transport.packet_fields import text
from transport.packets import Kind, publish_of

PLAN = FleetPlan(markets=1, stalls=4, batch=2)


@asynccontextmanager
async def connected(
    broker: ScriptedBroker, clock: ManualClock
) -> AsyncIterator[tuple[FleetSession, FleetDevice, Counters]]:
    async with broker.listening():
        counters = Counters()
        device = FleetDevice(PLAN.fleet[0], 1, OutboxRules(), counters, clock.unix_ms())
        place = Place("127.0.0.1", broker.port, lambda name: (name, "word"))
        session = FleetSession(device, place, counters, clock, Backoff(0.01, 0.02))
        task = asyncio.create_task(session.run())
        try:
            await eventually_async(lambda: session.live or session.refusal is not None, what="an answer")
            yield session, device, counters
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_it_is_born_with_its_name_a_will_and_an_ear_for_receipts() -> None:
    broker = ScriptedBroker()
    async with connected(broker, ManualClock()) as (_, device, counters):
        await eventually_async(lambda: broker.of(Kind.PUBLISH), what="the birth")
        assert counters.connections == 1
    birth = publish_of(broker.of(Kind.PUBLISH)[0])
    hello = broker.of(Kind.CONNECT)[0].body
    assert Presence.from_bytes(birth.body).state == "online"
    assert text(device.plan.identity.username) + text("word") in hello
    assert birth.topic.encode() in hello
    assert device.receipts.encode() in broker.of(Kind.SUBSCRIBE)[0].body


async def test_a_batch_goes_at_once_and_a_refusal_is_counted() -> None:
    broker = ScriptedBroker()
    async with connected(broker, ManualClock()) as (session, _, counters):
        session.round(0)
        await eventually_async(lambda: len(broker.of(Kind.PUBLISH)) == 2, what="birth and batch")
        broker.acknowledge()
        broker.acknowledge(b"\x87")
        await eventually_async(lambda: counters.refused_batches == 1, what="the refusal")


async def test_a_receipt_frees_the_outbox() -> None:
    broker = ScriptedBroker()
    async with connected(broker, ManualClock()) as (session, device, counters):
        session.round(0)
        receipt = Delivered(epoch=device.plan.epoch, seqs=(1,), store="readings")
        broker.say(packets.publish(text("any"), receipt.to_bytes(), 77))
        await eventually_async(lambda: broker.of(Kind.PUBACK), what="a PUBACK")
        assert (device.waiting()[0], counters.receipted) == (0, 2)


async def test_what_was_made_without_a_link_follows_on_the_next() -> None:
    broker, clock = ScriptedBroker(), ManualClock()
    async with connected(broker, clock) as (session, _, counters):
        broker.hang_up()
        await eventually_async(lambda: counters.disconnections == 1, what="the end of the link")
        session.round(0)
        await eventually_async(lambda: broker.connections == 2 and session.live, what="another connection")
        await eventually_async(lambda: len(broker.of(Kind.PUBLISH)) >= 2, what="two births")
        clock.advance(1)
        session.tick(clock.monotonic_s())
        await eventually_async(lambda: len(broker.of(Kind.PUBLISH)) == 3, what="the batch")


async def test_a_refusal_is_kept_in_words() -> None:
    async with connected(ScriptedBroker(b"\x20\x03\0\x86\0"), ManualClock()) as (session, _, _):
        assert session.refusal == "user name or password is wrong"
        assert not session.live
