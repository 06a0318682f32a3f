"""The town: markets with their managers in a central state, and one publisher that raises fires as their devices would.

Each market has at most as many fires as have messages of their own: a storm would be told in fewer words.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import Engine

from broker.alerts.storm_control import OWN_MESSAGES_MAX
from broker.stores.registry import MarketEntry, Named, Recipient, Registry
from contract.access import DeviceIdentity
from contract.catalog import topic_for
from contract.delivery import Delivered
from contract.events import FireEvent, Phase
from contract.topics import Topic, TopicFilter
from runtime.clock import SystemClock
from transport.mqtt_session import MqttSession
from transport.ports import NotConnectedError, PublishTimeoutError

DEVICE = "fire-1"
EPOCH = "c4a5c4a5c4a5c4a5"
MANAGERS_MAX = 2
FIRST_WORD = "[화재]"
RESEND_AFTER_S = 5.0
LOOK_S = 0.5

_ALARM = re.compile(r"z(\d+)구역")


def market_of(alarm: int) -> int:
    """In which market an alarm is."""
    return alarm // OWN_MESSAGES_MAX


def managers(market: int) -> tuple[str, ...]:
    """The telephones of a market's managers: one or two."""
    return tuple(f"010{market:06}{number:02}" for number in range(1 + market % MANAGERS_MAX))


def expected(alarms: int) -> frozenset[tuple[int, str]]:
    """Roster times incidents: (alarm, telephone) of every first word that has to arrive."""
    return frozenset((alarm, phone) for alarm in range(alarms) for phone in managers(market_of(alarm)))


def alarm_in(text: str) -> int | None:
    """Which alarm's first word this is; `None` for whatever else people are told."""
    found = _ALARM.search(text)
    return int(found[1]) if found is not None and text.startswith(FIRST_WORD) else None


def enrol_town(engine: Engine, alarms: int) -> None:
    """As many markets as the alarms need."""
    for market in range(market_of(alarms - 1) + 1):
        people = tuple(Recipient(f"관리{number}", phone) for number, phone in enumerate(managers(market)))
        names = Named(f"m{market}", f"시장{market}", f"Market {market}")
        Registry(engine).enrol(MarketEntry(names, devices=(DEVICE,), recipients=people))


def identities(alarms: int) -> tuple[DeviceIdentity, ...]:
    """Every device of the town."""
    return tuple(DeviceIdentity(f"m{market}", DEVICE) for market in range(market_of(alarms - 1) + 1))


@dataclass(slots=True)
class Publisher:
    """Raises fires and keeps each until it is confirmed, as a device's outbox does."""

    session: MqttSession
    clock: SystemClock = field(default_factory=SystemClock)
    unconfirmed: dict[int, float] = field(default_factory=dict)
    events: dict[int, FireEvent] = field(default_factory=dict)
    confirmed_s: dict[int, float] = field(default_factory=dict)
    resent: int = 0

    def __post_init__(self) -> None:
        self.session.subscribe(TopicFilter(None, None, "ack", "delivered"), Delivered, self._confirmed)

    async def raise_all(
        self, alarms: Sequence[int], *, per_s: float, open_max: int, acknowledged: Callable[[], int]
    ) -> None:
        """Raise these at that rate, with at most so many unacknowledged; return when the last one is confirmed."""
        resending = asyncio.create_task(self._resend())
        try:
            for raised, alarm in enumerate(alarms):
                while raised - acknowledged() >= open_max:  # noqa: ASYNC110 — people in another thread change it
                    await asyncio.sleep(0.05)
                self.events[alarm] = self._fire(alarm)
                await self._send(alarm)
                await asyncio.sleep(1 / per_s)
            while self.unconfirmed:  # noqa: ASYNC110 — resending and receipts change it
                await asyncio.sleep(0.05)
        finally:
            resending.cancel()
            with suppress(asyncio.CancelledError):
                await resending

    def _fire(self, alarm: int) -> FireEvent:
        now = self.clock.unix_ms()
        return FireEvent(
            epoch=EPOCH,
            seq=alarm + 1,
            event_id=f"{alarm + 1:032x}",
            time_unix_ms=now,
            phase=Phase.RAISED,
            zone=f"z{alarm}",
            camera="cam-1",
            score=0.9,
            first_seen_unix_ms=now - 900,
            decided_unix_ms=now,
        )

    async def _send(self, alarm: int) -> None:
        self.unconfirmed[alarm] = self.clock.monotonic_s()
        topic = topic_for(f"m{market_of(alarm)}", DEVICE, FireEvent)
        with suppress(NotConnectedError, PublishTimeoutError):
            await self.session.publish(topic, self.events[alarm])

    async def _confirmed(self, _topic: Topic, receipt: Delivered) -> None:
        for seq in receipt.seqs:
            self.unconfirmed.pop(seq - 1, None)
            self.confirmed_s.setdefault(seq - 1, self.clock.monotonic_s())

    async def _resend(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            now_s = self.clock.monotonic_s()
            for alarm in [one for one, sent_s in self.unconfirmed.items() if now_s - sent_s > RESEND_AFTER_S]:
                self.resent += 1
                await self._send(alarm)


def roster(alarms: int) -> Mapping[int, tuple[str, ...]]:
    """Who has to be told of each alarm."""
    return {alarm: managers(market_of(alarm)) for alarm in range(alarms)}
