"""What every notifier promises, on every one of them and on the fake."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from broker.alerts.memory_notifier import MemoryNotifier
from broker.alerts.plugins import build, discover, settings_for
from broker.alerts.ports import Notifier, Outgoing, Receipting
from tests.kannel_fixtures import KannelServer

KINDS = ("kannel", "memory", "spool")


@pytest.fixture(params=[pytest.param("kannel", marks=pytest.mark.server), "memory", "spool"])
def notifier(request: pytest.FixtureRequest) -> Iterator[Notifier]:
    made: Notifier
    if request.param == "memory":
        made = MemoryNotifier()
    elif request.param == "kannel":
        server = request.getfixturevalue("kannel")
        assert isinstance(server, KannelServer)
        made = build(settings_for(server.settings()))
    else:
        made = build(settings_for({"kind": request.param}))
    yield made
    made.close()


def test_every_notifier_is_under_test() -> None:
    assert set(discover()) <= set(KINDS)


def test_it_is_called_by_its_kind(notifier: Notifier) -> None:
    assert notifier.name in KINDS


def test_a_text_is_accepted_with_a_reference(notifier: Notifier) -> None:
    accepted = notifier.send(Outgoing(1, "01012345678", "[화재] 중앙시장 확인코드 K7Q2"))
    assert 0 < len(accepted.reference) <= 120


def test_the_same_message_may_be_sent_again(notifier: Notifier) -> None:
    for _ in range(2):
        notifier.send(Outgoing(1, "01012345678", "x"))


def test_several_threads_may_send_at_once(notifier: Notifier) -> None:
    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(lambda number: notifier.send(Outgoing(number, f"0101234{number:04}", "x")), range(24)))
    assert len(sent) == 24


def test_closing_twice_does_no_harm(notifier: Notifier) -> None:
    notifier.close()


def test_one_that_awaits_receipts_names_its_port(notifier: Notifier) -> None:
    if isinstance(notifier, Receipting):
        assert 1024 <= notifier.receipts_port <= 65_535


def test_every_kind_says_to_people_what_it_does() -> None:
    for plugin in discover().values():
        assert plugin.title_ko
        assert plugin.title_en
    assert "실제 발송 안 함" in discover()["spool"].title_ko
