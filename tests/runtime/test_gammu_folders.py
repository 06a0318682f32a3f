"""The folders as gammu-smsd leaves them; the daemon itself is in tests/broker/alerts/notifiers/test_gammu.py."""

import os
import time
from pathlib import Path

import pytest

from runtime.clock import ManualClock
from runtime.errors import RetryableError, SettingsError
from runtime.gammu_folders import FOLDERS, KEPT_S, QUEUE_MAX, STANDS_S, GammuFolders, ModemDownError, Received, Reported

PHONE = "01012345678"
STUCK_AFTER_S = 120.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_795_000_000_000)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    (tmp_path / "pid").write_text(str(os.getpid()), encoding="ascii")
    return tmp_path


@pytest.fixture
def folders(root: Path, clock: ManualClock) -> GammuFolders:
    return GammuFolders(
        root,
        root / "pid",
        stuck_after_s=STUCK_AFTER_S,
        same_phone=lambda one, other: one[-8:] == other[-8:],
        clock_s=clock.monotonic_s,
    )


def look(folders: GammuFolders) -> list[Reported | Received]:
    found: list[Reported | Received] = []
    folders.look(found.append)
    return found


def received(root: Path, name: str, text: str) -> Path:
    path = root / "inbox" / name
    path.write_bytes(b"\xfe\xff" + text.encode("utf-16-be"))
    return path


def stamp(unix_s: float) -> str:
    return time.strftime("%Y%m%d_%H%M%S", time.localtime(unix_s))


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_a_text_lies_in_the_outbox_whole_in_the_order_of_numbers(folders: GammuFolders, root: Path) -> None:
    for number in (10, 9):
        folders.queue(number, PHONE, f"[화재] {number}")
    first, second = names(root / "outbox")
    assert (root / "outbox" / first).read_bytes().decode("utf-16") == "[화재] 9"
    assert (root / "outbox" / second).stat().st_mode & 0o777 == 0o660
    assert len(second) < 100  # gammu-smsd keeps a name in 100 bytes


def test_the_same_number_replaces_itself(folders: GammuFolders, root: Path) -> None:
    folders.queue(1, PHONE, "old")
    folders.queue(1, PHONE, "new")
    (name,) = names(root / "outbox")
    assert (root / "outbox" / name).read_bytes().decode("utf-16") == "new"


@pytest.mark.parametrize("phone", ["", "../x", "010/1", "0101234567890123456", "010_1"])
def test_what_is_no_phone_makes_no_file(folders: GammuFolders, root: Path, phone: str) -> None:
    with pytest.raises(ValueError, match="not a phone number"):
        folders.queue(1, phone, "x")
    assert names(root / "outbox") == []


@pytest.mark.parametrize("pid", [None, "", "x", "0x1", "99999999999999999999"])
def test_without_the_daemon_nothing_is_queued(folders: GammuFolders, root: Path, pid: str | None) -> None:
    (root / "pid").unlink()
    if pid is not None:
        (root / "pid").write_text(pid, encoding="ascii")
    with pytest.raises(ModemDownError, match="does not run"):
        folders.queue(1, PHONE, "x")
    assert names(root / "outbox") == []


def test_a_full_outbox_takes_no_more(folders: GammuFolders, root: Path) -> None:
    for number in range(QUEUE_MAX):
        (root / "outbox" / f"OUT{number}.txt").touch()
    with pytest.raises(ModemDownError, match="wait for the modem already"):
        folders.queue(1, PHONE, "x")


def test_what_stands_still_is_taken_back_and_refused_for_a_while(
    folders: GammuFolders, root: Path, clock: ManualClock
) -> None:
    folders.queue(1, PHONE, "x")
    assert look(folders) == []
    clock.advance(STUCK_AFTER_S)
    assert look(folders) == []
    clock.advance(0.1)
    assert look(folders) == [Reported(1, is_delivered=False, detail="the modem has sent nothing for 120 s")]
    assert names(root / "outbox") == []
    with pytest.raises(ModemDownError, match="sent nothing"):
        folders.queue(2, PHONE, "x")
    clock.advance(STANDS_S)
    assert folders.queue(2, PHONE, "x")


def test_a_queue_that_moves_does_not_stand_still(folders: GammuFolders, root: Path, clock: ManualClock) -> None:
    for number in (1, 2):
        folders.queue(number, PHONE, "x")
    look(folders)
    clock.advance(STUCK_AFTER_S - 1)
    first, _ = names(root / "outbox")
    (root / "outbox" / first).rename(root / "sent" / first)
    look(folders)
    clock.advance(STUCK_AFTER_S - 1)
    assert look(folders) == []


def test_what_the_modem_could_not_send_has_failed(folders: GammuFolders, root: Path) -> None:
    name = folders.queue(7, PHONE, "x")
    (root / "outbox" / name).rename(root / "error" / name)
    assert look(folders) == [Reported(7, is_delivered=False, detail="the modem could not send it")]
    assert look(folders) == []


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("Delivered", [Reported(2, is_delivered=True, detail="delivery report: Delivered")]),
        ("Failed", [Reported(2, is_delivered=False, detail="delivery report: Failed")]),
        ("Pending", []),
        ("Unknown", []),
    ],
)
def test_a_report_is_of_the_text_sent_to_that_phone_nearest_to_it(
    folders: GammuFolders, root: Path, word: str, wanted: list[Reported]
) -> None:
    for number, phone in ((1, "01099990000"), (2, PHONE)):
        name = folders.queue(number, phone, "x")
        (root / "outbox" / name).rename(root / "sent" / name)
    received(root, f"IN{stamp(time.time())}_00_+821012345678_00.txt", word)
    look(folders)
    assert look(folders) == wanted
    assert names(root / "inbox") == []


@pytest.mark.parametrize("when", ["20200101_000000", "99999999_999999"])
def test_a_report_of_another_time_is_of_no_text(folders: GammuFolders, root: Path, when: str) -> None:
    name = folders.queue(1, PHONE, "x")
    (root / "outbox" / name).rename(root / "sent" / name)
    received(root, f"IN{when}_00_{PHONE}_00.txt", "Delivered")
    look(folders)
    assert look(folders) == []


def test_what_comes_in_is_told_once_it_has_stopped_growing(folders: GammuFolders, root: Path) -> None:
    path = received(root, f"IN20261122_210000_00_{PHONE}_00.txt", "K7Q2 확")
    assert look(folders) == []
    path = received(root, path.name, "K7Q2 확인\0\0garbage")
    assert look(folders) == []
    assert look(folders) == [Received(path.name, PHONE, "K7Q2 확인")]
    assert names(root / "inbox") == []


def test_what_was_not_taken_comes_again(folders: GammuFolders, root: Path) -> None:
    received(root, f"IN20261122_210000_00_{PHONE}_00.txt", "K7Q2")
    look(folders)

    def unavailable(_found: Reported | Received) -> None:
        raise RetryableError("the store is away")

    with pytest.raises(RetryableError, match="store is away"):
        folders.look(unavailable)
    assert [type(one) for one in look(folders)] == [Received]


def test_other_files_are_left_alone(folders: GammuFolders, root: Path) -> None:
    for folder in FOLDERS:
        (root / folder / "letter.txt").write_text("x", encoding="utf-8")
    look(folders)
    assert look(folders) == []
    assert all("letter.txt" in names(root / folder) for folder in FOLDERS)


def test_sent_texts_are_forgotten_after_a_day(
    folders: GammuFolders, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = folders.queue(1, PHONE, "x")
    (root / "outbox" / name).rename(root / "sent" / name)
    look(folders)
    assert names(root / "sent") == [name]
    monkeypatch.setattr("runtime.gammu_folders.KEPT_S", -1.0)
    look(folders)
    assert names(root / "sent") == []
    assert KEPT_S == 86_400


def test_missing_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    with pytest.raises(SettingsError, match="no folder outbox, sent, error"):
        GammuFolders(tmp_path, tmp_path / "pid", stuck_after_s=60, same_phone=lambda _one, _other: True)


def test_a_folder_that_goes_is_said(folders: GammuFolders, root: Path) -> None:
    (root / "inbox").rmdir()
    with pytest.raises(ModemDownError, match="inbox"):
        look(folders)
