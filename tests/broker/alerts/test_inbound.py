from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import Engine

from broker.alerts.counters import Counters
from broker.alerts.inbound import Inbound
from broker.alerts.memory_notifier import MemoryNotifier
from broker.alerts.ports import Call, ProviderUnavailableError, Receipt, Reply
from broker.stores.incidents import Incidents
from broker.stores.messages import Messages
from runtime.clock import ManualClock
from tests.broker.alerts.central import composer, sighting
from tests.eventually import eventually


class Fetched(MemoryNotifier):
    """What has to be fetched: each of `rounds` is handed over, or raised, by one collecting."""

    def __init__(self, *rounds: list[Receipt | Reply] | Exception) -> None:
        super().__init__("fetched")
        self.rounds = list(rounds)
        self.asked = 0

    def collect(self, note: Callable[[Receipt | Reply], None]) -> None:
        self.asked += 1
        found = self.rounds.pop(0) if self.rounds else []
        if isinstance(found, Exception):
            raise found
        for one in found:
            note(one)


class Called(MemoryNotifier):
    def __init__(self, port: int) -> None:
        super().__init__("called")
        self.receipts_port = port

    def receipt(self, call: Call) -> Receipt:
        return Receipt(int(call.query["message"]), "delivered")


@pytest.fixture
def messages(engine: Engine, clock: ManualClock) -> Messages:
    Incidents(engine, clock).record([sighting()], composer(engine, clock))
    return Messages(engine, clock)


def states(messages: Messages) -> dict[int, str]:
    return {row.message_id: row.state for row in messages.newest()}


def test_what_is_called_in_and_what_is_fetched_arrive_alike(messages: Messages, free_port: int) -> None:
    (one, other) = messages.claim(10)
    taken: list[tuple[str, Reply]] = []
    reply = Reply("r-1", "01011110001", "K7Q2")
    fetched = Fetched([Receipt(one.message_id, "delivered"), reply])
    with Inbound(
        [fetched, Called(free_port)],
        messages,
        Counters(),
        lambda name, found: taken.append((name, found)),
        every_s=0.01,
    ):
        address = f"http://127.0.0.1:{free_port}/receipts/called"
        said = httpx.get(address, params={"message": other.message_id}, trust_env=False)
        assert said.status_code == 204
        eventually(lambda: taken == [("fetched", reply)], what="the reply was fetched")
    assert {states(messages)[one.message_id], states(messages)[other.message_id]} == {"delivered"}


def test_trouble_with_one_is_said_and_ends_neither_it_nor_the_others(messages: Messages) -> None:
    (one, *_) = messages.claim(10)
    broken = Fetched(ProviderUnavailableError("does not answer"), ZeroDivisionError("a defect"))
    sound = Fetched([], [], [Receipt(one.message_id, "delivered")])
    sound._name = "sound"
    inbound = Inbound([broken, sound], messages, Counters())
    seen = []
    for _ in range(3):
        for notifier in (broken, sound):
            inbound.collect(notifier.name, notifier)
        seen.append(inbound.complaint)
    assert seen == ["fetched: does not answer", "fetched: defect: ZeroDivisionError", ""]
    assert states(messages)[one.message_id] == "delivered"


def test_only_who_is_in_charge_collects(messages: Messages) -> None:
    fetched, in_charge = Fetched(), [False]
    rounds = [0]

    def collecting() -> bool:
        rounds[0] += 1
        return in_charge[0]

    with Inbound([fetched], messages, Counters(), collecting=collecting, every_s=0.001):
        eventually(lambda: rounds[0] > 3, what="several rounds")
        assert fetched.asked == 0
        in_charge[0] = True
        eventually(lambda: fetched.asked > 0, what="it collects")
