"""Bearerbox, smsbox and the fake SMSC, inside a network namespace: `python -m … FOLDER RECEIPTS_PORT`.

The namespace is needed because bearerbox opens its fake SMSC's port on all interfaces. The folder holds the
configuration, `sendsms.sock` (out to smsbox) and `receipts.sock` (back to the test's receipts port). `ready` appears
when both boxes are online. A file `comes-in`, a message as fakesmsc takes it, is sent in and goes when that is done.
SIGTERM, or the end of the parent, ends everything.
"""

import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

FAKESMSC = "/usr/lib/kannel/test/fakesmsc"
ADMIN_PORT, SMSBOX_PORT, SMSC_PORT, SENDSMS_PORT = 13000, 13001, 10000, 13013
READY_S_MAX = 20.0
STOP_S_MAX = 10.0


def configuration(folder: Path, username: str, password: str, replies: str) -> str:
    return f"""\
group = core
admin-port = {ADMIN_PORT}
admin-password = {password}
status-password = {password}
admin-interface = 127.0.0.1
smsbox-port = {SMSBOX_PORT}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
dlr-storage = internal
store-type = spool
store-location = {folder}/spool

group = smsc
smsc = fake
smsc-id = fake
port = {SMSC_PORT}
connect-allow-ip = 127.0.0.1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {SENDSMS_PORT}
sendsms-interface = 127.0.0.1

group = sendsms-user
username = {username}
password = {password}
max-messages = 4
concatenation = true

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "{replies}"
"""


class House:
    def __init__(self, folder: Path, receipts_port: str) -> None:
        self.folder = folder
        self.receipts_port = receipts_port
        self.stop = threading.Event()
        self.programs: list[subprocess.Popen[bytes]] = []
        self.smsc: subprocess.Popen[bytes] | None = None

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        (self.folder / f"{name}.pid").write_text(str(process.pid), encoding="utf-8")
        self.programs.append(process)
        return process

    def start_smsc(self, messages_max: int, message: str) -> None:
        at = ("-H", "127.0.0.1", "-r", str(SMSC_PORT))
        self.smsc = self.start("fakesmsc", FAKESMSC, *at, "-m", str(messages_max), message)

    def send_in(self, letter: Path) -> None:
        """bearerbox has room for one SMSC: it comes back, sends the message, and goes on receiving."""
        if self.smsc is not None:
            self.smsc.kill()
            self.smsc.wait(STOP_S_MAX)
        self.start_smsc(1, letter.read_text(encoding="ascii"))
        letter.unlink()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        for _ in range(int(READY_S_MAX / 0.05)):
            if condition():
                return
            if self.stop.wait(0.05):
                raise InterruptedError("told to stop before Kannel was ready")
        raise TimeoutError(f"Kannel is not ready after {READY_S_MAX} s: see {self.folder}")

    def status(self) -> str:
        password = (self.folder / "password").read_text(encoding="utf-8")
        address = f"http://127.0.0.1:{ADMIN_PORT}/status.txt?password={password}"
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return ""

    def live(self) -> None:
        boxes = str(self.folder / "kannel.conf")
        self.start("bearerbox", "/usr/sbin/bearerbox", boxes)
        self.wait_for(lambda: "SMSC connections" in self.status())
        self.start("smsbox", "/usr/sbin/smsbox", boxes)
        self.start_smsc(0, "1 2 text nop")
        sendsms, receipts = self.folder / "sendsms.sock", self.folder / "receipts.sock"
        joined = (str(sendsms), f"127.0.0.1:{SENDSMS_PORT}", f"127.0.0.1:{self.receipts_port}", str(receipts))
        self.start("relay", sys.executable, "-m", "tests.broker.alerts.relay", *joined)
        self.wait_for(lambda: "online" in self.status().partition("SMSC connections")[2])
        self.wait_for(lambda: "smsbox" in self.status() and sendsms.exists())
        (self.folder / "ready").touch()
        parent, letter = os.getppid(), self.folder / "comes-in"
        while not self.stop.wait(0.1) and os.getppid() == parent:
            if letter.exists():
                self.send_in(letter)

    def end(self) -> None:
        """At once: a clean stop of bearerbox takes seconds, and what it holds is of no use after the test."""
        for process in reversed(self.programs):
            if process.poll() is None:
                process.kill()
        for process in self.programs:
            process.wait(STOP_S_MAX)


def main() -> None:
    house = House(Path(sys.argv[1]), sys.argv[2])
    signal.signal(signal.SIGTERM, lambda _signal, _frame: house.stop.set())
    try:
        house.live()
    finally:
        house.end()


if __name__ == "__main__":
    main()
