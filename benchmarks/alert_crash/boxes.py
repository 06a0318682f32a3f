"""Kannel's own programs, killed and started again inside their network namespace."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from tests.broker.alerts.kannel_house import FAKESMSC, SMSC_PORT
from tests.kannel_fixtures import KannelServer

BOXES = ("bearerbox", "smsbox", "fakesmsc")
BETWEEN_STARTS_S = 0.5
STOP_S_MAX = 10.0


class Boxes:
    """Keeps bearerbox, smsbox and the fake SMSC running after their house has started them.

    The SMSC is never killed: it is the other side, and what it has received counts. It ends with bearerbox, though.
    """

    def __init__(self, kannel: KannelServer) -> None:
        self._folder = kannel.folder
        self._children: list[subprocess.Popen[bytes]] = []
        self._due_s = dict.fromkeys(BOXES, 0.0)

    def kill(self, name: str, down_s: float) -> bool:
        """Kill -9 one of them, and start it again after `down_s`; false if it was down already."""
        if not self._runs(name):
            return False
        os.kill(self._pid(name), signal.SIGKILL)
        self._due_s[name] = time.monotonic() + down_s
        return True

    def look(self) -> None:
        """Start again what is down and due; bearerbox first, the others need it."""
        for child in self._children:
            child.poll()
        for name in BOXES:
            if self._runs(name):
                continue
            if time.monotonic() < self._due_s[name]:
                if name == BOXES[0]:
                    return
                continue
            self._due_s[name] = time.monotonic() + BETWEEN_STARTS_S  # one that ends at once waits a moment
            self._start(name)

    def running(self) -> bool:
        """Whether all of them are."""
        return all(self._runs(name) for name in BOXES)

    def stop(self) -> None:
        """End what was started here; the rest ends with its house."""
        for child in self._children:
            child.kill()
        for child in self._children:
            child.wait(STOP_S_MAX)

    def _command(self, name: str) -> list[str]:
        if name == "fakesmsc":
            return [FAKESMSC, "-H", "127.0.0.1", "-r", str(SMSC_PORT), "-m", "0", "1 2 text nop"]
        return [f"/usr/sbin/{name}", str(self._folder / "kannel.conf")]

    def _start(self, name: str) -> None:
        inside = ["nsenter", "--target", str(self._pid("relay")), "--net"]
        if os.geteuid() != 0:
            inside += ["--user", "--preserve-credentials"]
        with (self._folder / f"{name}.log").open("ab") as log:
            child = subprocess.Popen([*inside, *self._command(name)], stdout=log, stderr=log)
        self._children.append(child)
        (self._folder / f"{name}.pid").write_text(str(child.pid), encoding="utf-8")

    def _pid(self, name: str) -> int:
        return int((self._folder / f"{name}.pid").read_text(encoding="utf-8"))

    def _runs(self, name: str) -> bool:
        with contextlib.suppress(OSError):
            state = Path(f"/proc/{self._pid(name)}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
            return state != "Z"
        return False
