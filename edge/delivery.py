"""From the outbox to the stores: alarms first, then what is live, then what an outage left; until a store confirms."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from contract.access import DeviceIdentity
from contract.catalog import UnknownChannelError, channel_for, channel_of, topic_for
from contract.delivery import Delivered
from contract.events import ToldEvent
from contract.ids import CLOCK_FLOOR_UNIX_MS, UNIX_MS_MAX
from contract.payload import BadPayloadError, Payload
from contract.telemetry import Batch, GapBatch
from contract.topics import Topic, TopicFilter
from edge.lanes import Flight, Lane, Pace
from runtime.clock import Clock
from runtime.errors import FatalError, RetryableError
from transport.outbox_rules import STORE_OF_CHANNEL
from transport.ports import Outbox, OutboxRow, Session

log = structlog.get_logger(__name__)

IMPOSSIBLE_MAX = 1000
TOLD = channel_for(ToldEvent).name


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """The windows, the patience and the pace of a device.

    What no store has confirmed after `resend_after_s` is sent again, then after twice that, up to `resend_after_s_max`:
    while ingest is down or slow the broker holds what was sent, and copies would only pile up there. So of what no
    later receipt has overtaken one row alone is sent again; of alarms every one.

    What is older than `replayed_after_s` is history. It goes at `backlog_rows_per_s`, several times what a device
    makes (one or two batches a second), so that it catches up; and few enough that a thousand devices that come back
    together (5,000 rows a second, begun within `backlog_delay_s_max` of each other) leave one ingest worker, built for
    7,500 messages a second, room for what is live.

    A confirmed row is deleted with others, `forget_after_s` later at most: each deletion costs the disk a transaction,
    and a crash in between only sends again what its store takes once.
    """

    telemetry_window: int = 64
    alarm_window: int = 64
    backlog_window: int = 32
    backlog_rows_per_s: float = 5.0
    backlog_delay_s_max: float = 20.0
    resend_after_s: float = 15.0
    resend_after_s_max: float = 600.0
    replayed_after_s: float = 30.0
    look_again_s: float = 1.0
    flush_gaps_s: float = 60.0
    forget_after_s: float = 2.0
    forget_rows_max: int = 200


class Delivery:
    """Publishes the outbox in three lanes, so that no backlog ever holds an alarm or what is live.

    Alarms and events go first, oldest first, at no limit but their window. Live rows follow; after a reconnect they
    begin at the first row younger than `replayed_after_s`. All that is older goes oldest first in the backlog's lane,
    marked `replayed`: history, not the live state. It is limited in rows a second and begins after a random delay.

    After a reconnect everything unconfirmed is sent again; stores take a number once however often it comes. Open gap
    ranges become messages at every connect and once a minute.
    """

    name = "delivery"

    def __init__(
        self,
        outbox: Outbox,
        session: Session,
        identity: DeviceIdentity,
        clock: Clock,
        rules: DeliveryRules | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._outbox = outbox
        self._session = session
        self._clock = clock
        self._rules = rules or DeliveryRules()
        self._rng = rng or random.Random()  # noqa: S311 - spreads devices in time, keeps no secret
        self._gaps_topic = topic_for(identity.market, identity.device, GapBatch)
        self._alarms = Lane(self._rules.alarm_window)
        self._live = Lane(self._rules.telemetry_window)
        self._backlog = Lane(self._rules.backlog_window)
        self._pace = Pace(self._rules.backlog_rows_per_s)
        self._backlog_look_s = 0.0
        self._confirmed: dict[str, set[int]] = {store: set() for store in STORE_OF_CHANNEL.values()}
        self._confirmed_s = 0.0
        self._impossible: dict[int, None] = {}
        self._gaps_flushed_s = 0.0
        self._epoch = outbox.epoch
        self._restarts = 0
        self._begun = False
        self._rounds_count = 0
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        session.subscribe(
            TopicFilter(identity.market, identity.device, "ack", "delivered"), Delivered, self._on_delivered
        )
        session.on_connect(self._on_connect)

    @property
    def rounds_count(self) -> int:
        """How often it has looked at everything since the start: it goes on, connected or not, or something hangs."""
        return self._rounds_count

    def wake(self) -> None:
        """There is something new in the outbox. From any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Publish until cancelled; what was confirmed is forgotten before the end."""
        self._loop = asyncio.get_running_loop()
        self._restart()
        try:
            async with asyncio.TaskGroup() as sending:
                while True:
                    self._wake.clear()
                    await self._work(sending)
                    self._rounds_count += 1
                    await self._sleep()
        finally:
            for store, seqs in self._take_confirmed():
                self._outbox.delivered(self._epoch, seqs, store)

    async def _work(self, sending: asyncio.TaskGroup) -> None:
        if self._outbox.epoch != self._epoch:
            self._restart()  # the outbox was corrupt and has begun anew
        await self._forget_confirmed()
        if not self._session.connected:
            return
        if not self._begun:
            await self._begin()
        if not self._begun:
            self._wake.set()  # it was disconnected again meanwhile
            return
        await self._flush_gaps()
        for lane in (self._alarms, self._live, self._backlog):
            self._send_overdue(lane, sending)
        await self._send_alarms(sending)
        await self._send_live(sending)
        await self._send_backlog(sending)

    async def _sleep(self) -> None:
        try:
            async with asyncio.timeout(self._rules.look_again_s):
                await self._wake.wait()
        except TimeoutError:
            return

    # --- what is sent, and when

    async def _begin(self) -> None:
        """Find where live begins, and when the backlog may."""
        restarts, now_s = self._restarts, self._clock.monotonic_s()
        await self._forget_now()
        if not await self._find_live() or restarts != self._restarts:
            return
        self._pace.begin(now_s + self._rng.uniform(0.0, self._rules.backlog_delay_s_max))
        self._backlog_look_s = now_s
        self._gaps_flushed_s = now_s - self._rules.flush_gaps_s
        self._begun = True

    async def _find_live(self) -> bool:
        restarts, now_unix_ms = self._restarts, self._clock.unix_ms()
        since_unix_ms = now_unix_ms - int(self._rules.replayed_after_s * 1000)
        if now_unix_ms < CLOCK_FLOOR_UNIX_MS:
            since_unix_ms = UNIX_MS_MAX  # without a clock nobody knows the age of what an earlier run left
        first_seq = await asyncio.to_thread(self._outbox.first_seq_since, since_unix_ms)
        if restarts == self._restarts:
            self._live.read_to_seq = max(self._live.read_to_seq, first_seq - 1)
        return restarts == self._restarts

    async def _flush_gaps(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._gaps_flushed_s < self._rules.flush_gaps_s:
            return
        self._gaps_flushed_s = now_s
        records = await asyncio.to_thread(self._outbox.flush_gaps, self._gaps_topic)
        if records:
            log.warning("gaps.flushed", records=records)

    def _send_overdue(self, lane: Lane, sending: asyncio.TaskGroup) -> None:
        now_s = self._clock.monotonic_s()
        for flight in lane.overdue(now_s, all_at_once=lane is self._alarms):
            flight.sending, flight.last_sent_s = True, now_s
            flight.wait_s = min(flight.wait_s * 2, self._rules.resend_after_s_max)
            sending.create_task(self._send(lane, flight))

    async def _send_alarms(self, sending: asyncio.TaskGroup) -> None:
        lane = self._alarms
        while rows := await self._read(lane, lane.room, alarms_only=True):
            lane.read_to_seq = rows[-1].seq
            # Whom this device has told itself goes first: the centre then leaves those out when it hears of the fire.
            for row in sorted(rows, key=lambda one: one.topic.name != TOLD):
                self._start(lane, row, sending)

    async def _send_live(self, sending: asyncio.TaskGroup) -> None:
        lane = self._live
        while rows := await self._read(lane, lane.room):
            if any(self._age_s(row) > self._rules.replayed_after_s for row in rows if not row.alarm):
                before_seq = lane.read_to_seq
                await self._find_live()  # they have waited too long for room: the backlog's lane takes them from here
                if lane.read_to_seq != before_seq:
                    continue
            lane.read_to_seq = rows[-1].seq
            for row in rows:
                if not row.alarm:
                    self._start(lane, row, sending)

    async def _send_backlog(self, sending: asyncio.TaskGroup) -> None:
        """Everything before the live lane that is in no flight, oldest first; from the oldest again when it is through.

        Rows can appear there: what was stored without a clock is given when it has its time.
        """
        lane, now_s = self._backlog, self._clock.monotonic_s()
        room = min(lane.room, self._pace.allowed(now_s))
        if room <= 0 or now_s < self._backlog_look_s:
            return
        busy = self._busy()
        rows = await self._read(lane, room + len(busy), before_seq=self._live.read_to_seq + 1)
        if not rows:
            lane.read_to_seq, self._backlog_look_s = 0, now_s + self._rules.look_again_s
        for row in rows:
            if room == 0:
                return
            lane.read_to_seq = row.seq
            if not row.alarm and row.seq not in busy:
                self._start(lane, row, sending)
                self._pace.take()
                room -= 1

    def _busy(self) -> set[int]:
        flying = self._live.flights.keys() | self._backlog.flights.keys()
        return flying | self._impossible.keys() | set().union(*self._confirmed.values())

    async def _read(
        self, lane: Lane, limit: int, *, before_seq: int | None = None, alarms_only: bool = False
    ) -> Sequence[OutboxRow]:
        """Rows after those that the lane has read; none if everything begins again meanwhile."""
        if limit <= 0:
            return ()
        restarts = self._restarts
        rows = await asyncio.to_thread(
            self._outbox.pending, lane.read_to_seq, limit, before_seq=before_seq, alarms_only=alarms_only
        )
        return rows if restarts == self._restarts else ()

    def _start(self, lane: Lane, row: OutboxRow, sending: asyncio.TaskGroup) -> None:
        now_s = self._clock.monotonic_s()
        flight = lane.flights[row.seq] = Flight(row, 0.0, self._rules.resend_after_s, now_s, now_s)
        sending.create_task(self._send(lane, flight))

    async def _send(self, lane: Lane, flight: Flight) -> None:
        row = flight.row
        try:
            await self._session.publish(row.topic, self._payload(row))
        except RetryableError as error:
            log.debug("delivery.not_sent", seq=row.seq, reason=str(error))
            flight.wait_s = self._rules.resend_after_s
        except (FatalError, UnknownChannelError, BadPayloadError):
            # Kept in the outbox for a person to look at; it holds no place in the window.
            log.exception("delivery.impossible", seq=row.seq, topic=str(row.topic))
            lane.flights.pop(row.seq, None)
            self._impossible[row.seq] = None
            if len(self._impossible) > IMPOSSIBLE_MAX:
                del self._impossible[next(iter(self._impossible))]
        finally:
            flight.sending = False
            flight.due_s = self._clock.monotonic_s() + flight.wait_s

    def _payload(self, row: OutboxRow) -> Payload:
        payload = channel_of(row.topic).model.from_bytes(row.body)
        # A row from after now is from before the clock was set back or lost: nobody knows that it is live.
        if isinstance(payload, Batch) and abs(self._age_s(row)) > self._rules.replayed_after_s:
            return payload.model_copy(update={"replayed": True})
        return payload

    def _age_s(self, row: OutboxRow) -> float:
        return (self._clock.unix_ms() - row.created_unix_ms) / 1000

    # --- what is confirmed

    async def _on_delivered(self, _topic: Topic, delivered: Delivered) -> None:
        if delivered.epoch != self._epoch:
            return
        if not any(self._confirmed.values()):
            self._confirmed_s = self._clock.monotonic_s()
        self._confirmed[delivered.store].update(delivered.seqs)
        for lane in (self._alarms, self._live, self._backlog):
            for seq in delivered.seqs:
                flight = lane.flights.get(seq)
                if flight is not None and STORE_OF_CHANNEL[flight.row.topic.channel] == delivered.store:
                    lane.confirmed(seq)
        self._wake.set()

    async def _forget_confirmed(self) -> None:
        count = sum(map(len, self._confirmed.values()))
        waited_s = self._clock.monotonic_s() - self._confirmed_s
        if count < self._rules.forget_rows_max and waited_s < self._rules.forget_after_s:
            return
        await self._forget_now()

    async def _forget_now(self) -> None:
        epoch = self._epoch
        for store, seqs in self._take_confirmed():
            await asyncio.to_thread(self._outbox.delivered, epoch, seqs, store)

    def _take_confirmed(self) -> list[tuple[str, list[int]]]:
        taken = [(store, sorted(seqs)) for store, seqs in self._confirmed.items() if seqs]
        self._confirmed = {store: set() for store in self._confirmed}
        return taken

    async def _on_connect(self) -> None:
        self._restart()
        self._wake.set()

    def _restart(self) -> None:
        """Begin again: what was on its way may have got lost with its connection. What is confirmed stays so."""
        if self._epoch != self._outbox.epoch:
            self._epoch = self._outbox.epoch
            self._take_confirmed()
        self._restarts += 1
        self._begun = False
        self._impossible.clear()
        for lane in (self._alarms, self._live, self._backlog):
            lane.flights.clear()
            lane.read_to_seq = 0
