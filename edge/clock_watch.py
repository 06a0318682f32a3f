"""The device clock's keeper: looks once a second, hears the centre in its receipts, and tells people what is wrong."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from contract.access import DeviceIdentity
from contract.delivery import Delivered
from contract.telemetry import Reason
from contract.topics import Topic, TopicFilter
from edge.settling import SettlingOutbox
from edge.timekeeping import DeviceClock
from runtime.errors import RetryableError
from transport.ports import Session

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
ASK_EVERY_S = 10.0

ClockSink = Callable[[Reason | None, str], None]
"""What is wrong with the clock; None when nothing is."""


class ClockWatch:
    """A component. `announce` is awaited once the clock is set: what was said without the time is said again.

    While the clock is not set no telemetry goes out, so no receipt of it brings the central time. The trouble event
    that says so does go out, and its receipt does. One that waited for a link or for the centre comes too late to tell
    the time: then `ask` says the same once more, at most every `ASK_EVERY_S`, and never twice without an answer.
    """

    name = "clock"

    def __init__(
        self,
        clock: DeviceClock,
        outbox: SettlingOutbox,
        *,
        on_clock: ClockSink,
        ask: Callable[[], bool],
        announce: Callable[[], Awaitable[None]],
        skew_ms_max: float,
    ) -> None:
        self._clock = clock
        self._outbox = outbox
        self._on_clock = on_clock
        self._ask = ask
        self._announce = announce
        self._skew_ms_max = skew_ms_max
        self._must_announce = False
        self._must_ask = False
        self._asked_s = float("-inf")
        clock.on_set(self._was_set)

    def listen(self, session: Session, identity: DeviceIdentity) -> None:
        """Hear the receipts."""
        session.subscribe(
            TopicFilter(identity.market, identity.device, "ack", "delivered"), Delivered, self._on_delivered
        )

    async def run(self) -> None:
        """Look, settle, tell, ask, until cancelled."""
        if self._clock.boot_id is not None:
            self._ask()  # what an earlier run raised is not raised again by itself
        while True:
            self._clock.look()
            self._tell()
            if self._clock.owed:
                await self._settle()
            if self._must_announce:
                self._must_announce = False
                await self._announce()
            self._ask_again()
            await asyncio.sleep(LOOK_EVERY_S)

    def _was_set(self, _boot_id: str, _offset_ms: int) -> None:
        self._must_announce = True

    def _tell(self) -> None:
        skew_ms = self._clock.skew_ms
        if self._clock.boot_id is not None:
            self._on_clock(Reason.CLOCK_UNSET, "no time service, no battery clock, no word from the centre yet")
        elif skew_ms is not None and abs(skew_ms) > self._skew_ms_max:
            way = "ahead of" if skew_ms > 0 else "behind"
            self._on_clock(Reason.CLOCK_SKEW, f"{abs(skew_ms) / 1000:.1f} s {way} the central clock")
        else:
            self._on_clock(None, "")

    async def _settle(self) -> None:
        try:
            await asyncio.to_thread(self._outbox.settle)
        except RetryableError as error:
            log.warning("clock.settling_waits", reason=str(error))

    def _ask_again(self) -> None:
        now_s = self._clock.monotonic_s()
        if self._clock.boot_id is None or not self._must_ask or now_s - self._asked_s < ASK_EVERY_S:
            return
        if self._ask():
            self._must_ask, self._asked_s = False, now_s

    async def _on_delivered(self, _topic: Topic, delivered: Delivered) -> None:
        asked_s = self._outbox.asked_s(delivered.epoch, delivered.seqs)
        if delivered.time_unix_ms is not None and asked_s is not None:
            self._clock.heard(delivered.time_unix_ms, asked_s)
        self._must_ask = True
