"""What comes back from providers: receipts and replies, called in over HTTP or fetched, for all notifiers at once."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import structlog

from broker.alerts.counters import Counters
from broker.alerts.dlr import ReceiptListener, TakeReply, note_receipt, receipts_app
from broker.alerts.ports import Collecting, Notifier, Receipt, Receipting, Reply, Replying
from broker.stores.messages import Messages
from runtime.errors import RetryableError

log = structlog.get_logger(__name__)

COLLECT_EVERY_S = 2.0
STOP_S_MAX = 8.0  # one collecting may be under way, 7 s at most


class Inbound:
    """Listens and collects from `with` to its end.

    `take` keeps replies; without it nobody can answer. Collecting happens only while `collecting` says so: of several
    services one is enough. `every_s` lies between two rounds of collecting.
    """

    def __init__(
        self,
        notifiers: Sequence[Notifier],
        messages: Messages,
        counters: Counters,
        take: TakeReply | None = None,
        *,
        collecting: Callable[[], bool] = lambda: True,
        every_s: float = COLLECT_EVERY_S,
    ) -> None:
        self._notifiers = tuple(notifiers)
        self._messages = messages
        self._counters = counters
        self._take = take
        self._collecting = collecting
        self._every_s = every_s
        self._stop = threading.Event()
        self._stack = ExitStack()
        self._thread: threading.Thread | None = None
        self._complaints: dict[str, str] = {}

    @property
    def complaint(self) -> str:
        """Why receipts or replies cannot be fetched, and of whom; empty while they can."""
        return "; ".join(f"{name}: {said}" for name, said in sorted(self._complaints.items()))

    def __enter__(self) -> Self:
        """Listen on every receipts port, and begin to collect.

        Raises:
            ReceiptsPortError: a port is in use.
        """
        with ExitStack() as stack:
            for one in self._notifiers:
                if isinstance(one, (Receipting, Replying)):
                    app = receipts_app(one.name, one, self._messages, self._counters, self._take)
                    stack.enter_context(ReceiptListener(app, one.receipts_port))
            self._stack = stack.pop_all()
        collected = [(one.name, one) for one in self._notifiers if isinstance(one, Collecting)]
        if collected:
            self._thread = threading.Thread(target=self._run, args=(collected,), name="collect", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_S_MAX)
        self._stack.close()

    def _run(self, collected: Sequence[tuple[str, Collecting]]) -> None:
        while not self._stop.is_set():
            if self._collecting():
                for name, one in collected:
                    self.collect(name, one)
            self._stop.wait(self._every_s)

    def collect(self, name: str, notifier: Collecting) -> None:
        """One round for one notifier; what goes wrong is a complaint until a round goes well."""
        try:
            notifier.collect(lambda found: self._note(name, found))
        except RetryableError as error:
            self._complain(name, str(error))
        except Exception as error:  # a defect in one provider's file must not end the collecting of the others
            log.exception("notifier.defect", provider=name)
            self._complain(name, f"defect: {type(error).__name__}")
        else:
            self._complaints.pop(name, None)

    def _note(self, name: str, found: Receipt | Reply) -> None:
        if isinstance(found, Receipt):
            note_receipt(name, found, self._messages, self._counters)
        elif self._take is not None:
            self._take(name, found)

    def _complain(self, name: str, said: str) -> None:
        if self._complaints.get(name) != said:
            log.warning("collect.failed", provider=name, reason=said)
        self._complaints[name] = said
