"""What providers tell us over HTTP: a listener on loopback for delivery receipts and for people's replies."""

import socket
import threading
from collections.abc import Callable
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
from broker.alerts.ports import BadReceiptError, BadReplyError, Call, Receipt, Receipting, Reply, Replying
from broker.stores.database import StoreUnavailableError
from broker.stores.messages import Messages
from runtime.errors import FatalError

log = structlog.get_logger(__name__)

HOST = "127.0.0.1"
STOP_S_MAX = 5.0
BODY_BYTES_MAX = 65_536

TakeReply = Callable[[str, Reply], object]
"""(provider, reply): keep a reply and act on it; raises StoreUnavailableError when it was not kept."""


class ReceiptsPortError(FatalError):
    """The receipts port cannot be listened on; the sentence names it."""


def receipts_app(
    kind: str,
    notifier: object,
    messages: Messages,
    counters: Counters,
    take: TakeReply | None = None,
) -> Starlette:
    """The application behind one receipts port: `/receipts/<kind>`, and `/replies/<kind>` where replies are taken.

    204: taken, or nothing new. 400: not one of ours. 413: too large. 503: not stored, call again.
    """
    routes = []
    if isinstance(notifier, Receipting):
        read_receipt = notifier.receipt

        def take_receipt(call: Call) -> None:
            note_receipt(kind, read_receipt(call), messages, counters)

        routes.append(_route(f"/receipts/{kind}", take_receipt, counters))
    if take is not None and isinstance(notifier, Replying):
        read_reply, take_it = notifier.reply, take
        routes.append(_route(f"/replies/{kind}", lambda call: take_it(kind, read_reply(call)), counters))
    return Starlette(routes=routes)


def _route(path: str, work: Callable[[Call], object], counters: Counters) -> Route:
    async def receive(request: Request) -> PlainTextResponse:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > BODY_BYTES_MAX:
                return PlainTextResponse(f"larger than {BODY_BYTES_MAX} bytes", status_code=413)
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            await run_in_threadpool(work, Call(request.url.query, headers, bytes(body)))
        except (BadReceiptError, BadReplyError) as error:
            counters.add("receipts_refused_total")
            log.warning("receipt.refused", path=path, reason=str(error))
            return PlainTextResponse(str(error), status_code=400)
        except StoreUnavailableError as error:
            return PlainTextResponse(str(error), status_code=503)
        return PlainTextResponse("", status_code=204)

    return Route(path, receive, methods=["GET", "POST"])


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
    """Serves one application on a loopback port in a thread of its own, from `with` to its end.

    The port may be shared with another process of the same user: the active and the standby service on one machine
    both take what comes, and marks are the same whoever makes them.
    """

    def __init__(self, app: Starlette, port: int) -> None:
        self._port = port
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            ReceiptsPortError: the port is in use by somebody else.
        """
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
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
