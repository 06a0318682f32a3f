"""A real Kannel with its fake SMSC in a network namespace of its own: `kannel`, one for the session."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus, unquote_to_bytes

import pytest

from runtime.secret_files import write_secret
from tests.absent import absent
from tests.broker.alerts.kannel_house import FAKESMSC, configuration
from tests.eventually import eventually

ROOT = Path(__file__).resolve().parent.parent
USERNAME, PASSWORD = "jangteo", "kannel-of-a-test"
REPLIES_KEY = "replies-key-of-a-test"
SENDER = "0212345678"
UNSHARE_ROOT, UNSHARE_USER = ("unshare", "-n"), ("unshare", "-r", "-n")
RECEIVED = re.compile(rb"Got message \d+: <(\S+) (\S+) (\S+) (\S*)>")


@dataclass(frozen=True, slots=True)
class SmscMessage:
    """What arrived at the SMSC."""

    sender: str
    recipient: str
    text: str


@dataclass(frozen=True, slots=True)
class KannelServer:
    """A running Kannel: the sendsms address and the port on which it delivers receipts, both on this side."""

    folder: Path
    url: str
    receipts_port: int

    @property
    def password_file(self) -> Path:
        return self.folder / "password"

    def settings(self) -> dict[str, object]:
        """The notifier block that speaks to it."""
        return {
            "kind": "kannel",
            "url": self.url,
            "username": USERNAME,
            "password_file": str(self.password_file),
            "sender": SENDER,
            "receipts_port": self.receipts_port,
            "replies_key_file": str(self.folder / "replies-key"),
        }

    def at_smsc(self) -> list[SmscMessage]:
        """Everything that the SMSC has received since the start."""
        log = (self.folder / "fakesmsc.log").read_bytes()
        return [_smsc_message(*found) for found in RECEIVED.findall(log)]

    def comes_in(self, phone: str, text: str) -> None:
        """Have somebody's phone answer our number."""
        letter, body = self.folder / "comes-in", quote_plus(text.encode("utf-16-be"))
        fresh = letter.with_suffix(".new")
        fresh.write_text(f"{phone} {SENDER} ucs2 {body}", encoding="ascii")
        fresh.rename(letter)
        eventually(lambda: not letter.exists(), what="the SMSC has the answer")

    def pause(self, program: str) -> None:
        """Make a program hang (bearerbox, smsbox, fakesmsc); `resume` lets it go on."""
        os.kill(self._pid(program), signal.SIGSTOP)

    def resume(self, program: str) -> None:
        os.kill(self._pid(program), signal.SIGCONT)

    def _pid(self, program: str) -> int:
        return int((self.folder / f"{program}.pid").read_text(encoding="utf-8"))


def _smsc_message(sender: bytes, recipient: bytes, coding: bytes, text: bytes) -> SmscMessage:
    body = unquote_to_bytes(text.replace(b"+", b" "))
    words = body.decode("utf-16-be") if coding == b"ucs-2" else body.decode("utf-8")
    return SmscMessage(sender.decode(), recipient.decode(), words)


class KannelMissingError(Exception):
    """Kannel cannot run here; the sentence says why."""


def _unshare() -> tuple[str, ...]:
    for command in (UNSHARE_ROOT, UNSHARE_USER):
        tried = subprocess.run([*command, "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
        if tried.returncode == 0:
            return command
    raise KannelMissingError("no permission to make a network namespace for Kannel's fake SMSC (see unshare(1))")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_kannel() -> Iterator[KannelServer]:
    """Kannel from here to the end of the `with`.

    Raises:
        KannelMissingError: its programs, or the right to make a network namespace, are missing.
    """
    for program in ("/usr/sbin/bearerbox", "/usr/sbin/smsbox", FAKESMSC):
        if not Path(program).exists():
            raise KannelMissingError(f"{program} is not installed (Debian: kannel, kannel-extras)")
    unshare = _unshare()
    folder = Path(tempfile.mkdtemp(prefix="jangteo-kannel-"))  # short: a Unix socket's path has at most 107 bytes
    (folder / "spool").mkdir()
    write_secret(folder / "password", PASSWORD)
    write_secret(folder / "replies-key", REPLIES_KEY)
    sendsms_port, receipts_port = _free_port(), _free_port()
    replies = f"http://127.0.0.1:{receipts_port}/replies/kannel?key={REPLIES_KEY}&from=%p&text=%b&charset=%C&id=%I"
    (folder / "kannel.conf").write_text(configuration(folder, USERNAME, PASSWORD, replies), encoding="utf-8")
    inside = (
        f'ip link set lo up && exec "{sys.executable}" -m tests.broker.alerts.kannel_house {folder} {receipts_port}'
    )
    joined = (f"127.0.0.1:{sendsms_port}", str(folder / "sendsms.sock"))
    back = (str(folder / "receipts.sock"), f"127.0.0.1:{receipts_port}")
    outside = [sys.executable, "-m", "tests.broker.alerts.relay", *joined, *back]
    with (folder / "house.log").open("ab") as log:
        processes = [
            subprocess.Popen([*unshare, "sh", "-c", inside], cwd=ROOT, stdout=log, stderr=log),
            subprocess.Popen(outside, cwd=ROOT, stdout=log, stderr=log),
        ]
    try:
        eventually((folder / "ready").exists, within_s=30, what=f"Kannel is ready, see {folder}")
        yield KannelServer(folder, f"http://127.0.0.1:{sendsms_port}/cgi-bin/sendsms", receipts_port)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kannel() -> Iterator[KannelServer]:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running_kannel())
        except KannelMissingError as error:
            absent(str(error))
        yield server
