from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from broker.alerts.notifiers.twilio import REFUSED_CODES, CalledBackTwilio, Twilio
from broker.alerts.ports import (
    AmbiguousSendError,
    BadReceiptError,
    BadReplyError,
    Balance,
    Call,
    Outgoing,
    ProviderUnavailableError,
    Receipt,
    Receipting,
    RefusedMessageError,
    Reply,
)
from runtime.errors import SettingsError
from tests.broker.alerts.notifiers import twilio_stub
from tests.broker.alerts.notifiers.houses import House
from tests.broker.alerts.notifiers.loopback import Answer, Loopback, loopback
from tests.broker.alerts.notifiers.twilio_stub import TwilioStub, callback

PHONE = "01012345678"
RECEIPTS, REPLIES = "/receipts/twilio", "/replies/twilio"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def stub() -> TwilioStub:
    return TwilioStub()


@pytest.fixture
def provider(stub: TwilioStub) -> Iterator[Loopback]:
    with loopback(stub) as made:
        yield made


@pytest.fixture
def twilio(house: House, provider: Loopback) -> Iterator[CalledBackTwilio]:
    made = house.notifier("twilio", provider.url)
    assert isinstance(made, CalledBackTwilio)
    yield made
    made.close()


def test_a_text_goes_to_the_number_in_e164_and_names_where_to_report(
    twilio: CalledBackTwilio, stub: TwilioStub
) -> None:
    accepted = twilio.send(Outgoing(7, PHONE, "[화재] 중앙시장"))
    assert accepted.reference == f"SM{1:032x}"
    assert stub.taken == [
        {
            "To": "+821012345678",
            "From": twilio_stub.SENDER,
            "Body": "[화재] 중앙시장",
            "StatusCallback": f"{twilio_stub.PUBLIC_URL}{RECEIPTS}?message=7",
        }
    ]


def test_korea_gets_only_letters_that_it_carries(twilio: CalledBackTwilio, stub: TwilioStub) -> None:
    twilio.send(Outgoing(1, PHONE, "똠 火灾 K7Q2"))
    twilio.send(Outgoing(2, "+8613800138000", "똠 火灾 K7Q2"))
    assert [one["Body"] for one in stub.taken] == ["□ 火□ K7Q2", "똠 火灾 K7Q2"]


def test_a_messaging_service_is_named_as_one(house: House, provider: Loopback, stub: TwilioStub) -> None:
    service = "MG" + "a" * 32
    sender = house.notifier("twilio", provider.url, sender=service, public_url=None)
    sender.send(Outgoing(1, PHONE, "x"))
    sender.close()
    assert stub.taken == [{"To": "+821012345678", "MessagingServiceSid": service, "Body": "x"}]


def test_without_a_public_address_nobody_can_call_back(house: House, provider: Loopback) -> None:
    sender = house.notifier("twilio", provider.url, public_url=None)
    assert type(sender) is Twilio
    assert not isinstance(sender, Receipting)
    sender.close()


@pytest.mark.parametrize("code", sorted(REFUSED_CODES))
def test_a_number_or_text_that_it_refuses_is_final(twilio: CalledBackTwilio, stub: TwilioStub, code: int) -> None:
    stub.refusals.append((400, code))
    with pytest.raises(RefusedMessageError, match=str(code)):
        twilio.send(Outgoing(1, PHONE, "x"))


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, 20003, ProviderUnavailableError),  # authentication
        (403, 20005, ProviderUnavailableError),  # account not active
        (400, 21408, ProviderUnavailableError),  # the country is not enabled
        (400, 21606, ProviderUnavailableError),  # the sender is not ours
        (400, 21660, ProviderUnavailableError),
        (429, 20429, ProviderUnavailableError),
        (503, 20503, ProviderUnavailableError),
        (400, 99999, ProviderUnavailableError),
        (500, 20500, AmbiguousSendError),
        (502, 20500, AmbiguousSendError),
        (504, 20504, AmbiguousSendError),
    ],
)
def test_what_is_not_the_messages_fault_is_tried_again(
    twilio: CalledBackTwilio, stub: TwilioStub, status: int, code: int, error: type[Exception]
) -> None:
    stub.refusals.append((status, code))
    with pytest.raises(error, match=f"{status}, code {code}"):
        twilio.send(Outgoing(1, PHONE, "x"))
    assert twilio.send(Outgoing(1, PHONE, "x")).reference


def test_a_problem_in_the_newer_form_is_read_too(twilio: CalledBackTwilio, provider: Loopback) -> None:
    body = b'{"type": "https://www.twilio.com/docs/api/errors/21211", "title": "bad", "status": 400, "code": 21211}'
    provider.next.append(Answer(400, body, "application/problem+json"))
    with pytest.raises(RefusedMessageError, match="21211"):
        twilio.send(Outgoing(1, PHONE, "x"))


def test_a_message_that_has_failed_at_once_is_not_accepted(twilio: CalledBackTwilio, stub: TwilioStub) -> None:
    stub.status = "failed"
    with pytest.raises(ProviderUnavailableError, match="status failed"):
        twilio.send(Outgoing(1, PHONE, "x"))


@pytest.mark.parametrize("phone", ["119", "02-12", "x", ""])
def test_what_is_no_number_is_not_even_sent(twilio: CalledBackTwilio, provider: Loopback, phone: str) -> None:
    with pytest.raises(RefusedMessageError):
        twilio.send(Outgoing(1, phone, "x"))
    assert not provider.requests


def test_a_wrong_token_is_refused_by_twilio(house: House, provider: Loopback) -> None:
    sender = house.notifier("twilio", provider.url, auth_token_file=house.secret("other", "not-the-token"))
    with pytest.raises(ProviderUnavailableError, match="401, code 20003"):
        sender.send(Outgoing(1, PHONE, "x"))
    sender.close()


@pytest.mark.parametrize(("left", "low"), [("9.99", True), ("10.00", False)])
def test_the_balance_is_low_below_the_limit(twilio: CalledBackTwilio, stub: TwilioStub, left: str, low: bool) -> None:
    stub.balance = left
    assert twilio.balance() == Balance(float(left), "USD", low)


@pytest.mark.parametrize("answer", [Answer(500), Answer(200, b"{}"), Answer(200, b"<html>"), Answer(200, b"null")])
def test_a_balance_that_is_not_said_is_asked_again(
    twilio: CalledBackTwilio, provider: Loopback, answer: Answer
) -> None:
    provider.next.append(answer)
    with pytest.raises(ProviderUnavailableError, match="balance"):
        twilio.balance()


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("queued", "accepted"),
        ("sending", "accepted"),
        ("sent", "accepted"),
        ("delivered", "delivered"),
        ("read", "delivered"),
        ("undelivered", "failed"),
        ("failed", "failed"),
        ("canceled", "failed"),
    ],
)
def test_a_signed_callback_is_a_receipt(twilio: CalledBackTwilio, status: str, state: str) -> None:
    call = callback(RECEIPTS, {"message": "7"}, {"MessageSid": "SM1", "MessageStatus": status})
    assert twilio.receipt(call) == Receipt(7, state, f"Twilio: {status}")


def test_a_failed_callback_says_its_code(twilio: CalledBackTwilio) -> None:
    form = {"MessageStatus": "undelivered", "ErrorCode": "30003"}
    assert twilio.receipt(callback(RECEIPTS, {"message": "7"}, form)).detail == "Twilio: undelivered, error 30003"


def test_what_is_not_signed_by_twilio_is_not_believed(twilio: CalledBackTwilio) -> None:
    good = callback(RECEIPTS, {"message": "7"}, {"MessageStatus": "delivered"})
    twilio.receipt(good)
    for bad in (
        Call(good.query_string, {}, good.body),
        Call(good.query_string, good.headers, urlencode({"MessageStatus": "failed"}).encode()),
        Call(urlencode({"message": "8"}), good.headers, good.body),
        Call("", good.headers, good.body),
        Call(urlencode({"message": "9" * 30}), good.headers, good.body),
        Call(good.query_string, good.headers, b"\xff\xfe"),
        callback(RECEIPTS, {"message": "7"}, {"MessageStatus": "delivered"}, token="not-the-token"),
        callback(REPLIES, {"message": "7"}, {"MessageStatus": "delivered"}),
        callback(RECEIPTS, {"message": "7"}, {"MessageStatus": "lost"}),
        callback(RECEIPTS, {"message": "7"}, {}),
    ):
        with pytest.raises(BadReceiptError):
            twilio.receipt(bad)


def test_a_signed_reply_is_a_reply(twilio: CalledBackTwilio) -> None:
    form = {"MessageSid": "SM9", "From": "+819012345678", "Body": "K7Q2 확인"}
    good = callback(REPLIES, {}, form)
    assert twilio.reply(good) == Reply("SM9", "+819012345678", "K7Q2 확인")
    for bad in (
        Call("", good.headers, good.body + b"&Body=K7Q3"),
        callback(REPLIES, {}, {"Body": "K7Q2"}),
        callback(REPLIES, {}, form, token="not-the-token"),
    ):
        with pytest.raises(BadReplyError):
            twilio.reply(bad)


@pytest.mark.parametrize(
    ("where", "host"),
    [({"region": "ie1", "edge": "dublin"}, "api.dublin.ie1.twilio.com"), ({}, "api.twilio.com")],
)
def test_region_and_edge_choose_the_address_and_the_environment_does_not(
    house: House, monkeypatch: pytest.MonkeyPatch, where: dict[str, str], host: str
) -> None:
    asked: list[str] = []

    def request(_self: object, _method: str, url: str, **_rest: object) -> None:
        asked.append(url)
        raise ConnectionError

    monkeypatch.setattr("broker.alerts.notifiers.twilio._Http.request", request)
    monkeypatch.setenv("TWILIO_REGION", "us9")
    sender = house.notifier("twilio", "http://127.0.0.1:1", base_url=None, **where)
    with pytest.raises(ConnectionError):
        sender.send(Outgoing(1, PHONE, "x"))
    sender.close()
    assert asked == [f"https://{host}{twilio_stub.ROOT}/Messages.json"]


def test_without_the_sdk_the_sentence_says_what_to_install(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "twilio.rest", None)
    with pytest.raises(SettingsError, match=r"notifier twilio: the library twilio is missing: install jangteo\[notif"):
        house.notifier("twilio", "http://127.0.0.1:1")
