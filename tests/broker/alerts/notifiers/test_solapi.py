import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.alerts.notifiers.solapi import (
    ACCOUNT_CODES,
    ASK_EVERY_S,
    ASK_LATE_EVERY_S,
    CUSTOM_FIELD,
    LATE_S,
    OUTSTANDING_S,
    Solapi,
    SolapiSettings,
)
from broker.alerts.ports import (
    AmbiguousSendError,
    Balance,
    Outgoing,
    ProviderUnavailableError,
    Receipt,
    RefusedMessageError,
    Reply,
)
from runtime.errors import RetryableError, SettingsError
from tests.broker.alerts.notifiers.houses import House
from tests.broker.alerts.notifiers.loopback import DROP, Answer, Loopback, in_json, loopback
from tests.broker.alerts.notifiers.solapi_stub import SENDER, SolapiStub

PHONE = "01012345678"
SMS = "[화재] 중앙시장 B구역 cam-1 화염감지 14:32 확인코드 K7Q2"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def stub() -> SolapiStub:
    return SolapiStub()


@pytest.fixture
def provider(stub: SolapiStub) -> Iterator[Loopback]:
    with loopback(stub) as made:
        yield made


@pytest.fixture
def solapi(house: House, provider: Loopback) -> Solapi:
    made = house.notifier("solapi", provider.url)
    assert isinstance(made, Solapi)
    return made


class Clock:
    """Now, and later when a test says so: Solapi's stub looks at dates."""

    later_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.later_s


def collected(sender: Solapi) -> list[Receipt | Reply]:
    found: list[Receipt | Reply] = []
    sender.collect(found.append)
    return found


def lists(provider: Loopback) -> int:
    return sum("/list-old" in one.path for one in provider.requests)


def test_a_text_carries_our_number_and_the_registered_sender(solapi: Solapi, stub: SolapiStub) -> None:
    assert solapi.send(Outgoing(41, PHONE, SMS)).reference == "M4V0000"
    (message,) = stub.registered
    assert (
        message.items()
        >= {
            "to": PHONE,
            "from": SENDER,
            "text": SMS,
            "type": "SMS",
            "autoTypeDetect": False,
            "customFields": {CUSTOM_FIELD: "41"},
            "country": "82",
        }.items()
    )


@pytest.mark.parametrize(
    ("text", "kind"), [("가" * 45, "SMS"), ("가" * 45 + "x", "LMS"), ("똠" * 45, "SMS"), ("가" * 1000, "LMS")]
)
def test_sms_or_lms_by_the_carriers_bytes(solapi: Solapi, stub: SolapiStub, text: str, kind: str) -> None:
    solapi.send(Outgoing(1, PHONE, text))
    assert stub.registered[0]["type"] == kind


def test_letters_that_the_carriers_lack_are_replaced_and_the_rest_arrives(solapi: Solapi, stub: SolapiStub) -> None:
    solapi.send(Outgoing(1, PHONE, "[火灾] 똠 K7Q2"))
    assert stub.registered[0]["text"] == "[火□] □ K7Q2"


def test_alimtalk_takes_the_text_as_a_variable_and_keeps_it_for_the_sms_after_it(
    house: House, provider: Loopback, stub: SolapiStub
) -> None:
    sender = house.notifier("solapi", provider.url, alimtalk={"pf_id": "PF1", "template_id": "T1"})
    sender.send(Outgoing(1, PHONE, SMS))
    (message,) = stub.registered
    assert (message["type"], message["text"]) == ("ATA", SMS)
    assert message["kakaoOptions"] == {
        "pfId": "PF1",
        "templateId": "T1",
        "variables": {"#{내용}": SMS},
        "disableSms": False,
    }


@pytest.mark.parametrize("phone", ["+819012345678", "119", "", "x"])
def test_what_is_no_korean_number_is_not_even_sent(solapi: Solapi, provider: Loopback, phone: str) -> None:
    with pytest.raises(RefusedMessageError):
        solapi.send(Outgoing(1, phone, "x"))
    assert not provider.requests


def test_a_text_longer_than_an_lms_is_refused(solapi: Solapi, provider: Loopback) -> None:
    with pytest.raises(RefusedMessageError, match="2002 bytes are more than an LMS of 2000"):
        solapi.send(Outgoing(1, PHONE, "가" * 1001))
    assert not provider.requests


@pytest.mark.parametrize("code", [*ACCOUNT_CODES, "1011", "1025"])
def test_a_refusal_at_registration_is_tried_again_elsewhere_and_here(
    solapi: Solapi, stub: SolapiStub, code: str
) -> None:
    stub.codes.append(code)
    with pytest.raises(ProviderUnavailableError, match=f"Solapi {code}: {ACCOUNT_CODES.get(code, '접수 거부')}"):
        solapi.send(Outgoing(1, PHONE, "x"))
    assert solapi.send(Outgoing(1, PHONE, "x")).reference


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (
            in_json({"errorCode": "ValidationError", "errorMessage": "to: 형식"}, 400),
            RefusedMessageError,
            "ValidationError: to: 형식",
        ),
        (in_json({"errorCode": "Forbidden", "errorMessage": "IP"}, 403), ProviderUnavailableError, "Forbidden: IP"),
        (in_json({"errorCode": "TooManyRequests", "errorMessage": "-"}, 429), ProviderUnavailableError, "TooManyReq"),
        (in_json({"reason": "?"}, 400), AmbiguousSendError, "failed within: An Error occurred"),
        (Answer(404, b"<html>", "text/html"), ProviderUnavailableError, "not Solapi's"),
        (in_json([], 400), AmbiguousSendError, "SDK failed: AttributeError"),
        (Answer(500, b"oh", "text/plain"), AmbiguousSendError, "failed within: oh"),
        (Answer(503, b"", "text/plain"), AmbiguousSendError, "failed within"),
        (Answer(200, b"<html>", "text/html"), AmbiguousSendError, "SDK failed"),
        (in_json({"groupInfo": {}}), AmbiguousSendError, "another form"),
    ],
)
def test_the_sdks_bare_exceptions_are_sorted(
    solapi: Solapi, provider: Loopback, answer: Answer, error: type[Exception], said: str
) -> None:
    provider.next.append(answer)
    with pytest.raises(error, match=said):
        solapi.send(Outgoing(1, PHONE, "x"))


def test_a_wrong_secret_is_refused_by_its_signature(house: House, provider: Loopback, stub: SolapiStub) -> None:
    sender = house.notifier("solapi", provider.url, api_secret_file=house.secret("other", "not-the-secret"))
    with pytest.raises(ProviderUnavailableError, match="SignatureDoesNotMatch"):
        sender.send(Outgoing(1, PHONE, "x"))
    assert not stub.registered


def test_a_lost_answer_is_sent_again_and_both_have_our_number(
    solapi: Solapi, provider: Loopback, stub: SolapiStub
) -> None:
    provider.next.append(DROP)
    with pytest.raises(AmbiguousSendError):
        solapi.send(Outgoing(41, PHONE, "x"))
    solapi.send(Outgoing(41, PHONE, "x"))
    assert [one["customFields"] for one in stub.registered] == [{CUSTOM_FIELD: "41"}] * 2


def test_a_cut_line_costs_the_time_to_knock_and_not_the_sdks_four_tries(
    solapi: Solapi, provider: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_args: object) -> None:
        provider.let_go.wait(30)

    monkeypatch.setattr("broker.alerts.notifiers.solapi.CONNECT_S", 0.05)
    monkeypatch.setattr("socket.create_connection", never)
    with pytest.raises(ProviderUnavailableError, match="cannot be reached: TimeoutError"):
        solapi.send(Outgoing(1, PHONE, "x"))
    assert not provider.requests


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("2000", Receipt(41, "accepted", "Solapi 2000")),
        ("3000", Receipt(41, "accepted", "Solapi 3000")),
        ("3043", Receipt(41, "failed", "Solapi 3043: the phone is switched off")),
        ("3104", Receipt(41, "failed", "Solapi 3104: not delivered")),
        ("1062", Receipt(41, "failed", "Solapi 1062: the sender number is not registered")),
        ("4000", Receipt(41, "delivered", "Solapi 4000")),
    ],
)
def test_what_became_of_a_message_is_asked_for(solapi: Solapi, stub: SolapiStub, code: str, wanted: Receipt) -> None:
    solapi.send(Outgoing(41, PHONE, "x"))
    stub.states["M4V0000"] = code
    assert collected(solapi) == [wanted]


def test_it_asks_often_while_a_message_is_young_then_seldom_and_not_at_all_once_it_is_final(
    house: House, provider: Loopback, stub: SolapiStub
) -> None:
    settings = SolapiSettings.model_validate({"kind": "solapi", **house._solapi(provider.url)})
    clock = Clock()
    sender = Solapi(settings, clock)
    assert collected(sender) == []  # after a start: the last hour
    assert lists(provider) == 1
    clock.later_s += ASK_EVERY_S
    assert collected(sender) == []
    assert lists(provider) == 1  # nothing is outstanding
    sender.send(Outgoing(41, PHONE, "x"))
    for later_s, wanted in ((0.0, 2), (1.0, 2), (ASK_EVERY_S, 3), (LATE_S, 4), (ASK_EVERY_S, 4), (ASK_LATE_EVERY_S, 5)):
        clock.later_s += later_s
        collected(sender)
        assert lists(provider) == wanted
    stub.states["M4V0000"] = "4000"
    clock.later_s += ASK_LATE_EVERY_S
    assert collected(sender) == [Receipt(41, "delivered", "Solapi 4000")]
    clock.later_s += ASK_LATE_EVERY_S
    assert collected(sender) == []
    sender.send(Outgoing(42, PHONE, "x"))
    clock.later_s += OUTSTANDING_S + 1
    asked = lists(provider)
    assert collected(sender) == []
    assert lists(provider) == asked  # given up after a day


def test_after_a_start_the_messages_of_the_run_before_are_asked_for(
    house: House, solapi: Solapi, provider: Loopback, stub: SolapiStub
) -> None:
    for number in (1, 2, 3):
        solapi.send(Outgoing(number, PHONE, "x"))
        stub.states[f"M4V000{number - 1}"] = "4000"
    stub.registered[0]["customFields"] = {"other": "x"}  # somebody else's, of the same account
    stub.page_max = 1  # and page by page
    fresh = house.notifier("solapi", provider.url)
    assert isinstance(fresh, Solapi)
    assert collected(fresh) == [Receipt(number, "delivered", "Solapi 4000") for number in (2, 3)]


def test_what_was_not_taken_comes_again(solapi: Solapi, stub: SolapiStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.alerts.notifiers.solapi.ASK_EVERY_S", 0.0)
    solapi.send(Outgoing(41, PHONE, "x"))
    stub.states["M4V0000"] = "4000"

    def unavailable(_found: Receipt | Reply) -> None:
        raise RetryableError("the store is away")

    with pytest.raises(RetryableError, match="store is away"):
        solapi.collect(unavailable)
    assert collected(solapi) == [Receipt(41, "delivered", "Solapi 4000")]


def test_a_list_that_is_not_given_is_asked_for_again(
    solapi: Solapi, provider: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.alerts.notifiers.solapi.ASK_EVERY_S", 0.0)
    provider.next.append(Answer(500))
    with pytest.raises(ProviderUnavailableError, match="what became of messages"):
        collected(solapi)
    assert collected(solapi) == []


@pytest.mark.parametrize(("left", "low"), [(9_699.0, True), (9_700.0, False)])
def test_the_balance_counts_points_and_is_low_below_the_limit(
    solapi: Solapi, stub: SolapiStub, left: float, low: bool
) -> None:
    stub.balance = left
    assert solapi.balance() == Balance(left + 300.0, "KRW", low)


@pytest.mark.parametrize(
    "answer", [Answer(500), Answer(200, b"<html>"), in_json({"errorCode": "ValidationError"}, 400)]
)
def test_a_balance_that_is_not_said_is_asked_again(solapi: Solapi, provider: Loopback, answer: Answer) -> None:
    provider.next.append(answer)
    with pytest.raises(ProviderUnavailableError, match="balance"):
        solapi.balance()


def test_without_the_sdk_the_sentence_says_what_to_install(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "solapi.services.message_service", None)
    with pytest.raises(SettingsError, match=r"notifier solapi: the library solapi is missing: install jangteo\[notif"):
        house.notifier("solapi", "http://127.0.0.1:1")
