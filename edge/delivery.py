"""From the outbox to the stores: published in a bounded window, alarms first, sent again until a store confirms."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from contract.access import DeviceIdentity
from contract.catalog import UnknownChannelError, channel_of
from contract.delivery import Delivered
from contract.payload import BadPayloadError, Payload
from contract.telemetry import Batch
from contract.topics import Topic, TopicFilter
from runtime.clock import Clock
from runtime.errors import FatalError, RetryableError
from transport.ports import Outbox, OutboxRow, Session

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """The window and the patience of a device.

    What no store has confirmed after `resend_after_s` is sent again, then after twice that, up to `resend_after_s_max`:
    while ingest is down the broker holds what was sent, and copies would only pile up there.
    """

    telemetry_window: int = 64
    alarm_window: int = 16
    resend_after_s: float = 15.0
    resend_after_s_max: float = 600.0
    replayed_after_s: float = 30.0
    look_again_s: float = 1.0


@dataclass(slots=True)
class _Flight:
    """A row that has been sent, or is being sent, and is not confirmed by its store."""

    row: OutboxRow
    due_s: float
    wait_s: float
    sending: bool = True


@dataclass(slots=True)
class _Lane:
    """Rows of one urgency: how far the outbox was read, and what is on its way."""

    alarms: bool
    window: int
    read_to_seq: int = 0
    flights: dict[int, _Flight] = field(default_factory=dict)

    @property
    def room(self) -> int:
        return self.window - len(self.flights)


class Delivery:
    """Publishes the outbox oldest first, events in a lane of their own so that a backlog never holds an alarm.

    A batch older than `replayed_after_s` when it is sent is marked `replayed`: history, not the live state. After a
    reconnect everything unconfirmed is sent again; stores take a number once however often it comes.
    """

    name = "delivery"

    def __init__(
        self,
        outbox: Outbox,
        session: Session,
        identity: DeviceIdentity,
        clock: Clock,
        rules: DeliveryRules | None = None,
    ) -> None:
        self._outbox = outbox
        self._session = session
        self._clock = clock
        self._rules = rules or DeliveryRules()
        self._lanes = (
            _Lane(alarms=True, window=self._rules.alarm_window),
            _Lane(alarms=False, window=self._rules.telemetry_window),
        )
        self._epoch = outbox.epoch
        self._restarts = 0
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        session.subscribe(
            TopicFilter(identity.market, identity.device, "ack", "delivered"), Delivered, self._on_delivered
        )
        session.on_connect(self._on_connect)

    def wake(self) -> None:
        """There is something new in the outbox. From any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Publish until cancelled."""
        self._loop = asyncio.get_running_loop()
        self._restart()
        async with asyncio.TaskGroup() as sending:
            while True:
                self._wake.clear()
                if self._outbox.epoch != self._epoch:
                    self._restart()  # the outbox was corrupt and has begun anew
                if self._session.connected:
                    for lane in self._lanes:
                        self._send_overdue(lane, sending)
                        await self._send_new(lane, sending)
                await self._sleep()

    async def _sleep(self) -> None:
        try:
            async with asyncio.timeout(self._rules.look_again_s):
                await self._wake.wait()
        except TimeoutError:
            return

    def _send_overdue(self, lane: _Lane, sending: asyncio.TaskGroup) -> None:
        now_s = self._clock.monotonic_s()
        for flight in lane.flights.values():
            if not flight.sending and now_s >= flight.due_s:
                flight.sending = True
                flight.wait_s = min(flight.wait_s * 2, self._rules.resend_after_s_max)
                sending.create_task(self._send(lane, flight))

    async def _send_new(self, lane: _Lane, sending: asyncio.TaskGroup) -> None:
        while lane.room > 0:
            restarts = self._restarts
            rows = await self._unsent(lane, lane.room)
            if not rows or restarts != self._restarts:
                return
            lane.read_to_seq = rows[-1].seq
            for row in rows:
                if row.alarm is lane.alarms:
                    flight = lane.flights[row.seq] = _Flight(row, 0.0, self._rules.resend_after_s)
                    sending.create_task(self._send(lane, flight))

    async def _unsent(self, lane: _Lane, limit: int) -> Sequence[OutboxRow]:
        return await asyncio.to_thread(self._outbox.pending, lane.read_to_seq, limit, alarms_only=lane.alarms)

    async def _send(self, lane: _Lane, flight: _Flight) -> None:
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
        finally:
            flight.sending = False
            flight.due_s = self._clock.monotonic_s() + flight.wait_s

    def _payload(self, row: OutboxRow) -> Payload:
        payload = channel_of(row.topic).model.from_bytes(row.body)
        age_s = (self._clock.unix_ms() - row.created_unix_ms) / 1000
        if isinstance(payload, Batch) and age_s > self._rules.replayed_after_s:
            return payload.model_copy(update={"replayed": True})
        return payload

    async def _on_delivered(self, _topic: Topic, delivered: Delivered) -> None:
        await asyncio.to_thread(self._outbox.delivered, delivered.epoch, delivered.seqs, delivered.store)
        if delivered.epoch != self._outbox.epoch:
            return
        lane = self._lanes[0] if delivered.store == "incidents" else self._lanes[1]
        for seq in delivered.seqs:
            lane.flights.pop(seq, None)
        self._wake.set()

    async def _on_connect(self) -> None:
        self._restart()
        self._wake.set()

    def _restart(self) -> None:
        """Begin again at the oldest row: what was on its way may have got lost with its connection."""
        self._epoch = self._outbox.epoch
        self._restarts += 1
        for lane in self._lanes:
            lane.flights.clear()
            lane.read_to_seq = 0
