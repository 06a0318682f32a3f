"""What every part of a device does while the device does not know the time, and when it learns it."""

import asyncio
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.access import DeviceIdentity
from contract.delivery import CommandReply, SirenCommand
from contract.events import FireEvent, Phase, TroubleEvent
from contract.signature import Signer, Verifier
from contract.telemetry import BayReading, BayState, Reason
from contract.topics import Topic, TopicFilter
from edge.cameras.episode import EpisodeKeeper
from edge.cameras.lines import FireLine
from edge.happenings import Happenings
from edge.life_signs import LifeSigns, oldest_age_s
from edge.machine_time import ManualTime
from edge.open_events import OpenEvents, OpenFire
from edge.ports import ActiveFire, FireDecision
from edge.recording import Recorder
from edge.safety.alarm import MarketAlarm
from edge.safety.commands import SirenCommands
from edge.sensing.poll_thread import PollThread
from edge.signage.board import Board
from edge.signage.live import LiveBays
from edge.signed_commands import Hearing
from edge.timekeeping import DeviceClock
from edge.timescale import ClockRules
from edge.trouble import CLOCK, RAISE_AFTER_S_BY_KIND, SILENT_AFTER_S, TroubleWatch
from runtime.clock import ManualClock, SystemClock
from tests.edge.device import settings
from tests.edge.signage.contents import manifest
from tests.eventually import eventually, eventually_async
from transport.memory_bus import MemoryBus
from transport.memory_outbox import MemoryOutbox

TRUE_MS = 1_800_000_000_000  # at boot
ROOT = Path(__file__).resolve().parents[2]


class Unset:
    """A device without a clock, eight seconds after its boot."""

    def __init__(self, folder: Path) -> None:
        self.machine = ManualTime(started_wall_unix_ms=TRUE_MS - 86_400_000)
        self.clock = DeviceClock(ClockRules(), folder / "clock.json", self.machine)

    def learn_the_time(self) -> None:
        self.clock.heard(TRUE_MS + self.machine.uptime_ms, self.clock.monotonic_s())


@pytest.fixture
def unset(tmp_path: Path) -> Unset:
    return Unset(tmp_path)


def test_a_screen_follows_no_schedule_and_shows_no_hour(unset: Unset) -> None:
    board = Board(
        "jungang",
        {"screen-1": "b"},
        manifest=lambda: manifest(3),
        bays=LiveBays(),
        is_fed=lambda: True,
        clock=unset.clock,
    )
    before = board.state("screen-1")
    assert (before.playlist, before.items, before.clock_ahead_ms) == (None, (), None)
    assert "does not know the time" in before.why

    unset.learn_the_time()

    after = board.state("screen-1")
    assert (after.playlist, after.clock_ahead_ms) == ("day", 86_400_000)


async def test_a_siren_command_is_refused_because_it_may_be_a_recording(unset: Unset) -> None:
    bus, signer, replies = MemoryBus(), Signer(Signer.new_private_key_hex()), list[CommandReply]()
    identity = DeviceIdentity("jungang", "fire-1")
    session, console = bus.session(identity.username), bus.session("console")
    SirenCommands(Hearing(session, identity, Verifier(signer.public_key_hex), unset.clock), [])

    async def on_reply(_topic: Topic, reply: CommandReply) -> None:
        replies.append(reply)

    console.subscribe(TopicFilter(channel="ack", name="siren"), CommandReply, on_reply)
    tasks = [asyncio.create_task(one.run()) for one in (session, console)]
    await eventually_async(lambda: session.connected and console.connected)
    for expected in ("does not know the time", "no siren"):
        command = SirenCommand(
            command_id=uuid.uuid4().hex,
            market="jungang",
            device="fire-1",
            action="silence",
            issued_unix_ms=TRUE_MS,
            expires_unix_ms=TRUE_MS + 60_000,
            signature_base64="",
        )
        await console.publish(Topic("jungang", "fire-1", "cmd", "siren"), signer.sign_command(command))
        await eventually_async(lambda expected=expected: expected in replies[-1].reason)  # type: ignore[misc] # a bound default
        assert replies[-1].outcome == "refused"
        unset.learn_the_time()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _event(*, clock_set: bool, time_unix_ms: int, first_seen_unix_ms: int) -> FireEvent:
    return FireEvent(
        epoch="0" * 16,
        seq=1,
        event_id=uuid.uuid4().hex,
        time_unix_ms=time_unix_ms,
        clock_set=clock_set,
        phase=Phase.RAISED,
        zone="c",
        camera="cam-9",
        score=0.8,
        first_seen_unix_ms=first_seen_unix_ms,
        decided_unix_ms=time_unix_ms,
    )


def test_a_fire_of_another_device_that_does_not_know_the_time_sounds_here() -> None:
    clock = ManualClock(TRUE_MS)
    alarm = MarketAlarm("fire-1", clock)
    alarm.on_event("fire-2", _event(clock_set=False, time_unix_ms=60_000, first_seen_unix_ms=57_000))
    alarm.on_link("fire-3", [ActiveFire(9_000, "3" * 32, "fire-3", "d", "cam-3")])

    assert [one.since_unix_ms - TRUE_MS for one in alarm.fires] == [-3_000, 0]


def test_a_device_that_does_not_know_the_time_sounds_for_others_and_dates_its_own_fires_later(unset: Unset) -> None:
    alarm = MarketAlarm("fire-1", unset.clock)
    alarm.on_event("fire-2", _event(clock_set=True, time_unix_ms=TRUE_MS, first_seen_unix_ms=TRUE_MS))
    alarm.on_decision(FireDecision("1" * 32, Phase.RAISED, "b", "cam-1", 0.9, 7_000, 8_000))
    told: list[list[int]] = []
    alarm.listen(lambda fires: told.append([one.since_unix_ms - TRUE_MS for one in fires]))

    unset.learn_the_time()
    alarm.clock_was_set()

    assert told[-1] == [0, 7_000]


def test_a_flame_seen_before_the_machine_counted_is_a_fire_all_the_same() -> None:
    keeper = EpisodeKeeper(30.0)

    keeper.fire_line(FireLine(fire="confirmed", score=0.9, first_seen_age_s=9.0), 8.0, 8_000)

    assert keeper.episode is not None
    assert keeper.episode.first_seen_unix_ms == 0


@pytest.mark.parametrize(
    ("stored_boot", "stored_ms", "expected_ms"),
    [
        (None, TRUE_MS - 5_000, TRUE_MS - 5_000),
        ("boot-1", 6_000, 6_000),
        ("boot-0", 6_000, 8_000),
        ("boot-0", TRUE_MS - 5_000, TRUE_MS - 5_000),
    ],
)
def test_a_fire_of_an_earlier_run_keeps_its_time_where_it_still_means_something(
    unset: Unset, stored_boot: str | None, stored_ms: int, expected_ms: int
) -> None:
    fire = OpenFire(
        event_id="1" * 32, zone="b", camera="cam-1", score=0.9, first_seen_unix_ms=stored_ms, decided_unix_ms=stored_ms
    )

    restored = OpenEvents(boot_id=stored_boot, fires=(fire,)).restored(unset.clock)

    assert restored.fires[0].first_seen_unix_ms == expected_ms


def test_the_trouble_is_raised_after_a_moment_repeated_when_asked_and_cleared(tmp_path: Path, unset: Unset) -> None:
    device, outbox = settings(tmp_path), MemoryOutbox(bytes_max=1_000_000)
    recorder = Recorder(outbox, device.identity, lambda: None)
    happenings = Happenings(device, MarketAlarm("fire-1", unset.clock), recorder, unset.clock)
    happenings.watch([])
    recorder.start()

    def events() -> list[TroubleEvent]:
        return [TroubleEvent.from_bytes(row.body) for row in outbox.pending(0, 100)]

    happenings.on_clock(Reason.CLOCK_UNSET, "no witness")
    assert not happenings.repeat_clock_trouble()
    unset.machine.advance(RAISE_AFTER_S_BY_KIND[CLOCK])
    for trouble in happenings._troubles.due(unset.clock.monotonic_s()):
        happenings._record_trouble(trouble)
    assert happenings.repeat_clock_trouble()
    eventually(lambda: [one.phase for one in events()] == [Phase.RAISED, Phase.ONGOING])
    assert {(one.kind, one.subject, one.reason) for one in events()} == {("clock", "fire-1", Reason.CLOCK_UNSET)}
    assert len({one.event_id for one in events()}) == 1
    recorder.stop()


def test_a_clock_that_nobody_speaks_of_is_no_silent_part() -> None:
    watch = TroubleWatch(((CLOCK, "fire-1"),), 0.0)

    assert not watch.due(SILENT_AFTER_S * 10)


@pytest.mark.parametrize(
    ("oldest_ms", "now_ms", "age_s"),
    [(None, TRUE_MS, 0.0), (TRUE_MS - 2_500, TRUE_MS, 2.5), (TRUE_MS, 9_000, None), (5_000, 9_000, 4.0)],
)
def test_the_age_of_the_oldest_is_unknown_across_a_boot_without_a_clock(
    oldest_ms: int | None, now_ms: int, age_s: float | None
) -> None:
    assert oldest_age_s(oldest_ms, now_ms) == age_s


def test_a_birth_says_when_the_agent_started_once_that_is_known(tmp_path: Path, unset: Unset) -> None:
    device, outbox = settings(tmp_path), MemoryOutbox(bytes_max=1_000_000)
    life = LifeSigns(device, outbox, Recorder(outbox, device.identity, lambda: None), unset.clock)
    unset.machine.advance(10)
    unset.learn_the_time()

    presence = life.will().payload

    assert presence.model_dump(include={"started_unix_ms", "time_unix_ms"}) == {
        "started_unix_ms": TRUE_MS + 8_000,
        "time_unix_ms": TRUE_MS + 18_000,
    }


def test_a_poll_that_hangs_makes_every_sensor_of_its_thread_stale() -> None:
    clock, held, inside = ManualClock(), threading.Event(), threading.Event()
    watch = TroubleWatch((("bay", "a-01"), ("bay", "a-02")), 0.0)
    thread = PollThread("bays", SystemClock(), pause_s=0.0)

    def poll(bay: str, *, hangs: bool) -> Callable[[], float]:
        def once() -> float:
            reading = BayReading(
                time_unix_ms=clock.unix_ms(), bay=bay, state=BayState.FREE, confidence=1.0, since_unix_ms=0
            )
            watch.observe(reading, clock.monotonic_s())
            if hangs:
                inside.set()
                held.wait(30)
            return 0.001

        return once

    polls = poll("a-02", hangs=False), poll("a-01", hangs=True)
    for one in polls:
        thread.add(one)
    assert inside.wait(5)
    assert not watch.due(1.0)

    clock.advance(SILENT_AFTER_S)

    assert {(one.subject, one.reason) for one in watch.due(clock.monotonic_s())} == {
        ("a-01", Reason.STALE),
        ("a-02", Reason.STALE),
    }
    held.set()
    for one in polls:
        thread.remove(one)


def test_an_agent_s_memory_has_neither_rich_nor_what_a_parking_device_does_without() -> None:
    code = "import sys, jangteo.cli, edge.agent; print([one for one in sys.argv[1:] if one in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code, "rich", "cryptography", "uvicorn", "httpx", "numpy", "cv2", "gpiozero"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "[]"
