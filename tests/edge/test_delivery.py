"""From the outbox to the stores: window, order, resend, history."""

import asyncio
import contextlib
import dataclasses
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Literal

import pytest

from contract.access import DeviceIdentity
from contract.catalog import topic_for
from contract.delivery import Delivered
from contract.events import FireEvent, Phase
from contract.telemetry import BayBatch, BayReading, BayState, GapBatch, GapCause
from contract.topics import Topic, TopicFilter
from edge.delivery import Delivery, DeliveryRules
from runtime.clock import ManualClock
from tests.eventually import eventually_async
from transport.memory_bus import MemoryBus
from transport.sqlite_outbox import SqliteOutbox

RULES = DeliveryRules(
    telemetry_window=4, alarm_window=2, look_again_s=0.01, backlog_delay_s_max=0.0, forget_after_s=0.0
)
IDENTITY = DeviceIdentity("jungang", "parking-1")


class Rig:
    def __init__(self, folder: Path, rules: DeliveryRules = RULES) -> None:
        self.clock = ManualClock()
        self.outbox = SqliteOutbox(folder / "outbox.db", bytes_max=10_000_000, clock=self.clock)
        self.bus = MemoryBus()
        self.session = self.bus.session(IDENTITY.username)
        self.centre = self.bus.session("centre")
        self.batches: list[BayBatch] = []
        self.fires: list[FireEvent] = []
        self.gaps: list[GapBatch] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.centre.subscribe(TopicFilter(channel="telemetry", name="bays"), BayBatch, self._on_batch)
        self.centre.subscribe(TopicFilter(channel="event", name="fire"), FireEvent, self._on_fire)
        self.centre.subscribe(TopicFilter(channel="telemetry", name="gaps"), GapBatch, self._on_gaps)
        self.delivery = Delivery(self.outbox, self.session, IDENTITY, self.clock, rules, Random(1))

    def put_bays(self, count: int = 1, boot_id: str | None = None) -> list[int]:
        reading = BayReading(
            time_unix_ms=self.clock.unix_ms(), bay="a-01", state=BayState.FREE, confidence=1.0, since_unix_ms=0
        )
        topic = topic_for("jungang", "parking-1", BayBatch)
        return [
            self.outbox.put(
                topic,
                lambda epoch, seq: BayBatch(epoch=epoch, seq=seq, readings=(reading,)),
                alarm=False,
                boot_id=boot_id,
            )
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

    async def _on_gaps(self, _topic: Topic, batch: GapBatch) -> None:
        self.gaps.append(batch)

    async def pass_seconds(self, seconds: int) -> None:
        """Let time pass as the delivery sees it, in steps that it can follow."""
        for _ in range(seconds * 4):
            self.clock.advance(0.25)
            await self._two_rounds()

    async def _two_rounds(self) -> None:
        rounds = self.delivery.rounds_count
        self.delivery.wake()
        await eventually_async(lambda: self.delivery.rounds_count >= rounds + 2, every_s=0.001)

    async def sent(self, *seqs: int) -> None:
        await eventually_async(lambda: set(seqs) <= set(self.sent_bays))

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


async def test_a_store_that_is_only_slow_gets_one_row_again_and_the_next_when_that_is_confirmed(rig: Rig) -> None:
    seqs = rig.put_bays(3)
    rig.connect()
    await eventually_async(lambda: rig.sent_bays == seqs)

    rig.clock.advance(RULES.resend_after_s + 0.1)
    await eventually_async(lambda: rig.sent_bays == [*seqs, seqs[0]])
    rounds = rig.delivery.rounds_count
    await eventually_async(lambda: rig.delivery.rounds_count > rounds + 3)
    assert rig.sent_bays == [*seqs, seqs[0]]

    await rig.confirm(rig.outbox.epoch, seqs[0])
    await eventually_async(lambda: rig.sent_bays == [*seqs, seqs[0], seqs[1]])


async def test_what_a_later_receipt_has_overtaken_is_sent_again_together(rig: Rig) -> None:
    rig.connect()
    seqs: list[int] = []
    while len(seqs) < 3:
        seqs.extend(rig.put_bays())
        await eventually_async(lambda: rig.sent_bays == seqs)
        rig.clock.advance(1.0)
    await rig.confirm(rig.outbox.epoch, seqs[2])

    rig.clock.advance(RULES.resend_after_s)
    await eventually_async(lambda: sorted(rig.sent_bays[3:]) == seqs[:2])


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
    assert {batch.seq: batch.replayed for batch in rig.batches} == {1: True, 2: False}


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


# --- after an outage


async def test_after_an_outage_what_is_live_goes_before_what_is_history(rig: Rig) -> None:
    old = rig.put_bays(8)
    rig.clock.advance(3600)
    live = rig.put_bays(3)
    rig.connect()

    await eventually_async(lambda: set(live) <= set(rig.sent_bays))
    assert rig.sent_bays[:3] == live or rig.sent_bays[:4] == [*live, old[0]]
    await rig.confirm(rig.outbox.epoch, *live)
    await rig.pass_seconds(2)
    await eventually_async(lambda: len(rig.sent_bays) == 11)
    sent_old = [batch for batch in rig.batches if batch.seq in old]
    assert [batch.seq for batch in sent_old] == old, "oldest first"
    assert all(batch.replayed for batch in sent_old)
    assert not any(batch.replayed for batch in rig.batches if batch.seq in live)


async def test_a_backlog_drains_at_its_pace_and_live_rows_overtake_it(rig: Rig) -> None:
    old = rig.put_bays(60)
    rig.clock.advance(3600)
    rig.connect()
    await eventually_async(lambda: len(rig.sent_bays) == 1)

    for _ in range(4):
        (live,) = rig.put_bays()
        await rig.pass_seconds(1)
        await rig.sent(live)
        await rig.confirm(rig.outbox.epoch, *rig.sent_bays)

    drained = [seq for seq in rig.sent_bays if seq in old]
    assert drained == old[: len(drained)]
    assert 19 <= len(drained) <= 22, "five a second"


async def test_backlogs_of_many_devices_begin_at_different_times(tmp_path: Path) -> None:
    rules = dataclasses.replace(RULES, backlog_delay_s_max=20.0)
    rig = Rig(tmp_path, rules)
    rig.put_bays(5)
    rig.clock.advance(3600)
    async with rig.running():
        (live,) = rig.put_bays()
        rig.connect()
        await eventually_async(lambda: rig.sent_bays == [live])
        delay_s = Random(1).uniform(0.0, 20.0)
        await rig.pass_seconds(int(delay_s) - 1)
        assert rig.sent_bays == [live], "it waits for its own moment"
        await rig.pass_seconds(3)
        await eventually_async(lambda: rig.sent_bays[1:3] == [1, 2])


async def test_a_live_row_that_waits_too_long_for_room_becomes_history(rig: Rig) -> None:
    rig.put_bays(4)
    rig.connect()
    await eventually_async(lambda: len(rig.sent_bays) == 4)
    waited = rig.put_bays(10)
    rig.clock.advance(RULES.replayed_after_s + 1)
    fresh = rig.put_bays(2)

    await rig.confirm(rig.outbox.epoch, 1, 2, 3, 4)

    await eventually_async(lambda: set(fresh) <= set(rig.sent_bays))
    assert len(set(waited) & set(rig.sent_bays)) <= 6, "paced, not let loose"
    await rig.confirm(rig.outbox.epoch, *fresh)
    await rig.pass_seconds(3)
    await eventually_async(lambda: set(waited) <= set(rig.sent_bays))
    assert all(batch.replayed for batch in rig.batches if batch.seq in waited)


async def test_an_alarm_of_the_outage_is_not_held_by_pace_or_delay(tmp_path: Path) -> None:
    rig = Rig(tmp_path, dataclasses.replace(RULES, backlog_delay_s_max=1000.0))
    fire = rig.put_fire()
    rig.put_bays(50)
    rig.clock.advance(3600)
    async with rig.running():
        rig.connect()
        await eventually_async(lambda: rig.sent_fires == [fire])
        assert not rig.sent_bays


async def test_gap_records_are_said_at_every_connect_and_once_a_minute(rig: Rig) -> None:
    now = rig.clock.unix_ms()
    rig.outbox.note_lost(7, now, now, GapCause.MEMORY_FULL)
    rig.connect()
    await eventually_async(lambda: len(rig.gaps) == 1)
    assert (rig.gaps[0].readings[0].readings_count, rig.gaps[0].replayed) == (7, False)

    await rig.confirm(rig.outbox.epoch, rig.gaps[0].seq)
    await eventually_async(lambda: rig.outbox.status().rows == 0)
    rig.outbox.note_lost(8, now, now, GapCause.MEMORY_FULL)
    await rig.pass_seconds(5)
    assert len(rig.gaps) == 1
    rig.clock.advance(60)
    await eventually_async(lambda: len(rig.gaps) == 2)


async def test_what_was_stored_without_a_clock_is_sent_once_it_has_its_time(rig: Rig) -> None:
    offset_ms = rig.clock.unix_ms()
    rig.clock.jump(-offset_ms / 1000)
    early = rig.put_bays(2, boot_id="boot")
    rig.connect()
    fire = rig.put_fire()
    rig.delivery.wake()
    await eventually_async(lambda: rig.sent_fires == [fire])
    await rig.pass_seconds(5)
    assert not rig.sent_bays

    rig.clock.jump(offset_ms / 1000)
    (live,) = rig.put_bays()
    rig.outbox.settle_clock("boot", offset_ms)
    await rig.pass_seconds(3)
    await eventually_async(lambda: set(rig.sent_bays) == {*early, live})
    assert {batch.readings[0].time_unix_ms for batch in rig.batches if batch.seq in early} == {offset_ms}


async def test_confirmed_rows_are_forgotten_together_and_none_is_sent_twice(tmp_path: Path) -> None:
    rig = Rig(tmp_path, dataclasses.replace(RULES, forget_after_s=2.0))
    async with rig.running():
        rig.connect()
        seqs = rig.put_bays(3)
        await eventually_async(lambda: rig.sent_bays == seqs)
        await rig.confirm(rig.outbox.epoch, *seqs)
        await rig.pass_seconds(1)
        assert rig.outbox.status().rows == 3, "not each by itself"
        rig.bus.drop(IDENTITY.username)
        await eventually_async(lambda: rig.outbox.status().rows == 0, what="at a reconnect they go first")
        seqs += rig.put_bays()
        await eventually_async(lambda: rig.sent_bays == seqs)
        await rig.confirm(rig.outbox.epoch, seqs[-1])
        await rig.pass_seconds(3)
        assert rig.outbox.status().rows == 0
        assert rig.sent_bays == seqs
        last = rig.put_bays()
        await eventually_async(lambda: rig.sent_bays == [*seqs, *last])
        await rig.confirm(rig.outbox.epoch, *last)
        await rig.pass_seconds(1)
    again = SqliteOutbox(tmp_path / "outbox.db", bytes_max=10_000_000)
    assert again.status().rows == 0, "at the end, too"
    again.close()
