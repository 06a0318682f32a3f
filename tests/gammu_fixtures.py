"""A real gammu-smsd with Gammu's dummy phone: what it sends goes nowhere, what comes in a test lays into the phone."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runtime.gammu_folders import FOLDERS
from tests.eventually import eventually

SMSD = "gammu-smsd"
PHONE_FOLDERS = 5  # the dummy's own message folders; the first is its inbox


class GammuMissingError(Exception):
    """gammu-smsd cannot run here; the sentence says why."""


@dataclass(slots=True)
class GammuDaemon:
    folder: Path
    process: "subprocess.Popen[bytes]"
    laid: int = 0

    @property
    def pid_file(self) -> Path:
        return self.folder / "pid"

    def settings(self) -> dict[str, object]:
        """The notifier block that speaks to it."""
        return {"kind": "gammu", "folder": str(self.folder), "pid_file": str(self.pid_file)}

    def sent(self) -> list[tuple[str, str]]:
        """(phone, text) of what the daemon says it has sent."""
        paths = sorted((self.folder / "sent").iterdir())
        return [(path.name.split("_")[3], path.read_bytes().decode("utf-16")) for path in paths]

    def comes_in(self, phone: str, text: str, *, is_report: bool = False) -> None:
        """Lay a text, or the network's report on the last one, into the phone's inbox, whole at once."""
        self.laid += 1
        kind = "PDU = Status_Report\n" if is_report else ""
        fresh = self.folder / f"letter{self.laid}"
        fresh.write_text(
            f'[SMSBackup000]\n{kind}Sent = {time.strftime("%Y%m%dT%H%M%S")}\nState = UnRead\nNumber = "{phone}"\n'
            f"Text00 = {text.encode('utf-16-be').hex().upper()}\nCoding = Unicode_No_Compression\nFolder = 1\n"
            f"Length = {len(text)}\nClass = -1\nMessageReference = 255\n",
            encoding="ascii",
        )
        fresh.rename(self.folder / "phone" / "sms" / "1" / str(self.laid))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


def configuration(folder: Path) -> str:
    keys = zip(("inbox", "outbox", "sentsms", "errorsms"), FOLDERS, strict=True)
    paths = "\n".join(f"{key}path = {folder}/{name}/" for key, name in keys)
    return f"""\
[gammu]
model = dummy
connection = none
device = {folder}/phone

[smsd]
service = files
logfile = {folder}/smsd.log
debuglevel = 1
commtimeout = 1
receivefrequency = 1
sendtimeout = 5
statusfrequency = 0
loopsleep = 1
checksecurity = 0
deliveryreport = sms
inboxformat = unicode
transmitformat = auto
{paths}
"""


def start(folder: Path) -> "subprocess.Popen[bytes]":
    log = (folder / "smsd.err").open("ab")
    with log:
        process = subprocess.Popen(
            [shutil.which(SMSD) or SMSD, "--config", str(folder / "smsdrc"), "--pid", str(folder / "pid")],
            stdout=log,
            stderr=log,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        )
    eventually((folder / "pid").exists, what=f"gammu-smsd runs, see {folder}/smsd.log")
    return process


@contextmanager
def running_gammu(folder: Path) -> Iterator[GammuDaemon]:
    """gammu-smsd from here to the end of the `with`.

    Raises:
        GammuMissingError: it is not installed.
    """
    if shutil.which(SMSD) is None:
        raise GammuMissingError("gammu-smsd is not installed (Debian: gammu-smsd)")
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
    for number in range(1, PHONE_FOLDERS + 1):
        (folder / "phone" / "sms" / str(number)).mkdir(parents=True)
    (folder / "smsdrc").write_text(configuration(folder), encoding="ascii")
    daemon = GammuDaemon(folder, start(folder))
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.process.terminate()
        daemon.process.wait(20)
