"""From the outbox to the stores: window, order, resend, history."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from contract.access import DeviceIdentity
from contract.catalog import topic_for
from contract.delivery import Delivered
from contract.events import FireEvent, Phase
from contract.telemetry import BayBatch, BayReading, BayState
from contract.topics import Topic, TopicFilter
from edge.delivery import Delivery, DeliveryRules
from runtime.clock import ManualClock
from tests.eventually import eventually_async
from transport.memory_bus import MemoryBus
from transport.sqlite_outbox import SqliteOutbox

RULES = DeliveryRules(telemetry_window=4, alarm_window=2, look_again_s=0.01)
IDENTITY = DeviceIdentity("jungang", "parking-1")


class Rig:
    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.outbox = SqliteOutbox(folder / "outbox.db", bytes_max=10_000_000, clock=self.clock)
        self.bus = MemoryBus()
        self.session = self.bus.session(IDENTITY.username)
        self.centre = self.bus.session("centre")
        self.batches: list[BayBatch] = []
        self.fires: list[FireEvent] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.centre.subscribe(TopicFilter(channel="telemetry", name="bays"), BayBatch, self._on_batch)
        self.centre.subscribe(TopicFilter(channel="event", name="fire"), FireEvent, self._on_fire)
        self.delivery = Delivery(self.outbox, self.session, IDENTITY, self.clock, RULES)

    def put_bays(self, count: int = 1) -> list[int]:
        reading = BayReading(
            time_unix_ms=self.clock.unix_ms(), bay="a-01", state=BayState.FREE, confidence=1.0, since_unix_ms=0
        )
        topic = topic_for("jungang", "parking-1", BayBatch)
        return [
            self.outbox.put(topic, lambda epoch, seq: BayBatch(epoch=epoch, seq=seq, readings=(reading,)), alarm=False)
            for _ in range(count)
        ]

    def put_fire(self) -> int:
        def build(epoch: str, seq: int) -> FireEvent:
            return FireEvent(
                epoch=epoch,
                seq=seq,
                event_id=uuid.uuid4().hex,
                time_unix_ms=self.clock.unix_ms(),
                phase=Phase.RAISED,
                zone="b",
                camera="cam-1",
                score=0.9,
                first_seen_unix_ms=1,
                decided_unix_ms=2,
            )

        return self.outbox.put(topic_for("jungang", "parking-1", FireEvent), build, alarm=True)

    @property
    def sent_bays(self) -> list[int]:
        return [batch.seq for batch in self.batches]

    @property
    def sent_fires(self) -> list[int]:
        return [event.seq for event in self.fires]

    async def confirm(self, epoch: str, *seqs: int, store: Literal["readings", "incidents"] = "readings") -> None:
        topic = Topic("jungang", "parking-1", "ack", "delivered")
        await self.centre.publish(topic, Delivered(epoch=epoch, seqs=seqs, store=store))

    async def _on_batch(self, _topic: Topic, batch: BayBatch) -> None:
        self.batches.append(batch)

    async def _on_fire(self, _topic: Topic, fire: FireEvent) -> None:
        self.fires.append(fire)

    def connect(self) -> None:
        self._tasks.append(asyncio.create_task(self.session.run()))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._tasks = [asyncio.create_task(one.run()) for one in (self.centre, self.delivery)]
        await eventually_async(lambda: self.centre.connected)
        yield
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self.outbox.close()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    async with made.running():
        yield made


async def test_nothing_is_sent_without_a_line_and_everything_after(rig: Rig) -> None:
    seqs = rig.put_bays(3)
    assert not rig.sent_bays

    rig.connect()

    await eventually_async(lambda: rig.sent_bays == seqs)


async def test_at_most_a_window_is_on_its_way_and_confirmations_move_it(rig: Rig) -> None:
    seqs = rig.put_bays(10)
    rig.connect()
    await eventually_async(lambda: rig.sent_bays == seqs[:4])

    await rig.confirm(rig.outbox.epoch, *seqs[:4])

    await eventually_async(lambda: rig.sent_bays == seqs[:8])
    await rig.confirm(rig.outbox.epoch, *seqs[4:8])
    await eventually_async(lambda: len(rig.sent_bays) == 10)
    await rig.confirm(rig.outbox.epoch, *seqs[8:])
    await eventually_async(lambda: rig.outbox.status().rows == 0)


async def test_an_alarm_overtakes_a_backlog_that_nobody_takes(rig: Rig) -> None:
    rig.put_bays(50)
    rig.connect()
    await eventually_async(lambda: len(rig.sent_bays) == 4)

    fire = rig.put_fire()
    rig.delivery.wake()

    await eventually_async(lambda: rig.sent_fires == [fire])


async def test_an_event_needs_the_incident_store(rig: Rig) -> None:
    fire = rig.put_fire()
    rig.connect()
    await eventually_async(lambda: rig.sent_fires == [fire])

    await rig.confirm(rig.outbox.epoch, fire, store="readings")
    await rig.confirm("f" * 16, fire, store="incidents")
    assert rig.outbox.status().rows == 1

    await rig.confirm(rig.outbox.epoch, fire, store="incidents")
    await eventually_async(lambda: rig.outbox.status().rows == 0)


async def test_what_is_not_confirmed_is_sent_again_with_growing_patience(rig: Rig) -> None:
    (seq,) = rig.put_bays()
    rig.connect()
    await eventually_async(lambda: rig.sent_bays == [seq])

    rig.clock.advance(RULES.resend_after_s + 0.1)
    await eventually_async(lambda: rig.sent_bays == [seq] * 2)
    rig.clock.advance(RULES.resend_after_s + 0.1)  # not yet: it waits twice as long now
    rig.put_bays()
    await eventually_async(lambda: len(rig.sent_bays) == 3)
    assert rig.sent_bays.count(seq) == 2
    rig.clock.advance(RULES.resend_after_s + 0.1)
    await eventually_async(lambda: rig.sent_bays.count(seq) == 3)


async def test_after_a_reconnect_all_that_is_unconfirmed_is_sent_again_in_order(rig: Rig) -> None:
    seqs = rig.put_bays(3)
    rig.connect()
    await eventually_async(lambda: rig.sent_bays == seqs)
    await rig.confirm(rig.outbox.epoch, seqs[0])

    await eventually_async(lambda: rig.outbox.status().rows == 2)
    rig.batches.clear()
    rig.bus.drop(IDENTITY.username)

    await eventually_async(lambda: rig.sent_bays == seqs[1:])


async def test_history_is_marked_as_such_and_fresh_readings_are_not(rig: Rig) -> None:
    rig.put_bays()
    rig.clock.advance(RULES.replayed_after_s + 1)
    rig.put_bays()
    rig.connect()

    await eventually_async(lambda: len(rig.sent_bays) == 2)
    assert [batch.replayed for batch in rig.batches] == [True, False]


async def test_another_epoch_s_confirmation_forgets_nothing(rig: Rig) -> None:
    (seq,) = rig.put_bays()
    rig.connect()
    await eventually_async(lambda: rig.sent_bays == [seq])

    await rig.confirm("f" * 16, seq)
    (later,) = rig.put_bays()
    await eventually_async(lambda: later in rig.sent_bays)
    await rig.confirm(rig.outbox.epoch, later)

    await eventually_async(lambda: [row.seq for row in rig.outbox.pending(0, 10)] == [seq])


async def test_what_an_earlier_run_left_is_sent(tmp_path: Path) -> None:
    first = Rig(tmp_path)
    seqs = first.put_bays(2)
    first.outbox.close()
    second = Rig(tmp_path)
    async with second.running():
        second.connect()

        await eventually_async(lambda: second.sent_bays == seqs)
