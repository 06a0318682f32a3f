"""Delivery receipts over HTTP: a listener on loopback, for notifiers whose provider calls back."""

import socket
import threading
from types import TracebackType
from typing import Self

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from broker.alerts.counters import Counters
from broker.alerts.ports import BadReceiptError, Receipt, Receipting
from broker.stores.database import StoreUnavailableError
from broker.stores.messages import Messages
from runtime.errors import FatalError

log = structlog.get_logger(__name__)

HOST = "127.0.0.1"
STOP_S_MAX = 5.0


class ReceiptsPortError(FatalError):
    """The receipts port cannot be listened on; the sentence names it."""


def receipts_app(kind: str, notifier: Receipting, messages: Messages, counters: Counters) -> Starlette:
    """The application behind one receipts port: `GET /receipts/<kind>`.

    204: taken, or nothing new. 400: not one of ours. 503: not stored, call again.
    """

    async def receive(request: Request) -> PlainTextResponse:
        try:
            receipt = notifier.receipt(request.query_params)
        except BadReceiptError as error:
            counters.add("receipts_refused_total")
            log.warning("receipt.refused", provider=kind, reason=str(error))
            return PlainTextResponse(str(error), status_code=400)
        try:
            await run_in_threadpool(note_receipt, kind, receipt, messages, counters)
        except StoreUnavailableError as error:
            return PlainTextResponse(str(error), status_code=503)
        return PlainTextResponse("", status_code=204)

    return Starlette(routes=[Route(f"/receipts/{kind}", receive, methods=["GET"])])


def note_receipt(provider: str, receipt: Receipt, messages: Messages, counters: Counters) -> None:
    """Move the message forward as far as the receipt says; receipts come out of order and more than once.

    Raises:
        StoreUnavailableError: not stored.
    """
    if receipt.state == "delivered" and messages.delivered(receipt.message_id, provider):
        counters.add("messages_delivered_total")
    elif receipt.state == "failed" and messages.failed(receipt.message_id, receipt.detail, provider):
        counters.add("messages_failed_total")
        log.error("message.failed", message_id=receipt.message_id, reason=receipt.detail)


class ReceiptListener:
    """Serves one application on a loopback port in a thread of its own, from `with` to its end."""

    def __init__(self, app: Starlette, port: int) -> None:
        self._port = port
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            ReceiptsPortError: the port is in use.
        """
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, self._port))
        except OSError as error:
            listener.close()
            raise ReceiptsPortError(f"receipts_port {self._port} on {HOST}: {error.strerror}") from error
        listener.listen()  # from here on calls wait in the queue, also before the server runs
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name=f"receipts-{self._port}", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_S_MAX)
