from collections.abc import Mapping

import httpx
import pytest
from sqlalchemy import Engine

from broker.alerts.counters import Counters
from broker.alerts.dlr import ReceiptListener, ReceiptsPortError, receipts_app
from broker.alerts.ports import BadReceiptError, Receipt
from broker.stores.incidents import Incidents
from broker.stores.messages import Messages
from runtime.clock import ManualClock
from tests.broker.alerts.central import composer, sighting


class Numbers:
    """Receipts whose query says message and state openly."""

    receipts_port = 8631

    def receipt(self, query: Mapping[str, str]) -> Receipt:
        if "message" not in query:
            raise BadReceiptError("no message")
        return Receipt(int(query["message"]), query["state"], "said so")


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
        with (
            pytest.raises(ReceiptsPortError, match=f"receipts_port {free_port}"),
            ReceiptListener(receipts_app("numbers", Numbers(), messages, counters), free_port),
        ):
            pass
    states = {row.message_id: row.state for row in messages.newest()}
    assert (states[one.message_id], states[other.message_id]) == ("delivered", "failed")
    found = counters.all()
    assert (found["messages_delivered_total"], found["messages_failed_total"], found["receipts_refused_total"]) == (
        1,
        1,
        1,
    )
