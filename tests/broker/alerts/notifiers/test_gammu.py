"""Through a real gammu-smsd and Gammu's dummy phone: out, failed, delivered, answered."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.alerts.notifiers.gammu import Gammu, GammuSettings
from broker.alerts.ports import Outgoing, ProviderUnavailableError, Receipt, RefusedMessageError, Reply
from tests.absent import absent
from tests.broker.alerts.notifiers.houses import House
from tests.eventually import eventually
from tests.gammu_fixtures import GammuDaemon, GammuMissingError, running_gammu, start

PHONE = "01012345678"
SMS = "[화재] 중앙시장 B구역 cam-1 화염감지 14:32 확인코드 K7Q2"
LONG = f"{SMS} {'예고된 훈련이 아닙니다. ' * 12}"
CHINESE = "[火灾] 中央市场 B区 请确认 K7Q2"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[GammuDaemon]:
    try:
        with running_gammu(tmp_path / "gammu") as made:
            yield made
    except GammuMissingError as error:
        absent(str(error))


def notifier(daemon: GammuDaemon) -> Gammu:
    return Gammu(GammuSettings.model_validate(daemon.settings()))


def collected(sender: Gammu) -> list[Receipt | Reply]:
    found: list[Receipt | Reply] = []
    sender.collect(found.append)
    return found


@pytest.mark.server
def test_texts_go_out_as_they_were_written_and_in_order(daemon: GammuDaemon) -> None:
    sender = notifier(daemon)
    wanted = [(PHONE, text) for text in (SMS, LONG, CHINESE)]
    for number, (_, text) in enumerate(wanted, start=1):
        sender.send(Outgoing(number, PHONE, text))
    eventually(lambda: daemon.sent() == wanted, what="all three have gone out")
    log = (daemon.folder / "smsd.log").read_text(encoding="utf-8", errors="replace")
    out = [line.split("New message to send: ")[1][:24] for line in log.splitlines() if "New message to send" in line]
    assert out == [f"OUTA{number:019d}_" for number in (1, 2, 3)]
    assert f"(total: {-(-len(LONG) // 67)})" in log  # the long one in parts of 67 letters


@pytest.mark.server
def test_a_report_and_a_reply_come_back(daemon: GammuDaemon) -> None:
    sender = notifier(daemon)
    sender.send(Outgoing(41, PHONE, SMS))
    eventually(daemon.sent, what="it has gone out")
    daemon.comes_in(f"+82{PHONE[1:]}", "Delivered", is_report=True)
    daemon.comes_in(f"+82{PHONE[1:]}", "K7Q2 확인했습니다")
    found: list[Receipt | Reply] = []

    def both() -> bool:
        found.extend(collected(sender))
        return len(found) > 1

    eventually(both, every_s=0.1, what="the report and the reply")
    receipts = [one for one in found if isinstance(one, Receipt)]
    replies = [one for one in found if isinstance(one, Reply)]
    assert receipts == [Receipt(41, "delivered", "gammu: delivery report: Delivered")]
    assert [(one.sender, one.text) for one in replies] == [(f"+82{PHONE[1:]}", "K7Q2 확인했습니다")]
    assert replies[0].reference.startswith("IN")


@pytest.mark.server
def test_a_daemon_that_died_is_said_and_one_that_is_back_sends_what_waited(daemon: GammuDaemon) -> None:
    sender = notifier(daemon)
    sender.send(Outgoing(1, PHONE, SMS))
    eventually(daemon.sent, what="it has gone out")
    daemon.kill()
    with pytest.raises(ProviderUnavailableError, match="does not run"):
        sender.send(Outgoing(2, PHONE, "x"))
    daemon.pid_file.unlink()
    daemon.process = start(daemon.folder)
    sender.send(Outgoing(2, PHONE, "again"))
    eventually(lambda: (PHONE, "again") in daemon.sent(), what="it sends again")


@pytest.mark.parametrize(("phone", "text"), [("119", "x"), ("", "x"), (PHONE, "가" * 1001)])
def test_what_can_never_be_sent_is_refused(tmp_path: Path, phone: str, text: str) -> None:
    sender = House(tmp_path).notifier("gammu", "")
    with pytest.raises(RefusedMessageError):
        sender.send(Outgoing(1, phone, text))


def test_a_foreign_number_keeps_its_plus(tmp_path: Path) -> None:
    sender = House(tmp_path).notifier("gammu", "")
    assert "_+819012345678_" in sender.send(Outgoing(1, "+81 90-1234-5678", CHINESE)).reference
