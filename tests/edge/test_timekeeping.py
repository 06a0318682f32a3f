"""The device's clock, on a machine whose clocks are told what to say."""

import itertools
import os
import random
import threading
from pathlib import Path

import pytest

from contract.ids import CLOCK_FLOOR_UNIX_MS
from edge.machine_time import (
    MARK_AGE_MS_MAX,
    LinuxTime,
    MachineTime,
    ManualTime,
    kernel_is_synchronised,
    read_together,
    rtc_unix_ms,
    was_synchronised,
)
from edge.timekeeping import DeviceClock
from edge.timescale import ClockRules
from runtime.clock import ManualClock

TRUE_MS = 1_800_000_000_000  # the true time at the first boot
AUTO = ClockRules()


@pytest.fixture
def machine() -> ManualTime:
    """A board without a battery clock: its wall clock begins on the day that was current when it was switched off."""
    return ManualTime(started_wall_unix_ms=TRUE_MS - 40 * 86_400_000)


def clock(folder: Path, machine: MachineTime, rules: ClockRules = AUTO) -> DeviceClock:
    return DeviceClock(rules, folder / "clock.json", machine)


def answer(clock: DeviceClock, machine: ManualTime, central_unix_ms: int, trip_s: float = 0.1) -> None:
    """The centre answers at once, and says this time."""
    asked_s = clock.monotonic_s()
    machine.advance(trip_s)
    clock.heard(central_unix_ms, asked_s)


def test_until_it_is_set_it_counts_from_boot_and_says_so(tmp_path: Path, machine: ManualTime) -> None:
    device = clock(tmp_path, machine)

    assert (device.unix_ms(), device.boot_id, device.source, device.skew_ms) == (8_000, "boot-1", "unset", None)
    assert device.settled(8_000) == 8_000
    assert not device.owed


def test_the_centre_s_time_sets_it_and_what_was_made_before_gets_its_true_time(
    tmp_path: Path, machine: ManualTime
) -> None:
    device = clock(tmp_path, machine)
    told: list[tuple[str, int]] = []
    device.on_set(lambda boot_id, offset_ms: told.append((boot_id, offset_ms)))
    made_ms = device.unix_ms()

    answer(device, machine, TRUE_MS + 8_050)

    assert (device.boot_id, device.source) == (None, "central")
    assert abs(device.unix_ms() - TRUE_MS - 8_100) <= 8
    assert abs(device.settled(made_ms) - TRUE_MS - made_ms) <= 8
    assert told == list(device.owed) == [("boot-1", device.settled(made_ms) - made_ms)]
    assert device.settled(TRUE_MS) == TRUE_MS


def test_a_slow_answer_sets_nothing(tmp_path: Path, machine: ManualTime) -> None:
    device = clock(tmp_path, machine)

    answer(device, machine, TRUE_MS + 8_050, trip_s=2.0)

    assert device.boot_id == "boot-1"


def test_a_restart_in_the_same_boot_goes_on_with_the_same_time(tmp_path: Path, machine: ManualTime) -> None:
    first = clock(tmp_path, machine)
    answer(first, machine, TRUE_MS + 8_050)
    machine.advance(5)
    before_ms = first.unix_ms()
    machine.set_wall(CLOCK_FLOOR_UNIX_MS + 5)

    second = clock(tmp_path, machine)

    assert (second.boot_id, second.source) == (None, "central")
    assert 0 <= second.unix_ms() - before_ms <= 8
    assert second.settled(8_000) == first.settled(8_000)
    assert second.owed == first.owed


def test_after_a_reboot_it_is_unset_again_and_still_owes_the_boot_before(tmp_path: Path, machine: ManualTime) -> None:
    first = clock(tmp_path, machine)
    answer(first, machine, TRUE_MS + 8_050)
    machine.boot()

    second = clock(tmp_path, machine)
    assert second.boot_id == "boot-2"
    assert second.owed == first.owed
    answer(second, machine, TRUE_MS + 100_000)
    assert [boot_id for boot_id, _ in second.owed] == ["boot-1", "boot-2"]
    second.settle_done("boot-1")
    assert [boot_id for boot_id, _ in clock(tmp_path, machine).owed] == ["boot-2"]
    second.settle_done("boot-2")
    assert not clock(tmp_path, machine).owed


def test_no_time_is_handed_out_twice_whatever_sets_it_back(tmp_path: Path, machine: ManualTime) -> None:
    machine.rtc_ms = TRUE_MS + 8_000 + 600_000
    machine.set_wall(machine.rtc_ms)
    device = clock(tmp_path, machine)
    handed = []
    for second in range(1, 1_300):
        machine.advance(0.997)
        handed.append(device.unix_ms())
        if second % 100 == 0:
            answer(device, machine, TRUE_MS + machine.uptime_ms + 50)
            device.look()

    assert device.source == "central"
    assert len(set(handed)) == len(handed)
    assert abs(device.unix_ms() - TRUE_MS - machine.uptime_ms) <= 100
    assert sum(one > other for one, other in itertools.pairwise(handed)) == 1


def test_trusted_takes_the_wall_clock_and_then_keeps_its_own_time(tmp_path: Path, machine: ManualTime) -> None:
    device = clock(tmp_path, machine, ClockRules(trusted=True))
    before_ms = device.unix_ms()
    machine.set_wall(machine.wall_unix_ms() + 86_400_000)
    device.look()

    assert device.source == "trusted"
    assert device.unix_ms() == before_ms


def test_a_page_s_time_is_brought_to_the_device_s_scale(tmp_path: Path, machine: ManualTime) -> None:
    device = clock(tmp_path, machine)
    painted_ms = machine.wall_unix_ms() - 3_000

    assert device.from_wall(painted_ms) == 5_000
    assert device.from_wall(0) == 0
    answer(device, machine, TRUE_MS + 8_050)
    assert abs(device.from_wall(painted_ms) - TRUE_MS - 5_000) <= 8


def test_a_folder_that_takes_no_file_costs_only_the_memory_of_it(tmp_path: Path, machine: ManualTime) -> None:
    (tmp_path / "file").write_text("not a folder")
    device = DeviceClock(AUTO, tmp_path / "file" / "clock.json", machine)
    answer(device, machine, TRUE_MS + 8_050)

    assert device.boot_id is None
    assert DeviceClock(AUTO, tmp_path / "file" / "clock.json", machine).boot_id == "boot-1"


def test_threads_that_read_it_while_it_is_corrected_never_see_it_run_backwards(tmp_path: Path) -> None:
    machine = LinuxTime()
    device = clock(tmp_path, machine, ClockRules(trusted=True))
    stop, backwards = threading.Event(), []

    def read() -> None:
        last_ms = 0
        while not stop.is_set():
            now_ms = device.unix_ms()
            if now_ms < last_ms:
                backwards.append((last_ms, now_ms))
            last_ms = now_ms

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    chance = random.Random(1)
    for _ in range(300):
        device.heard(machine.wall_unix_ms() + chance.randint(-30_000, 30_000), device.monotonic_s())
        device.look()
    stop.set()
    for thread in threads:
        thread.join()

    assert not backwards


@pytest.mark.parametrize("machine_time", [LinuxTime(), ManualTime()], ids=["linux", "manual"])
def test_every_machine_tells_one_boot_and_times_that_grow(machine_time: MachineTime) -> None:
    first, second = machine_time.sight(), machine_time.sight()

    assert machine_time.boot_id() == machine_time.boot_id() != ""
    assert 0 < first.boot_ms <= second.boot_ms <= machine_time.boot_ms()
    assert machine_time.monotonic_s() <= machine_time.monotonic_s()
    assert abs(machine_time.wall_unix_ms() - second.wall_unix_ms) < 60_000


def test_timesyncd_s_mark_counts_while_it_is_fresh_by_the_same_clock(tmp_path: Path) -> None:
    mark = tmp_path / "synchronized"
    assert not was_synchronised(TRUE_MS, mark)
    mark.touch()
    os.utime(mark, (TRUE_MS / 1000, TRUE_MS / 1000))

    assert was_synchronised(TRUE_MS, mark)
    assert was_synchronised(TRUE_MS + MARK_AGE_MS_MAX, mark)
    assert not was_synchronised(TRUE_MS + 86_400_000, mark)
    assert not was_synchronised(TRUE_MS - 86_400_000, mark)


def test_clocks_are_read_again_when_something_came_in_between() -> None:
    boots = iter([0, 500, 500, 500])

    assert read_together(lambda: next(boots), lambda: 7) == (500, 7)


def test_this_machine_answers_what_it_is_asked() -> None:
    assert kernel_is_synchronised() in {True, False}
    rtc = rtc_unix_ms()
    assert rtc is None or rtc >= 0


def test_a_clock_that_is_right_from_the_start_says_so() -> None:
    manual = ManualClock()

    assert (manual.boot_id, manual.source, manual.skew_ms) == (None, "trusted", None)
    assert manual.settled(5) == manual.from_wall(5) == 5
