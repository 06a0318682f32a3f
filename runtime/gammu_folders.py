"""Gammu's SMS daemon by its folders: a modem of one's own that sends and receives texts when every line is cut.

The daemon (gammu-smsd, service "files") takes a text from `outbox`, moves it to `sent` or `error`, and writes what
comes in to `inbox`. Its configuration needs: `Service = files`, the four paths, `InboxFormat = unicode`,
`TransmitFormat = auto`, `DeliveryReport = sms`, and `CommTimeout = 1` (it looks into the outbox only every 30 s
otherwise). File names: gammu-smsd-files(7).
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from runtime.errors import RetryableError, SettingsError

log = structlog.get_logger(__name__)

FOLDERS = ("inbox", "outbox", "sent", "error")
FILE_MODE = 0o660  # the daemon is another user of the same group
QUEUE_MAX = 500
KEPT_S = 86_400.0
STANDS_S = 60.0
REPORT_WITHIN_S = 600.0  # the daemon's own DeliveryReportDelay
PHONE = re.compile(r"\+?[0-9]{3,15}")
# The letter is the daemon's priority; it sends in the order of names, which is the order of our numbers.
OURS = re.compile(r"OUTA([0-9]{19})_0_0_(\+?[0-9]{3,15})_jangteo\.txtd")  # d: with a delivery report
RECEIVED = re.compile(r"IN([0-9]{8}_[0-9]{6})_[0-9]{2}_([^/]*)_[0-9]{2}\.txt")
REPORTS = {"Delivered": True, "Failed": False, "Pending": None, "Unknown": None}  # the daemon's words, untranslated


class ModemDownError(RetryableError):
    """The daemon does not run, or its outbox stands still: the text was not queued."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of one of our texts: on the phone, or failed for good."""

    number: int
    is_delivered: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Received:
    """A text that came in. `reference` names it among all that ever came."""

    reference: str
    sender: str
    text: str


Note = Callable[[Reported | Received], None]


class GammuFolders:
    """The four folders below `root`. `pid_file` is the daemon's (`--pid`); `same_phone` compares two numbers.

    A text that the daemon has not touched for `stuck_after_s`, while nothing else moved either, is withdrawn and
    reported as failed: it must not go out hours later. `look` is for one thread, `queue` for several.

    Raises:
        SettingsError: a folder is missing.
    """

    def __init__(
        self,
        root: Path,
        pid_file: Path,
        *,
        stuck_after_s: float,
        same_phone: Callable[[str, str], bool],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        missing = [name for name in FOLDERS if not (root / name).is_dir()]
        if missing:
            raise SettingsError(f"{root}: no folder {', '.join(missing)}: make them, for gammu-smsd and us to write to")
        self._root = root
        self._pid_file = pid_file
        self._stuck_after_s = stuck_after_s
        self._same_phone = same_phone
        self._clock_s = clock_s
        self._waiting: dict[str, float] = {}  # names in the outbox, and since when we see them there
        self._moved_s = clock_s()
        self._growing: Mapping[str, tuple[int, int]] = {}
        self._stands_until_s = float("-inf")

    def queue(self, number: int, phone: str, text: str) -> str:
        """Lay one text into the outbox, whole or not at all; the name it has there. The same number replaces itself.

        Raises:
            ModemDownError: nobody would send it.
            ValueError: not a phone number.
        """
        if not PHONE.fullmatch(phone):
            raise ValueError(f"not a phone number: {phone[:20]!r}")
        if not self._runs():
            raise ModemDownError(f"gammu-smsd does not run ({self._pid_file})")
        if self._clock_s() < self._stands_until_s:
            raise ModemDownError(self._stuck)
        outbox = self._root / "outbox"
        name = _name(number, phone)
        try:
            if len(_names(outbox)) >= QUEUE_MAX:
                raise ModemDownError(f"{QUEUE_MAX} texts wait for the modem already")
            _write(outbox / f".{name}", text.encode("utf-16"), outbox / name)
        except OSError as error:
            raise ModemDownError(f"{outbox}: {error.strerror}") from error
        return name

    def look(self, note: Note) -> None:
        """Tell what has become of texts and what came in; each file goes only after `note` has returned.

        Raises:
            ModemDownError: a folder cannot be read.
        """
        try:
            self._withdraw(note)
            for path, number, _ in self._ours("error"):
                note(Reported(number, is_delivered=False, detail="the modem could not send it"))
                path.unlink(missing_ok=True)
            self._receive(note)
            self._forget_old()
        except OSError as error:
            raise ModemDownError(f"{error.filename or self._root}: {error.strerror}") from error

    @property
    def fault(self) -> str:
        """Why a text would not be sent now; empty when it would."""
        if not self._runs():
            return f"gammu-smsd does not run ({self._pid_file})"
        return self._stuck if self._clock_s() < self._stands_until_s else ""

    def folder_of(self, number: int, phone: str) -> str | None:
        """Where one of our texts lies: outbox, sent or error; None when nowhere (any more)."""
        # In the order in which the daemon moves it, so that one that is moved meanwhile is found.
        name = _name(number, phone)
        return next((folder for folder in FOLDERS[1:] if (self._root / folder / name).exists()), None)

    @property
    def _stuck(self) -> str:
        return f"the modem has sent nothing for {self._stuck_after_s:.0f} s"

    def _runs(self) -> bool:
        try:
            os.kill(int(self._pid_file.read_text(encoding="ascii")), 0)
        except PermissionError:
            return True  # it runs, as somebody else
        except (OSError, ValueError, OverflowError):
            return False
        return True

    def _ours(self, folder: str) -> list[tuple[Path, int, str]]:
        """Our texts in a folder: (path, our number, phone), oldest number first."""
        found = []
        for name in _names(self._root / folder):
            match = OURS.fullmatch(name)
            if match:
                found.append((self._root / folder / name, int(match[1]), match[2]))
        return found

    def _withdraw(self, note: Note) -> None:
        """Note what leaves the outbox; take back what stands in one that does not move."""
        now_s = self._clock_s()
        present = {path.name: (path, number) for path, number, _ in self._ours("outbox")}
        if any(name not in present for name in self._waiting):
            self._moved_s = now_s
        self._waiting = {name: self._waiting.get(name, now_s) for name in present}
        stuck = [
            name for name, since_s in self._waiting.items() if now_s - max(since_s, self._moved_s) > self._stuck_after_s
        ]
        if stuck:  # refused for a while; after that the next text finds out whether the modem sends again
            self._stands_until_s = now_s + STANDS_S
        for name in stuck:
            path, number = present[name]
            note(Reported(number, is_delivered=False, detail=self._stuck))
            path.unlink(missing_ok=True)
            del self._waiting[name]

    def _receive(self, note: Note) -> None:
        """Read what came in and has stopped growing since the look before: the daemon writes in place."""
        sizes: dict[str, tuple[int, int]] = {}
        for name in _names(self._root / "inbox"):
            match = RECEIVED.fullmatch(name)
            if not match:
                continue
            path = self._root / "inbox" / name
            state = path.stat()
            sizes[name] = (state.st_size, state.st_mtime_ns)
            if self._growing.get(name) != sizes[name]:
                continue
            text = _text(path.read_bytes())
            if text in REPORTS:
                self._report(note, match[1], match[2], text)
            else:
                note(Received(name, match[2], text))
            path.unlink(missing_ok=True)
        self._growing = sizes

    def _report(self, note: Note, stamp: str, phone: str, word: str) -> None:
        """A delivery report names no text of ours, only its phone and when it was sent: the nearest one is meant."""
        is_delivered = REPORTS[word]
        if is_delivered is None:
            return
        try:
            sent_s = datetime.strptime(stamp, "%Y%m%d_%H%M%S").astimezone().timestamp()
        except ValueError:
            sent_s = 0.0
        near = [
            (abs(path.stat().st_ctime - sent_s), path, number)  # ctime: when the daemon moved it there
            for path, number, to in self._ours("sent")
            if self._same_phone(to, phone)
        ]
        gap_s, path, number = min(near, default=(REPORT_WITHIN_S + 1, None, 0))
        if path is None or gap_s > REPORT_WITHIN_S:
            log.info("modem.report-unmatched", word=word)
            return
        note(Reported(number, is_delivered=is_delivered, detail=f"delivery report: {word}"))
        path.unlink(missing_ok=True)

    def _forget_old(self) -> None:
        oldest_s = time.time() - KEPT_S
        for path, _, _ in self._ours("sent"):
            if path.stat().st_ctime < oldest_s:
                path.unlink(missing_ok=True)


def _name(number: int, phone: str) -> str:
    return f"OUTA{number:019d}_0_0_{phone}_jangteo.txtd"


def _names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def _write(fresh: Path, body: bytes, path: Path) -> None:
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, FILE_MODE)
        file.write(body)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _text(body: bytes) -> str:
    """A received text: UTF-16 with its mark in `unicode` format; what is broken shows as such.

    For Korean gammu-smsd 1.42 writes more than the text, zeros and whatever lies behind: it ends at the first zero.
    """
    kind = "utf-16" if body[:2] in {b"\xfe\xff", b"\xff\xfe"} else "utf-8"
    return body.decode(kind, "replace").partition("\0")[0].strip()
