"""Keeps a tail of what InfluxDB acknowledged, and writes it again when the server was started anew.

InfluxDB 1.x and 2 can lose at a start what they had acknowledged before it (docs/decisions/influx-tail.md). Writing it
again changes nothing where it was not lost: the same series and time overwrite. Bodies go in the order in which they
were acknowledged, through to the end of the tail, and never beside a write of this store: what was written twice with
different values ends with the newer ones.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain

import structlog

from broker.series.influx_start import ServerStart
from broker.series.influx_tail import Tail, TailPlace, abandoned_tails, claim_tail
from runtime.errors import JangteoError, RetryableError

log = structlog.get_logger(__name__)

ASK_EVERY_S = 3.0


class Turns:
    """A lock of which nobody has two turns while another waits for one."""

    def __init__(self) -> None:
        self._door = threading.Lock()
        self._room = threading.Lock()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """One turn."""
        with self._door:  # whoever stands in the door is next
            self._room.acquire()
        try:
            yield
        finally:
            self._room.release()


class TailKeeper:
    """The tail of one store at `server` (its address and bucket). Nothing is opened before the first write.

    From then on a thread asks every `ASK_EVERY_S`, and after every failed write, whether the server was started anew;
    if so, it writes again this tail and those that nobody holds (of writers that are gone or have not written yet).
    Where the server does not say when it was started, every outage counts as a start.

    `send` posts a body and gives the server's words where it refuses some of it for good.
    """

    def __init__(self, place: TailPlace, server: str, start: ServerStart, send: Callable[[bytes], str | None]) -> None:
        self._place = place
        self._server = server
        self._start = start
        self._send = send
        self._turns = Turns()
        self._tail: Tail | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._wake = threading.Event()
        self._was_away = True  # it may have been, before this process began
        self._needed: bool | None = None
        self._said = ""
        self._defect: Exception | None = None

    @contextmanager
    def turn(self) -> Iterator[Callable[[bytes], None]]:
        """The right to write; what it gives is to be called with every body that the server acknowledged.

        A `RetryableError` from inside makes the keeper ask at once.

        Raises:
            FatalError: the folder cannot be used; the sentence says what to do.
        """
        with self._turns():
            if self._defect is not None:
                raise self._defect
            if self._tail is None:
                self._begin()
            try:
                yield self._acknowledged
            except RetryableError:
                self._was_away = True
                self._wake.set()
                raise

    def close(self) -> None:
        """Stop, also in the middle of writing again: the next process does that anew."""
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._start.close()
        if self._tail is not None:
            self._tail.close()

    def look(self) -> None:
        """Ask once, and write again what has to be. The thread does this; a turn of the caller's own would block it.

        Raises:
            RetryableError: the server does not answer right now.
            FatalError: the server refuses us; the sentence says what to do.
            OSError: a tail cannot be read.
        """
        if self._needed is None:
            self._needed = not self._start.keeps_what_it_acknowledged()
        if not self._needed:
            self._forget()
            return
        try:
            start = self._start.ask()
        except RetryableError:
            self._was_away = True
            raise
        away, self._was_away = self._was_away, False
        try:
            for tail in chain(self._own(), abandoned_tails(self._place, self._server)):
                if not (tail.knows(start) if start is not None else not away):
                    self._write_again(tail, start)
        except BaseException:  # raised again: whatever ended it, what was lost is still to be written again
            self._was_away = self._was_away or away
            raise

    def _begin(self) -> None:
        self._tail = claim_tail(self._place, self._server)
        if not self._tail.bytes_count:  # all of nothing has been written since this start
            with suppress(RetryableError, OSError):  # not answered: the check before the next write asks again
                start = self._start.ask()
                if start is not None:
                    self._tail.note_start(start)
        self._thread = threading.Thread(target=self._run, name="influx-tail", daemon=True)
        self._thread.start()

    def _own(self) -> Iterator[Tail]:
        if self._tail is not None:
            yield self._tail

    def _acknowledged(self, body: bytes) -> None:
        if self._tail is None or self._needed is False:
            return
        try:
            self._tail.append(body)
        except OSError as error:
            raise RetryableError(
                f"{self._tail.folder}: what InfluxDB acknowledged cannot be kept ({error.strerror}), and nothing is "
                "confirmed without that: make room on this disk"
            ) from error

    def _forget(self) -> None:
        with self._turns():
            if self._tail is not None and self._tail.bytes_count:
                self._tail.clear()
        self._closed.set()

    def _write_again(self, tail: Tail, start: str | None) -> None:
        begun_s, bodies_count, bytes_count, reader = time.monotonic(), 0, 0, tail.reader()
        try:
            while not self._closed.is_set():
                with self._turns():
                    body = reader.next()
                    if body is None:
                        if start is not None:
                            tail.note_start(start)
                        break
                    refusal = self._send(body)
                bodies_count, bytes_count = bodies_count + 1, bytes_count + len(body)
                if refusal is not None:  # what has gone out of retention since; the rest of the body is stored
                    log.warning("influx-tail.refused", folder=str(tail.folder), reason=refusal)
        finally:
            reader.close()
        if bodies_count:
            took_s = round(time.monotonic() - begun_s, 1)
            log.info("influx-tail.written-again", start=start, requests=bodies_count, bytes=bytes_count, took_s=took_s)

    def _run(self) -> None:
        try:
            while not self._closed.is_set():
                self._wake.clear()
                try:
                    self.look()
                except (JangteoError, OSError) as error:
                    self._say(str(error))
                else:
                    self._said = ""
                    self._wake.wait(ASK_EVERY_S)
                    continue
                self._closed.wait(ASK_EVERY_S)
        except Exception as error:  # noqa: BLE001 - a defect: the next write raises it, and supervision restarts us
            self._defect = error

    def _say(self, sentence: str) -> None:
        if not self._said:
            log.warning("influx-tail.later", reason=sentence)
        self._said = sentence
