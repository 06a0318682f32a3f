"""The device process: `python -m benchmarks.faults.device PLAN.json`; several devices on the real edge path.

Recorder → SqliteOutbox → Delivery → MqttSession are the agent's own. In place of sensors stands a generator that
numbers its readings and writes each into a journal before it reports it.
"""

import asyncio
import contextlib
import json
import os
import random
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.faults.journal import Alarm, Held, Journal, Made, read_journal
from benchmarks.faults.machine import NS_PER_MS, FaultyMachine
from benchmarks.faults.plans import HOUR, ZONE, DevicePlan, DeviceStatus, Order, ProcessPlan, ProcessStatus
from contract.events import FireEvent, Phase, TroubleEvent
from contract.payload import Payload
from contract.telemetry import GateBatch, GateReading, PeopleBatch, PeopleReading, Reason
from contract.topics import Topic
from edge.clock_watch import ClockWatch
from edge.delivery import Delivery, DeliveryRules
from edge.recording import Recorder
from edge.settling import SettlingOutbox
from edge.timekeeping import DeviceClock
from edge.timescale import ClockRules
from runtime.backoff import Backoff
from runtime.errors import RetryableError
from runtime.logs import configure_logs
from transport.mqtt_session import MqttSession
from transport.ports import BrokerSettings
from transport.sqlite_outbox import SqliteOutbox

STATUS_EVERY_S = 0.2
QUIET_S = 1.0  # ten times as long as a reading waits for others on its way to the disk
REMEMBERED_MAX = 200
REPEATED_MAX = 60
HOUR_S = 3600
HOUR_STEP = 60
SKEW_MS_MAX = 5_000
CHECK_PRIME, CHECK_BELOW = 7919, 1_000_003

# The code is a device's, the patience is not: a history has no quarter of an hour for a receipt that got lost, and no
# thousand devices to spare.
RULES = replace(
    DeliveryRules(),
    resend_after_s=3.0,
    resend_after_s_max=12.0,
    replayed_after_s=5.0,
    backlog_rows_per_s=200.0,
    backlog_delay_s_max=0.5,
    flush_gaps_s=5.0,
)


def check_of(number: int) -> int:
    """What a reading's `out_count` must be: ties the row's two values together."""
    return number * CHECK_PRIME % CHECK_BELOW


class JournalledOutbox(SqliteOutbox):
    """The device's outbox; notes what each `put` that returned has promised to keep."""

    def __init__(self, path: Path, journal: Journal, plan: DevicePlan, clock: DeviceClock) -> None:
        self._journal = journal
        self.put_s = 0.0
        self.remembered: deque[tuple[Topic, Payload]] = deque(maxlen=REMEMBERED_MAX)
        super().__init__(path, bytes_max=plan.outbox.bytes_max, age_s_max=plan.outbox.age_s_max, clock=clock)

    def put(
        self, topic: Topic, build: Callable[[str, int], Payload], *, alarm: bool, boot_id: str | None = None
    ) -> int:
        """As `SqliteOutbox.put`."""
        built: list[Payload] = []

        def building(epoch: str, seq: int) -> Payload:
            built.append(build(epoch, seq))
            return built[-1]

        seq = super().put(topic, building, alarm=alarm, boot_id=boot_id)
        self._note(built[-1], boot_id)
        self.put_s = time.monotonic()
        if boot_id is None:
            self.remembered.append((topic, built[-1]))
        return seq

    def _note(self, payload: Payload, boot_id: str | None) -> None:
        if isinstance(payload, PeopleBatch | GateBatch):
            names = tuple((one.subject, one.in_count) for one in payload.readings)
            times = tuple(one.time_unix_ms for one in payload.readings)
            self._journal.held(Held(payload.epoch, payload.seq, names, times, boot_id))
        elif isinstance(payload, FireEvent):
            self._journal.alarm_held((payload.event_id, payload.phase.value))


class FaultDevice:
    """One device: a generator in front of the real edge path."""

    def __init__(self, process: ProcessPlan, plan: DevicePlan) -> None:
        self.plan = plan
        self._process = process
        file = process.journal_file(plan.device)
        past = read_journal(file)
        self._numbers = dict.fromkeys(plan.subjects, 0)
        for subject, number in past.made:
            self._numbers[subject] = max(number, self._numbers[subject])
        stamps = (made.true_unix_ms for (subject, _), made in past.made.items() if subject.endswith(HOUR))
        self._hours = len({stamp % 1000 for stamp in stamps})
        self._journal = Journal(file)
        self._machine = FaultyMachine(process.boot_file)
        self._clock = DeviceClock(ClockRules(), process.data / f"{plan.device}.clock.json", self._machine)
        self._held = JournalledOutbox(process.data / f"{plan.device}.db", self._journal, plan, self._clock)
        self._outbox = SettlingOutbox(self._held, self._clock)
        self._recorder = Recorder(self._outbox, plan.identity, self._wake_delivery)
        self._session = MqttSession(self._broker(), backoff=Backoff(0.2, 2.0))
        self._delivery = Delivery(self._outbox, self._session, plan.identity, self._clock, RULES)
        self._watch = self._clock_watch()
        self._hour_turn = asyncio.Lock()
        self._alarm: Alarm | None = None
        self._clock_trouble: tuple[str, Reason] | None = None
        self._ended_s: float | None = None

    def _wake_delivery(self) -> None:
        self._delivery.wake()

    def _clock_watch(self) -> ClockWatch:
        watch = ClockWatch(
            self._clock,
            self._outbox,
            on_clock=self._on_clock,
            ask=self._ask_the_time,
            announce=self._announce,
            skew_ms_max=SKEW_MS_MAX,
        )
        watch.listen(self._session, self.plan.identity)
        return watch

    def _broker(self) -> BrokerSettings:
        username = self.plan.identity.username
        secret = self._process.password_file(self.plan.device)
        return BrokerSettings("127.0.0.1", self.plan.port, username, username, secret, publish_timeout_s=5.0)

    async def run(self) -> None:
        """Make, record and deliver until cancelled."""
        self._recorder.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._session.run())
            group.create_task(self._delivery.run())
            group.create_task(self._watch.run())
            group.create_task(self._make())

    def status(self) -> DeviceStatus:
        """How far this device is."""
        status = self._outbox.status()
        waiting = status.rows + status.open_gaps
        last_s = max(self._ended_s or 0.0, self._held.put_s)
        quiet = self._ended_s is not None and time.monotonic() - last_s > QUIET_S
        return DeviceStatus(rows=waiting, drained=quiet and waiting == 0, connected=self._session.connected)

    async def obey(self, order: Order) -> None:
        """Carry out what the harness wants of this device."""
        if order.do == "jump":
            self._machine.set_wrong(int(order.amount * 1000))
        elif order.do == "synchronise":
            self._machine.find_time_service()
        elif order.do == "hour":
            await self._make_an_hour(int(order.amount), order.over_s)
        elif order.do == "repeat":
            await self._repeat()
        else:
            raise ValueError(f"no order {order.do!r}")

    async def _make(self) -> None:
        """Readings and alarms until the stop file is there. The recorder goes on: it may have to ask for the time."""
        next_alarm_s = time.monotonic() + random.uniform(0, self._process.alarm_period_s)  # noqa: S311 - not a secret
        while not self._process.stop_file.exists():
            for subject in self._numbers:
                if not subject.endswith(HOUR):
                    self._make_one(subject, None)
            if time.monotonic() >= next_alarm_s:
                next_alarm_s += self._process.alarm_period_s
                self._make_alarm()
            await asyncio.sleep(self._process.period_s)
        self._ended_s = time.monotonic()

    def _make_one(self, subject: str, stamp_unix_ms: int | None) -> None:
        """A reading of now by the device's clock, or with a stamp that is made up."""
        self._numbers[subject] += 1
        number, kind = self._numbers[subject], self.plan.subjects[subject]
        true_unix_ms = time.time_ns() // NS_PER_MS
        self._journal.reading(subject, number, Made(kind, stamp_unix_ms or true_unix_ms, time.monotonic()))
        time_unix_ms = stamp_unix_ms or self._clock.unix_ms()
        counts = {"time_unix_ms": time_unix_ms, "state": "live", "in_count": number, "out_count": check_of(number)}
        if kind == "people":
            self._recorder.report(PeopleReading.model_validate({"counter": subject, **counts}))
        else:
            lot = {"lot": self.plan.device}
            self._recorder.report(GateReading.model_validate({"gate": subject, **lot, **counts}))

    async def _make_an_hour(self, count: int, over_s: float) -> None:
        """An hour's readings of one sensor, `count` of them, put in within `over_s`: a long outage's backlog.

        Their times are the last hour's. Each hour has a millisecond of its own, so that no two share a time; and they
        come one after the other, since no sensor makes readings of two hours in turn. A board that has just been
        started without a clock has no hour behind it: its times count from its boot.
        """
        async with self._hour_turn:
            if self._clock.boot_id is None:
                await self._make_the_hour(count, over_s)

    async def _make_the_hour(self, count: int, over_s: float) -> None:
        subject = f"{self.plan.device}-{HOUR}"
        self._hours += 1
        until_unix_ms = int(time.time()) * 1000 + self._hours % 1000
        for index in range(count):
            self._make_one(subject, until_unix_ms - HOUR_S * 1000 + index * (HOUR_S * 1000 // count))
            if index % HOUR_STEP == 0:
                await asyncio.sleep(over_s * HOUR_STEP / count)

    def _make_alarm(self) -> None:
        phase = Phase.RAISED if self._alarm is None else Phase.CLEARED
        event_id = uuid.uuid4().hex if self._alarm is None else self._alarm[0]
        alarm = (event_id, phase.value)
        self._alarm = alarm if phase is Phase.RAISED else None
        self._journal.alarm(alarm)
        now = self._clock.unix_ms()
        self._recorder.record(FireEvent, lambda epoch, seq: self._fire(epoch, seq, event_id, phase, now))

    def _fire(self, epoch: str, seq: int, event_id: str, phase: Phase, now_unix_ms: int) -> FireEvent:
        return FireEvent(
            epoch=epoch,
            seq=seq,
            event_id=event_id,
            time_unix_ms=now_unix_ms,
            phase=phase,
            zone=ZONE,
            camera=self.plan.camera,
            score=0.9,
            first_seen_unix_ms=now_unix_ms,
            decided_unix_ms=now_unix_ms,
        )

    def _on_clock(self, reason: Reason | None, detail: str) -> None:
        """A trouble of the clock, as the agent tells it; its receipt brings the central time."""
        if reason is not None and self._clock_trouble is None:
            self._clock_trouble = (uuid.uuid4().hex, reason)
            self._tell_clock(Phase.RAISED, detail)
        elif reason is None and self._clock_trouble is not None:
            self._tell_clock(Phase.CLEARED, detail)
            self._clock_trouble = None

    def _ask_the_time(self) -> bool:
        if self._clock_trouble is None:
            return False
        self._tell_clock(Phase.ONGOING, "")
        return True

    def _tell_clock(self, phase: Phase, detail: str) -> None:
        assert self._clock_trouble is not None  # noqa: S101 - both callers have looked
        event_id, reason = self._clock_trouble
        now = self._clock.unix_ms()
        self._recorder.record(
            TroubleEvent,
            lambda epoch, seq: TroubleEvent(
                epoch=epoch,
                seq=seq,
                event_id=event_id,
                time_unix_ms=now,
                phase=phase,
                kind="clock",
                subject=self.plan.device,
                reason=reason,
                detail=detail,
            ),
        )

    async def _announce(self) -> None:
        """The clock was set: this device has said nothing that it would have to say again."""

    async def _repeat(self) -> None:
        """Publish what was published before once more, in any order: at-least-once delivery at its worst."""
        remembered = list(self._held.remembered)
        random.shuffle(remembered)
        for topic, payload in remembered[:REPEATED_MAX]:
            with contextlib.suppress(RetryableError):  # the link is down: then it is not repeated
                await self._session.publish(topic, payload)


async def _serve(plan: ProcessPlan) -> None:
    devices = {one.device: FaultDevice(plan, one) for one in plan.devices}
    async with asyncio.TaskGroup() as group:
        for device in devices.values():
            group.create_task(device.run())
        group.create_task(_tell(plan, devices))
        group.create_task(_listen(devices, group))


async def _tell(plan: ProcessPlan, devices: dict[str, FaultDevice]) -> None:
    written = plan.status_file.with_suffix(".new")
    while True:
        status = ProcessStatus(devices={name: device.status() for name, device in devices.items()})
        written.write_text(status.model_dump_json(), encoding="ascii")
        written.replace(plan.status_file)
        await asyncio.sleep(STATUS_EVERY_S)


async def _listen(devices: dict[str, FaultDevice], group: asyncio.TaskGroup) -> None:
    """Obey standard input; when it ends the harness is gone, and so are we."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = Order.model_validate(json.loads(line))
        group.create_task(devices[order.device].obey(order))
    os._exit(1)


def main() -> None:
    """Run the devices of the plan in the file that the command line names."""
    configure_logs("device")
    plan = ProcessPlan.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    asyncio.run(_serve(plan))


if __name__ == "__main__":
    main()
