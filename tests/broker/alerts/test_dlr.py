import socket

import httpx
import pytest
from sqlalchemy import Engine
from starlette.routing import Route

from broker.alerts.counters import Counters
from broker.alerts.dlr import BODY_BYTES_MAX, ReceiptListener, ReceiptsPortError, receipts_app
from broker.alerts.memory_notifier import MemoryNotifier
from broker.alerts.ports import BadReceiptError, BadReplyError, Call, Receipt, Reply
from broker.stores.database import StoreUnavailableError
from broker.stores.incidents import Incidents
from broker.stores.messages import Messages
from runtime.clock import ManualClock
from tests.broker.alerts.central import composer, sighting


class Numbers:
    """Receipts whose query says message and state openly."""

    receipts_port = 8631

    def receipt(self, call: Call) -> Receipt:
        if "message" not in call.query:
            raise BadReceiptError("no message")
        return Receipt(int(call.query["message"]), call.query["state"], "said so")

    def reply(self, call: Call) -> Reply:
        if call.headers.get("x-signature") != "right":
            raise BadReplyError("not signed")
        return Reply("r-1", "01011110001", call.body.decode())


def test_receipts_arrive_over_loopback_and_only_move_forward(
    engine: Engine, clock: ManualClock, free_port: int
) -> None:
    Incidents(engine, clock).record([sighting()], composer(engine, clock))
    messages, counters = Messages(engine, clock), Counters()
    (one, other) = messages.claim(10)
    address = f"http://127.0.0.1:{free_port}/receipts/numbers"

    def call(message_id: int, state: str) -> int:
        return httpx.get(address, params={"message": message_id, "state": state}, trust_env=False).status_code

    with ReceiptListener(receipts_app("numbers", Numbers(), messages, counters), free_port):
        said = [call(one.message_id, state) for state in ("delivered", "accepted", "failed")]
        assert said == [204, 204, 204]
        assert call(other.message_id, "failed") == 204
        assert httpx.get(address, trust_env=False).status_code == 400
        assert httpx.get(f"http://127.0.0.1:{free_port}/", trust_env=False).status_code == 404
    states = {row.message_id: row.state for row in messages.newest()}
    assert (states[one.message_id], states[other.message_id]) == ("delivered", "failed")
    found = counters.all()
    assert (found["messages_delivered_total"], found["messages_failed_total"], found["receipts_refused_total"]) == (
        1,
        1,
        1,
    )


def test_replies_are_taken_with_what_their_signature_is_over(
    engine: Engine, clock: ManualClock, free_port: int
) -> None:
    taken: list[tuple[str, Reply]] = []
    away = [True]

    def take(provider: str, reply: Reply) -> None:
        if away.pop(0):
            raise StoreUnavailableError("away")
        taken.append((provider, reply))
        away.append(False)

    app = receipts_app("numbers", Numbers(), Messages(engine, clock), Counters(), take)
    address = f"http://127.0.0.1:{free_port}/replies/numbers"
    signed = {"X-Signature": "right"}
    with ReceiptListener(app, free_port), httpx.Client(trust_env=False) as client:
        assert client.post(address, content="K7Q2").status_code == 400
        assert client.post(address, content=b"x" * (BODY_BYTES_MAX + 1), headers=signed).status_code == 413
        assert client.post(address, content="K7Q2", headers=signed).status_code == 503
        away.append(False)
        assert client.post(address, content="K7Q2 확인".encode(), headers=signed).status_code == 204
        assert client.put(address, headers=signed).status_code == 405
    assert taken == [("numbers", Reply("r-1", "01011110001", "K7Q2 확인"))]


def test_without_anybody_to_take_them_there_is_no_place_for_replies(engine: Engine, clock: ManualClock) -> None:
    messages, counters = Messages(engine, clock), Counters()
    paths = [one.path for one in receipts_app("n", Numbers(), messages, counters).routes if isinstance(one, Route)]
    assert paths == ["/receipts/n"]
    assert receipts_app("n", MemoryNotifier(), messages, counters, lambda _kind, _reply: None).routes == []


def test_the_port_is_shared_with_our_like_and_refused_when_somebody_else_has_it(
    engine: Engine, clock: ManualClock, free_port: int
) -> None:
    app = receipts_app("numbers", Numbers(), Messages(engine, clock), Counters())
    with ReceiptListener(app, free_port), ReceiptListener(app, free_port):
        pass
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", free_port))
        somebody.listen()
        with (
            pytest.raises(ReceiptsPortError, match=f"receipts_port {free_port} on 127.0.0.1: Address already in use"),
            ReceiptListener(app, free_port),
        ):
            pass
